"""FastAPI's own telemetry: whether it is wanted is found out once a second, and not at each request.

FastAPI asks OpenTelemetry for three providers at each request, and OpenTelemetry the environment for each of them. It
does nothing of this where the scope says that somebody outside has seen to it. It goes on to look four times whether
there is a trace to write in, which `spare_lookups` spares it in a process that never writes one.

`tests/test_telemetry.py` fails when what the private names of FastAPI's mean changes that this takes.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from fastapi import FastAPI
from fastapi.telemetry import get_telemetry_data

from .internals import NativeTelemetry, begin_operation, native_telemetry_of, set_trace_lookups
from .types import ASGIApp, Receive, Scope, Send

SECONDS: Final = 1.0
"""How old the knowledge may be: as long may it take until a provider that is set later is told of requests."""

_SEEN_TO: Final = "fastapi.telemetry"
_NOTHING: Final = nullcontext()

_serve: Final[Callable[..., Awaitable[None]]] = NativeTelemetry.__call__


class Telemetry:
    """Spare an API the question of who wants to hear of a request, where nobody does.

    Args:
        api: The API.
    """

    def __init__(self, api: FastAPI) -> None:
        self.app: ASGIApp = api
        self._native: Any = native_telemetry_of(api)
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

        set_trace_lookups(_enter_nothing, _get_nothing)
        NativeTelemetry.__call__ = serve_first

    def restore(self) -> None:
        """Put everything back as FastAPI has it."""
        set_trace_lookups(begin_operation, get_telemetry_data)
        NativeTelemetry.__call__ = _serve


def _enter_nothing(**_: Any) -> AbstractContextManager[None]:
    return _NOTHING


def _get_nothing() -> None:
    return None


_lookups: Final = Lookups()


def spare_lookups() -> None:
    """Have FastAPI's routes look for no trace before this process has one; calling it again changes nothing."""
    _lookups.spare()
