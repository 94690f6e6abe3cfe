import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.template import engines
from django.template.response import SimpleTemplateResponse
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from django_fastapi import DjangoRequest
from django_fastapi.middleware import DjangoMiddleware
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp, Receive, Scope, Send

Build = Callable[[], ASGIApp]
Get = Callable[[HttpRequest], Any]


class Base:
    def __init__(self, get_response: Get) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        response = self.get_response(request)
        response.headers["X-Seen"] = str(response.status_code)
        response.set_cookie("seen", "1")
        return response


class AsyncBase:
    async_capable = True

    def __init__(self, get_response: Get) -> None:
        self.get_response = get_response

    async def __call__(self, request: HttpRequest) -> Any:
        response = await self.get_response(request)
        response.headers["X-Seen"] = str(response.status_code)
        return response


class Viewer(Base):
    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        match = request.resolver_match
        assert match is not None
        vars(request)["view"] = [view.__name__, list(args), kwargs, match.view_name, match.route]
        if kwargs.get("pk") == "13":
            return HttpResponse("unlucky", status=451)
        if kwargs.get("pk") == "14":
            template = engines["django"].from_string("Hello {{ name }}")
            return SimpleTemplateResponse(template, {"name": "nobody"})
        return None

    def process_template_response(self, _request: HttpRequest, response: Any) -> Any:
        response.context_data["name"] = "Ada"
        return response


class AsyncViewer(AsyncBase):
    async def process_view(self, request: HttpRequest, view: Any, _args: object, kwargs: Any) -> HttpResponse | None:
        vars(request)["view"] = view.__name__
        return HttpResponse("unlucky", status=451) if kwargs.get("pk") == "13" else None


class Catcher(Base):
    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, HTTPException) or "ignore" in str(error):
            return None
        return JsonResponse({"caught": type(error).__name__}, status=418)


class AsyncCatcher(AsyncBase):
    async def process_exception(self, _request: HttpRequest, error: Exception) -> Any:
        async def parts() -> Any:
            yield type(error).__name__

        return StreamingHttpResponse(parts(), status=418)


def put(api: FastAPI, place: str, *middleware: Any) -> APIRouter | FastAPI:
    if place == "api":
        for one in reversed(middleware):
            api.add_middleware(DjangoMiddleware, middleware=one)
        return api
    return APIRouter(route_class=DjangoMiddleware.route_class(*middleware))


def finish(api: FastAPI, routes: APIRouter | FastAPI) -> None:
    if isinstance(routes, APIRouter):
        api.include_router(routes)


BOTH_PLACES = pytest.mark.parametrize("place", ["api", "router"])


@BOTH_PLACES
def test_process_view_is_called_with_the_endpoint(api: FastAPI, build: Build, place: str) -> None:
    routes = put(api, place, Viewer)

    @routes.get("/books/{pk}/{rest:path}")
    async def read_book(pk: str, request: DjangoRequest) -> list[Any]:
        assert pk not in ("13", "14")
        return list(vars(request)["view"])

    @routes.get("/plain")
    async def plain(request: DjangoRequest) -> list[Any]:
        return list(vars(request)["view"])

    finish(api, routes)
    client = Client(build())
    route = "books/{pk}/{rest:path}"
    expected = ["read_book", [], {"pk": "7", "rest": "a/b"}, "api:read_book", route]
    assert client.get("/books/7/a/b").json() == expected
    assert client.get("/plain").json() == ["plain", [], {}, "api:plain", "plain"]
    answer = client.get("/books/13/x")
    assert (answer.status_code, answer.text, answer.headers["x-seen"]) == (451, "unlucky", "451")


@BOTH_PLACES
def test_a_template_response_of_the_middleware_is_rendered(api: FastAPI, build: Build, place: str) -> None:
    routes = put(api, place, Viewer)
    routes.get("/{pk}")(lambda pk: pk)
    finish(api, routes)
    assert Client(build()).get("/14").text == "Hello Ada"


def test_process_view_may_be_async(api: FastAPI, build: Build) -> None:
    api.add_middleware(DjangoMiddleware, middleware=AsyncViewer)

    @api.get("/{pk}")
    def read(pk: str, request: DjangoRequest) -> list[str]:
        return [pk, vars(request)["view"]]

    client = Client(build())
    assert client.get("/7").json() == ["7", "read"]
    assert client.get("/13").status_code == 451


def test_where_there_is_no_endpoint_process_view_is_not_called(api: FastAPI, build: Build) -> None:
    api.add_middleware(DjangoMiddleware, middleware=Viewer)
    api.post("/only")(lambda: None)
    answer = Client(build()).get("/only")
    assert (answer.status_code, answer.headers["x-seen"]) == (405, "405")


class Guard(Base):
    """What Django's LoginRequiredMiddleware and CsrfViewMiddleware look at."""

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], _args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        assert request.resolver_match is None or request.resolver_match.func is view
        vars(request)["kwargs"] = kwargs
        return None if getattr(view, "csrf_exempt", False) else HttpResponse("guarded", status=403)


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("reached")(scope, receive, send)


def add_hooks(routes: APIRouter | FastAPI) -> None:
    def hook(pk: str, request: DjangoRequest) -> list[Any]:
        return [pk, vars(request)["kwargs"]]

    # The decorator would have a request given to the function; this is what it sets.
    vars(hook)["csrf_exempt"] = True
    routes.get("/hooks/{pk}")(hook)
    routes.get("/plain")(lambda: "reached")


def test_process_view_is_called_with_a_mounted_application(api: FastAPI, build: Build, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("reached")
    api.add_middleware(DjangoMiddleware, middleware=Guard)
    inner = Starlette(routes=[Mount("/bare", bare)])
    for path, app in (("/files", StaticFiles(directory=tmp_path)), ("/bare", bare), ("/inner", inner)):
        api.mount(path, app)
    router = APIRouter()
    router.mount("/bare", bare)
    api.include_router(router, prefix="/router")
    client = Client(build())
    for path in ("/files/secret.txt", "/bare/deeper", "/inner/bare/deeper", "/router/bare/deeper"):
        assert (client.get(path).status_code, client.get(path).text) == (403, "guarded"), path
    assert client.get("/inner/nothing").status_code == 404
    vars(bare)["csrf_exempt"] = True
    try:
        assert client.get("/bare/deeper").text == "reached"
    finally:
        del vars(bare)["csrf_exempt"]


@pytest.mark.parametrize("is_wrapped", [False, True])
@pytest.mark.parametrize("place", ["outside", "inside", "router"])
def test_process_view_is_called_with_the_endpoint_in_a_mounted_application(
    api: FastAPI,
    build: Build,
    place: str,
    is_wrapped: bool,  # noqa: FBT001
) -> None:
    inner = FastAPI()
    if place == "router":
        router = APIRouter(route_class=DjangoMiddleware.route_class(Guard))
        add_hooks(router)
        inner.include_router(router)
    else:
        add_hooks(inner)
        (api if place == "outside" else inner).add_middleware(DjangoMiddleware, middleware=Guard)
    api.router.routes.append(Mount("/{room}", inner, middleware=[Middleware(Passing)] if is_wrapped else None))
    client = Client(build())
    assert client.get("/a/hooks/7").json() == ["7", {"room": "a", "pk": "7"}]
    assert client.get("/a/plain").text == "guarded"
    assert client.get("/a/nothing").status_code == 404


class Passing:
    """A middleware that does nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def add_failures(routes: APIRouter | FastAPI) -> None:
    @routes.get("/value")
    async def value() -> None:
        raise ValueError("broken")

    @routes.get("/ignored")
    def ignored() -> None:
        raise ValueError("ignore me")

    @routes.get("/missing")
    def missing() -> None:
        raise Http404("Gone.")

    @routes.get("/missing/ignored")
    def missing_ignored() -> None:
        raise Http404("ignore me")

    @routes.get("/denied")
    async def denied() -> None:
        raise PermissionDenied

    @routes.get("/suspicious")
    async def suspicious() -> None:
        raise SuspiciousOperation

    @routes.get("/http")
    async def http() -> None:
        raise HTTPException(402, "Pay.")

    @routes.get("/invalid")
    async def invalid(number: int) -> None: ...


@BOTH_PLACES
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/value", (418, {"caught": "ValueError"})),
        ("/missing", (418, {"caught": "Http404"})),
        ("/denied", (418, {"caught": "PermissionDenied"})),
        ("/suspicious", (418, {"caught": "SuspiciousOperation"})),
        ("/http", (402, {"detail": "Pay."})),
        ("/missing/ignored", (404, {"detail": "ignore me"})),
    ],
)
def test_process_exception_may_answer(
    api: FastAPI, build: Build, place: str, path: str, expected: tuple[int, object]
) -> None:
    routes = put(api, place, Base, Catcher)
    add_failures(routes)
    finish(api, routes)
    answer = Client(build()).get(path)
    assert (answer.status_code, answer.json()) == expected
    assert answer.headers["x-seen"] == str(answer.status_code)


def test_what_it_answers_is_no_error_for_the_log(api: FastAPI, build: Build, caplog: pytest.LogCaptureFixture) -> None:
    api.add_middleware(DjangoMiddleware, middleware=Catcher)
    add_failures(api)
    Client(build()).get("/value")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_the_innermost_is_asked_first(api: FastAPI, build: Build) -> None:
    asked: list[str] = []

    def catcher(name: str) -> type[Base]:
        class Asked(Base):
            def process_exception(self, _request: HttpRequest, _error: Exception) -> None:
                asked.append(name)

        return Asked

    routes = put(api, "router", catcher("c"), catcher("d"))
    put(api, "api", catcher("a"), catcher("b"))
    add_failures(routes)
    finish(api, routes)
    client = Client(build(), raise_server_exceptions=False)
    for path, status in (("/missing", 404), ("/value", 500)):
        asked.clear()
        assert client.get(path).status_code == status
        assert asked == ["d", "c", "b", "a"]


def test_it_may_be_async_and_answer_a_stream(api: FastAPI, build: Build) -> None:
    api.add_middleware(DjangoMiddleware, middleware=AsyncCatcher)
    add_failures(api)
    client = Client(build())
    assert [client.get(path).text for path in ("/value", "/missing")] == ["ValueError", "Http404"]


@BOTH_PLACES
@pytest.mark.parametrize("base", [Base, AsyncBase])
def test_an_exception_that_nobody_wants_goes_on_outside(
    api: FastAPI, build: Build, place: str, base: type, caplog: pytest.LogCaptureFixture
) -> None:
    """The middleware sees a 500, as in Django; what it sets goes out with the answer of whoever handles it."""
    routes = put(api, place, base)
    add_failures(routes)
    finish(api, routes)
    with pytest.raises(ValueError, match="broken"):
        Client(build()).get("/value")
    caplog.clear()
    answer = Client(build(), raise_server_exceptions=False).get("/value")
    assert (answer.status_code, answer.headers["x-seen"]) == (500, "500")
    assert "detail" in answer.json()
    assert base is AsyncBase or answer.cookies["seen"] == "1"
    assert [record.exc_info is not None for record in caplog.records if record.name == "django.request"] == [True]


def test_a_handler_of_the_projects_own_answers_inside(api: FastAPI, build: Build) -> None:
    api.add_middleware(DjangoMiddleware, middleware=Catcher)
    add_failures(api)

    @api.exception_handler(ValueError)
    async def handle(_request: Request, _error: ValueError) -> JSONResponse:
        return JSONResponse({"handled": True}, 409)

    answer = Client(build()).get("/value")
    assert (answer.status_code, answer.headers["x-seen"]) == (409, "409")


def test_a_middleware_may_answer_in_the_place_of_an_error_which_is_logged_then(
    api: FastAPI, build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    def pages(get_response: Get) -> Get:
        def call(request: HttpRequest) -> Any:
            response = get_response(request)
            return HttpResponse("Sorry.", status=500) if response.status_code == 500 else response

        return call

    api.add_middleware(DjangoMiddleware, middleware=pages)
    add_failures(api)
    answer = Client(build(), raise_server_exceptions=False).get("/value")
    assert (answer.status_code, answer.text) == (500, "Sorry.")
    [record] = [record for record in caplog.records if record.name == "django.request"]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


def test_an_error_of_the_middleware_after_the_endpoint(api: FastAPI, build: Build) -> None:
    def failing(get_response: Get) -> Get:
        def call(request: HttpRequest) -> Any:
            get_response(request)
            raise ZeroDivisionError("late")

        return call

    api.add_middleware(DjangoMiddleware, middleware=failing)
    api.get("/")(lambda: None)

    @api.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> Any:
            while True:
                yield b"x"

        return StreamingResponse(parts())

    for path in ("/", "/stream"):
        with pytest.raises(ZeroDivisionError, match="late"):
            Client(build()).get(path)
        assert Client(build(), raise_server_exceptions=False).get(path).status_code == 500
