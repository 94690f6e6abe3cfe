"""ASGI lifespans: driving those of the APIs, as one, whatever the server does.

The protocol is https://asgi.readthedocs.io/en/latest/specs/lifespan.html.
"""

import asyncio
import traceback
from collections.abc import Sequence
from typing import Any, Final

from .concurrency import enter
from .exceptions import LifespanFailed
from .exits import is_exit, refuse_exit
from .types import ASGIApp, Message, Receive, Send

_FAILURE: Final = "django_fastapi.failure"  # the key of a `LifespanFailed` in a message that tells of it in words only


class Lifespan:
    """The lifespan of one application, started and ended in a task of its own.

    Args:
        app: An ASGI application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.state: dict[str, Any] = {}
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended; a loop that ends takes its lifespans along."""
        return self._task is not None and not self._task.done() and not self._task.get_loop().is_closed()

    async def startup(self) -> None:
        """Start the application.

        Raises:
            LifespanFailed: The application could not start; what it raised is the cause.
        """
        self.state.clear()
        self._to_app, self._from_app = asyncio.Queue(), asyncio.Queue()
        self._task = asyncio.create_task(self._drive(), name="lifespan")
        await self._tell("startup")

    async def shutdown(self) -> None:
        """End the application; nothing happens if it is not running.

        Raises:
            LifespanFailed: The application failed while it ended; what it raised is the cause.
        """
        if self._task is not None and self.is_running:
            await self._tell("shutdown")
            await asyncio.wait({self._task})

    async def _drive(self) -> None:
        enter(None)
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self.app(scope, self._to_app.get, self._from_app.put)
        except (SystemExit, KeyboardInterrupt, BaseExceptionGroup) as error:
            refuse_exit(error)

    async def _tell(self, phase: str) -> None:
        assert self._task is not None  # set by startup, the only way here
        self._to_app.put_nowait({"type": f"lifespan.{phase}"})
        answer = asyncio.create_task(self._from_app.get())
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done() and self._from_app.empty():
            # The specification: an application that raises or returns without an answer has no lifespan.
            answer.cancel()
            failure = _failure({}, self._task)
            if failure.__cause__ is not None and is_exit(failure.__cause__.__cause__):
                raise failure
            return
        message = await answer
        if message["type"] == f"lifespan.{phase}.failed":
            await asyncio.wait({self._task})
            raise _failure(message, self._task)


def _failure(message: Message, task: asyncio.Task[None]) -> LifespanFailed:
    """Return the failure of an application that has sent a message, if any, and ended.

    Args:
        message: What it said, by the protocol in words only.
        task: What ran it; asyncio would complain that nobody has asked for its exception.
    """
    error = None if task.cancelled() else task.exception()
    told: LifespanFailed | None = message.get(_FAILURE)
    if told is not None:
        return told
    words: str = message.get("message", "")  # Starlette's are the traceback, which is that of the cause
    failure = LifespanFailed(words if error is None else "".join(traceback.format_exception_only(error)).strip())
    failure.__cause__ = error
    return failure


def _traceback_of(failure: LifespanFailed) -> str:
    cause = failure.__cause__
    return str(failure) if cause is None else "".join(traceback.format_exception(cause))


class SiteLifespan:
    """The lifespans of several applications, run as one: started in order, ended in reverse.

    A server that knows the protocol drives it through `serve`. Under one that does not (daphne, Channels' router) it
    begins with the first request, through `ensure_started`, and ends when the server's event loop cancels its tasks.

    Args:
        lifespans: One for each application.
    """

    def __init__(self, lifespans: Sequence[Lifespan]) -> None:
        self._lifespans = lifespans
        self._is_served = False
        self._failure: LifespanFailed | None = None
        self._starting: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Start all; if one fails, those before it are ended again.

        Raises:
            LifespanFailed: One of them could not start.
        """
        for lifespan in self._lifespans:
            try:
                await lifespan.startup()
            except LifespanFailed:
                await self.shutdown()
                raise

    async def shutdown(self) -> None:
        """End all that run, the others too when one fails.

        Raises:
            LifespanFailed: With the tracebacks of those that failed.
        """
        failures: list[str] = []
        for lifespan in reversed(self._lifespans):
            try:
                await lifespan.shutdown()
            except LifespanFailed as failure:
                failures.append(_traceback_of(failure))
        if failures:
            raise LifespanFailed("\n".join(failures))

    @property
    def is_started(self) -> bool:
        """Whether requests need not start anything: the server drives the lifespan, or all run already."""
        return self._is_served or all(lifespan.is_running for lifespan in self._lifespans)

    async def ensure_started(self) -> None:
        """Start all, unless the server drives the lifespan or they run already.

        Raises:
            LifespanFailed: One of them could not start; the next request tries again, or the server does that drives
                the lifespan.
        """
        if self.is_started:
            return
        if self._failure is not None:
            raise LifespanFailed(*self._failure.args) from self._failure.__cause__
        starting = self._starting
        if starting is None or starting.done() or starting.get_loop() is not asyncio.get_running_loop():
            starting = self._starting = asyncio.create_task(self.startup())
        await asyncio.shield(starting)

    async def serve(self, receive: Receive, send: Send) -> None:
        """Answer the server's lifespan messages."""
        self._is_served = self._failure is None
        for phase, run in (("startup", self.startup), ("shutdown", self.shutdown)):
            await receive()
            try:
                await run()
            except LifespanFailed as failure:
                self._is_served, self._failure = False, failure
                words = {"message": _traceback_of(failure), _FAILURE: failure}
                await send({"type": f"lifespan.{phase}.failed", **words})
                return
            except Exception:
                await send({"type": f"lifespan.{phase}.failed", "message": traceback.format_exc()})
                raise
            self._is_served, self._failure = True, None
            await send({"type": f"lifespan.{phase}.complete"})
