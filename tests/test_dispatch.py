from collections.abc import AsyncIterator, Callable

import pytest
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from pytest_django import Settings
from starlette.convertors import CONVERTOR_TYPES, IntegerConvertor
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.routing import Match
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from django_fastapi.registry import APIRegistry
from django_fastapi.requests import DjangoRequest

from .asgi import ask, make_scope
from .conftest import fetch

HTML = {"Accept": "text/html,*/*;q=0.8"}


def django_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"Django took {request.method} with {len(request.body)} bytes")


def django_404(_request: HttpRequest) -> HttpResponse:
    raise Http404("nothing here")


@pytest.fixture
def site(build: Callable[[], ASGIApp], registry: APIRegistry, bare_django: Callable[..., None]) -> ASGIApp:
    bare_django(
        path("page", django_page),
        path("both", django_page),
        path("slash/", django_page),
        path("v2/page", django_page),
        path("view-404", django_404),
        middleware=("django.middleware.common.CommonMiddleware",),
    )
    api, v2 = registry.get_default(), FastAPI(title="v2")

    @api.get("/both")
    @api.get("/only-get")
    def get_only() -> str:
        return "FastAPI took GET"

    @api.get("/v2/from-default")
    def from_default() -> str:
        return "the default API, under another's prefix"

    @v2.get("/who")
    def who(request: Request) -> list[str]:
        return [request.scope["root_path"], str(request.url_for("who"))]

    registry.register(v2, "v2", "/v2")
    return build()


def test_a_route_of_the_api_comes_first(site: ASGIApp) -> None:
    assert fetch(site, "/both").json() == "FastAPI took GET"


def test_what_the_api_does_not_match_is_djangos(site: ASGIApp) -> None:
    assert fetch(site, "/page", "POST", content=b"12345").text == "Django took POST with 5 bytes"


def test_a_method_the_api_does_not_know_is_djangos_if_django_resolves_the_path(site: ASGIApp) -> None:
    assert fetch(site, "/both", "PUT", content=b"123").text == "Django took PUT with 3 bytes"


@pytest.mark.parametrize("headers", [{}, HTML])
def test_else_it_is_405(site: ASGIApp, headers: dict[str, str]) -> None:
    answer = fetch(site, "/only-get", "DELETE", headers=headers)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


def test_a_slash_too_many_is_redirected_by_fastapi(site: ASGIApp) -> None:
    answer = fetch(site, "/only-get/", headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (307, "http://testserver/only-get")


def test_a_slash_too_few_is_redirected_by_django(site: ASGIApp) -> None:
    answer = fetch(site, "/slash")
    assert (answer.status_code, answer.headers["location"]) == (301, "/slash/")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("text/html,*/*;q=0.8", "text/html; charset=utf-8"),
        ("text/html;q=0.5,application/json", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("application/problem+json", "application/problem+json"),
        ("application/problem+json; charset=utf-8", "application/problem+json"),
        ("", "application/json"),
    ],
)
def test_an_unknown_path_is_404_in_the_form_the_client_prefers(site: ASGIApp, accept: str, kind: str) -> None:
    answer = fetch(site, "/unknown", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (404, kind)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/problem+json"),
        ("application/problem+json", "application/problem+json"),
        ("text/html,*/*;q=0.8", "text/html; charset=utf-8"),
    ],
)
def test_an_unknown_path_is_404_in_the_form_of_the_setting(
    site: ASGIApp, settings: Settings, accept: str, kind: str
) -> None:
    settings.FASTAPI_PROBLEM_DETAILS = True
    answer = fetch(site, "/unknown", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (404, kind)


def test_a_404_of_a_django_view_stays_djangos(site: ASGIApp) -> None:
    answer = fetch(site, "/view-404", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("headers", [{}, HTML])
@pytest.mark.parametrize(
    ("method", "target", "logged"),
    [
        ("DELETE", "/only-get", ["Method Not Allowed: /only-get"]),
        ("GET", "/only-get/", []),
        ("GET", "/unknown", ["Not Found: /unknown"]),
        ("GET", "/view-404", ["Not Found: /view-404"]),
    ],
)
def test_the_log_tells_of_the_answer_and_not_of_who_was_asked_before(  # noqa: PLR0913 (two of them are fixtures)
    site: ASGIApp,
    caplog: pytest.LogCaptureFixture,
    headers: dict[str, str],
    method: str,
    target: str,
    *,
    logged: list[str],
) -> None:
    fetch(site, target, method, headers=headers)
    assert [record.getMessage() for record in caplog.records if record.name == "django.request"] == logged


def test_the_404_is_that_of_the_projects_handler(
    build: Callable[[], ASGIApp], registry: APIRegistry, bare_django: Callable[..., None]
) -> None:
    bare_django()

    async def handler(_request: Request, _error: Exception) -> HttpResponse:
        from starlette.responses import JSONResponse  # noqa: PLC0415

        return JSONResponse({"mine": True}, 404)  # type: ignore[return-value]

    registry.get_default().add_exception_handler(404, handler)  # type: ignore[arg-type]
    assert fetch(build(), "/unknown").json() == {"mine": True}


def test_an_api_under_a_prefix_has_its_own_routes_docs_and_root_path(site: ASGIApp) -> None:
    assert fetch(site, "/v2/who").json() == ["/v2", "http://testserver/v2/who"]
    assert fetch(site, "/v2/openapi.json").json()["info"]["title"] == "v2"
    assert fetch(site, "/who").status_code == 404


def test_what_an_api_under_a_prefix_does_not_match_goes_on_to_the_next(site: ASGIApp) -> None:
    assert fetch(site, "/v2/from-default").json() == "the default API, under another's prefix"
    assert fetch(site, "/v2/page").text.startswith("Django took GET")


def test_a_prefix_ends_at_a_slash(site: ASGIApp) -> None:
    assert fetch(site, "/v2who").status_code == 404
    assert fetch(site, "/v20/who").status_code == 404


def test_without_the_fallback_django_serves_nothing(site: ASGIApp, settings: Settings) -> None:
    settings.FASTAPI_DJANGO_FALLBACK = False
    assert fetch(site, "/page", headers=HTML).json() == {"detail": "Not Found"}
    assert fetch(site, "/both", "PUT").status_code == 405
    settings.FASTAPI_DJANGO_FALLBACK = True
    assert fetch(site, "/page").status_code == 200


class EvenConvertor(IntegerConvertor):
    """A convertor of a project's own, which refuses some of what its pattern takes."""

    def convert(self, value: str) -> int:
        if int(value) % 2:
            raise ValueError(value)
        return int(value)


@pytest.fixture
def even_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONVERTOR_TYPES, "even", EvenConvertor())


@pytest.mark.usefixtures("even_numbers")
def test_what_a_convertor_refuses_is_404(site: ASGIApp, registry: APIRegistry) -> None:
    registry.get_default().get("/even/{number:even}")(lambda number: number)
    assert [fetch(site, f"/even/{number}").status_code for number in (6, 7)] == [200, 404]


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [({"websocket.http.response": {}}, "websocket.http.response.start"), ({}, "websocket.close")],
)
@pytest.mark.usefixtures("even_numbers")
def test_a_websocket_that_a_convertor_refuses_is_refused(
    site: ASGIApp, registry: APIRegistry, extensions: dict[str, object], expected: str
) -> None:
    @registry.get_default().websocket("/socket/{number:even}")
    async def socket(_websocket: WebSocket, number: int) -> None:
        """Be asked."""

    scope = make_scope("/socket/7", type="websocket", scheme="ws", extensions=extensions)
    assert ask(site, scope).messages[0]["type"] == expected


def test_the_root_path_of_the_settings_reaches_the_apis_and_not_django(
    build: Callable[[], ASGIApp], registry: APIRegistry, settings: Settings, bare_django: Callable[..., None]
) -> None:
    settings.FASTAPI_ROOT_PATH = "/site"
    bare_django(path("page", lambda request: HttpResponse(request.path + " " + request.META["SCRIPT_NAME"])))
    second = FastAPI()

    @registry.get_default().get("/who")
    @second.get("/who")
    def who(request: Request) -> str:
        return str(request.scope["root_path"])

    registry.register(second, "second", "/second")
    site = build()
    assert fetch(site, "/page").text == "/page "
    assert fetch(site, "/who").json() == "/site"
    # A proxy may cut the root path off, or leave it as the ASGI specification has it.
    assert fetch(site, "/second/who").json() == fetch(site, "/site/second/who").json() == "/site/second"


def test_a_preflight_for_a_route_reaches_the_projects_cors_middleware(
    build: Callable[[], ASGIApp], registry: APIRegistry, bare_django: Callable[..., None]
) -> None:
    bare_django(path("books", django_page), path("page", django_page))
    api = registry.get_default()
    api.add_middleware(CORSMiddleware, allow_origins=["https://one.test"], allow_methods=["PUT"])

    @api.put("/books")
    def put() -> None: ...

    site = build()
    asking = {"Origin": "https://one.test", "Access-Control-Request-Method": "PUT"}
    assert fetch(site, "/books", "OPTIONS", headers=asking).headers["access-control-allow-methods"] == "PUT"
    assert fetch(site, "/page", "OPTIONS", headers=asking).text.startswith("Django took OPTIONS")


def test_the_rules_of_an_apis_middleware_do_not_touch_django(
    build: Callable[[], ASGIApp], registry: APIRegistry, bare_django: Callable[..., None]
) -> None:
    bare_django(path("page", django_page))
    registry.get_default().add_middleware(CORSMiddleware, allow_origins=["*"])
    answer = fetch(build(), "/page", headers={"Origin": "https://one.test"})
    assert "access-control-allow-origin" not in answer.headers


def test_a_websocket_reaches_its_route_and_an_unknown_one_is_refused(
    build: Callable[[], ASGIApp], registry: APIRegistry, bare_django: Callable[..., None]
) -> None:
    bare_django()

    @registry.get_default().websocket("/socket")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())

    with TestClient(build()) as client:
        with client.websocket_connect("/socket") as session:
            session.send_text("hello")
            assert session.receive_text() == "hello"
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/nowhere"):
            pass


class WithoutPrefix:
    """An ASGI middleware that has a version in each path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": scope["path"].removeprefix("/v1")}
        await self._app(scope, receive, send)


def read_body(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Be a middleware that reads the body before the path is resolved."""

    def middleware(request: HttpRequest) -> HttpResponse:
        assert request.body
        return get_response(request)

    return middleware


@pytest.mark.parametrize("size", [10, 200_000])
@pytest.mark.parametrize("is_chunked", [True, False])
def test_an_api_whose_middleware_changes_the_path_has_the_body(  # noqa: PLR0913 (three of them are fixtures)
    build: Callable[[], ASGIApp],
    api: FastAPI,
    bare_django: Callable[..., None],
    settings: Settings,
    *,
    size: int,
    is_chunked: bool,
) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 100_000
    bare_django(middleware=(f"{__name__}.read_body",))
    api.add_middleware(WithoutPrefix)

    @api.post("/length")
    async def length(request: Request) -> int:
        return len(await request.body())

    @api.post("/django-length")
    def django_length(request: DjangoRequest) -> int:
        return len(request.body)

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * (size // 10)

    site = build()
    for target in ("/v1/length", "/v1/django-length"):
        answer = fetch(site, target, "POST", content=parts() if is_chunked else b"x" * size)
        assert (answer.status_code, answer.json()) == (200, size), target


def test_an_api_with_a_root_path_of_its_own_has_the_body(
    build: Callable[[], ASGIApp], registry: APIRegistry, bare_django: Callable[..., None]
) -> None:
    bare_django()
    own = FastAPI()
    own.root_path = "/proxy"

    @own.post("/echo")
    def echo(content: dict[str, int]) -> dict[str, int]:
        return content

    registry.set_default(own)
    site = build()
    for target in ("/proxy/echo", "/echo"):
        answer = fetch(site, target, "POST", json={"a": 1})
        assert (answer.status_code, answer.json()) == (200, {"a": 1}), target


class ByVersion(APIRoute):
    """A route for clients that name a version."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if (b"x-version", b"2") not in scope["headers"]:
            return Match.NONE, {}
        return super().matches(scope)


def test_a_route_that_looks_at_headers_is_asked_each_time(site: ASGIApp, registry: APIRegistry) -> None:
    router = APIRouter(route_class=ByVersion)

    @router.get("/page")
    def page() -> str:
        return "version 2"

    registry.get_default().include_router(router)
    for _ in range(2):
        assert fetch(site, "/page", headers={"X-Version": "2"}).json() == "version 2"
        assert fetch(site, "/page").text.startswith("Django took GET")


def test_a_route_that_goes_leaves_its_path_to_django(site: ASGIApp, registry: APIRegistry) -> None:
    routes = registry.get_default().router.routes
    for _ in range(2):
        assert fetch(site, "/both").json() == "FastAPI took GET"
    routes[:] = [route for route in routes if getattr(route, "path", None) != "/both"]
    assert fetch(site, "/both").text.startswith("Django took GET")


@pytest.mark.parametrize("falls_back", [True, False])
def test_a_405_tells_all_methods_of_the_path(
    build: Callable[[], ASGIApp],
    api: FastAPI,
    bare_django: Callable[..., None],
    settings: Settings,
    falls_back: bool,  # noqa: FBT001 (pytest passes parameters by name)
) -> None:
    settings.FASTAPI_DJANGO_FALLBACK = falls_back
    bare_django()
    router = APIRouter()
    for method in ("GET", "POST", "DELETE"):
        router.add_api_route("/thing/{key}", lambda: None, methods=[method])
    api.include_router(router)
    answer = fetch(build(), "/thing/1", "PUT")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST, DELETE")
