"""What the routes of an API ask of their users: read off their dependencies."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import BaseRoute

from .dependencies import UserDependency, public
from .requirements import Requirement


@dataclass(frozen=True, slots=True)
class RouteAuth:
    """What a route asks of its user.

    Args:
        is_public: Whether it is marked as open to everybody.
        users: The dependencies that give the user, or 401.
        requirements: What the user has to be allowed to.
    """

    is_public: bool
    users: tuple[UserDependency, ...]
    requirements: tuple[Requirement, ...]


def read_auth(route: Any, overridden: Container[Any] = ()) -> RouteAuth | None:
    """Return what a route asks of its user; None if it is no route of FastAPI's.

    Args:
        route: A route, or its context.
        overridden: Dependencies that are not asked, and neither are those that they ask for:
            `api.dependency_overrides` has others in their place.
    """
    dependant = getattr(route, "dependant", None)
    if dependant is None:
        return None
    calls = list(dict.fromkeys(_calls(dependant, overridden)))
    return RouteAuth(
        public in calls,
        tuple(call for call in calls if isinstance(call, UserDependency) and not call.is_optional),
        tuple(call for call in calls if isinstance(call, Requirement)),
    )


def iter_routes(api: FastAPI) -> Iterator[tuple[str, RouteContext]]:
    """Yield the routes of an API and of those mounted on it, each with its whole path."""
    yield from _iter_routes(api.routes, "")


def _iter_routes(routes: Sequence[BaseRoute], prefix: str) -> Iterator[tuple[str, RouteContext]]:
    for route in iter_route_contexts(routes):
        path = f"{prefix}{route.path}"
        inner: Sequence[BaseRoute] = getattr(route, "routes", ())
        if inner:
            yield from _iter_routes(inner, path)
        else:
            yield path, route


def _calls(dependant: Any, overridden: Container[Any]) -> Iterator[Any]:
    for one in dependant.dependencies:
        if one.call not in overridden:
            yield one.call
            yield from _calls(one, overridden)
