"""FastAPI's own telemetry: whether it is wanted is found out once a second, and not at each request.

FastAPI asks OpenTelemetry for three providers at each request, and OpenTelemetry the environment for each of them. It
does nothing of this where the scope says that somebody outside has seen to it. It goes on to look four times whether
there is a trace to write in, which `spare_lookups` spares it in a process that never writes one.

These names of FastAPI's are used here and nowhere else: `_native_telemetry` of an application, its class
`NativeTelemetry`, and in `fastapi.routing` `_operation` and `get_telemetry_data`. `tests/test_telemetry.py` fails when
one of them changes.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import fastapi.applications
import fastapi.routing
from fastapi import FastAPI

from .types import ASGIApp, Receive, Scope, Send

SECONDS: Final = 1.0
"""How old the knowledge may be: as long may it take until a provider that is set later is told of requests."""

_SEEN_TO: Final = "fastapi.telemetry"
_NOTHING: Final = nullcontext()

_names: Final[dict[str, Any]] = fastapi.routing.__dict__
_own: Final = {name: _names[name] for name in ("_operation", "get_telemetry_data")}
_native: Final[Any] = fastapi.applications.__dict__["NativeTelemetry"]
_serve: Final[Callable[..., Awaitable[None]]] = _native.__call__


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
        if not self._is_wanted:
            scope.setdefault(_SEEN_TO, None)
        return self.app(scope, receive, send)


class Lookups:
    """How FastAPI's routes look for a trace to write in: not at all, until this process has one.

    Every trace begins in `NativeTelemetry.__call__`, by which an application serves a request that somebody wants to
    hear of.
    """

    def __init__(self) -> None:
        self._are_needed = False

    def spare(self) -> None:
        """Look for nothing before the first trace; calling it again changes nothing."""
        if self._are_needed:
            return

        def serve_first(native: Any, **request: Any) -> Awaitable[None]:
            self._are_needed = True
            self.restore()
            return _serve(native, **request)

        _names.update(_operation=_enter_nothing, get_telemetry_data=_get_nothing)
        _native.__call__ = serve_first

    def restore(self) -> None:
        """Put everything back as FastAPI has it."""
        _names.update(_own)
        _native.__call__ = _serve


def _enter_nothing(**_: Any) -> AbstractContextManager[None]:
    return _NOTHING


def _get_nothing() -> None:
    return None


_lookups: Final = Lookups()


def spare_lookups() -> None:
    """Have FastAPI's routes look for no trace before this process has one; calling it again changes nothing."""
    _lookups.spare()
