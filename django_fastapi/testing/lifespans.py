"""The lifespan of an application under test, shared by the clients that use it at one time."""

import asyncio
import functools
from contextlib import suppress
from typing import Any, Final
from weakref import WeakSet

from django_fastapi.application import SiteApplication, get_asgi_application
from django_fastapi.exceptions import LifespanFailed
from django_fastapi.lifespan import Lifespan
from django_fastapi.types import ASGIApp

_END_SECONDS: Final = 1.0


class SharedLifespan:
    """The lifespan of an application: begun for the first client that needs it, ended with the last.

    A client that is dropped without being closed counts no longer; the lifespan is then ended before the next begins.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._lifespan = Lifespan(app)
        self._users: WeakSet[object] = WeakSet()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._beginning: asyncio.Task[None] | None = None

    @property
    def state(self) -> dict[str, Any]:
        """What it leaves for the requests: a copy, as servers give it."""
        return dict(self._lifespan.state)

    @property
    def is_used(self) -> bool:
        """Whether a client keeps it."""
        return bool(self._users)

    @property
    def is_gone(self) -> bool:
        """Whether it has ended together with its event loop."""
        return self._loop is not None and self._loop.is_closed()

    async def hold(self, user: object) -> None:
        """Begin it on the running event loop, unless it runs there already, and keep it for `user`."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop or not self._users:
            if self._beginning is None or self._beginning.done() or self._beginning.get_loop() is not loop:
                self._beginning = loop.create_task(self._begin(loop))
            await asyncio.shield(self._beginning)
        self._users.add(user)

    async def release(self, user: object) -> None:
        """Keep it no longer for `user`; end it if nobody else does."""
        self._users.discard(user)
        if not self._users:
            await self.end()

    async def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        await self.end()
        self._lifespan = Lifespan(self._app)
        await self._lifespan.startup()
        self._loop = loop

    async def end(self) -> None:
        """End it, if it was begun; on its own event loop if that is another one.

        Raises:
            LifespanFailed: The application failed while it ended; what it raised is the cause.
        """
        loop, self._loop = self._loop, None
        if loop is asyncio.get_running_loop():
            await self._lifespan.shutdown()
        elif loop is not None and loop.is_running():
            ending = asyncio.run_coroutine_threadsafe(self._lifespan.shutdown(), loop)
            # Its synchronous work may wait for a test that is over; nobody waits for its failures.
            with suppress(LifespanFailed, TimeoutError):
                await asyncio.wait_for(asyncio.wrap_future(ending), _END_SECONDS)


@functools.cache
def get_site() -> SiteApplication:
    """Return the site that all clients share which were not given an application."""
    return get_asgi_application()


class Lifespans:
    """The lifespans of all applications under test that have begun."""

    def __init__(self) -> None:
        self._shared: dict[int, SharedLifespan] = {}

    async def hold(self, app: ASGIApp, user: object) -> dict[str, Any]:
        """Have the lifespan of `app` begun on the running event loop, and keep it for `user`.

        Those that only dropped clients kept are ended before.

        Args:
            app: The application.
            user: Whoever needs it until `release`, or until it is no more.

        Returns:
            What the lifespan leaves for the requests.

        Raises:
            LifespanFailed: The application could not start; what it raised is the cause.
        """
        await self._tidy_up()
        shared = self._shared.setdefault(id(app), SharedLifespan(app))
        await shared.hold(user)
        return shared.state

    async def release(self, app: ASGIApp, user: object) -> None:
        """Keep the lifespan no longer for `user`, and end it with its last user.

        Raises:
            LifespanFailed: The application failed while it ended; what it raised is the cause.
        """
        shared = self._shared.get(id(app))
        if shared is not None:
            await shared.release(user)
            await self._tidy_up()

    async def _tidy_up(self) -> None:
        for key, shared in list(self._shared.items()):
            if not shared.is_used or shared.is_gone:
                await shared.end()
                self._shared.pop(key, None)


@functools.cache
def get_lifespans() -> Lifespans:
    """Return the lifespans of this process."""
    return Lifespans()
