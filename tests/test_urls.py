from collections.abc import Callable
from uuid import UUID

import pytest
from django.core.checks import run_checks
from django.template import Context, Template
from django.test import Client
from django.urls import NoReverseMatch, clear_url_caches, include, path, reverse
from fastapi import APIRouter, FastAPI
from pytest_django import Settings
from starlette.requests import Request

from django_fastapi.registry import APIRegistry
from django_fastapi.urls import APIResolver


@pytest.fixture(autouse=True)
def urlconf(registry: APIRegistry, bare_django: Callable[..., None]) -> None:
    bare_django(path("", include([APIResolver()])))
    router = APIRouter(prefix="/books")

    @router.get("/{pk}")
    def read_book(pk: int) -> None: ...

    @router.get("/by-number/{number:int}/{rest:path}", name="by_number")
    def by_number(number: int, rest: str) -> None: ...

    @router.get("/at/{price:float}/{key:uuid}")
    def at(price: float, key: UUID) -> None: ...

    second = FastAPI()

    @second.get("/who")
    def who(_request: Request) -> None: ...

    registry.get_default().include_router(router)
    registry.register(second, "second", "/second")
    clear_url_caches()


@pytest.mark.parametrize(
    ("name", "kwargs", "expected"),
    [
        ("api:read_book", {"pk": 7}, "/books/7"),
        ("api:read_book", {"pk": "a b/ü"}, None),
        ("api:read_book", {"pk": "a b"}, "/books/a%20b"),
        ("api:by_number", {"number": 3, "rest": "a/b"}, "/books/by-number/3/a/b"),
        ("api:at", {"price": 1.5, "key": UUID(int=0)}, f"/books/at/1.5/{UUID(int=0)}"),
        ("second:who", {}, "/second/who"),
        ("api:who", {}, None),
        ("api:read_book", {}, None),
    ],
)
def test_routes_are_reversed(name: str, kwargs: dict[str, object], expected: str | None) -> None:
    if expected is None:
        with pytest.raises(NoReverseMatch):
            reverse(name, kwargs=kwargs)
    else:
        assert reverse(name, kwargs=kwargs) == expected


def test_templates_reverse_them_too() -> None:
    assert Template("{% url 'api:read_book' pk=7 %}").render(Context()) == "/books/7"


def test_a_root_path_is_part_of_the_url(settings: Settings) -> None:
    settings.FASTAPI_ROOT_PATH = "/site"
    assert reverse("second:who") == "/site/second/who"


def test_nothing_is_served_through_them() -> None:
    assert Client().get("/books/7").status_code == 404


def test_checking_the_urlconf_neither_imports_nor_reports_anything(
    registry: APIRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.is_discovered = False

    def broken(_registry: APIRegistry) -> None:
        raise RuntimeError("api.py is broken")

    monkeypatch.setattr("django_fastapi.urls.discover", broken)
    assert run_checks(tags=["urls"]) == []
    with pytest.raises(NoReverseMatch):
        reverse("api:read_book", kwargs={"pk": 7})
