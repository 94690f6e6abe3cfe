"""What the tests of the request threads share: a pool of a test's own, requests in one event loop, a WebSocket."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias

import httpx
import pytest
from django.apps import apps

from django_fastapi.seam import install
from django_fastapi.threads import Threads
from django_fastapi.types import ASGIApp, Message
from django_fastapi.workers import THREAD_NAME

Ask: TypeAlias = Callable[..., "asyncio.Task[httpx.Response]"]


@contextmanager
def own_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threads]:
    """Have a pool for one test. At its end all threads must end: none is lost, none is stuck."""
    install()
    threads = Threads()
    monkeypatch.setattr(apps.get_app_config("django_fastapi"), "threads", threads)
    yield threads
    assert threads.close(), "a request thread was lost"


class Places(list[str]):
    """Where things ran: the names of the threads, in order."""

    def note(self) -> None:
        self.append(threading.current_thread().name)

    def assert_one_request_thread(self, times: int) -> None:
        assert len(self) == times, self
        assert len(set(self)) == 1, self
        assert self[0].startswith(THREAD_NAME), self


@asynccontextmanager
async def asking(app: ASGIApp) -> AsyncIterator[Ask]:
    """Give `ask("/path")`, which starts a request in a task of its own."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", timeout=60) as client:

        def ask(path: str, method: str = "GET", **options: Any) -> "asyncio.Task[httpx.Response]":
            return asyncio.create_task(client.request(method, path, **options))

        yield ask


class Socket:
    """The client's side of a WebSocket."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._outgoing: asyncio.Queue[Message] = asyncio.Queue()
        scope = {
            "type": "websocket",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"host", b"testserver")],
            "subprotocols": [],
            "asgi": {"version": "3.0"},
        }
        self._incoming.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.ensure_future(app(scope, self._incoming.get, self._outgoing.put))

    async def ask(self, text: str) -> str:
        self._incoming.put_nowait({"type": "websocket.receive", "text": text})
        answer: str = (await self.receive())["text"]
        return answer

    async def receive(self) -> Message:
        return await self._outgoing.get()

    async def close(self) -> None:
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await self.task


class Stream:
    """A request whose answer is read message by message, from a client that may go away."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self._is_gone = asyncio.Event()
        self._is_asked = False
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"host", b"testserver")],
            "scheme": "http",
            "http_version": "1.1",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
        }
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _send(self, message: Message) -> None:
        await self.messages.put(message)

    async def _receive(self) -> Message:
        if not self._is_asked:
            self._is_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._is_gone.wait()
        return {"type": "http.disconnect"}

    async def chunk(self) -> bytes:
        """Return the next piece of the body."""
        while (message := await self.messages.get())["type"] != "http.response.body":
            pass
        body: bytes = message.get("body", b"")
        return body

    async def leave(self) -> None:
        """Disconnect, and wait until the application has noticed."""
        self._is_gone.set()
        await self.task
