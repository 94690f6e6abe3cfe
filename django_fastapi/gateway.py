"""The way from a WSGI server to an ASGI application: a2wsgi, and what has to surround it.

a2wsgi turns one WSGI call into one ASGI call. Around it stand an event loop that is made after the server has forked,
the application's lifespan on that loop, and a guard for requests that would hang or break it. The rules are those of
PEP 3333 and RFC 9112.
"""

import asyncio
import atexit
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Self, cast

from a2wsgi import ASGIMiddleware

from .environ import normalize
from .exceptions import BadRequest, IncompleteResponse, LifespanFailed
from .lifespan import Lifespan
from .problems import error_response
from .types import ASGIApp, Message, Receive, Scope, Send, StartResponse, WSGIEnvironment

_CALL = "django_fastapi.call"
_NEGOTIATING = ("ACCEPT", "ACCEPT-LANGUAGE", "COOKIE")  # what the form and the language of an error depend on


class WSGIGateway:
    """Serve an ASGI application to a WSGI server.

    The event loop, its thread and the application's lifespan begin with the first request of each process, so that a
    server may load the application and fork afterwards. They end with the process.

    Args:
        app: The ASGI application.
        shutdown_seconds: How long the end of the process waits for the application's lifespan to end.
    """

    def __init__(self, app: ASGIApp, *, shutdown_seconds: float = 10.0) -> None:
        self.app = app
        self.shutdown_seconds = shutdown_seconds
        self._runtime: _Runtime | None = None
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget_parent)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        """Serve one request, as PEP 3333 has it.

        Raises:
            LifespanFailed: The application could not start; the next request tries again.
        """
        try:
            normalize(environ)
        except BadRequest as problem:
            return _refusal(problem, environ, start_response)
        return _Response(self._get_runtime(), environ, start_response)

    def close(self) -> None:
        """End the application's lifespan and the event loop; a later request would begin anew.

        Raises:
            LifespanFailed: The application failed while it ended.
        """
        with self._lock:
            runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.stop(self.shutdown_seconds)

    def _get_runtime(self) -> "_Runtime":
        runtime = self._runtime
        if runtime is None:
            with self._lock:
                runtime = self._runtime
                if runtime is None:
                    runtime = self._runtime = _Runtime.start(self.app)
                    atexit.register(self.close)
        return runtime

    def _forget_parent(self) -> None:
        # The loop's thread did not come along, and the lock may have been held by a thread that did not either.
        self._runtime = None
        self._lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Runtime:
    """What one process runs requests with."""

    loop: asyncio.AbstractEventLoop
    middleware: ASGIMiddleware
    ending: asyncio.Event
    ended: Future[None]

    @classmethod
    def start(cls, app: ASGIApp) -> Self:
        begun: Future[Self] = Future()
        live = cls._live(app, begun)
        threading.Thread(target=asyncio.run, args=(live,), name="django_fastapi-loop", daemon=True).start()
        return begun.result()

    @classmethod
    async def _live(cls, app: ASGIApp, begun: Future[Self]) -> None:
        lifespan, loop = Lifespan(app), asyncio.get_running_loop()
        runtime = cls(loop, ASGIMiddleware(cast("Any", _Tracked(app)), loop=loop), asyncio.Event(), Future())
        try:
            await lifespan.startup()
        except LifespanFailed as failure:
            begun.set_exception(failure)
            return
        begun.set_result(runtime)
        await runtime.ending.wait()
        try:
            await lifespan.shutdown()
        except LifespanFailed as failure:
            runtime.ended.set_exception(failure)
        else:
            runtime.ended.set_result(None)

    def stop(self, seconds: float) -> None:
        self.loop.call_soon_threadsafe(self.ending.set)
        with suppress(TimeoutError):
            self.ended.result(seconds)


class _Call:
    """The running ASGI call of one request: what is needed to end it from the server's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._task: asyncio.Task[Any] | None = None
        self.is_cancelled = False
        self.is_answered = False

    def begin(self) -> bool:
        """Take the current task for that of the call; return False if the call was cancelled before it began."""
        self._task = asyncio.current_task()
        return not self.is_cancelled

    def cancel(self) -> None:
        """End the call; to be used from the server's thread."""
        self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        self.is_cancelled = True
        if self._task is not None:
            self._task.cancel()


class _Tracked:
    """The application as a2wsgi calls it: its task can be cancelled, and it always ends with a whole answer.

    a2wsgi waits for ever for an application that ends without an answer, or is cancelled by somebody else.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call: _Call = scope["wsgi_environ"].pop(_CALL)
        if not call.begin():
            return

        async def tracked_send(message: Message) -> None:
            call.is_answered = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, tracked_send)
        except asyncio.CancelledError:
            if call.is_cancelled or call.is_answered:
                raise
            raise IncompleteResponse("The task of this request was cancelled before its answer was sent.") from None
        if not call.is_answered:
            raise IncompleteResponse("The application ended before its answer was sent.")


class _Response:
    """The body iterator that the server is given; `close` ends a call whose answer nobody reads any more."""

    def __init__(self, runtime: _Runtime, environ: WSGIEnvironment, start_response: StartResponse) -> None:
        self._call = _Call(runtime.loop)
        environ[_CALL] = self._call
        self._body: IO[bytes] = environ["wsgi.input"]
        self._environ = environ
        self._start_response = start_response
        self._is_started = False
        self._is_finished = False
        chunks = runtime.middleware(cast("Any", environ), cast("Any", self._start))
        self._chunks = cast("Iterator[bytes]", chunks)

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self._is_started = True
        return self._start_response(status, headers, exc_info)

    def __iter__(self) -> "_Response":
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except StopIteration:
            self._is_finished = True
            raise
        except BadRequest as problem:
            # Found while the application was reading the body.
            self.close()
            if self._is_started:
                raise
            self._is_started = True
            self._chunks = _refusal(problem, self._environ, self._start_response)
            return next(self._chunks)

    def close(self) -> None:
        """End the call if it still runs."""
        if not self._is_finished:
            self._is_finished = True
            self._call.cancel()
        cast("Any", self._chunks).close()
        if isinstance(self._body, SpooledTemporaryFile):
            self._body.close()  # normalize() made it


def _refusal(problem: BadRequest, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    status = HTTPStatus(problem.status)
    named = ((name, environ.get(f"HTTP_{name.replace('-', '_')}")) for name in _NEGOTIATING)
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in named if value is not None]
    response = error_response({"type": "http", "method": "GET", "path": "/", "headers": headers}, status, str(problem))
    # Without a Content-Length wsgiref closes the connection; the unread body would be taken for the next request.
    kept = [(name, value) for name, value in response.headers.items() if name != "content-length"]
    start_response(f"{status.value} {status.phrase}", kept)
    yield bytes(response.body)
