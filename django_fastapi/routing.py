"""Dependencies that put a request's transaction around its endpoint."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from django.db import connections, transaction
from fastapi import Depends
from starlette.requests import HTTPConnection


def atomic(using: str | None = None, *, savepoint: bool = True) -> Any:
    """Return a dependency that runs the endpoint, sync or async, in a transaction.

    It commits after the endpoint and before the response is sent: a commit that fails is a 500. A raised exception
    rolls back, `HTTPException` included; a response that is returned commits, whatever its status, as with Django's
    `ATOMIC_REQUESTS`.

    Args:
        using: The alias of the database; the default one if None.
        savepoint: Whether a transaction inside another makes a savepoint, as for `django.db.transaction.atomic`.

    Returns:
        A `fastapi.Depends`, for `dependencies=[atomic()]` of a route, a router or an application.
    """
    return Depends(_Atomic(using, savepoint), scope="function")


@dataclass(frozen=True, slots=True)
class _Atomic:
    """The dependency behind `atomic`: equal by its arguments, so that an override finds it."""

    using: str | None
    savepoint: bool

    def __call__(self) -> Iterator[None]:
        with transaction.atomic(using=self.using, savepoint=self.savepoint):
            yield


def atomic_requests() -> Any:
    """Return a dependency that follows `ATOMIC_REQUESTS` of the databases, and `non_atomic_requests` of the endpoint.

    The default API has it where a database asks for it. A FastAPI application of the project's own needs it among its
    `dependencies`. WebSockets are left alone.
    """
    return Depends(_atomic_requests, scope="function")


def has_atomic_requests() -> bool:
    """Return whether a database of the project has `ATOMIC_REQUESTS` on."""
    return any(connections.settings[alias]["ATOMIC_REQUESTS"] for alias in connections)


def follows_atomic_requests(dependencies: list[Any]) -> bool:
    """Return whether `atomic_requests()` is among the dependencies of a router."""
    return any(dependency.dependency is _atomic_requests for dependency in dependencies)


def _atomic_requests(connection: HTTPConnection) -> Iterator[None]:
    exempt: set[str] = getattr(connection.scope.get("endpoint"), "_non_atomic_requests", set())
    with ExitStack() as stack:
        if connection.scope["type"] == "http":
            for alias in connections:
                if connections.settings[alias]["ATOMIC_REQUESTS"] and alias not in exempt:
                    stack.enter_context(transaction.atomic(using=alias))
        yield
