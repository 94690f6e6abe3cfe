"""The way from a WSGI server to an ASGI application: a2wsgi, and what has to surround it.

a2wsgi turns one WSGI call into one ASGI call. Around it stand an event loop that is made after the server has forked,
the application's lifespan on that loop, and a guard for requests that would hang or break it. The rules are those of
PEP 3333 and RFC 9112.
"""

import asyncio
import atexit
import contextvars
import os
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import suppress
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

from a2wsgi import ASGIMiddleware
from django.utils.encoding import repercent_broken_unicode

from .boundary import Boundary
from .concurrency import enter
from .edge import Edge
from .environ import normalize
from .exceptions import BadRequest, IncompleteResponse, LifespanFailed
from .lifespan import Lifespan
from .types import ASGIApp, Message, Receive, Scope, Send, StartResponse, WSGIEnvironment

_CALL = "django_fastapi.call"
_FAILURE = "django_fastapi.failure"
_TOLD = ("ACCEPT", "ACCEPT-LANGUAGE", "COOKIE", "HOST", "X-REQUEST-ID")  # what the answer to an error depends on


class WSGIGateway:
    """Serve an ASGI application to a WSGI server.

    The event loop, its thread and the application's lifespan begin with the first request of each process, so that a
    server may load the application and fork afterwards. They end with the process.

    Args:
        app: The ASGI application. It is given requests also after it has failed to start, and answers them accordingly.
        shutdown_seconds: How long the end of the process waits for the application's lifespan to end.
    """

    def __init__(self, app: ASGIApp, *, shutdown_seconds: float = 10.0) -> None:
        self.app = app
        self.shutdown_seconds = shutdown_seconds
        self._refuse = _Refusal()
        self._runtime: _Runtime | None = None
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget_parent)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        """Serve one request, as PEP 3333 has it.

        If the application cannot start, the next request tries again.
        """
        runtime = self._get_runtime()
        try:
            normalize(environ)
        except BadRequest as error:
            return self._refuse(error, environ, start_response)
        return _Response(runtime, environ, start_response, self._refuse)

    def close(self) -> None:
        """End the application's lifespan and the event loop; a later request would begin anew.

        Raises:
            LifespanFailed: The application failed while it ended.
        """
        with self._lock:
            runtime, self._runtime = self._runtime, None
        if runtime is not None and not runtime.loop.is_closed():
            runtime.stop(self.shutdown_seconds)

    def _get_runtime(self) -> "_Runtime":
        runtime = self._runtime
        if runtime is None or not runtime.is_started or runtime.loop.is_closed():
            with self._lock:
                runtime = self._runtime
                if runtime is None or runtime.loop.is_closed():
                    runtime = self._runtime = _Runtime(self.app)
                    atexit.register(self.close)
                if not runtime.is_started:
                    with suppress(LifespanFailed):  # what the application will say itself
                        runtime.start()
        return runtime

    def _forget_parent(self) -> None:
        # The loop's thread did not come along, and the lock may have been held by a thread that did not either.
        self._runtime = None
        self._lock = threading.Lock()


class _Runtime:
    """What one process runs requests with.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.loop = self._runner.get_loop()
        self.middleware = ASGIMiddleware(cast("Any", _Tracked(app)), loop=self.loop)
        self.is_started = False
        self._lifespan = Lifespan(app)
        self._is_ending = False
        threading.Thread(target=self._run, name="django_fastapi-loop", daemon=True).start()

    def start(self) -> None:
        """Start the application.

        Raises:
            LifespanFailed: It could not start.
        """
        self._submit(self._lifespan.startup()).result()
        self.is_started = True

    def stop(self, seconds: float) -> None:
        """End the application and the loop, without waiting for more than some seconds.

        Raises:
            LifespanFailed: The application failed while it ended.
        """
        try:
            self._submit(self._lifespan.shutdown()).result(seconds)
        except TimeoutError:
            pass
        finally:
            self.loop.call_soon_threadsafe(self._end)

    def _submit(self, coroutine: Coroutine[Any, Any, None]) -> Future[None]:
        # The context of the request that happens to be the first is none of the lifespan's.
        return contextvars.Context().run(asyncio.run_coroutine_threadsafe, coroutine, self.loop)

    def _run(self) -> None:
        with self._runner:
            while not self._is_ending:
                # asyncio has these two end the loop as well as the task that raised them, of which they are the result.
                with suppress(SystemExit, KeyboardInterrupt):
                    self.loop.run_forever()

    def _end(self) -> None:
        self._is_ending = True
        self.loop.stop()


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


class _Refusal:
    """The answer to a request that the application is not given: made, logged and hardened as the site's errors are."""

    def __init__(self) -> None:
        self._answer = Edge(Boundary(_fail))

    def __call__(self, error: Exception, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        """Answer with an exception."""
        start, *parts = asyncio.run(self._ask({**_bare_scope(environ), _FAILURE: error}))
        # Without a Content-Length wsgiref closes the connection; the unread body would be taken for the next request.
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
        kept = [header for header in headers if header[0] != "content-length"]
        status = HTTPStatus(start["status"])
        start_response(f"{status.value} {status.phrase}", kept)
        yield b"".join(part.get("body", b"") for part in parts)

    async def _ask(self, scope: Scope) -> list[Message]:
        enter(None)
        messages: list[Message] = []

        async def send(message: Message) -> None:
            messages.append(message)

        await self._answer(scope, _receive_nothing, send)
        return messages


async def _fail(scope: Scope, _receive: Receive, _send: Send) -> None:
    raise scope[_FAILURE]


async def _receive_nothing() -> Message:
    return {"type": "http.disconnect"}


def _bare_scope(environ: WSGIEnvironment) -> Scope:
    """Return as much of a request as can be told whatever is wrong with it."""
    path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
    named = ((name, environ.get(f"HTTP_{name.replace('-', '_')}")) for name in _TOLD)
    return {
        "type": "http",
        "method": environ.get("REQUEST_METHOD", "GET"),
        "scheme": environ.get("wsgi.url_scheme", "http"),
        "path": repercent_broken_unicode(path.encode("latin-1", "replace")).decode(),
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1", "replace"),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in named if value is not None],
    }


class _Response:
    """The body iterator that the server is given; `close` ends a call whose answer nobody reads any more."""

    def __init__(
        self, runtime: _Runtime, environ: WSGIEnvironment, start_response: StartResponse, refuse: _Refusal
    ) -> None:
        self._call = _Call(runtime.loop)
        environ[_CALL] = self._call
        self._body: IO[bytes] = environ["wsgi.input"]
        self._environ = environ
        self._start_response = start_response
        self._refuse = refuse
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
            self._chunks = self._refuse(problem, self._environ, self._start_response)
            return next(self._chunks)

    def close(self) -> None:
        """End the call if it still runs."""
        if not self._is_finished:
            self._is_finished = True
            self._call.cancel()
        cast("Any", self._chunks).close()
        if isinstance(self._body, SpooledTemporaryFile):
            self._body.close()  # normalize() made it
