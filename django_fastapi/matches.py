"""The route that FastAPI has chosen, as Django's resolver would tell it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import ResolverMatch
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import BaseRoute, Match

from .registry import RegisteredAPI, get_registry
from .types import Scope


@dataclass(frozen=True, slots=True)
class View:
    """An endpoint, and the values of the parameters in its path."""

    endpoint: Any
    kwargs: Mapping[str, Any]
    route: Any

    @property
    def scope(self) -> dict[str, Any]:
        """What FastAPI writes into the scope when it chooses the endpoint."""
        return {"endpoint": self.endpoint, "path_params": self.kwargs, "route": self.route}


def find_view(scope: Scope) -> View | None:
    """Return the endpoint that FastAPI has chosen for a request, or will choose; None if it is none of its routes.

    A middleware around a whole application asks before FastAPI does. Of what is mounted and has no routes, such as
    `StaticFiles`, the endpoint is that application.
    """
    endpoint = scope.get("endpoint")
    if endpoint is not None and not _leads_to(endpoint, scope["app"]):
        return View(endpoint, scope.get("path_params", {}), scope.get("route"))
    found = _find(scope["app"].routes, scope)
    if found is None:
        return None
    context, chosen = found
    if chosen.get("endpoint") is None or getattr(context, "routes", None):
        return None
    return View(chosen["endpoint"], chosen.get("path_params", {}), context.original_route)


def _leads_to(endpoint: object, app: object) -> bool:
    """Return whether an endpoint is this application, mounted in another, perhaps with middleware around it."""
    inner: object = endpoint
    while inner is not None and inner is not app:
        inner = getattr(inner, "app", None)
    return inner is app


def match(scope: Scope) -> ResolverMatch | None:
    """Return Django's description of the route in a scope; None if no route has been chosen, or none fits.

    With `django_fastapi.urls` in the URLconf, `reverse(match.view_name, kwargs=match.kwargs)` gives the path again.
    """
    endpoint, route = scope.get("endpoint"), scope.get("route")
    if endpoint is None or route is None:
        return None
    registered = next((one for one in get_registry().all() if one.api is scope.get("app")), None)
    namespaces: list[str | None] = [registered.name] if registered else []
    kwargs = dict(scope.get("path_params", {}))
    return ResolverMatch(
        endpoint,
        (),
        kwargs,
        url_name=getattr(route, "name", None),
        app_names=namespaces,
        namespaces=namespaces,
        # Without a slash first, as Django has it.
        route=(_route_path(scope, registered) or str(getattr(route, "path", ""))).removeprefix("/"),
        captured_kwargs=kwargs,
        extra_kwargs={},
    )


def find_route(routes: Sequence[BaseRoute], scope: Scope) -> RouteContext | None:
    """Return the route that FastAPI is going to choose, one inside a mounted application too; None if none fits."""
    found = _find(routes, scope)
    return found[0] if found is not None else None


def _find(routes: Sequence[BaseRoute], scope: Scope) -> tuple[RouteContext, Scope] | None:
    """Return the route as well as what it writes into the scope."""
    for route in iter_route_contexts(routes):
        match, child_scope = route.matches(scope)
        if match is Match.FULL:
            # Those of a mounted application, which match in the scope that it is given.
            inner: Sequence[BaseRoute] = getattr(route, "routes", ())
            return _find(inner, {**scope, **child_scope}) or (route, child_scope)
    return None


def _route_path(scope: Scope, registered: RegisteredAPI | None) -> str | None:
    """Return the path of the route with the prefixes of the routers around it."""
    if registered is None:
        return None
    local = _local_path(scope)
    contexts = [one for one in iter_route_contexts(registered.api.routes) if one.original_route is scope["route"]]
    # A router that is included twice has its routes twice.
    fitting = [one for one in contexts if _fits(one, local)] or contexts
    return f"{registered.prefix}{fitting[0].path}" if fitting else None


def _local_path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _fits(context: RouteContext, path: str) -> bool:
    return context.path_regex.match(path) is not None
