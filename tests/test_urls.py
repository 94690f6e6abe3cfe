import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from django.core.checks import run_checks
from django.template import Context, Template
from django.test import Client
from django.test.utils import override_script_prefix
from django.urls import NoReverseMatch, clear_url_caches, include, path, reverse
from django.utils import translation
from fastapi import APIRouter, FastAPI
from pytest_django import Settings
from starlette.requests import Request

from django_fastapi import get_asgi_application, shortcuts
from django_fastapi.registry import APIRegistry
from django_fastapi.urls import APIResolver

from .project import probe


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


@pytest.fixture
def api_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, registry: APIRegistry) -> Path:
    """Give the file of an API module, still to be written and discovered."""
    monkeypatch.setattr(probe, "__path__", [*probe.__path__, str(tmp_path)])
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    settings.FASTAPI_AUTODISCOVER_MODULES = ["written_by_a_test"]
    registry.is_discovered = False
    return tmp_path / "written_by_a_test.py"


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


@pytest.mark.parametrize("root_path", ["", "/site", "/site/api"])
@pytest.mark.parametrize("script_prefix", ["/", "/site", "/site/", "/elsewhere/"])
def test_a_root_path_takes_the_place_of_the_script_prefix(
    settings: Settings, root_path: str, script_prefix: str
) -> None:
    settings.FASTAPI_ROOT_PATH = root_path
    with override_script_prefix(script_prefix):
        assert reverse("second:who") == f"{root_path or script_prefix.rstrip('/')}/second/who"


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_route_that_was_added_later_is_reversed(registry: APIRegistry, language: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse("api:later")
    registry.get_default().get("/later", name="later")(lambda: None)
    with translation.override(language):
        assert reverse("api:later") == "/later"


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


def test_a_module_that_was_broken_hides_no_routes_once_it_is_mended(
    api_module: Path, bare_django: Callable[..., None]
) -> None:
    bare_django(path("", include("django_fastapi.urls")))
    api_module.write_text("import no_such_module")
    with pytest.raises(NoReverseMatch):
        reverse("second:who")
    api_module.write_text("")
    clear_url_caches()
    assert reverse("second:who") == "/second/who"


@pytest.mark.parametrize("name", ["page", "api:earlier"])
@pytest.mark.parametrize("module", ["django.urls", "django_fastapi.shortcuts"])
@pytest.mark.parametrize("is_served", [True, False])
def test_an_api_module_that_reverses_a_name_hides_no_later_routes(
    api_module: Path, bare_django: Callable[..., None], name: str, module: str, *, is_served: bool
) -> None:
    bare_django(path("page", lambda _: None, name="page"), path("", include("django_fastapi.urls")))
    api_module.write_text(f"""
from {module} import reverse
from fastapi import FastAPI
from django_fastapi import api, register_api

third = FastAPI()
api.get("/earlier", name="earlier")(lambda: None)
reverse({name!r})
api.get("/later", name="later")(lambda: None)
reverse({name!r})
register_api(third, name="third", prefix="/third")
third.get("/who", name="who")(lambda: None)
""")
    if is_served:
        get_asgi_application()
    for function in (reverse, shortcuts.reverse):
        assert function("api:later") == "/later"
        assert function("third:who") == "/third/who"
