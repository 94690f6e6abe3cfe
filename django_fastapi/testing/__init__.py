"""Test tools: clients that drive the whole site on the test's own thread, connection and transaction.

They need the extra: `pip install django-fastapi-bridge[test]`. Nothing is imported before a name is used, so that the
pytest plugin costs nothing where nobody asks for its fixtures.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .async_client import AsyncClient as AsyncClient
    from .client import Client as Client
    from .queries import acapture_queries as acapture_queries
    from .websockets import (
        AsyncWebSocketSession as AsyncWebSocketSession,
        WebSocketDenied as WebSocketDenied,
        WebSocketSession as WebSocketSession,
    )

__all__ = [
    "AsyncClient",
    "AsyncWebSocketSession",
    "Client",
    "WebSocketDenied",
    "WebSocketSession",
    "acapture_queries",
]

_MODULES = {
    "AsyncClient": ".async_client",
    "AsyncWebSocketSession": ".websockets",
    "Client": ".client",
    "WebSocketDenied": ".websockets",
    "WebSocketSession": ".websockets",
    "acapture_queries": ".queries",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
