"""The project's APIs, as the commands see them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.security.base import SecurityBase
from starlette.routing import BaseRoute, Host, Mount, WebSocketRoute

from django_fastapi.auth.dependencies import current_user
from django_fastapi.auth.openapi import document_auth
from django_fastapi.auth.routes import read_auth
from django_fastapi.auth.schemes.base import Scheme
from django_fastapi.auth.settings import get_auth_settings
from django_fastapi.discovery import discover
from django_fastapi.factory import apply_settings
from django_fastapi.openapi import DocsRoute
from django_fastapi.registry import RegisteredAPI, get_registry

_KINDS = {Mount: "MOUNT", Host: "HOST", WebSocketRoute: "WEBSOCKET"}

STAFF = "staff"
"""What stands in the place of a scheme where the docs are for staff."""


@dataclass(frozen=True, slots=True)
class ListedRoute:
    """One route of an API.

    Args:
        methods: Its methods in alphabetical order, or "WEBSOCKET", or "MOUNT" for an application of its own, or "HOST"
            for one that has a host of its own.
        path: Its path, with the prefixes around it, and before that the host if it has one of its own.
        name: By what `reverse()` knows it; empty if it does not, as none of a mounted application.
        endpoint: Dotted path of what answers; empty if that is no function or class.
        schemes: The names of the security schemes of which it wants a credential; without any, everybody may come in.
    """

    methods: str
    path: str
    name: str
    endpoint: str
    schemes: tuple[str, ...]


def load_apis() -> list[RegisteredAPI]:
    """Import the API modules, apply the settings, and return every API as the site serves it.

    Raises:
        ConfigurationError: A setting is wrong.
        Exception: What an API module raises while it is imported.
    """
    registry = get_registry()
    discover(registry)
    apply_settings(registry)
    for one in registry.all():
        document_auth(one.api)
    return registry.all()


def list_routes(registered: RegisteredAPI) -> Iterator[ListedRoute]:
    """Yield the routes of an API in their order, those of mounted applications after their mount.

    Args:
        registered: The API.
    """
    for path, route, is_mounted in _walk(registered.prefix, registered.api.routes):
        is_reversible = route.name and route.endpoint and not is_mounted
        yield ListedRoute(
            methods=_methods(route),
            path=path,
            name=f"{registered.name}:{route.name}" if is_reversible else "",
            endpoint=_dotted_path(route.endpoint),
            schemes=tuple(dict.fromkeys(_schemes(route))),
        )


def _walk(
    prefix: str, routes: Sequence[BaseRoute], host: str = "", *, is_mounted: bool = False
) -> Iterator[tuple[str, RouteContext, bool]]:
    """Yield each route with its path, and whether it is one of a mounted application."""
    for route in iter_route_contexts(routes):
        path, inner = f"{prefix}{route.path or ''}", route.original_route
        inner_host = inner.host if isinstance(inner, Host) else host
        yield f"{inner_host}{path}", route, is_mounted
        if isinstance(inner, Mount | Host):
            yield from _walk(path, inner.routes, inner_host, is_mounted=True)


def _methods(route: RouteContext) -> str:
    for kind, word in _KINDS.items():
        if isinstance(route.original_route, kind):
            return word
    return ",".join(sorted(route.methods or ()))


def _dotted_path(endpoint: Any) -> str:
    name: str | None = getattr(endpoint, "__qualname__", None)
    return "" if name is None else f"{endpoint.__module__}.{name}"


def _schemes(route: RouteContext) -> Iterator[str]:
    original = route.original_route
    if isinstance(original, DocsRoute) and original.is_staff_only:
        yield STAFF
    asked = read_auth(route)
    if asked is None:
        return
    yield from _foreign_schemes(route.dependant)
    is_asked_anyway = get_auth_settings().required and not asked.is_public
    for user in asked.users or ((current_user,) if is_asked_anyway else ()):
        yield from (scheme.scheme_name for scheme in user.resolved_schemes)


def _foreign_schemes(dependant: Dependant) -> Iterator[str]:
    """Yield FastAPI's own and those of others; ours are asked by a dependency that may do without."""
    for dependency in dependant.dependencies:
        call: Any = dependency.call
        if isinstance(call, SecurityBase) and not isinstance(call, Scheme):
            yield call.scheme_name
        yield from _foreign_schemes(dependency)
