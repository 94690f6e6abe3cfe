"""FastAPI's own telemetry: whether it is wanted is found out once a second, and not at each request.

FastAPI asks OpenTelemetry for three providers at each request, and OpenTelemetry the environment for each of them. It
does nothing of this where the scope says that somebody outside has seen to it.

The private name `_native_telemetry` of FastAPI's is used here and nowhere else; `tests/test_telemetry.py` fails when it
changes.
"""

import time
from collections.abc import Awaitable
from typing import Any, Final

from fastapi import FastAPI

from .types import ASGIApp, Receive, Scope, Send

SECONDS: Final = 1.0
"""How old the knowledge may be: as long may it take until a provider that is set later is told of requests."""

_SEEN_TO: Final = "fastapi.telemetry"


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
