"""A Django request over an ASGI scope."""

from io import BytesIO

from django.core.handlers.asgi import ASGIRequest

from .types import Scope


def make_django_request(scope: Scope, body: bytes = b"") -> ASGIRequest:
    """Return Django's request for an HTTP or WebSocket scope; a WebSocket is a GET.

    Args:
        scope: The ASGI scope.
        body: The whole body, if it is needed.

    Raises:
        UnicodeDecodeError: The scope holds bytes that Django cannot decode.
    """
    return ASGIRequest({"method": "GET", **scope}, BytesIO(body))


def prefers_json(scope: Scope) -> bool:
    """Return whether the client takes JSON at least as gladly as HTML (RFC 9110, section 12.5.1).

    A browser names `text/html`; API clients name JSON or send `*/*`.
    """
    return make_django_request(scope).get_preferred_type(["application/json", "text/html"]) == "application/json"
