import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Annotated

import pytest
from django.core.exceptions import DisallowedHost, PermissionDenied
from django.db import OperationalError
from fastapi import BackgroundTasks, Depends, FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from pytest_django import Settings
from starlette.background import BackgroundTask, BackgroundTasks as StarletteBackgroundTasks
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from django_fastapi.boundary import Boundary, fail_task
from django_fastapi.exceptions import IncompleteResponse, ThreadWaitTimeout
from django_fastapi.refusals import install_handlers
from django_fastapi.registry import APIRegistry
from django_fastapi.seam import install

from .conftest import fetch
from .request_threads import own_threads


def choose(*, exits: bool = False) -> type[BaseException]:
    return SystemExit if exits else RuntimeError


Failure = Annotated[type[BaseException], Depends(choose)]


@pytest.fixture
def api() -> FastAPI:
    api = FastAPI()

    @api.get("/sync")
    def sync(failure: Failure) -> None:
        raise failure("sync broke")

    @api.get("/async")
    async def asynchronous(failure: Failure) -> None:
        raise failure("async broke")

    @api.get("/after")
    async def after() -> Response:
        def fail() -> None:
            raise RuntimeError("the background task broke")

        return PlainTextResponse("whole", background=BackgroundTask(fail))

    @api.get("/half")
    async def half(failure: Failure) -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"half"
            raise failure("the stream broke")

        return StreamingResponse(chunks())

    @api.websocket("/before-accept")
    async def before_accept(_websocket: WebSocket) -> None:
        raise RuntimeError("broke before accept")

    @api.websocket("/after-accept")
    async def after_accept(websocket: WebSocket) -> None:
        await websocket.accept()
        raise RuntimeError("broke after accept")

    return api


class Unanswering:
    """An application whose exceptions are raised before they are answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        async def send(_message: Message) -> None:
            """Drop the answer."""

        await self._app(scope, receive, send)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the log has of exceptions; of one that wants to end the process, the words it was raised with."""
    caught = [record.exc_info[1] for record in caplog.records if record.exc_info]
    return [str(error.__cause__ if error and isinstance(error.__cause__, SystemExit) else error) for error in caught]


@pytest.mark.parametrize("path", ["/sync", "/async"])
@pytest.mark.parametrize("query", ["", "?exits=true"])
def test_an_exception_is_answered_and_logged_once(
    api: FastAPI, caplog: pytest.LogCaptureFixture, path: str, query: str
) -> None:
    answer = fetch(Boundary(api), path + query)
    assert errors(caplog) == [f"{path[1:]} broke"]
    [record] = caplog.records
    assert (record.name, record.levelno) == ("django.request", logging.ERROR)
    assert answer.status_code == 500
    assert record.request.path == path  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["/sync", "/async"])
@pytest.mark.parametrize("has_handlers", [True, False])
def test_answer_body_and_log_name_the_same_request(
    api: FastAPI, caplog: pytest.LogCaptureFixture, path: str, *, has_handlers: bool
) -> None:
    if has_handlers:
        install_handlers(api)
        app: ASGIApp = api
    else:
        app = Unanswering(api)
    answer = fetch(Boundary(app), path)
    number = answer.headers["x-request-id"]
    assert answer.json() == {"detail": "Internal Server Error", "request_id": number}
    [record] = caplog.records
    assert record.request_id == number  # type: ignore[attr-defined]
    assert record.getMessage() == f"Internal Server Error: GET {path} (request {number})"
    assert fetch(Boundary(app), path).headers["x-request-id"] != number


def test_the_site_and_its_apis_agree_on_the_id(
    build: Callable[[], ASGIApp], registry: APIRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    @registry.get_default().get("/broken")
    def broken() -> None:
        raise RuntimeError("broken")

    number = fetch(build(), "/broken").headers["x-request-id"]
    assert [record.request_id for record in caplog.records] == [number]  # type: ignore[attr-defined]


def test_the_id_is_the_one_that_a_proxy_has_given(api: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    install_handlers(api)
    answer = fetch(Boundary(api), "/sync", headers={"X-Request-ID": "abc-123"})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "abc-123"
    assert caplog.records[0].getMessage() == "Internal Server Error: GET /sync (request abc-123)"


def test_an_answer_that_is_no_error_has_no_id(api: FastAPI) -> None:
    assert "x-request-id" not in fetch(Boundary(api), "/after").headers


def test_a_path_cannot_forge_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError

    fetch(Boundary(broken), "/x%0AInternal%20Server%20Error:%20/forged")
    assert "\n" not in caplog.records[0].getMessage()


def test_an_exception_after_the_whole_answer_leaves_it_alone(api: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    assert fetch(Boundary(api), "/after").text == "whole"
    assert errors(caplog) == ["the background task broke"]


async def call(app: ASGIApp, scope: Scope, sent: list[Message]) -> None:
    incoming: list[Message] = [{"type": f"{scope['type']}.{'request' if scope['type'] == 'http' else 'connect'}"}]

    async def receive() -> Message:
        return incoming.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
def test_ctrl_c_and_what_ends_the_task_alone_are_passed_on(
    caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    async def ended(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise error

    # Not in a loop: it would end by some of these.
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    with pytest.raises(type(error)) as caught:
        call(Boundary(ended), scope, []).send(None)
    assert caught.value is error
    assert caplog.records == []


@pytest.mark.anyio
@pytest.mark.parametrize("query", [b"", b"exits=true"])
async def test_an_answer_that_broke_off_is_raised_so_that_the_server_cuts_it(
    api: FastAPI, caplog: pytest.LogCaptureFixture, query: bytes
) -> None:
    sent: list[Message] = []
    asgi = {"version": "3.0", "spec_version": "2.4"}
    scope = {"type": "http", "method": "GET", "path": "/half", "headers": [], "query_string": query, "asgi": asgi}
    with pytest.raises(IncompleteResponse) as caught:
        await call(Boundary(api), scope, sent)
    assert caught.value.__suppress_context__, "the server would print the traceback of the exception once more"
    assert sent[-1] == {"type": "http.response.body", "body": b"half", "more_body": True}
    assert len(errors(caplog)) == 1


@pytest.mark.anyio
async def test_an_answer_whose_client_goes_away_half_way_is_cut_as_well(caplog: pytest.LogCaptureFixture) -> None:
    api = FastAPI()

    @api.get("/numbers")
    async def numbers() -> StreamingResponse:
        return StreamingResponse(iter("123"))

    async def lose(scope: Scope, receive: Receive, send: Send) -> None:
        async def lose_second(message: Message) -> None:
            if message.get("body") == b"2":
                raise OSError
            await send(message)

        await Boundary(api)(scope, receive, lose_second)

    install_handlers(api)
    asgi = {"version": "3.0", "spec_version": "2.4"}  # in which `send` may raise
    scope = {"type": "http", "method": "GET", "path": "/numbers", "headers": [], "query_string": b"", "asgi": asgi}
    with pytest.raises(IncompleteResponse):
        await call(lose, scope, [])
    [record] = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ClientDisconnect)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "extensions", "expected"),
    [
        ("/before-accept", {"websocket.http.response": {}}, "websocket.http.response.start"),
        ("/before-accept", {}, "websocket.close"),
    ],
)
async def test_a_websocket_that_breaks_before_it_is_accepted_is_denied(
    api: FastAPI, caplog: pytest.LogCaptureFixture, path: str, extensions: dict[str, object], expected: str
) -> None:
    sent: list[Message] = []
    scope = {"type": "websocket", "path": path, "headers": [], "query_string": b"", "extensions": extensions}
    await call(Boundary(api), scope, sent)
    assert sent[0]["type"] == expected
    assert errors(caplog) == ["broke before accept"]


def test_a_websocket_that_breaks_later_is_closed(api: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    client = TestClient(Boundary(api))
    with client.websocket_connect("/after-accept") as session, pytest.raises(WebSocketDisconnect) as caught:
        session.receive_text()
    assert caught.value.code == 1011
    assert errors(caplog) == ["broke after accept"]


def test_the_handler_of_the_project_wins(
    build: Callable[[], ASGIApp], registry: APIRegistry, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.FASTAPI_DJANGO_FALLBACK = False
    api = registry.get_default()

    @api.exception_handler(Exception)
    async def mine(_request: object, error: Exception) -> Response:
        return PlainTextResponse(f"mine: {error}", 500)

    @api.get("/broken")
    def broken() -> None:
        raise RuntimeError("broken")

    assert fetch(build(), "/broken").text == "mine: broken"
    assert errors(caplog) == ["broken"]


def test_a_wait_in_vain_outside_of_the_apis_handlers_is_503(caplog: pytest.LogCaptureFixture) -> None:
    async def busy(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ThreadWaitTimeout(3)

    answer = fetch(Boundary(busy), "/")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert errors(caplog) == []


def test_a_refusal_in_the_middleware_of_an_api_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    class Refuse:
        def __init__(self, _app: ASGIApp) -> None:
            pass

        async def __call__(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
            raise PermissionDenied("Not on Sundays.")

    api = FastAPI(middleware=[Middleware(Refuse)])
    install_handlers(api)
    answer = fetch(Boundary(api), "/")
    assert (answer.status_code, answer.json()) == (403, {"detail": "Not on Sundays."})
    assert errors(caplog) == []
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("WARNING", "Forbidden: /")]


def test_a_suspicious_request_outside_of_the_apis_is_told_to_those_who_watch(caplog: pytest.LogCaptureFixture) -> None:
    async def suspicious(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise DisallowedHost("Invalid HTTP_HOST header: 'evil\nforged'.")

    answer = fetch(Boundary(suspicious), "/")
    assert (answer.status_code, answer.json()) == (400, {"detail": "Bad Request"})
    [record] = caplog.records
    assert (record.name, record.levelno) == ("django.security.DisallowedHost", logging.ERROR)
    assert "\n" not in record.getMessage()


AWAY = OperationalError(2003, "Can't connect to the server on 'db.internal'")


@pytest.mark.parametrize("has_api", [True, False])
def test_a_database_that_is_away_is_503_and_logged_once(caplog: pytest.LogCaptureFixture, *, has_api: bool) -> None:
    api = FastAPI()

    @api.get("/rows")
    def rows() -> None:
        raise AWAY

    install_handlers(api)
    answer = fetch(Boundary(api if has_api else Unanswering(api)), "/rows")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "db.internal" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    [record] = caplog.records
    assert record.getMessage().startswith("Service Unavailable: GET /rows (request ")
    assert record.exc_info is not None
    assert record.exc_info[1] is AWAY


@pytest.mark.anyio
async def test_a_websocket_whose_database_is_away_may_try_again_later(caplog: pytest.LogCaptureFixture) -> None:
    api = FastAPI()

    @api.websocket("/rows")
    async def rows(websocket: WebSocket) -> None:
        await websocket.accept()
        raise AWAY

    sent: list[Message] = []
    await call(Boundary(api), {"type": "websocket", "path": "/rows", "headers": [], "query_string": b""}, sent)
    assert sent[-1] == {"type": "websocket.close", "code": 1013}
    assert len(errors(caplog)) == 1


@pytest.mark.parametrize("exits", [SystemExit, KeyboardInterrupt])
def test_what_runs_on_the_thread_ends_no_process_whatever_task_waits_for_it(
    build: Callable[[], ASGIApp],
    registry: APIRegistry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    exits: type[BaseException],
) -> None:
    async def pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)

    api = registry.get_default()
    api.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)

    @api.get("/exit")
    def leave() -> None:
        raise exits("no config")

    with own_threads(monkeypatch):
        assert fetch(build(), "/exit").status_code == 500
    [record] = caplog.records
    assert record.exc_info
    assert isinstance(record.exc_info[1], RuntimeError)
    assert isinstance(record.exc_info[1].__cause__, exits)


@pytest.mark.parametrize("failure", [RuntimeError, SystemExit])
@pytest.mark.parametrize("kind", [BackgroundTasks, StarletteBackgroundTasks])
def test_a_background_task_that_fails_stops_no_other(
    build: Callable[[], ASGIApp],
    registry: APIRegistry,
    caplog: pytest.LogCaptureFixture,
    kind: type[StarletteBackgroundTasks],
    failure: type[BaseException],
) -> None:
    done: list[str] = []
    api = registry.get_default()

    def fail(number: int) -> None:
        raise failure(f"task {number} broke")

    async def fail_on_the_loop(number: int) -> None:
        fail(number)

    @api.get("/tasks")
    def tasks() -> Response:
        tasks = kind()
        tasks.add_task(fail, 1)
        tasks.add_task(done.append, "first")
        tasks.add_task(fail_on_the_loop, 2)
        tasks.add_task(done.append, "second")
        return PlainTextResponse("answered", background=tasks)

    @api.get("/injected")
    def injected(tasks: BackgroundTasks) -> str:
        tasks.add_task(fail, 1)
        tasks.add_task(done.append, "first")
        tasks.add_task(fail_on_the_loop, 2)
        tasks.add_task(done.append, "second")
        return "answered"

    for path in ("/tasks", "/injected"):
        caplog.clear()
        done.clear()
        assert fetch(build(), path).status_code == 200
        assert done == ["first", "second"]
        assert [text.count(f"task {number} broke") for number, text in enumerate(errors(caplog), 1)] == [1, 1]
        assert {record.name for record in caplog.records} == {"django.request"}
        assert caplog.records[0].getMessage().startswith(f"A background task failed: GET {path} (request ")


@pytest.mark.anyio
async def test_a_task_after_the_request_is_none_of_it(api: FastAPI) -> None:
    scope = {"type": "http", "method": "GET", "path": "/missing", "headers": [], "query_string": b""}
    await call(Boundary(api), scope, [])
    with pytest.raises(RuntimeError, match="later"):
        await fail_task(RuntimeError("later"))


def test_a_background_task_is_the_own_affair_of_other_applications() -> None:
    install()
    done: list[str] = []
    api = FastAPI()

    def fail() -> None:
        raise RuntimeError("broke")

    @api.get("/")
    def tasks(tasks: BackgroundTasks) -> None:
        tasks.add_task(fail)
        tasks.add_task(done.append, "second")

    with pytest.raises(RuntimeError, match="broke"):
        TestClient(api).get("/")
    assert done == []


@pytest.mark.anyio
async def test_an_answer_that_cannot_be_made_is_a_plain_500(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise TypeError("no form")

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("broke")

    monkeypatch.setattr("django_fastapi.refusals.respond", fail)
    sent: list[Message] = []
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    await call(Boundary(app), scope, sent)
    assert [sent[0]["status"], sent[1]["body"]] == [500, b'{"detail":"Internal Server Error"}']
    assert errors(caplog) == ["broke", "no form"]


@pytest.mark.anyio
async def test_an_answer_that_cannot_be_logged_is_an_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise TypeError("no record")

    monkeypatch.setattr("django_fastapi.boundary.report_answer", fail)
    sent: list[Message] = []
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    await call(Boundary(PlainTextResponse("gone", 410)), scope, sent)
    assert [sent[0]["status"], sent[1]["body"]] == [410, b"gone"]
    assert errors(caplog) == ["no record"]


@pytest.mark.anyio
async def test_an_answer_without_headers_is_given_the_form() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 413})
        await send({"type": "http.response.body", "body": b"Content Too Large"})

    sent: list[Message] = []
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}
    await call(Boundary(app), scope, sent)
    assert [sent[0]["status"], sent[1]["body"]] == [413, b'{"detail":"%b"}' % HTTPStatus(413).phrase.encode()]
