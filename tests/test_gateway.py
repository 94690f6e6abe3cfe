import asyncio
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from django.db import OperationalError
from fastapi import APIRouter, FastAPI
from pytest_django import Settings
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from django_fastapi.exceptions import IncompleteResponse, LifespanFailed
from django_fastapi.gateway import WSGIGateway

Answer = tuple[str, bytes]

AWAY = OperationalError(2003, "Can't connect to the server")


class Site:
    """An ASGI application that notes what happens to it."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.ended = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.live(receive, send)
        else:
            await getattr(self, scope["path"].strip("/"))(scope, receive, send)

    async def live(self, receive: Receive, send: Send) -> None:
        for phase in ("startup", "shutdown"):
            await receive()
            self.events.append(phase)
            await send({"type": f"lifespan.{phase}.complete"})

    async def echo(self, _scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        await answer(send, body or b"nothing")

    async def nothing(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        return

    async def cancelled(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        raise asyncio.CancelledError

    async def broken(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("broken")

    async def endless(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"tick", "more_body": True})
        finally:
            self.ended.set()


async def answer(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def gateway(site: Site) -> Iterator[WSGIGateway]:
    gateway = WSGIGateway(site)
    yield gateway
    gateway.close()


def ask(
    gateway: WSGIGateway, path: str, body: bytes = b"", *, told: dict[str, str] | None = None, **extra: Any
) -> Answer:
    """Send a request, and return the answer; its headers are put into `told`."""
    environ: dict[str, Any] = {
        "PATH_INFO": path,
        "REQUEST_METHOD": "POST" if body else "GET",
        "wsgi.input": BytesIO(body),
        **({"CONTENT_LENGTH": str(len(body))} if body else {}),
        **extra,
    }
    setup_testing_defaults(environ)
    started: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Callable[[bytes], None]:
        started.append(status)
        if told is not None:
            told.update(headers)
        return lambda _data: None

    chunks = gateway(environ, start_response)
    try:
        content = b"".join(chunks)
    finally:
        chunks.close()  # type: ignore[attr-defined]
    return started[-1], content


def test_a_request_is_answered(gateway: WSGIGateway) -> None:
    assert ask(gateway, "/echo") == ("200 OK", b"nothing")
    assert ask(gateway, "/echo", b"x" * 200_000) == ("200 OK", b"x" * 200_000)


def test_it_keeps_to_the_wsgi_standard(gateway: WSGIGateway) -> None:
    environ: dict[str, Any] = {"SCRIPT_NAME": "", "PATH_INFO": "/echo", "QUERY_STRING": ""}
    setup_testing_defaults(environ)
    chunks = validator(gateway)(environ, lambda *_: lambda _data: None)
    assert b"".join(chunks) == b"nothing"
    chunks.close()  # type: ignore[attr-defined]


def test_loop_and_lifespan_begin_with_the_first_request_and_once(gateway: WSGIGateway, site: Site) -> None:
    assert site.events == []
    threads = [threading.Thread(target=ask, args=(gateway, "/echo")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert site.events == ["startup"]
    gateway.close()
    assert site.events == ["startup", "shutdown"]


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (RuntimeError("no index"), "500 Internal Server Error", None),
        (AWAY, "503 Service Unavailable", "5"),
    ],
)
def test_a_lifespan_that_cannot_start_fails_the_request_and_is_tried_again(
    caplog: pytest.LogCaptureFixture, error: Exception, status: str, retry_after: str | None
) -> None:
    attempts: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await answer(send, b"started")
            return
        attempts.append(await receive())
        if len(attempts) < 3:
            await send({"type": "lifespan.startup.failed", "message": f"Traceback: {error}"})
            raise error
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    gateway = WSGIGateway(app)
    for _ in range(2):
        told: dict[str, str] = {}
        assert ask(gateway, "/", b"x", told=told)[0] == status
        assert told.get("retry-after") == retry_after
    assert ask(gateway, "/") == ("200 OK", b"started")
    gateway.close()
    assert len(attempts) == 3
    assert [(record.name, record.levelname) for record in caplog.records] == [("django.request", "ERROR")] * 2
    for record in caplog.records:
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], LifespanFailed)
        assert str(error) in str(record.exc_info[1])


def test_so_it_is_with_the_lifespan_of_an_api(
    build: Callable[[], ASGIApp], api: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[Exception] = [AWAY, RuntimeError("no index")]

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        if errors:
            raise errors.pop(0)
        yield

    api.include_router(APIRouter(lifespan=lifespan))
    api.get("/page")(lambda: "served")
    gateway = WSGIGateway(build())
    statuses = [ask(gateway, "/page")[0] for _ in range(3)]
    gateway.close()
    assert statuses == ["503 Service Unavailable", "500 Internal Server Error", "200 OK"]
    causes = [record.exc_info[1].__cause__ for record in caplog.records if record.exc_info and record.exc_info[1]]
    assert [type(cause) for cause in causes] == [OperationalError, RuntimeError]


def test_with_debug_a_browser_is_shown_why_the_lifespan_cannot_start(settings: Settings) -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no index"})

    settings.DEBUG = True
    settings.ALLOWED_HOSTS = ["shop.test"]
    status, page = ask(WSGIGateway(app), "/books", HTTP_ACCEPT="text/html", HTTP_HOST="shop.test", QUERY_STRING="a=b")
    assert status == "500 Internal Server Error"
    assert b"no index" in page
    assert b"http://shop.test/books?a=b" in page


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_process_gets_a_loop_and_a_lifespan_of_its_own(gateway: WSGIGateway, site: Site) -> None:
    ask(gateway, "/echo")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        answered = ask(gateway, "/echo") == ("200 OK", b"nothing") and site.events == ["startup", "startup"]
        os.write(writing, b"answered" if answered else b"wrong")
        os._exit(0)
    os.close(writing)
    assert os.read(reading, 100) == b"answered"
    os.close(reading)
    os.waitpid(child, 0)
    assert ask(gateway, "/echo") == ("200 OK", b"nothing")
    assert site.events == ["startup"]


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        ({"CONTENT_LENGTH": "abc"}, "400 Bad Request"),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, "411 Length Required"),
        ({"HTTP_UPGRADE": "websocket"}, "400 Bad Request"),
        ({"CONTENT_LENGTH": "6", "REQUEST_METHOD": "POST"}, "400 Bad Request"),
        ({"HTTP_X_OWN": "a\0b"}, "400 Bad Request"),
        ({"PATH_INFO": "/caf\xe9"}, "400 Bad Request"),
        ({"PATH_INFO": "/echo", "SCRIPT_NAME": "/\x1b\r\nforged", "CONTENT_LENGTH": "abc"}, "400 Bad Request"),
    ],
)
def test_a_bad_request_is_answered_as_all_errors_are_and_the_next_one_served(
    gateway: WSGIGateway, settings: Settings, caplog: pytest.LogCaptureFixture, extra: dict[str, str], status: str
) -> None:
    settings.MIDDLEWARE = ["django.middleware.clickjacking.XFrameOptionsMiddleware"]
    extra = {"wsgi.input": BytesIO(b"12345"), **extra}  # type: ignore[dict-item]
    told: dict[str, str] = {}
    assert ask(gateway, "/echo", told=told, **extra)[0] == status
    assert told["x-frame-options"] == "DENY"
    [record] = caplog.records
    assert (record.name, record.levelname) == ("django.request", "WARNING")
    assert record.getMessage() in (
        f"{status[4:]}: /echo",
        "Bad Request: /caf%E9",
        "Bad Request: /\\x1b\\r\\nforged/echo",
    )
    assert ask(gateway, "/echo")[0] == "200 OK"


def test_a_refusal_has_the_form_of_all_errors_of_the_api(gateway: WSGIGateway) -> None:
    extra = {"CONTENT_LENGTH": "abc", "HTTP_ACCEPT": "application/problem+json"}
    for accepted, key in (("*/*", "detail"), ("application/problem+json", "title")):
        status, body = ask(gateway, "/echo", **{**extra, "HTTP_ACCEPT": accepted})
        assert status == "400 Bad Request"
        assert json.loads(body)[key]


def test_a_chunked_body_arrives_whole_where_the_server_marks_its_end(gateway: WSGIGateway) -> None:
    extra = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True, "wsgi.input": BytesIO(b"12345")}
    assert ask(gateway, "/echo", **extra) == ("200 OK", b"12345")


@pytest.mark.parametrize("path", ["/nothing", "/cancelled"])
def test_an_application_without_an_answer_is_an_error_and_no_hang(gateway: WSGIGateway, path: str) -> None:
    status, _ = ask(gateway, path)
    assert status == "500 Internal Server Error"


def test_an_exception_of_the_application_is_given_to_the_server(gateway: WSGIGateway) -> None:
    given: list[Any] = []
    environ: dict[str, Any] = {"PATH_INFO": "/nothing"}
    setup_testing_defaults(environ)
    chunks = gateway(environ, lambda _status, _headers, exc_info=None: given.append(exc_info))  # type: ignore[arg-type, func-returns-value]
    list(chunks)
    assert given[0][0] is IncompleteResponse


def test_a_client_that_goes_away_ends_the_stream(gateway: WSGIGateway, site: Site) -> None:
    environ: dict[str, Any] = {"PATH_INFO": "/endless"}
    setup_testing_defaults(environ)
    chunks = gateway(environ, lambda *_: lambda _data: None)
    assert next(iter(chunks)) == b"tick"
    chunks.close()  # type: ignore[attr-defined]
    assert site.ended.wait(5)


def test_a_request_given_up_before_it_began_is_not_run(gateway: WSGIGateway) -> None:
    environ: dict[str, Any] = {"PATH_INFO": "/echo"}
    setup_testing_defaults(environ)
    gateway(environ, lambda *_: lambda _data: None).close()  # type: ignore[attr-defined]
    assert ask(gateway, "/echo")[0] == "200 OK"


def test_closing_waits_no_longer_than_it_is_told() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await answer(send, b"here")
            return
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await asyncio.sleep(60)

    gateway = WSGIGateway(app, shutdown_seconds=0.1)
    ask(gateway, "/")
    before = time.monotonic()
    gateway.close()
    assert time.monotonic() - before < 30
