"""Django's own handler, as the application for what no API serves."""

from typing import Any, cast

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.urls import Resolver404, ResolverMatch

from .types import ASGIApp

UNRESOLVED = "django_fastapi.unresolved"
"""The key set in the scope of a request whose path is in no URLconf."""


class DjangoHandler(ASGIHandler):
    """Django's ASGI handler, telling through the scope when no URL pattern fits.

    A 404 alone does not say that: a view may answer one, and a middleware may turn an unresolved path into a page
    (flatpages) or a redirect (`APPEND_SLASH`, `LocaleMiddleware`).
    """

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Resolve the path as Django does, and leave a mark if nothing fits."""
        try:
            return super().resolve_request(request)
        except Resolver404:
            scope: dict[str, Any] = request.scope  # type: ignore[attr-defined]  # only ASGIRequest has it
            scope[UNRESOLVED] = True
            raise


def make_django_handler() -> ASGIApp:
    """Return Django's handler, serving static files as well with `DEBUG`, as `runserver` does."""
    handler: ASGIHandler = DjangoHandler()
    if settings.DEBUG and settings.STATIC_URL and apps.is_installed("django.contrib.staticfiles"):
        handler = ASGIStaticFilesHandler(handler)
    # django-stubs describe the scope as a dict, which it is, and Starlette as a mapping.
    return cast("ASGIApp", handler)
