import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext

import pytest
from django.db import OperationalError
from django.template import engines
from django.views.debug import ExceptionCycleWarning
from fastapi import BackgroundTasks, Depends, FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, field_serializer, field_validator
from pytest_django import Settings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from django_fastapi import DjangoRequest
from django_fastapi.registry import APIRegistry

from .conftest import BROWSER, CLIENT, TERMINAL, Show

WORDS = "the cause of it all"


class Broken(Exception):
    pass


def break_down() -> None:
    raise Broken(WORDS)


class Validated(BaseModel):
    size: int

    @field_validator("size")
    @classmethod
    def check(cls, value: int) -> int:
        break_down()
        return value


class Serialized(BaseModel):
    size: int = 1

    @field_serializer("size")
    def write(self, value: int) -> int:
        break_down()
        return value


class Breaking:
    """A middleware of an API that breaks for one path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/middleware":
            break_down()
        await self._app(scope, receive, send)


def dependency() -> Iterator[None]:
    break_down()
    yield


async def leaving() -> AsyncIterator[None]:
    yield
    break_down()


async def starlette_page(_request: Request) -> Response:
    raise Broken(WORDS)


PLACES = (
    "/def",
    "/async-def",
    "/dependency",
    "/leaving",
    "/validator?size=1",
    "/template",
    "/middleware",
    "/mounted/def",
    "/starlette/page",
    "/second/def",
)


@pytest.fixture
def broken(api: FastAPI, registry: APIRegistry) -> FastAPI:
    """Give an API that breaks down wherever an API can."""
    api.user_middleware.append(Middleware(Breaking))
    api.get("/def")(break_down)

    @api.get("/async-def")
    async def asynchronous() -> None:
        break_down()

    @api.get("/dependency", dependencies=[Depends(dependency)])
    def depending() -> None:
        """Depend."""

    @api.get("/leaving", dependencies=[Depends(leaving, scope="function")])
    def left() -> None:
        """Leave."""

    @api.get("/validator")
    def validating(size: int) -> int:
        return Validated(size=size).size

    @api.get("/middleware")
    def passed() -> None:
        """Never be reached."""

    @api.get("/template")
    def rendering() -> str:
        return engines["django"].from_string("{{ break_down }}").render({"break_down": break_down})

    mounted, second = FastAPI(), FastAPI()
    mounted.get("/def")(break_down)
    second.get("/def")(break_down)
    api.mount("/mounted", mounted)
    api.mount("/starlette", Starlette(debug=True, routes=[Route("/page", starlette_page)]))
    registry.register(second, "second", "/second")
    return api


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("accept", [BROWSER, "text/html;charset=utf-8"])
def test_a_browser_is_shown_djangos_page(show: Show, path: str, accept: str) -> None:
    answer = show(path, accept)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "<h1>Broken" in answer.text
    assert WORDS in answer.text
    assert "raise Broken(WORDS)" in answer.text
    assert '<div id="fastapi">' in answer.text
    assert "Using settings module" in answer.text


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("accept", [CLIENT, "*/*", "application/problem+json"])
def test_an_api_client_is_told_in_json(show: Show, path: str, accept: str) -> None:
    answer = show(path, accept)
    assert answer.status_code == 500
    exception = answer.json()["exception"]
    assert exception["type"] == f"{__name__}.Broken"
    assert exception["message"] == WORDS
    last = exception["frames"][-1]
    assert last["code"] == "raise Broken(WORDS)"
    assert last["file"] == __file__
    assert isinstance(last["line"], int)
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("path", PLACES)
def test_a_terminal_is_shown_a_text_that_ends_with_the_exception(show: Show, path: str) -> None:
    answer = show(path, TERMINAL)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/plain; charset=utf-8")
    assert answer.text.rstrip().endswith(f"Broken: {WORDS}")
    assert "    raise Broken(WORDS)\n" in answer.text
    assert "site-packages/starlette" not in answer.text


@pytest.mark.parametrize("mode", ["json", "python"])
def test_an_error_in_a_serializer_is_told_with_its_line(api: FastAPI, show: Show, mode: str) -> None:
    @api.get("/serializer")
    def serializing() -> Serialized:
        if mode == "python":
            Serialized().model_dump()
        return Serialized()

    exception = show("/serializer", CLIENT).json()["exception"]
    assert exception["type"] == "pydantic_core._pydantic_core.PydanticSerializationError"
    assert exception["cause"]["message"] == WORDS
    assert exception["cause"]["frames"][-1]["code"] == "raise Broken(WORDS)"


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("accept", [BROWSER, CLIENT, TERMINAL])
def test_no_one_keeps_or_guesses_what_an_answer_is(show: Show, accept: str) -> None:
    answer = show("/def", accept)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "Accept" in answer.headers["vary"]


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("accept", [BROWSER, CLIENT, TERMINAL])
def test_nothing_is_told_without_debug(show: Show, settings: Settings, path: str, accept: str) -> None:
    settings.DEBUG = False
    answer = show(path, accept)
    assert answer.json() == {"detail": "Internal Server Error", "request_id": answer.headers["x-request-id"]}
    told = answer.text + repr(answer.headers)
    for word in ("Broken", WORDS, "Traceback", __file__, "exception", "server-timing"):
        assert word not in told, word


@pytest.mark.usefixtures("broken")
def test_the_document_of_an_api_is_the_same_without_debug(show: Show, settings: Settings) -> None:
    document = show("/openapi.json", CLIENT).text
    settings.DEBUG = False
    assert show("/openapi.json", CLIENT).text == document
    assert __file__ not in document
    assert "Broken" not in document


def test_a_handler_of_the_project_has_the_word_without_debug_only(
    broken: FastAPI, show: Show, settings: Settings
) -> None:
    @broken.exception_handler(Exception)
    def mine(_request: Request, error: Exception) -> Response:
        return JSONResponse({"mine": str(error)}, 500)

    assert show("/def", CLIENT).json()["exception"]["message"] == WORDS
    settings.DEBUG = False
    assert show("/def", CLIENT).json() == {"mine": WORDS}


def test_debug_of_fastapi_is_that_of_django(api: FastAPI, show: Show, settings: Settings) -> None:
    api.debug = True
    api.get("/def")(break_down)
    settings.DEBUG = False
    assert WORDS not in show("/def").text


def test_a_database_that_is_away_is_told_of_too(api: FastAPI, show: Show) -> None:
    @api.get("/rows")
    def rows() -> None:
        raise OperationalError(2003, "Can't connect to the server")

    answer = show("/rows", CLIENT)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["exception"]["type"] == "django.db.utils.OperationalError"


def test_an_error_on_the_way_out_of_djangos_request_is_told_of(api: FastAPI, show: Show, settings: Settings) -> None:
    @api.get("/effects")
    def effects(request: DjangoRequest) -> str:
        request.session["a"] = object()
        return "never"

    show("/effects")  # the site is built with the middleware of this moment
    settings.MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    answer = show("/effects", CLIENT)
    assert answer.status_code == 500
    assert answer.json()["exception"]["type"] == "TypeError"


@pytest.mark.usefixtures("broken")
def test_a_page_that_cannot_be_made_leaves_the_bare_answer(
    show: Show, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DEFAULT_EXCEPTION_REPORTER = f"{__name__}.BrokenReporter"
    answer = show("/def")
    assert answer.json() == {"detail": "Internal Server Error", "request_id": answer.headers["x-request-id"]}
    names = [record.name for record in caplog.records if record.levelno == logging.ERROR]
    assert sorted(names) == ["django.request", "django_fastapi.debug"]


class BrokenReporter:
    def __init__(self, *_: object) -> None:
        raise RuntimeError("not today")


@pytest.mark.parametrize("accept", [BROWSER, CLIENT, TERMINAL])
def test_an_odd_exception_is_told_of_as_well_as_it_can_be(api: FastAPI, show: Show, accept: str) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    @api.get("/surrogate")
    def surrogate() -> None:
        raise Broken("a lone \ud800")

    @api.get("/circle")
    def circle() -> None:
        one, other = Broken("one"), Broken("other")
        one.__cause__, other.__cause__ = other, one
        raise one

    @api.get("/mute")
    def mute() -> None:
        raise Mute

    assert "a lone ?" in show("/surrogate", accept).text
    with pytest.warns(ExceptionCycleWarning) if accept != CLIENT else nullcontext():
        assert "one" in show("/circle", accept).text
    assert show("/mute", accept).status_code == 500


def stream_of(media_type: str, *, headers: dict[str, str] | None = None) -> Callable[[], StreamingResponse]:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"half"
        raise Broken(f"<i>{WORDS}</i>")

    def endpoint() -> StreamingResponse:
        return StreamingResponse(chunks(), media_type=media_type, headers=headers)

    return endpoint


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        ("text/plain", f"Broken: <i>{WORDS}</i>\n"),
        ("text/html", f"Broken: &lt;i&gt;{WORDS}&lt;/i&gt;</pre>\n"),
        ("text/event-stream", f"\n: {__name__}.Broken: <i>{WORDS}</i>\n"),
        ("application/jsonl", f"Broken: <i>{WORDS}</i>\n"),
    ],
)
def test_a_stream_ends_with_what_has_ended_it(api: FastAPI, show: Show, media_type: str, expected: str) -> None:
    api.get("/stream")(stream_of(media_type))
    body = show("/stream").text
    assert body.startswith("half")
    assert body.endswith(expected)


@pytest.mark.parametrize("options", [{"json": {"password": WORDS}}, {"data": {"password": WORDS}}])
def test_the_end_of_a_stream_holds_no_secret_of_the_body(api: FastAPI, show: Show, options: dict[str, object]) -> None:
    @api.post("/stream")
    async def stream(request: Request) -> StreamingResponse:
        await request.body()
        return stream_of("text/plain")()

    body = show("/stream", method="POST", **options).text
    assert body.startswith("half")
    assert body.endswith("Broken: <i>********************</i>\n")


def test_the_end_of_a_stream_holds_no_secret_of_the_path(api: FastAPI, show: Show) -> None:
    inner = FastAPI()
    for one in (api, inner):
        one.get("/reset/{token}")(stream_of("text/plain"))
    api.mount("/of/{user}", inner)
    for path in ("/reset/", "/of/ann/reset/"):
        assert show(f"{path}{WORDS}").text.endswith("Broken: <i>********************</i>\n")


def test_a_stream_that_is_no_text_ends_as_it_is(api: FastAPI, show: Show) -> None:
    api.get("/image")(stream_of("image/png"))
    api.get("/packed")(stream_of("text/plain", headers={"Content-Encoding": "own"}))
    assert show("/image").content == b"half"
    assert show("/packed").content == b"half"


def test_a_stream_ends_without_a_word_without_debug(api: FastAPI, show: Show, settings: Settings) -> None:
    api.get("/stream")(stream_of("text/plain"))
    settings.DEBUG = False
    assert show("/stream").text == "half"


@pytest.mark.parametrize("has_begun", [True, False])
def test_the_end_of_a_websocket_holds_no_secret_of_the_path(
    api: FastAPI, build: Callable[[], ASGIApp], settings: Settings, *, has_begun: bool
) -> None:
    @api.websocket("/reset/{token}")
    async def reset(websocket: WebSocket, token: str) -> None:
        if has_begun:
            await websocket.accept()
        raise Broken(f"<{token}>")

    settings.DEBUG = True
    expected = WebSocketDisconnect if has_begun else WebSocketDenialResponse
    with pytest.raises(expected) as caught, TestClient(build()).websocket_connect(f"/reset/{WORDS}") as session:
        session.receive_text()
    told = caught.value.text if isinstance(caught.value, WebSocketDenialResponse) else caught.value.reason
    assert "Broken" in told
    assert "<********************>" in told
    assert WORDS not in told


@pytest.fixture
def socket_client(api: FastAPI, build: Callable[[], ASGIApp], settings: Settings) -> TestClient:
    @api.websocket("/before")
    async def before(_websocket: WebSocket) -> None:
        break_down()

    @api.websocket("/after")
    async def after(websocket: WebSocket) -> None:
        await websocket.accept()
        raise Broken(WORDS + " ä" * 100)

    settings.DEBUG = True
    return TestClient(build())


def test_a_websocket_is_closed_with_the_reason(socket_client: TestClient, settings: Settings) -> None:
    with socket_client.websocket_connect("/after") as session, pytest.raises(WebSocketDisconnect) as caught:
        session.receive_text()
    assert caught.value.code == 1011
    assert caught.value.reason.startswith(f"{__name__}.Broken: {WORDS}")
    assert len(caught.value.reason.encode()) <= 123
    settings.DEBUG = False
    with socket_client.websocket_connect("/after") as session, pytest.raises(WebSocketDisconnect) as caught:
        session.receive_text()
    assert not caught.value.reason


def test_a_websocket_that_is_denied_says_why(socket_client: TestClient) -> None:
    with pytest.raises(WebSocketDenialResponse) as caught, socket_client.websocket_connect("/before"):
        pass
    assert caught.value.status_code == 500
    assert caught.value.json()["exception"]["message"] == WORDS


def test_a_background_task_is_told_of_on_the_console(
    api: FastAPI, show: Show, caplog: pytest.LogCaptureFixture
) -> None:
    @api.get("/task")
    def task(tasks: BackgroundTasks) -> Response:
        tasks.add_task(break_down)
        return PlainTextResponse("answered", background=tasks)

    assert show("/task").text == "answered"
    [record] = [record for record in caplog.records if record.exc_info]
    assert record.getMessage().startswith("A background task failed: GET /task (request ")
