"""The applications that are mounted on another one."""

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi.routing import iter_route_contexts
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Host, Match, Mount, Router

from .types import Scope


def mounted_apps(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, Starlette]]:
    """Yield the applications that are mounted among routes, at any depth, each with its path.

    Those of included routers are among them, those of a `Host`, and those inside of a middleware.

    Args:
        routes: The routes of an application.
    """
    for context in iter_route_contexts(routes):
        route = context.original_route
        if not isinstance(route, Mount | Host):
            continue
        path = context.path or ""
        app = _innermost(context.app)
        if isinstance(app, Starlette):
            yield path, app
        for inner, mounted in mounted_apps(getattr(app, "routes", ())):
            yield f"{path}{inner}", mounted


def apps_on_way(routes: Sequence[BaseRoute], scope: Scope) -> Iterator[Starlette]:
    """Yield the mounted applications that a request comes through, the outermost first.

    Args:
        routes: The routes of the application around them.
        scope: The scope that it is given.

    Raises:
        ValueError: A path convertor refuses what its own pattern takes.
    """
    for context in iter_route_contexts(routes):
        fit, child_scope = context.matches(scope)
        if fit is Match.FULL:
            if isinstance(context.original_route, Mount | Host):
                app = _innermost(context.app)
                if isinstance(app, Starlette):
                    yield app
                yield from apps_on_way(getattr(app, "routes", ()), {**scope, **child_scope})
            return


def _innermost(app: Any) -> Any:
    """Return the application within its middleware, which by custom have it as `app`."""
    while not isinstance(app, Starlette | Router) and hasattr(app, "app"):
        app = app.app
    return app
