"""Django's own handler, as the application for what no API serves."""

import logging
import os
from collections.abc import Mapping
from http import HTTPStatus
from typing import IO, Any, Final, cast

from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.urls import Resolver404, ResolverMatch

from . import charsets
from .static_files import StaticFilesHandler, are_served
from .types import ASGIApp

_FORM: Final = "application/x-www-form-urlencoded"

UNRESOLVED = "django_fastapi.unresolved"
"""The key set in the scope of a request whose path is in no URLconf."""


class DjangoHandler(ASGIHandler):
    """Django's ASGI handler, telling through the scope when no URL pattern fits.

    A 404 alone does not say that: a view may answer one, and a middleware may turn an unresolved path into a page
    (flatpages) or a redirect (`APPEND_SLASH`, `LocaleMiddleware`).
    """

    def create_request(
        self, scope: Mapping[str, Any], body_file: IO[bytes]
    ) -> tuple[ASGIRequest, None] | tuple[None, HttpResponse]:
        """Make the request as Django does, and mend what its ASGI side leaves to the view.

        A chunked body has no `Content-Length`, without which Django's form parser finds no files; it is known by now. A
        form in another charset than UTF-8 is 400 for Django too, but the page that says so reads the form again.
        """
        request, refusal = super().create_request(scope, body_file)
        if request is None:
            return None, cast("HttpResponse", refusal)
        charsets.correct(request)
        if request.content_type == _FORM and request.encoding:
            if not charsets.is_utf8(request.encoding):
                return None, HttpResponseBadRequest()
            request.encoding = "utf-8"  # the one spelling Django knows
        if not request.META.get("CONTENT_LENGTH"):
            size = body_file.seek(0, os.SEEK_END)
            body_file.seek(0)
            if size:
                request.META["CONTENT_LENGTH"] = str(size)
        return request, None

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Resolve the path as Django does, and leave a mark if nothing fits."""
        try:
            return super().resolve_request(request)
        except Resolver404:
            scope: dict[str, Any] = request.scope  # type: ignore[attr-defined]  # only ASGIRequest has it
            scope[UNRESOLVED] = True
            raise


class _UnlessUnresolved(logging.Filter):
    """Keep out of the log what Django says of a path that it does not know: an API may have the answer.

    The answer is logged when there is one, whoever gives it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is about anything else."""
        scope: Mapping[str, Any] = getattr(getattr(record, "request", None), "scope", {})
        return not (scope.get(UNRESOLVED, False) and getattr(record, "status_code", None) == HTTPStatus.NOT_FOUND)


_unless_unresolved: Final = _UnlessUnresolved()  # one: a logger takes the same filter once


def make_django_handler() -> ASGIApp:
    """Return Django's handler, serving static files as well with `DEBUG`, as `runserver` does."""
    logging.getLogger("django.request").addFilter(_unless_unresolved)
    handler: ASGIHandler = DjangoHandler()
    if are_served():
        handler = StaticFilesHandler(handler)
    # django-stubs describe the scope as a dict, which it is, and Starlette as a mapping.
    return cast("ASGIApp", handler)
