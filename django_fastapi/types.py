"""The two protocols everything here speaks: ASGI (Starlette's types) and WSGI (PEP 3333)."""

from wsgiref.types import (
    StartResponse as StartResponse,
    WSGIApplication as WSGIApplication,
    WSGIEnvironment as WSGIEnvironment,
)

from starlette.types import (
    ASGIApp as ASGIApp,
    Message as Message,
    Receive as Receive,
    Scope as Scope,
    Send as Send,
)

__all__ = [
    "ASGIApp",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "StartResponse",
    "WSGIApplication",
    "WSGIEnvironment",
]
