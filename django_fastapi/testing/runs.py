"""One run of an application under test: what it is told, what it sends, and how it ends."""

import asyncio
from collections import deque
from typing import Any

from django_fastapi.boundary import ON_EXCEPTION
from django_fastapi.types import ASGIApp, Message, Scope

from .isolation import isolated

_GRACE_SECONDS = 2.0


class Run:
    """A run of an application for one scope, in a task of its own.

    Args:
        app: The application.
        scope: Of the request or WebSocket.
        raises: Whether `raise_failure` raises.
        backlog: How many messages the application may be ahead of who reads them; 0 is any number.
    """

    def __init__(self, app: ASGIApp, scope: Scope, *, raises: bool, backlog: int = 0) -> None:
        self._app = app
        self._scope = {**scope, ON_EXCEPTION: self._note}
        self._raises = raises
        self._failure: BaseException | None = None
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._outgoing: deque[Message] = deque()
        self._backlog = backlog
        self._has_sent = asyncio.Event()
        self._has_read = asyncio.Event()
        self._is_over = False
        self._task = asyncio.create_task(self._drive())
        self._task.add_done_callback(lambda _: self._has_sent.set())

    def tell(self, **message: Any) -> None:
        """Put a message where the application receives it."""
        self._incoming.put_nowait(message)

    async def next(self) -> Message | None:
        """Return what the application sends next; None if it has ended."""
        while not self._outgoing and not self._task.done():
            self._has_sent.clear()
            await self._has_sent.wait()
        if not self._outgoing:
            return None
        self._has_read.set()
        return self._outgoing.popleft()

    async def wait(self) -> None:
        """Wait until the application has ended by itself."""
        await asyncio.wait({self._task})

    async def end(self) -> None:
        """Stop listening, give the application a moment to end, then cancel it."""
        self._is_over = True
        self._outgoing.clear()
        self._has_read.set()
        await asyncio.wait({self._task}, timeout=_GRACE_SECONDS)
        self._task.cancel()
        await asyncio.wait({self._task})

    def cancel(self) -> None:
        """Cancel the application: whoever waited for it does so no longer."""
        self._is_over = True
        self._task.cancel()

    def raise_failure(self) -> None:
        """Raise the first exception that nobody in the application caught, if there is one and it was not raised."""
        failure, self._failure = self._failure, None
        if failure is not None and self._raises:
            raise failure

    @property
    def has_failed(self) -> bool:
        """Whether `raise_failure` will raise."""
        return self._raises and self._failure is not None

    async def _drive(self) -> None:
        with isolated():
            try:
                await self._app(self._scope, self._incoming.get, self._send)
            except Exception as error:  # noqa: BLE001 (raise_failure raises it in the test)
                self._note(error)

    async def _send(self, message: Message) -> None:
        while self._backlog and len(self._outgoing) >= self._backlog and not self._is_over:
            self._has_read.clear()
            await self._has_read.wait()
        if not self._is_over:
            self._outgoing.append(message)
            self._has_sent.set()

    def _note(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
