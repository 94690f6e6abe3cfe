import asyncio
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from starlette.types import Message, Receive, Scope, Send

from django_fastapi.exceptions import IncompleteResponse, LifespanFailed
from django_fastapi.gateway import WSGIGateway

Answer = tuple[str, bytes]


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


def ask(gateway: WSGIGateway, path: str, body: bytes = b"", **extra: Any) -> Answer:
    environ: dict[str, Any] = {
        "PATH_INFO": path,
        "REQUEST_METHOD": "POST" if body else "GET",
        "wsgi.input": BytesIO(body),
        **({"CONTENT_LENGTH": str(len(body))} if body else {}),
        **extra,
    }
    setup_testing_defaults(environ)
    started: list[str] = []

    def start_response(status: str, _headers: list[tuple[str, str]], _exc_info: Any = None) -> Callable[[bytes], None]:
        started.append(status)
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


def test_a_lifespan_that_cannot_start_fails_the_request_and_is_tried_again() -> None:
    attempts: list[Message] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        attempts.append(await receive())
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    gateway = WSGIGateway(app)
    for _ in range(2):
        with pytest.raises(LifespanFailed, match="no database"):
            ask(gateway, "/")
    assert len(attempts) == 2
    gateway.close()


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
    ],
)
def test_a_bad_request_is_answered_and_the_next_one_served(
    gateway: WSGIGateway, extra: dict[str, str], status: str
) -> None:
    extra = {"wsgi.input": BytesIO(b"12345"), **extra}  # type: ignore[dict-item]
    assert ask(gateway, "/echo", **extra)[0] == status
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
