"""ASGI scopes out of httpx requests, as a server would make them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx

from django_fastapi.types import Scope

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_CLIENT: Final = ("127.0.0.1", 50000)


def http_scope(request: httpx.Request, state: Mapping[str, Any]) -> Scope:
    """Return the scope of an HTTP request.

    Args:
        request: The request.
        state: What the application's lifespan left for its requests.
    """
    return {"type": "http", "method": request.method, "scheme": request.url.scheme, **_common(request, state)}


def websocket_scope(request: httpx.Request, state: Mapping[str, Any], subprotocols: Sequence[str]) -> Scope:
    """Return the scope of a WebSocket.

    Args:
        request: The request that asks for it, with an HTTP URL.
        state: What the application's lifespan left for its requests.
        subprotocols: Those that the client offers.
    """
    return {
        "type": "websocket",
        "scheme": "wss" if request.url.scheme == "https" else "ws",
        "subprotocols": list(subprotocols),
        "extensions": {"websocket.http.response": {}},
        **_common(request, state),
    }


def _common(request: httpx.Request, state: Mapping[str, Any]) -> dict[str, Any]:
    url = request.url
    return {
        # As uvicorn has it: a client that goes away is told of by `http.disconnect`, not by an error in `send`.
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "path": url.path,
        "raw_path": url.raw_path.split(b"?")[0],
        "query_string": url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": _CLIENT,
        "server": (url.host, url.port or _DEFAULT_PORTS.get(url.scheme)),
        "state": dict(state),
    }
