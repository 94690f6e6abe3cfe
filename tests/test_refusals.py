import errno
import io
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import (
    BadRequest as DjangoBadRequest,
    DisallowedHost,
    ObjectDoesNotExist,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.core.handlers.exception import response_for_exception
from django.core.signals import got_request_exception
from django.http import Http404, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.test import RequestFactory
from django.urls import Resolver404, path, resolve
from django.utils.translation import gettext_lazy
from fastapi import APIRouter, Depends, FastAPI, HTTPException, WebSocket
from pytest_django import Settings
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.types import ASGIApp, Message
from starlette.websockets import WebSocketDisconnect

from django_fastapi import DjangoRequest
from django_fastapi.boundary import Boundary
from django_fastapi.exceptions import (
    BadRequest,
    Conflict,
    PreconditionFailed,
    PreconditionRequired,
    ThreadWaitTimeout,
    WriteRefused,
)
from django_fastapi.refusals import install_handlers, problem_of
from django_fastapi.registry import APIRegistry

from .asgi import ask, make_scope
from .conftest import fetch

PRIVATE = "in the cellar"
DETAILS = {"Accept": "application/problem+json"}
DJANGOS = [
    Http404,
    PermissionDenied,
    DjangoBadRequest,
    SessionInterrupted,
    SuspiciousOperation,
    DisallowedHost,
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
    MultiPartParserError,
]


def raising(error: Exception) -> FastAPI:
    """Return an API whose endpoints raise an exception."""
    api = FastAPI()

    @api.get("/sync")
    def sync() -> None:
        raise error

    @api.get("/async")
    async def asynchronous() -> None:
        raise error

    return api


@pytest.mark.parametrize("path", ["/sync", "/async"])
@pytest.mark.parametrize("kind", DJANGOS)
def test_the_status_is_that_of_django(kind: type[Exception], path: str, rf: RequestFactory) -> None:
    api = raising(kind(PRIVATE))
    install_handlers(api)
    answered = fetch(api, path)
    assert answered.status_code == response_for_exception(rf.get("/"), kind(PRIVATE)).status_code
    assert (PRIVATE in answered.text) is (kind in (Http404, PermissionDenied, DjangoBadRequest, SessionInterrupted))
    assert fetch(api, path, headers=DETAILS).json()["status"] == answered.status_code


def test_the_text_of_an_exception_is_translated() -> None:
    api = raising(Http404(gettext_lazy("Enter a number.")))
    install_handlers(api)
    answered = fetch(api, "/sync", headers={"Accept-Language": "de"})
    assert answered.json() == {"detail": "Bitte eine Zahl eingeben."}


def test_the_patterns_of_an_unresolved_path_are_not_told() -> None:
    with pytest.raises(Resolver404) as caught:
        resolve("/missing/", (path("secret/", lambda _: None),))  # type: ignore[arg-type]
    api = raising(caught.value)
    install_handlers(api)
    assert fetch(api, "/sync").json() == {"detail": "Not Found"}


def test_a_suspicious_request_is_logged_where_django_does(caplog: pytest.LogCaptureFixture) -> None:
    api = raising(DisallowedHost("evil\nforged"))
    install_handlers(api)
    assert fetch(Boundary(api), "/sync").status_code == 400
    [record] = caplog.records
    assert (record.name, record.levelno) == ("django.security.DisallowedHost", logging.ERROR)
    assert record.request.path == "/sync"  # type: ignore[attr-defined]
    assert "\n" not in record.getMessage()


def test_an_object_that_does_not_exist_is_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    api = raising(ObjectDoesNotExist(PRIVATE))
    install_handlers(api)
    answered = fetch(Boundary(api), "/sync")
    assert (answered.status_code, PRIVATE in answered.text) == (500, False)
    [record] = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ObjectDoesNotExist


def test_an_object_that_does_not_exist_is_404_if_the_project_says_so(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.FASTAPI_DOES_NOT_EXIST_404 = True
    api = raising(ObjectDoesNotExist(PRIVATE))
    install_handlers(api)
    answered = fetch(Boundary(api), "/sync")
    assert (answered.status_code, answered.json()) == (404, {"detail": "Not Found"})
    assert [record.getMessage() for record in caplog.records] == ["Not Found: /sync"]


def test_our_own_exceptions_have_their_status() -> None:
    assert problem_of(BadRequest("Too short.")).detail == "Too short."
    assert problem_of(BadRequest("Too short.")).status == 400
    assert problem_of(ThreadWaitTimeout(3)).headers == {"Retry-After": "3"}
    assert not problem_of(ThreadWaitTimeout(3)).is_logged


def test_any_other_exception_is_a_bare_500() -> None:
    problem = problem_of(LookupError(PRIVATE))
    assert (problem.status, problem.detail, problem.is_logged) == (500, None, True)


def reading() -> FastAPI:
    """Return an API whose endpoints read the body, each in another way."""
    api = FastAPI()

    @api.post("/stream")
    async def stream(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    @api.post("/starlette")
    async def starlette(request: Request) -> int:
        return len(await request.body())

    @api.post("/loaded")
    async def loaded(request: DjangoRequest) -> int:
        await request.aload_body()
        return len(request.body)

    @api.post("/body")
    def body(request: DjangoRequest) -> int:
        return len(request.body)

    @api.post("/read")
    def read(request: DjangoRequest) -> int:
        return len(request.read())

    return api


@pytest.mark.parametrize("has_own_handler", [False, True])
@pytest.mark.parametrize("reader", ["stream", "starlette", "loaded", "body", "read"])
def test_a_body_that_breaks_off_is_nobodys_fault_whoever_reads_it(
    registry: APIRegistry,
    build: Callable[[], ASGIApp],
    caplog: pytest.LogCaptureFixture,
    reader: str,
    *,
    has_own_handler: bool,
) -> None:
    told: list[object] = []

    def note(sender: object, **_: object) -> None:
        told.append(sender)

    registry.set_default(reading())
    if has_own_handler:
        registry.get_default().add_exception_handler(Exception, mine)
    scope = make_scope(f"/{reader}", "POST", headers=[(b"content-length", b"100")])
    got_request_exception.connect(note)
    try:
        answer = ask(build(), scope, [b"x"], is_whole=False)
    finally:
        got_request_exception.disconnect(note)
    assert (answer.status, answer.body) == (400, b'{"detail":"Bad Request"}')
    assert [(record.levelname, record.exc_info) for record in caplog.records] == [("WARNING", None)]
    assert told == []


def test_a_body_that_the_site_itself_cannot_read_is_a_bug(rf: RequestFactory) -> None:
    class Broken(io.RawIOBase):
        def read(self, _size: int = -1, /) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(UnreadablePostError) as caught:
        rf.post("/", **{"wsgi.input": Broken()}).body  # type: ignore[arg-type]  # noqa: B018
    assert problem_of(caught.value).status == 500


def mine(_request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"mine: {getattr(error, 'detail', error)}", getattr(error, "status_code", 500))


async def mine_on_the_loop(request: Request, error: Exception) -> Response:
    return mine(request, error)


@pytest.mark.parametrize("handler", [mine, mine_on_the_loop])
@pytest.mark.parametrize("kind", [404, HTTPException, StarletteHTTPException, Http404])
def test_a_handler_of_the_project_gets_djangos_exceptions_too(kind: Any, handler: Callable[..., Any]) -> None:
    api = raising(Http404("gone"))
    api.add_exception_handler(kind, handler)
    install_handlers(api)
    answered = fetch(api, "/sync")
    assert answered.text == "mine: gone"
    if kind is not Http404:
        assert answered.status_code == 404


@pytest.mark.parametrize("kind", [500, Exception])
def test_a_handler_of_the_project_for_the_rest_stays(kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    api = raising(RuntimeError("broke"))
    api.add_exception_handler(kind, mine)
    install_handlers(api)
    assert fetch(Boundary(api), "/sync").text == "mine: broke"
    assert len(caplog.records) == 1


def test_an_api_that_was_called_before_has_the_handlers_too() -> None:
    api = raising(PermissionDenied())
    assert fetch(api, "/sync").status_code == 500
    install_handlers(api)
    stack = api.middleware_stack
    assert fetch(api, "/sync").status_code == 403
    install_handlers(api)
    assert api.middleware_stack is not stack
    stack = api.middleware_stack
    install_handlers(api)
    assert api.middleware_stack is stack


def test_a_mounted_api_has_the_handlers_too() -> None:
    inner, outer = raising(PermissionDenied("no")), FastAPI()
    outer.mount("/inner", inner)
    install_handlers(outer)
    assert fetch(outer, "/inner/sync").json() == {"detail": "no"}


HEADERS = {"X-Reason": "mine"}
CALLS = {
    400: ("GET", "/status/400"),
    401: ("GET", "/status/401"),
    403: ("GET", "/status/403"),
    404: ("GET", "/nowhere"),
    405: ("DELETE", "/numbers"),
    406: ("GET", "/status/406"),
    409: ("GET", "/status/409"),
    412: ("GET", "/status/412"),
    413: ("POST", "/numbers"),
    415: ("GET", "/status/415"),
    422: ("GET", "/status/none"),
    428: ("GET", "/status/428"),
    429: ("GET", "/status/429"),
    500: ("GET", "/broken"),
    503: ("GET", "/status/503"),
}


def odd_api() -> FastAPI:
    api = FastAPI(max_body_size=50)

    @api.get("/status/{status}")
    async def status(status: int) -> None:
        raise HTTPException(status, "A reason.", HEADERS)

    @api.get("/broken")
    def broken() -> None:
        raise RuntimeError("broken")

    @api.post("/numbers")
    async def numbers(numbers: list[int]) -> int:
        return sum(numbers)

    return api


@pytest.fixture(params=["default", "registered", "set"])
def site(
    request: pytest.FixtureRequest, registry: APIRegistry, build: Callable[[], ASGIApp], settings: Settings
) -> tuple[ASGIApp, str]:
    """Give a site and the prefix of its API, in each of the ways there are to have one."""
    settings.FASTAPI_DJANGO_FALLBACK = False
    if request.param == "registered":
        registry.register(odd_api(), name="odd", prefix="/odd")
        return build(), "/odd"
    if request.param == "set":
        registry.set_default(odd_api())
    else:
        default = registry.get_default()
        default.router.routes.extend(odd_api().routes)
        default.max_body_size = 50
    return build(), ""


@pytest.mark.parametrize("status", CALLS)
def test_all_errors_have_one_form(site: tuple[ASGIApp, str], status: int) -> None:
    app, prefix = site
    method, place = CALLS[status]
    body = b"[" + b"1," * 50 + b"1]" if method == "POST" else b""
    headers = {"Content-Type": "application/json"}
    plain = fetch(app, prefix + place, method, content=body, headers=headers)
    assert (plain.status_code, plain.headers["content-type"]) == (status, "application/json")
    assert "detail" in plain.json()
    details = fetch(app, prefix + place, method, content=body, headers={**headers, **DETAILS})
    assert (details.status_code, details.headers["content-type"]) == (status, "application/problem+json")
    assert details.json()["status"] == status
    if place.startswith("/status/4"):
        assert plain.headers["x-reason"] == details.headers["x-reason"] == "mine"
    if status == 405:
        assert plain.headers["allow"] == details.headers["allow"] == "POST"


def socket_api(error: Exception) -> FastAPI:
    api = FastAPI()

    @api.websocket("/before")
    async def before(_websocket: WebSocket) -> None:
        raise error

    @api.websocket("/after")
    async def after(websocket: WebSocket) -> None:
        await websocket.accept()
        raise error

    @api.websocket("/closed")
    async def closed(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(4000)
        raise error

    install_handlers(api)
    return api


@pytest.mark.parametrize("error", [PermissionDenied("no"), HTTPException(403, "no")])
def test_a_websocket_is_denied_or_closed(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    client = TestClient(Boundary(socket_api(error)))
    with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/before"):
        pass
    assert (denied.value.status_code, denied.value.json()) == (403, {"detail": "no"})
    for place, code in (("/after", 1008), ("/closed", 4000)):
        with client.websocket_connect(place) as session, pytest.raises(WebSocketDisconnect) as closed:
            session.receive_text()
        assert closed.value.code == code
    assert caplog.records == []


@pytest.mark.anyio
async def test_a_websocket_of_a_server_without_denials_is_closed() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/before", "headers": [], "query_string": b""}
    await socket_api(PermissionDenied())(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]


@pytest.fixture
def strict() -> FastAPI:
    """Give an API with WebSockets that want a number, one of them asked for after it was accepted."""
    api = FastAPI()

    async def accept(websocket: WebSocket) -> None:
        await websocket.accept()

    @api.websocket("/before")
    @api.websocket("/after", dependencies=[Depends(accept)])
    async def numbers(_websocket: WebSocket, number: int) -> None:
        """Be asked."""

    install_handlers(api)
    return api


INVALID = "?number=" + "x" * 20


def test_a_websocket_with_invalid_parameters_is_denied_in_the_one_form(strict: FastAPI) -> None:
    client = TestClient(Boundary(strict))
    with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect(f"/before{INVALID}"):
        pass
    assert denied.value.status_code == 422
    [error] = denied.value.json()["detail"]
    assert (error["type"], error["loc"]) == ("int_parsing", ["query", "number"])
    with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/before", headers=DETAILS):
        pass
    assert (denied.value.status_code, denied.value.json()["status"]) == (422, 422)
    assert denied.value.json()["errors"][0]["type"] == "missing"


def test_a_websocket_with_invalid_parameters_is_closed_if_it_was_accepted(strict: FastAPI) -> None:
    client = TestClient(Boundary(strict))
    with client.websocket_connect(f"/after{INVALID}") as session, pytest.raises(WebSocketDisconnect) as closed:
        session.receive_text()
    assert closed.value.code == 1008
    assert closed.value.reason.startswith("query.number: Input should be a valid integer")


@pytest.mark.anyio
@pytest.mark.parametrize("language", ["en", "ja"])
async def test_the_reason_a_websocket_is_closed_with_is_a_text_that_fits_in_its_frame(language: str) -> None:
    api = FastAPI()

    @api.websocket("/")
    async def numbers(_websocket: WebSocket, one: int, two: int, three: int) -> None:
        """Be asked."""

    install_handlers(api)
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"accept-language", language.encode())]
    scope = {"type": "websocket", "path": "/", "headers": headers, "query_string": b"one=x&two=y"}
    await api(scope, receive, send)
    [closed] = sent
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    assert closed["reason"].startswith("query.one: ")
    assert 120 < len(closed["reason"].encode()) <= 123


def test_an_api_mounted_by_an_included_router_has_the_handlers_too(settings: Settings) -> None:
    settings.DEBUG = False
    inner, outer, router, second = raising(PermissionDenied("no")), FastAPI(), APIRouter(), APIRouter()
    broken = raising(RuntimeError(PRIVATE))
    broken.debug = True
    router.mount("/inner", inner)
    second.mount("/broken", broken)
    router.include_router(second, prefix="/second")
    outer.include_router(router, prefix="/router")
    install_handlers(outer)
    assert fetch(outer, "/router/inner/sync").json() == {"detail": "no"}
    assert PRIVATE not in fetch(outer, "/router/second/broken/sync").text


class _Later(PreconditionFailed):
    """One of a project's own."""


@pytest.mark.parametrize(
    "error", [Conflict([]), WriteRefused([]), PreconditionFailed(), PreconditionRequired(), _Later()]
)
def test_a_websocket_is_closed_where_a_write_is_refused(error: Exception) -> None:
    client = TestClient(socket_api(error))
    with pytest.raises(WebSocketDenialResponse), client.websocket_connect("/before"):
        pass
    with client.websocket_connect("/after") as session, pytest.raises(WebSocketDisconnect) as closed:
        session.receive_text()
    assert closed.value.code == 1008
