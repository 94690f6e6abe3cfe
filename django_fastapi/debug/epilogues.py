"""The last words of a stream or a WebSocket that an exception ends, with `DEBUG`."""

from collections.abc import Iterable
from html import escape
from typing import Final

from starlette.datastructures import Headers

from django_fastapi.types import Scope

from .failures import Failure, chain_of, describe, scope_inside
from .masking import scrub
from .panels import make_panel
from .violations import secret_inputs

_JSON: Final = frozenset({"application/json", "application/jsonl", "application/x-ndjson", "application/json-seq"})
_SSE: Final = "text/event-stream"
_LONGEST_REASON: Final = 123  # bytes; RFC 6455, section 5.5


def make_epilogue(error: Exception, scope: Scope, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return what to add to a stream that breaks off, so that whoever looks at it sees why.

    In a stream of events it is a comment, which no listener is told of. There is nothing to add to what is no text.

    Args:
        error: The exception.
        scope: The scope of the request.
        headers: The headers of the answer.
    """
    answered = Headers(raw=list(headers))
    kind = answered.get("content-type", "").partition(";")[0].strip().lower()
    if "content-encoding" in answered or not (kind.startswith("text/") or kind in _JSON):
        return b""
    text = scrub("\n".join(_lines(describe(error))), _secrets(error, scope))
    if kind == "text/html":
        text = f"<pre>{escape(text)}</pre>"
    elif kind == _SSE:
        text = "\n".join(f": {line}" for line in text.splitlines())
    return f"\n\n{text}\n".encode("utf-8", "replace")


def make_close_reason(error: Exception, scope: Scope) -> str:
    """Return the reason that a WebSocket is closed with, which the developer tools of browsers show."""
    failure = describe(error)
    text = scrub(f"{failure.kind}: {failure.message}", _secrets(error, scope))
    return text.encode("utf-8", "replace")[:_LONGEST_REASON].decode("utf-8", "ignore")


def _secrets(error: Exception, scope: Scope) -> frozenset[str]:
    inputs = (text for link in chain_of(error) for text in secret_inputs(link))
    return make_panel(scope_inside(error, scope), None, inputs).secrets


def _lines(failure: Failure) -> Iterable[str]:
    for frame in failure.frames:
        yield f'  File "{frame.file}", line {frame.line}, in {frame.function}'
        yield f"    {frame.code}"
    yield f"{failure.kind}: {failure.message}"
    for member in failure.members:
        yield from _lines(member)
