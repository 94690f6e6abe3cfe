"""ASGI lifespans: driving those of the APIs, as one, whatever the server does.

The protocol is https://asgi.readthedocs.io/en/latest/specs/lifespan.html.
"""

import asyncio
import traceback
from collections.abc import Sequence
from typing import Any

from .concurrency import enter
from .exceptions import LifespanFailed
from .types import ASGIApp, Message, Receive, Send


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
            LifespanFailed: The application could not start; its traceback is the message, what it raised the cause.
        """
        self.state.clear()
        self._to_app, self._from_app = asyncio.Queue(), asyncio.Queue()
        self._task = asyncio.create_task(self._drive(), name="lifespan")
        await self._tell("startup")

    async def shutdown(self) -> None:
        """End the application; nothing happens if it is not running.

        Raises:
            LifespanFailed: The application failed while it ended; its traceback is the message, what it raised the
                cause.
        """
        if self._task is not None and self.is_running:
            await self._tell("shutdown")
            await asyncio.wait({self._task})

    async def _drive(self) -> None:
        enter(None)
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        await self.app(scope, self._to_app.get, self._from_app.put)

    async def _tell(self, phase: str) -> None:
        assert self._task is not None  # set by startup, the only way here
        self._to_app.put_nowait({"type": f"lifespan.{phase}"})
        answer = asyncio.create_task(self._from_app.get())
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done() and self._from_app.empty():
            # The specification: an application that raises or returns without an answer has no lifespan.
            answer.cancel()
            _exception_of(self._task)
            return
        message = await answer
        if message["type"] == f"lifespan.{phase}.failed":
            await asyncio.wait({self._task})
            raise LifespanFailed(message.get("message", "")) from _exception_of(self._task)


def _exception_of(task: asyncio.Task[None]) -> BaseException | None:
    """Return what a task that is over has raised, which asyncio would else complain that nobody has asked for."""
    return None if task.cancelled() else task.exception()


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
                failures.append(str(failure))
        if failures:
            raise LifespanFailed("\n".join(failures))

    @property
    def is_started(self) -> bool:
        """Whether requests need not start anything: the server drives the lifespan, or all run already."""
        return self._is_served or all(lifespan.is_running for lifespan in self._lifespans)

    async def ensure_started(self) -> None:
        """Start all, unless the server drives the lifespan or they run already.

        Raises:
            LifespanFailed: One of them could not start; the next request tries again.
        """
        if self.is_started:
            return
        starting = self._starting
        if starting is None or starting.done() or starting.get_loop() is not asyncio.get_running_loop():
            starting = self._starting = asyncio.create_task(self.startup())
        await asyncio.shield(starting)

    async def serve(self, receive: Receive, send: Send) -> None:
        """Answer the server's lifespan messages."""
        self._is_served = True
        for phase, run in (("startup", self.startup), ("shutdown", self.shutdown)):
            await receive()
            try:
                await run()
            except LifespanFailed as failure:
                await send({"type": f"lifespan.{phase}.failed", "message": str(failure)})
                return
            except Exception:
                await send({"type": f"lifespan.{phase}.failed", "message": traceback.format_exc()})
                raise
            await send({"type": f"lifespan.{phase}.complete"})
