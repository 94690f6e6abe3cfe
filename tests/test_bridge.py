import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import OperationalError
from fastapi import BackgroundTasks, FastAPI, Request, Response, WebSocket
from fastapi.responses import StreamingResponse
from pytest_django import Settings
from starlette.types import Scope

from django_fastapi import DjangoRequest
from django_fastapi.bridge import Bridge
from django_fastapi.concurrency import current_lease
from django_fastapi.registry import APIRegistry
from django_fastapi.requests import SLOT, RequestSlot, django_request
from django_fastapi.testing import Client, WebSocketDenied
from django_fastapi.types import ASGIApp

from .conftest import fetch
from .request_threads import asking, own_threads

Build = Callable[[], ASGIApp]


class FailingStore(SessionStore):
    """A session with something new, which cannot be saved."""

    def __init__(self) -> None:
        super().__init__("a" * 32)
        self["n"] = 1

    def load(self) -> dict[str, Any]:
        return {}

    def save(self, must_create: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 (Django's signature)
        raise OperationalError("the database is away")


@pytest.fixture
def api(registry: APIRegistry) -> FastAPI:
    return registry.get_default()


@pytest.fixture
def on_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serve on request threads, as under a server, and lose none of them."""
    with own_threads(monkeypatch):
        yield


def test_a_request_that_never_asks_passes_as_it_is() -> None:
    slots: list[RequestSlot] = []
    start = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        slots.append(scope[SLOT])
        assert (await receive())["body"] == b"text"
        await send(start)
        await send({"type": "http.response.body", "body": b""})

    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"text"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    asyncio.run(Bridge(app)(scope, receive, send))
    assert sent[0] is start
    assert slots[0].request is None
    assert SLOT not in scope


def add_interrupted(api: FastAPI) -> list[str]:
    """Add endpoints whose session is deleted before they end; return the list of what happens after them."""
    events: list[str] = []

    def interrupt(request: DjangoRequest) -> None:
        request.session["n"] = 2
        Session.objects.all().delete()

    @api.post("/begin")
    def begin(request: DjangoRequest) -> None:
        request.session["n"] = 1

    @api.post("/dict")
    def a_dict(request: DjangoRequest, tasks: BackgroundTasks) -> dict[str, str]:
        interrupt(request)
        tasks.add_task(events.append, "task")
        return {"secret": "not for you"}

    @api.post("/stream")
    def a_stream(request: DjangoRequest) -> StreamingResponse:
        interrupt(request)

        def body() -> Iterator[bytes]:
            while True:
                events.append("chunk")
                yield b"secret"

        return StreamingResponse(body())

    @api.websocket("/socket")
    async def socket(websocket: WebSocket, request: DjangoRequest) -> None:
        await request.session.aset("n", 2)
        await Session.objects.all().adelete()
        await websocket.accept()

    return events


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/dict", "/stream"])
def test_a_session_that_was_deleted_meanwhile_is_a_bad_request(
    path: str, api: FastAPI, build: Build, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.FASTAPI_CORS_ENABLED = True
    settings.FASTAPI_CORS_ALLOW_ORIGINS = ["https://a.test"]
    events = add_interrupted(api)
    client = Client(build(), headers={"origin": "https://a.test"})
    client.post("/begin")
    answer = client.post(path)
    assert answer.status_code == 400
    assert "deleted before the request completed" in answer.json()["detail"]
    assert "set-cookie" not in answer.headers
    assert answer.headers["access-control-allow-origin"] == "https://a.test"
    assert Session.objects.count() == 0
    assert [record.levelno for record in caplog.records if record.name == "django.request"] == [logging.WARNING]
    assert "task" not in events
    assert len(events) <= 1


@pytest.mark.django_db
def test_a_socket_whose_session_was_deleted_meanwhile_is_denied(api: FastAPI, build: Build) -> None:
    add_interrupted(api)
    client = Client(build())
    client.post("/begin")
    with pytest.raises(WebSocketDenied), client.websocket_connect("/socket"):
        pass


@pytest.mark.django_db
@pytest.mark.parametrize("has_handler", [False, True])
def test_a_session_that_cannot_be_saved_is_no_success(api: FastAPI, build: Build, *, has_handler: bool) -> None:
    async def handle(_request: Request, _error: Exception) -> Response:
        return Response("handled", 418)

    if has_handler:
        api.exception_handler(OperationalError)(handle)

    @api.post("/")
    def write(request: DjangoRequest) -> str:
        request.session = FailingStore()
        return "saved"

    answer = Client(build(), raise_server_exceptions=False).post("/")
    assert answer.status_code >= 500
    assert "saved" not in answer.text
    with pytest.raises(OperationalError):
        Client(build()).post("/")


def test_a_layer_inside_may_answer_instead() -> None:
    """Middleware that catches what `send` raises, and sends an answer of its own."""
    sent: list[int] = []

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        request = django_request(Request(scope, receive))
        request.session = FailingStore()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        except OperationalError:
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        if "status" in message:
            sent.append(message["status"])

    scope: Scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    asyncio.run(Bridge(app)(scope, receive, send))
    assert sent == [503]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("on_threads")
def test_many_sessions_are_saved_at_once(api: FastAPI, build: Build) -> None:
    names: set[str] = set()

    class Watched(SessionStore):
        def create(self) -> None:
            names.add(threading.current_thread().name)
            super().create()

    @api.post("/{number}")
    async def write(number: int, request: DjangoRequest) -> None:
        request.session = Watched()
        request.session["number"] = number

    async def test() -> list[Any]:
        async with asking(build()) as ask:
            return await asyncio.gather(*(ask(f"/{number}", "POST") for number in range(20)))

    answers = asyncio.run(test())
    saved = [Watched(answer.cookies["sessionid"])["number"] for answer in answers]
    assert saved == list(range(20))
    assert names
    assert all(name.startswith("django_fastapi") for name in names)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("on_threads")
def test_of_two_requests_of_one_session_the_one_that_comes_too_late_is_refused(api: FastAPI, build: Build) -> None:
    """A logout while another request is on its way: that one must not bring the session back."""
    is_in, may_go = asyncio.Event(), asyncio.Event()
    store = SessionStore()
    store["n"] = 1
    store.create()

    @api.post("/slow")
    async def slow(request: DjangoRequest) -> None:
        await request.session.aset("n", 2)
        is_in.set()
        await may_go.wait()

    @api.post("/logout")
    def log_out(request: DjangoRequest) -> None:
        request.session.flush()

    async def test() -> list[int]:
        headers = {"cookie": f"sessionid={store.session_key}"}
        async with asking(build()) as ask:
            slow_one = ask("/slow", "POST", headers=headers)
            await is_in.wait()
            out = await ask("/logout", "POST", headers=headers)
            may_go.set()
            return [out.status_code, (await slow_one).status_code]

    assert asyncio.run(test()) == [200, 400]
    assert Session.objects.count() == 0


@pytest.mark.usefixtures("on_threads")
def test_a_session_for_which_no_thread_becomes_free_is_503(api: FastAPI, build: Build, settings: Settings) -> None:
    settings.FASTAPI_THREADS = 1
    settings.FASTAPI_THREAD_WAIT = 0.1
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    is_in, may_go = threading.Event(), threading.Event()

    @api.get("/busy")
    def busy() -> None:
        is_in.set()
        may_go.wait(60)

    @api.get("/write")
    async def write(request: DjangoRequest) -> None:
        request.session["n"] = 1

    @api.get("/read")
    async def read(request: DjangoRequest) -> int:
        return int(request.session.get("n", 0))

    async def test() -> None:
        async with asking(build()) as ask:
            busy_one = ask("/busy")
            await asyncio.to_thread(is_in.wait)
            refused = await ask("/write")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            # What only reads the session needs no thread.
            assert (await ask("/read")).headers["vary"] == "Cookie"
            may_go.set()
            assert (await busy_one).status_code == 200

    asyncio.run(test())


@pytest.mark.usefixtures("on_threads")
def test_what_saves_nothing_takes_no_thread(api: FastAPI, build: Build, settings: Settings) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    has_worker: dict[str, bool] = {}

    async def note(path: str) -> None:
        # After the response has begun, while nobody waits for the thread.
        lease = current_lease()
        assert lease is not None
        has_worker[path] = lease.has_worker

    @api.get("/host")
    async def host(request: DjangoRequest, tasks: BackgroundTasks) -> str:
        tasks.add_task(note, "/host")
        return request.get_host()

    @api.get("/read")
    async def read(request: DjangoRequest, tasks: BackgroundTasks) -> int:
        tasks.add_task(note, "/read")
        return int(request.session.get("n", 0))

    @api.get("/write")
    async def write(request: DjangoRequest, tasks: BackgroundTasks) -> None:
        tasks.add_task(note, "/write")
        request.session["n"] = 1

    app = build()
    for path in ("/host", "/read", "/write"):
        assert fetch(app, path).status_code == 200
    assert has_worker == {"/host": False, "/read": False, "/write": True}


@pytest.mark.parametrize("debug", [False, True])
def test_scripts_of_other_origins_are_told_that_a_session_was_not_saved(
    api: FastAPI, build: Build, settings: Settings, *, debug: bool
) -> None:
    settings.FASTAPI_CORS_ENABLED = True
    settings.DEBUG = debug

    @api.post("/")
    def write(request: DjangoRequest) -> str:
        request.session = FailingStore()
        return "saved"

    answer = Client(build(), raise_server_exceptions=False).post("/", headers={"origin": "https://one.test"})
    assert answer.status_code >= 500
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]


def test_a_status_that_django_does_not_know_is_the_clients_all_the_same(api: FastAPI, build: Build) -> None:
    @api.get("/")
    def odd(request: DjangoRequest) -> Response:
        request.response["X-Ours"] = "1"
        return Response(status_code=999)

    answer = fetch(build(), "/")
    assert (answer.status_code, answer.headers["x-ours"]) == (999, "1")
