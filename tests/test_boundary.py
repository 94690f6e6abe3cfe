import logging
from collections.abc import AsyncIterator, Callable

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from pytest_django import Settings
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from django_fastapi.boundary import Boundary, report
from django_fastapi.exceptions import ThreadWaitTimeout
from django_fastapi.registry import APIRegistry

from .conftest import fetch


@pytest.fixture
def api() -> FastAPI:
    api = FastAPI()

    @api.get("/sync")
    def sync() -> None:
        raise RuntimeError("sync broke")

    @api.get("/async")
    async def asynchronous() -> None:
        raise RuntimeError("async broke")

    @api.get("/after")
    async def after() -> Response:
        def fail() -> None:
            raise RuntimeError("the background task broke")

        return PlainTextResponse("whole", background=BackgroundTask(fail))

    @api.get("/half")
    async def half() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("the stream broke")

        return StreamingResponse(chunks())

    @api.websocket("/before-accept")
    async def before_accept(_websocket: WebSocket) -> None:
        raise RuntimeError("broke before accept")

    @api.websocket("/after-accept")
    async def after_accept(websocket: WebSocket) -> None:
        await websocket.accept()
        raise RuntimeError("broke after accept")

    return api


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(record.exc_info[1]) for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("path", ["/sync", "/async"])
def test_an_exception_is_answered_and_logged_once(api: FastAPI, caplog: pytest.LogCaptureFixture, path: str) -> None:
    answer = fetch(Boundary(api), path)
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert errors(caplog) == [f"{path[1:]} broke"]
    [record] = caplog.records
    assert (record.name, record.levelno, record.getMessage()) == (
        "django.request",
        logging.ERROR,
        f"Internal Server Error: {path}",
    )
    assert record.request.path == path  # type: ignore[attr-defined]


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


@pytest.mark.anyio
async def test_an_answer_that_broke_off_is_raised_so_that_the_server_cuts_it(
    api: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[Message] = []
    scope = {"type": "http", "method": "GET", "path": "/half", "headers": [], "query_string": b""}
    with pytest.raises((RuntimeError, ExceptionGroup)):
        await call(Boundary(api), scope, sent)
    assert sent[-1] == {"type": "http.response.body", "body": b"half", "more_body": True}
    assert len(errors(caplog)) == 1


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


SCOPE = {"type": "http", "method": "GET", "path": "/here", "headers": [], "query_string": b""}


def broken() -> ValueError:
    try:
        int("broken")
    except ValueError as error:
        return error


def test_without_a_console_handler_the_console_has_it_all_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("django.request")
    monkeypatch.setattr(logger, "handlers", [logging.NullHandler()])
    monkeypatch.setattr(logger, "propagate", False)
    report(broken(), SCOPE)
    printed = capsys.readouterr().err
    assert printed.count("ValueError: invalid literal") == 1
    assert "Traceback" in printed


def test_with_a_console_handler_it_is_printed_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("django.request")
    monkeypatch.setattr(logger, "handlers", [logging.StreamHandler()])
    monkeypatch.setattr(logger, "propagate", False)
    report(broken(), SCOPE)
    assert capsys.readouterr().err.count("ValueError: invalid literal") == 1


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
