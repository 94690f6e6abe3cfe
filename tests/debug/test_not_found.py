from collections.abc import Callable

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path
from fastapi import FastAPI, WebSocket
from fastapi.routing import APIRouter
from pytest_django import Settings

from django_fastapi.registry import APIRegistry

from .conftest import BROWSER, CLIENT, Show


def view(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("seen")


@pytest.fixture
def api(registry: APIRegistry, bare_django: Callable[..., None], show: Show) -> FastAPI:
    """Give an API beside Django views, neither of which minds slashes."""
    del show  # it has set Django up in its own way
    bare_django(path("pages/", view, name="pages"), path("shelf", view))
    api = FastAPI(redirect_slashes=False)
    registry.set_default(api)
    router = APIRouter(prefix="/books")
    router.get("/{pk}", name="book")(lambda pk: pk)
    router.put("/{pk}")(lambda pk: pk)
    router.post("")(lambda: None)
    api.include_router(router)

    @api.websocket("/news")
    async def news(_websocket: WebSocket) -> None:
        """Send none."""

    second = FastAPI(redirect_slashes=False)
    second.get("/who")(lambda: None)
    registry.register(second, "second", "/second")
    return api


@pytest.mark.usefixtures("api")
def test_the_page_lists_the_routes_of_apis_beside_djangos_patterns(show: Show) -> None:
    answer = show("/nothing")
    assert answer.status_code == 404
    assert "Django tried these URL patterns" in answer.text
    assert "[name=&#x27;pages&#x27;]" in answer.text or "[name='pages']" in answer.text
    for cells in (
        ("GET", "/books/{pk}", "api:book"),
        ("PUT", "/books/{pk}"),
        ("POST", "/books"),
        ("WEBSOCKET", "/news", "api:news"),
        ("GET", "/second/who", "second:"),
    ):
        assert "</td><td>".join(cells) in answer.text
    assert "Only the" not in answer.text
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(("method", "target", "allow"), [("DELETE", "/books/1", "GET, PUT"), ("GET", "/books", "POST")])
def test_the_page_says_that_only_the_method_is_wrong(show: Show, method: str, target: str, allow: str) -> None:
    answer = show(target, BROWSER, method)
    assert answer.status_code == 405
    assert answer.headers["allow"] in (allow, "GET")  # Starlette names the methods of the first route that fits
    assert f"Only the method is wrong: {target} takes {allow}, not {method}." in answer.text
    assert "Method not allowed" in answer.text
    assert "Page not found" not in answer.text


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(
    ("target", "there"),
    [("/books/1/", "/books/1"), ("/second/who/", "/second/who"), ("/pages", "/pages/"), ("/shelf/", "/shelf")],
)
def test_the_page_says_that_only_the_slash_is_wrong(show: Show, target: str, there: str) -> None:
    answer = show(target)
    assert answer.status_code == 404
    assert f"Only the slash at the end is wrong: there is {there}." in answer.text


@pytest.mark.usefixtures("api")
def test_a_page_that_is_packed_has_the_routes_too(show: Show, settings: Settings) -> None:
    show("/nothing")
    settings.MIDDLEWARE = ["django.middleware.gzip.GZipMiddleware"]
    answer = show("/nothing", headers={"Accept-Encoding": "gzip"})
    assert '<div id="api-routes">' in answer.text


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(("method", "target", "status"), [("GET", "/nothing", 404), ("GET", "/books", 405)])
def test_an_api_client_is_told_in_the_error_form(show: Show, method: str, target: str, status: int) -> None:
    answer = show(target, CLIENT, method)
    assert answer.status_code == status
    assert answer.json() == {"detail": {404: "Not Found", 405: "Method Not Allowed"}[status]}


@pytest.mark.usefixtures("api")
def test_nothing_is_listed_without_debug(show: Show, settings: Settings) -> None:
    settings.DEBUG = False
    assert "/books" not in show("/nothing").text
    answer = show("/books")
    assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})


def missing(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("<p>my own page</p>", status=404)


def own_page(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        return missing(request) if response.status_code == 404 else response

    return middleware


def test_a_page_of_the_projects_own_stays_as_it_is(api: FastAPI, show: Show, bare_django: Callable[..., None]) -> None:
    assert api
    bare_django(path("pages/", view), middleware=(f"{__name__}.own_page",))
    assert show("/nothing").text == "<p>my own page</p>"


@pytest.mark.usefixtures("api")
def test_a_path_with_script_in_it_is_escaped(show: Show) -> None:
    for target in ("/<script>alert(1)</script>", "/books/<script>alert(1)</script>/"):
        answer = show(target)
        assert "<script>alert" not in answer.text
        assert "&lt;script&gt;alert" in answer.text
