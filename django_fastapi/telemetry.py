"""FastAPI's own telemetry: whether it is wanted is found out once a second, and not at each request.

FastAPI asks OpenTelemetry for three providers at each request, and OpenTelemetry the environment for each of them. It
does nothing of this where the scope says that somebody outside has seen to it. It goes on to look four times whether
there is a trace to write in, which `spare_lookups` spares it.

These names of FastAPI's are used here and nowhere else: `_native_telemetry` of an application, and in `fastapi.routing`
`_operation` and `get_telemetry_data`. `tests/test_telemetry.py` fails when one of them changes.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any, Final

import fastapi.routing
from fastapi import FastAPI

from .types import ASGIApp, Receive, Scope, Send

SECONDS: Final = 1.0
"""How old the knowledge may be: as long may it take until a provider that is set later is told of requests."""

_SEEN_TO: Final = "fastapi.telemetry"
_NOTHING: Final = nullcontext()
_operation: Final[Callable[..., AbstractContextManager[None]]] = fastapi.routing.__dict__["_operation"]
_get_data: Final[Callable[[], Any]] = fastapi.routing.__dict__["get_telemetry_data"]

_is_quiet: ContextVar[bool] = ContextVar("django_fastapi.is_quiet", default=False)
"""Whether nobody wants to hear of the current request."""


class Telemetry:
    """Spare an API the question of who wants to hear of a request, where nobody does.

    Args:
        api: The API.
    """

    def __init__(self, api: FastAPI) -> None:
        self.app: ASGIApp = api
        self._native: Any = vars(api).get("_native_telemetry")
        self._is_wanted = self._native is None
        self._fresh_until = 0.0

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request or WebSocket."""
        now = time.monotonic()
        if now >= self._fresh_until and self._native is not None:
            self._is_wanted = self._native.enabled()
            self._fresh_until = now + SECONDS
        _is_quiet.set(not self._is_wanted and scope.setdefault(_SEEN_TO, None) is None)
        return self.app(scope, receive, send)


def spare_lookups() -> None:
    """Have FastAPI's routes look for no trace where none is written; calling it again changes nothing."""
    fastapi.routing.__dict__.update(_operation=_begin_operation, get_telemetry_data=_get_data_if_heard)


def _begin_operation(**options: Any) -> AbstractContextManager[None]:
    return _NOTHING if _is_quiet.get() else _operation(**options)


def _get_data_if_heard() -> Any:
    return None if _is_quiet.get() else _get_data()
