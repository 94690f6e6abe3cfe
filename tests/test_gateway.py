import asyncio
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import anyio
import pytest
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path as url
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import PlainTextResponse, StreamingResponse
from pytest_django import Settings
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from django_fastapi.exceptions import IncompleteResponse, LifespanFailed
from django_fastapi.gateway import WSGIGateway
from django_fastapi.middleware import DjangoMiddleware

Answer = tuple[str, bytes]

AWAY = OperationalError(2003, "Can't connect to the server")


class Site:
    """An ASGI application that notes what happens to it."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.ended = threading.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

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

    async def leaving(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        sys.exit(3)

    async def stopping(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        asyncio.get_running_loop().stop()
        await answer(send, b"going on")

    async def dying(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        def fail() -> None:
            del loop.run_forever
            raise OSError("Bad file descriptor")

        self.loop = loop = asyncio.get_running_loop()
        loop.run_forever = fail  # type: ignore[method-assign, assignment]
        loop.call_later(0.05, loop.stop)
        await answer(send, b"for the last time")

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


def failing_api(api: FastAPI, *errors: BaseException) -> None:
    """Give an API a lifespan that raises these, one at each attempt to start it, and a page."""
    left = list(errors)

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        if left:
            raise left.pop(0)
        yield

    api.include_router(APIRouter(lifespan=lifespan))
    api.get("/page")(lambda: "served")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("no index"), ("500 Internal Server Error", None)),
        (SystemExit("no config"), ("500 Internal Server Error", None)),
        (KeyboardInterrupt("no key"), ("500 Internal Server Error", None)),
        (AWAY, ("503 Service Unavailable", "5")),
    ],
)
def test_a_lifespan_that_cannot_start_fails_the_request_and_is_tried_again(
    build: Callable[[], ASGIApp],
    api: FastAPI,
    caplog: pytest.LogCaptureFixture,
    error: BaseException,
    expected: tuple[str, str | None],
) -> None:
    failing_api(api, error, error)
    with closing(WSGIGateway(build())) as gateway:
        for path in ("/page", "/unknown"):
            told: dict[str, str] = {}
            status, _ = ask(gateway, path, b"x", told=told)
            assert (status, told.get("retry-after")) == expected
        assert ask(gateway, "/page") == ("200 OK", b'"served"')
    assert [(record.name, record.levelname) for record in caplog.records] == [("django.request", "ERROR")] * 2
    for record in caplog.records:
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], LifespanFailed)
        text = "".join(traceback.format_exception(record.exc_info[1]))
        assert text.count(f"\n{traceback.format_exception_only(error)[-1]}") == 1


def test_a_site_that_cannot_start_is_alive_and_not_ready(
    build: Callable[[], ASGIApp], api: FastAPI, bare_django: Callable[..., None]
) -> None:
    bare_django()
    failing_api(api, *[RuntimeError("no index")] * 2)
    with closing(WSGIGateway(build())) as gateway:
        statuses = [ask(gateway, path)[0] for path in ("/healthz", "/readyz", "/page")]
    assert statuses == ["200 OK", "503 Service Unavailable", "200 OK"]


def test_with_debug_a_browser_is_shown_why_the_lifespan_cannot_start(
    build: Callable[[], ASGIApp], api: FastAPI, settings: Settings
) -> None:
    settings.DEBUG = True
    settings.ALLOWED_HOSTS = ["shop.test"]
    failing_api(api, RuntimeError("no index"))
    asked = {"HTTP_ACCEPT": "text/html", "HTTP_HOST": "shop.test", "QUERY_STRING": "a=b"}
    with closing(WSGIGateway(build())) as gateway:
        status, page = ask(gateway, "/books", **asked)
    assert status == "500 Internal Server Error"
    assert b"no index" in page
    assert b"http://shop.test/books?a=b" in page


def leave() -> None:
    sys.exit("no config")


def interrupt() -> None:
    raise KeyboardInterrupt("no config")


async def aleave() -> None:
    leave()


async def leave_in_own_task() -> None:
    await asyncio.create_task(aleave())


async def leave_in_group() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(aleave)


def leave_later() -> Response:
    return PlainTextResponse("answered", background=BackgroundTask(leave))


async def chunks() -> AsyncIterator[str]:
    yield "half"
    leave()


def leave_half_way() -> StreamingResponse:
    return StreamingResponse(chunks())


def view(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(leave())


async def async_view(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(leave())


def stream_view(_request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(chunks())


def leaving_middleware(_get_response: object) -> Callable[[HttpRequest], HttpResponse]:
    return view


@pytest.fixture
def leaving(build: Callable[[], ASGIApp], api: FastAPI, bare_django: Callable[..., None]) -> ASGIApp:
    """Give a site that wants to end the process in all ways, and tells at "/loop" whether that came true."""
    views = {"view": view, "async-view": async_view, "stream-view": stream_view}
    bare_django(*(url(name, one) for name, one in views.items()))

    @api.middleware("http")
    async def call(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        return await call_next(request)

    router = APIRouter(route_class=DjangoMiddleware.route_class(leaving_middleware))
    router.get("/around")(lambda: "unasked")
    api.include_router(router)
    endpoints = (leave, interrupt, aleave, leave_in_own_task, leave_in_group, leave_later, leave_half_way)
    for endpoint in endpoints:
        api.get(f"/{endpoint.__name__}", response_model=None)(endpoint)

    @api.get("/loop")
    async def loop() -> int:
        return id(asyncio.get_running_loop())

    return build()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/leave", "500 Internal Server Error"),
        ("/interrupt", "500 Internal Server Error"),
        ("/aleave", "500 Internal Server Error"),
        ("/leave_in_own_task", "500 Internal Server Error"),
        ("/leave_in_group", "500 Internal Server Error"),
        ("/around", "500 Internal Server Error"),
        ("/view", "500 Internal Server Error"),
        ("/async-view", "500 Internal Server Error"),
        ("/leave_later", "200 OK"),
        ("/leave_half_way", "cut"),
        ("/stream-view", "cut"),
    ],
)
def test_no_request_ends_the_process(
    leaving: ASGIApp, caplog: pytest.LogCaptureFixture, path: str, expected: str
) -> None:
    with closing(WSGIGateway(leaving)) as gateway:
        before = ask(gateway, "/loop")
        try:
            status, _ = ask(gateway, path)
        except IncompleteResponse:
            status = "cut"
        assert status == expected
        assert ask(gateway, "/loop") == before
    [record] = caplog.records
    assert record.name == "django.request"
    assert record.exc_text is not None
    assert "no config" in record.exc_text


def test_a_loop_that_is_stopped_goes_on(gateway: WSGIGateway, site: Site) -> None:
    paths = ("/stopping", "/echo", "/leaving", "/echo")
    assert [ask(gateway, path)[0][:3] for path in paths] == ["200", "200", "500", "200"]
    assert site.events == ["startup"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_loop_that_has_died_is_replaced(gateway: WSGIGateway, site: Site) -> None:
    assert ask(gateway, "/dying")[0] == "200 OK"
    assert site.loop is not None
    while not site.loop.is_closed():
        time.sleep(0.01)
    assert ask(gateway, "/echo") == ("200 OK", b"nothing")
    assert site.events == ["startup", "startup"]


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
