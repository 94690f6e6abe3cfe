"""The id and the line by which the answer to a request, its body and the log speak of the same request."""

import re
import uuid
from typing import Any, Final

from starlette.datastructures import Headers

from .types import Scope

HEADER: Final = "X-Request-ID"

_KEY: Final = "django_fastapi.request_id"
# What proxies and tracing libraries send: no white space, no quotes, nothing that could forge a line of a log.
_SANE: Final = re.compile(r"[A-Za-z0-9._~:+/=@-]{1,128}")


def prepare(scope: Scope) -> None:
    """Have all copies that are made of a scope from now on agree on its id, which is made when it is first needed."""
    # A list, since all requests pay for it: the id, once there is one, and what to make it of. That is not the scope,
    # which knows the list: what goes in a circle has to wait for the garbage collector.
    scope[_KEY] = [None, scope["headers"]]


def request_id(scope: Scope) -> str:
    """Return the id of a request.

    It is the one that the client or a proxy in front sent as `X-Request-ID`, if there is exactly one, of at most 128
    letters, digits and `._~:+/=@-`; otherwise a new random one.

    Args:
        scope: The scope of the request.
    """
    if _KEY not in scope:
        prepare(scope)
    known: list[Any] = scope[_KEY]
    if known[0] is None:
        known[0] = _sent_with(known[1]) or uuid.uuid4().hex
    return str(known[0])


def request_line(scope: Scope) -> str:
    """Return method and path of a request, or `WebSocket` and path, in a form that cannot forge a line of a log."""
    path: str = scope["path"]
    return f"{scope.get('method', 'WebSocket')} {path}".encode("unicode_escape").decode("ascii")


def _sent_with(headers: list[tuple[bytes, bytes]]) -> str | None:
    sent = Headers(raw=headers).getlist(HEADER)
    return sent[0] if len(sent) == 1 and _SANE.fullmatch(sent[0]) else None
