"""Where the route is that hands out tokens: the OpenAPI document names it."""

from typing import Final

from django.urls import get_script_prefix
from fastapi.routing import iter_route_contexts

from django_fastapi import settings
from django_fastapi.registry import get_registry

TOKEN_ROUTE: Final = "django_fastapi_auth_token"  # noqa: S105 (the name of a route)


def token_url() -> str | None:
    """Return the path of `POST token`, wherever the router was included; None if there is none."""
    for registered in get_registry().all():
        for route in iter_route_contexts(registered.api.routes):
            if route.name == TOKEN_ROUTE and route.path:
                root = settings.ROOT_PATH.get() or get_script_prefix().rstrip("/")
                return root + registered.prefix + route.path
    return None
