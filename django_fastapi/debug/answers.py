"""What a client is told of an unhandled exception with `DEBUG`: a page, a text, or members for the error form."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import BadRequest as DjangoBadRequest
from django.http import HttpRequest
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from django_fastapi.concurrency import run
from django_fastapi.exceptions import BadRequest
from django_fastapi.negotiation import preferred_type
from django_fastapi.request_ids import HEADER, request_id
from django_fastapi.requests import SLOT, RequestSlot, make_django_request
from django_fastapi.types import Scope

from .explanations import explain
from .failures import chain_of, scope_inside
from .panels import make_panel
from .reporters import make_reporter
from .serializations import restore_cause
from .violations import secret_inputs

_HTML: Final = "text/html"
_TEXT: Final = "text/plain"
_JSON: Final = ("application/json", "application/problem+json")
_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Vary": "Accept", "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Explained:
    """What there is to tell.

    Args:
        page: The finished answer for a browser or a terminal; None for an API client.
        members: What an API client is told, beside what it is told without `DEBUG`.
    """

    page: Response | None
    members: Mapping[str, Any]


async def aexplain(error: Exception, scope: Scope, status: int) -> Explained:
    """Return what a client is told of an unhandled exception.

    It is made on the request's thread: pages show users, querysets and other values that ask the database.

    Args:
        error: The exception.
        scope: The scope of the request or WebSocket, of as far inside as it is known.
        status: The status of the answer.
    """
    return await run(functools.partial(_explain, error, scope, status))


def _explain(error: Exception, scope: Scope, status: int) -> Explained:
    restore_cause(error)
    scope = scope_inside(error, scope)
    django_request = _django_request(scope)
    panel = make_panel(scope, django_request, (text for link in chain_of(error) for text in secret_inputs(link)))
    explanation = explain(error, scope.get("route"), panel.secrets)
    kind = _kind(scope) if scope["type"] == "http" and django_request is not None else None
    if kind is None:
        return Explained(None, {"exception": explanation})
    reporter = make_reporter(error, django_request, panel, explanation)
    headers = {**_HEADERS, HEADER: request_id(scope)}
    if kind == _HTML:
        return Explained(HTMLResponse(_encode(reporter.get_traceback_html()), status, headers), {})
    return Explained(PlainTextResponse(_encode(reporter.get_traceback_text()), status, headers), {})


def _encode(page: str) -> bytes:
    """Return a page as bytes, with question marks for lone surrogates: a message may be what a client sent."""
    return page.encode("utf-8", "replace")


def _kind(scope: Scope) -> str | None:
    """Return the media type of the page that the client prefers; None if it is JSON, as for those who do not say."""
    chosen = preferred_type(scope, [*_JSON, _HTML, _TEXT])
    return chosen if chosen in (_HTML, _TEXT) else None


def _django_request(scope: Scope) -> HttpRequest | None:
    slot: object = scope.get(SLOT)
    try:
        if isinstance(slot, RequestSlot):
            return slot.fill(Request(scope) if scope["type"] == "http" else HTTPConnection(scope))
        return make_django_request(scope)
    except (BadRequest, DjangoBadRequest, ValueError):
        return None
