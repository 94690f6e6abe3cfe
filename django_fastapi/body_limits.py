"""How much a request may send: FastAPI's own limits, with Django's settings where the project sets none.

FastAPI has `max_body_size` and `form_limits` on routes, routers and applications; the nearest counts. The defaults here
are `DATA_UPLOAD_MAX_MEMORY_SIZE` for a body, and `DATA_UPLOAD_MAX_NUMBER_FIELDS` and `DATA_UPLOAD_MAX_NUMBER_FILES` for
a form. The files of a form go to the disk: as for Django, they have no limit but a `max_body_size`, and the memory that
the fields take together is at most `DATA_UPLOAD_MAX_MEMORY_SIZE`. With a `max_part_size` beyond that they have the
`max_body_size`, or without one as much more as one of them may take.
"""

import math
import sys
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from django.conf import settings
from fastapi import params
from fastapi.routing import APIRoute, RouteContext
from starlette.middleware.body_limit import RequestBodyLimitResponder
from starlette.routing import BaseRoute

from .content_types import FORMS, MULTIPART
from .edge import get_sent, refuse
from .form_fields import FieldCounter
from .internals import BodyTooLarge
from .matches import find_route
from .requests import SLOT, RequestSlot
from .types import ASGIApp, Message, Receive, Scope, Send

_WITH_FRAMES: Final = ("2", "3")  # where a body needs neither a length nor an encoding
_TOO_MANY_DIGITS: Final = 20  # no 64-bit number has them


class BodyLimits:
    """Limit what a FastAPI application reads of a body.

    A body that announces to be too long is refused before anything runs; others are counted as they arrive.

    Args:
        app: The application.
        routes: Its routes, a list that may still grow.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self.app = app
        self._routes = routes

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request or WebSocket."""
        sent = get_sent(scope)
        if scope["type"] != "http" or not _has_body(scope, sent):
            return self.app(scope, receive, send)
        return self._limit(sent, scope, receive, send)

    async def _limit(self, sent: Mapping[str, str], scope: Scope, receive: Receive, send: Send) -> None:
        length = _parse_length(sent.get("CONTENT_LENGTH") or "0")
        if length is None:
            await refuse(scope, receive, send, HTTPStatus.BAD_REQUEST, "Content-Length is not a number.")
            return
        await self._serve_body(scope, receive, send, length=length, content_type=sent.get("CONTENT_TYPE", ""))

    async def _serve_body(self, scope: Scope, receive: Receive, send: Send, *, length: int, content_type: str) -> None:
        default: int | None = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        kind = content_type.partition(";")[0].strip(" \t").lower()
        if kind in FORMS:
            _set_form_limits(scope, default)
        needs_route = kind == MULTIPART or _exceeds(length, default)
        route = find_route(self._routes, scope) if needs_route else None
        limits = _plan(route, kind, default)
        if _exceeds(length, limits.announced):
            await refuse(scope, receive, send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Content Too Large")
            return
        responder = _Responder(self.app, limits, content_type)
        slot: object = scope.get(SLOT)
        if isinstance(slot, RequestSlot):
            slot.body.limit(responder.count_for_django)
        await responder(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Limits:
    """What a request may send, in bytes; None is no limit.

    Args:
        announced: What it may say that it sends.
        kept: What Django's request reads of its body, unless FastAPI has a limit of the project's.
        body: What is read of its body.
        fields: The fields of a multipart form, with their names, unless one of them may be longer.
        part: One such field, if the route itself says so.
    """

    announced: int | None
    kept: int | None
    body: int | None
    fields: int | None
    part: int | None = None


def _plan(route: RouteContext | None, kind: str, default: int | None) -> _Limits:
    """Return the limits of a body.

    Args:
        route: The route that gets it, if that makes a difference.
        kind: Its content type, without parameters.
        default: `DATA_UPLOAD_MAX_MEMORY_SIZE`.
    """
    own: int | None = getattr(route, "max_body_size", None)
    limit = default if own is None else own
    # Django has the files of a form on the disk, and counts its fields itself.
    kept = own if kind == MULTIPART else limit
    if route is None or not isinstance(route.original_route, APIRoute):
        # Nobody reads it for a 404, a 405 or a redirect; and what is mounted may have limits of its own.
        return _Limits(announced=None, kept=kept, body=limit, fields=None)
    if kind != MULTIPART:
        return _Limits(announced=limit, kept=kept, body=limit, fields=None)
    if isinstance(getattr(route.body_field, "field_info", None), params.Form):
        part = route.original_route.form_limits.get("max_part_size")
        return _Limits(announced=own, kept=kept, body=own, fields=default, part=part)
    # Not declared as a form: FastAPI would have it whole in the memory.
    return _Limits(announced=own, kept=kept, body=limit, fields=None)


def _has_body(scope: Scope, sent: Mapping[str, str]) -> bool:
    return (
        "HTTP_TRANSFER_ENCODING" in sent
        or sent.get("CONTENT_LENGTH", "0") not in ("", "0")
        or scope.get("http_version", "1.1").startswith(_WITH_FRAMES)
    )


def _parse_length(text: str) -> int | None:
    if text.isascii() and text.isdecimal() and len(text) < _TOO_MANY_DIGITS:
        return int(text)
    return None


def _exceeds(size: int, limit: int | None) -> bool:
    return limit is not None and size > limit


def _set_form_limits(scope: Scope, part_size: int | None) -> None:
    """Give FastAPI the limits of forms which routes, routers and applications do not set themselves.

    FastAPI hands limits from a router to those inside of it through the scope, and has no other way for a request.
    """
    fields: int | None = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    files: int | None = settings.DATA_UPLOAD_MAX_NUMBER_FILES
    limits = {
        "max_fields": math.inf if fields is None else fields,
        "max_files": math.inf if files is None else files,
        "max_part_size": sys.maxsize if part_size is None else part_size,
    }
    scope.setdefault("fastapi", {})["form_limits"] = limits


class _Responder(RequestBodyLimitResponder):
    """Starlette's count of a body, and one of the fields of a form.

    Limits of FastAPI's further inside change the limit of this one. What nobody reads is not counted: Starlette's own
    class also puts a 413 in the place of an answer when the body was announced to be too long, after all is done.

    Args:
        app: The application.
        limits: What the request may send.
        content_type: The `Content-Type` of the body.
    """

    def __init__(self, app: ASGIApp, limits: _Limits, content_type: str) -> None:
        super().__init__(app, sys.maxsize if limits.body is None else limits.body)
        self._from_settings = self.max_body_size
        self._limits = limits
        self._fields = None if limits.fields is None else FieldCounter(content_type)

    async def receive_with_limit(self) -> Message:
        """Return the next message, if what has come by now is not too long."""
        message = await super().receive_with_limit()
        if self._fields is not None and _exceeds(self._fields.count(message.get("body", b"")), self._fields_limit):
            raise BodyTooLarge
        return message

    @property
    def _fields_limit(self) -> int | None:
        """What the fields may take, by what applications and routers up to here have said of theirs."""
        default, part = self._limits.fields, self._limits.part
        if part is None:
            part = self.scope["fastapi"]["form_limits"]["max_part_size"]
        if default is None or part <= default:
            return default
        has_own = self.max_body_size != sys.maxsize
        return None if has_own else default + part

    def count_for_django(self, size: int) -> None:
        """See that what Django's request has read by now is not too long.

        Args:
            size: How many bytes it is.
        """
        is_projects = self.max_body_size != self._from_settings  # one of an application or a router, set further inside
        if _exceeds(size, self.max_body_size if is_projects else self._limits.kept):
            raise BodyTooLarge

    async def send_with_limit(self, message: Message) -> None:
        """Send a message."""
        if message["type"] == "http.response.start":
            self.response_started = True
        await self.send(message)
