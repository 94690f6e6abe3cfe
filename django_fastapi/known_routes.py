"""Routes that were found before: a router need not try its routes one by one for every request.

FastAPI tries each route until one fits, and those of an included router twice. How long that takes grows with the
project. Here it is remembered which route fits a method and a path.

To see that no route has been added in the meantime takes two private names of FastAPI's. `tests/test_known_routes.py`
fails when what they mean changes.
"""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from operator import is_not
from typing import Any, Final

from fastapi.routing import APIRoute, APIRouter, APIWebSocketRoute, iter_route_contexts
from starlette.routing import BaseRoute, Match, Mount, Route, WebSocketRoute

from .internals import IncludedRouter, routes_version_of
from .types import Receive, Scope, Send

_REMEMBERED: Final = 1000
_REMEMBERED_LENGTH: Final = 200
# What decides by type, method and path alone. A `Host`, or a route of the project's own making, may look at anything.
_FORESEEABLE: Final = frozenset(kind.matches for kind in (Route, WebSocketRoute, Mount, APIRoute, APIWebSocketRoute))

_WITH_CONVERTORS: Final = frozenset(kind.matches for kind in (Route, APIRoute))

_Key = tuple[str, str, str, str]
_App = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class _Known:
    """A route that was found.

    Args:
        route: The route.
        index: Where it stands.
        is_foreseeable: Whether it fits, and none before it does, whatever else is in the request.
        found: What it leaves in the scope, if that is always the same: there is no parameter in its path.
    """

    route: BaseRoute
    index: int
    is_foreseeable: bool
    found: Scope | None


class KnownRoutes:
    """Finds the route of a request, and hands the request over to one that was found before.

    Args:
        router: The router of a FastAPI application. Its routes may still grow.
    """

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._app: _App = router.middleware_stack
        self._known: dict[_Key, _Known] = {}
        self._missed: dict[_Key, Match] = {}
        self._routes: list[BaseRoute] = []
        self._routers: list[APIRouter] = []
        self._version = 0
        self._foreseeable = 0  # so many routes at the beginning

    @classmethod
    def of(cls, router: APIRouter) -> "KnownRoutes":
        """Return what knows the routes of a router, and have the router ask it.

        A router with middleware of its own, or a limit for bodies, goes on without.
        """
        if isinstance(router.middleware_stack, cls):
            return router.middleware_stack
        known = cls(router)
        if router.middleware_stack == router.app:
            router.middleware_stack = known
        return known

    def match(self, scope: Scope) -> Match:
        """Return how well the routes fit: fully, by path but not by method, or not at all."""
        key = _key(scope)
        if self._find(key) is not None:
            return Match.FULL
        missed = self._missed.get(key)
        if missed is not None and not self._has_changed():
            return missed
        best = Match.NONE
        for index, route in enumerate(self._router.routes):
            fit, _ = route.matches(scope)
            if fit is Match.FULL:
                self._remember(key, index, scope)
                return fit
            if fit is Match.PARTIAL:
                best = fit
        self._remember_missed(key, best)
        return best

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """Do with a request what the router does, without looking for the route if it is known."""
        router = self._router
        known = self._find(_key(scope)) if scope["type"] != "lifespan" else None
        # FastAPI's router does more for these: it hands limits on, and tells the route of a trace.
        does_more = router.form_limits or scope.get("fastapi.telemetry") is not None
        if known is None or not known.is_foreseeable or does_more:
            return self._app(scope, receive, send)
        child_scope: dict[str, Any] = {}
        if known.found is not None and "path_params" not in scope and "fastapi" not in scope:
            child_scope = {**known.found, "path_params": {}}
        elif type(known.route) is not IncludedRouter:  # one that is included looks for its route itself
            fit, found = known.route.matches(scope)
            if fit is not Match.FULL:
                return self._app(scope, receive, send)
            child_scope.update(found)
        scope.setdefault("router", router)
        scope.update(child_scope)
        return known.route.handle(scope, receive, send)

    def _find(self, key: _Key) -> _Known | None:
        known = self._known.get(key)
        if known is None or self._has_changed():
            return None
        # Routes are equal that have the same path, endpoint and methods, whatever else they are made with.
        return known if self._router.routes[known.index] is known.route else None

    def _remember(self, key: _Key, index: int, scope: Scope) -> None:
        """Remember that a route fits, if it does so whatever the headers are."""
        route = self._router.routes[index]
        if len(key[-1]) <= _REMEMBERED_LENGTH and route.matches({**scope, "headers": []})[0] is Match.FULL:
            self._begin(self._known)
            self._known[key] = _Known(route, index, index < self._foreseeable, _constant(route, scope))

    def _remember_missed(self, key: _Key, fit: Match) -> None:
        """Remember that no route fits fully: pages of Django's are asked for as often as any."""
        if len(key[-1]) <= _REMEMBERED_LENGTH:
            self._begin(self._missed)
            if self._foreseeable == len(self._routes):
                self._missed[key] = fit

    def _begin(self, remembered: dict[_Key, Any]) -> None:
        """Forget what no longer holds, and one sort of what does if there is too much of it."""
        if len(remembered) >= _REMEMBERED:
            remembered.clear()
        if self._has_changed() or any(map(is_not, self._routes, self._router.routes)):
            self._known.clear()
            self._missed.clear()
            self._routes = list(self._router.routes)
            self._routers = list(_included(self._routes))
            self._version = self._count_changes()
            self._foreseeable = sum(1 for _ in takewhile(_is_foreseeable, self._routes))

    def _has_changed(self) -> bool:
        return self._routes != self._router.routes or (bool(self._routers) and self._version != self._count_changes())

    def _count_changes(self) -> int:
        return sum([routes_version_of(router) for router in self._routers])


def _key(scope: Scope) -> _Key:
    return scope["type"], scope.get("method", ""), scope.get("root_path", ""), scope["path"]


def _included(routes: Sequence[BaseRoute]) -> Iterator[APIRouter]:
    """Return the routers that are included, at any depth."""
    for route in routes:
        if isinstance(route, IncludedRouter):
            router: APIRouter = vars(route)["original_router"]
            yield router
            yield from _included(router.routes)


def _constant(route: BaseRoute, scope: Scope) -> Scope | None:
    if type(route).matches not in _WITH_CONVERTORS or vars(route)["param_convertors"]:
        return None
    # Those two are left by an application that this one is mounted in; such a request is looked at anew.
    return route.matches({name: value for name, value in scope.items() if name not in ("path_params", "fastapi")})[1]


def _is_foreseeable(route: BaseRoute) -> bool:
    if isinstance(route, IncludedRouter):
        return all(_is_foreseeable(one.original_route) for one in iter_route_contexts([route]))
    return type(route).matches in _FORESEEABLE
