"""The applications that are mounted on another one."""

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi.routing import iter_route_contexts
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Host, Mount, Router


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
        app = _innermost(route.app)
        if isinstance(app, Starlette):
            yield path, app
        for inner, mounted in mounted_apps(getattr(app, "routes", ())):
            yield f"{path}{inner}", mounted


def _innermost(app: Any) -> Any:
    """Return the application within its middleware, which by custom have it as `app`."""
    while not isinstance(app, Starlette | Router) and hasattr(app, "app"):
        app = app.app
    return app
