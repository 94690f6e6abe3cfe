"""`/healthz`, whether the process lives, and `/readyz`, whether the databases and caches that it needs can be reached.

Both stand before everything that could refuse them: probes name the machine and not the site as their `Host`, come by
HTTP, and come when all threads are busy.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from http import HTTPStatus
from typing import Any, Final

from django.core.cache import caches
from django.db import OperationalError, connections
from django.urls import Resolver404, resolve
from fastapi.routing import iter_route_contexts
from starlette.responses import JSONResponse, Response

from . import settings
from .exceptions import LifespanFailed
from .problems import error_response
from .registry import RegisteredAPI
from .types import ASGIApp, Receive, Scope, Send

ALIVE: Final = "/healthz"
READY: Final = "/readyz"

_PATHS: Final = (ALIVE, READY)
_METHODS: Final = ("GET", "HEAD")
_HEADERS: Final = {"Cache-Control": "no-store"}
_DUMMY: Final = "django.db.backends.dummy"  # what Django has for a project without a database
_KEY: Final = "django_fastapi.readyz"

_logger: Final = logging.getLogger("django_fastapi.health")


class Health:
    """Answer the two paths, unless the project has routes of its own there, and leave all others to an application.

    Args:
        app: The application inside.
        registered: The project's APIs, whose routes may still grow.
        start: Starts the site, unless it runs already.
        seconds: How long `/readyz` waits at most.
    """

    def __init__(
        self,
        app: ASGIApp,
        registered: Sequence[RegisteredAPI],
        start: Callable[[], Awaitable[None]],
        *,
        seconds: float = 5.0,
    ) -> None:
        self.app = app
        self._registered = registered
        self._start = start
        self._seconds = seconds
        self._readiness = _Readiness()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request or WebSocket."""
        if not scope["path"].endswith(_PATHS):
            return self.app(scope, receive, send)
        return self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (path := self._own_path(scope)) is not None:
            response = _alive() if path == ALIVE else await self._answer_ready(scope)
            response.headers.update(_HEADERS)
            await response(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _own_path(self, scope: Scope) -> str | None:
        """Return which of the two is asked for; None if it is neither, or the project's."""
        root_path = settings.ROOT_PATH.get() or scope.get("root_path", "")
        path: str = scope["path"].removeprefix(root_path)
        is_asked = path in _PATHS and scope.get("method") in _METHODS
        return None if not is_asked or self._is_projects(path) else path

    def _is_projects(self, path: str) -> bool:
        """Return whether a route names the path; one for all paths, as single page applications have, does not."""
        for one in self._registered:
            if any(f"{one.prefix}{route.path}" == path for route in iter_route_contexts(one.api.routes)):
                return True
        return settings.DJANGO_FALLBACK.get() and (_is_named_by_django(path) or _is_named_by_django(f"{path}/"))

    async def _answer_ready(self, scope: Scope) -> Response:
        try:
            failures = await asyncio.wait_for(self._find_failures(), self._seconds)
        except TimeoutError:
            failures = [f"no answer within {self._seconds:g} seconds"]
        if not failures:
            return _alive()
        _logger.warning("Not ready: %s", "; ".join(failures))
        return error_response(scope, HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": "5"})

    async def _find_failures(self) -> list[str]:
        try:
            await self._start()
        except LifespanFailed as failure:
            return [str(failure)]
        return await self._readiness.find_failures()


class _Readiness:
    """One check at a time, on a thread of its own: the request threads may all be busy, or wait for what is away.

    A check that hangs keeps its thread, and those who ask meanwhile wait for the same one.
    """

    def __init__(self) -> None:
        self._running: Future[list[str]] | None = None
        os.register_at_fork(after_in_child=self._forget_parent)

    async def find_failures(self) -> list[str]:
        running = self._running
        if running is None or running.done():
            running = self._running = Future()
            running.set_running_or_notify_cancel()
            # As a daemon it does not keep the process from ending.
            threading.Thread(target=_check, args=(running,), name="django_fastapi-readyz", daemon=True).start()
        return await asyncio.wrap_future(running)

    def _forget_parent(self) -> None:
        self._running = None


def _alive() -> Response:
    return JSONResponse({"status": "ok"})


def _is_named_by_django(path: str) -> bool:
    try:
        return path.strip("/") in resolve(path).route
    except Resolver404:
        return False
    except Exception:  # noqa: BLE001 (a URLconf that cannot be imported; Django says so with every request)
        return False


def _check(result: Future[list[str]]) -> None:
    try:
        checks = [("database", alias, _connect) for alias in connections.settings]
        checks += [("cache", alias, _ask) for alias in caches.settings]
        result.set_result([failure for check in checks if (failure := _try(*check)) is not None])
    finally:
        connections.close_all()  # a cache may be a table


def _try(kind: str, alias: str, check: Callable[[str], None]) -> str | None:
    try:
        check(alias)
    except Exception as error:  # noqa: BLE001 (each driver has its own)
        return f'{kind} "{alias}": {type(error).__name__}: {error}'.replace("\n", " ")
    return None


def _connect(alias: str) -> None:
    """Open one connection and close it, beside a pool: that may be used up, and its connections dead."""
    connection = connections.create_connection(alias)
    settings_dict: dict[str, Any] = connection.settings_dict
    if settings_dict["ENGINE"] == _DUMMY:
        return
    options = {name: value for name, value in settings_dict["OPTIONS"].items() if name != "pool"}
    connection.settings_dict = {**settings_dict, "OPTIONS": options}
    try:
        connection.ensure_connection()
        if not connection.is_usable():
            raise OperationalError("The connection cannot be used.")
    finally:
        connection.close()


def _ask(alias: str) -> None:
    caches[alias].get(_KEY)
