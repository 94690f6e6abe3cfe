"""The private names of FastAPI and Starlette that this package stands on: here are all of them, and nowhere else.

A version that lacks one is refused by name when the package is imported. What the names do is tested where they are
used: whoever supports a new version of FastAPI begins with this page.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any, Final

import fastapi
import fastapi.applications
import fastapi.dependencies.models
import fastapi.routing
import starlette.concurrency
import starlette.middleware.body_limit
from fastapi.routing import APIRouter
from starlette.routing import BaseRoute

from .exceptions import ConfigurationError


def take(module: ModuleType, name: str) -> Any:
    """Return what a module has under a private name.

    Raises:
        ConfigurationError: It has nothing: this version of FastAPI works in another way.
    """
    try:
        return module.__dict__[name]
    except KeyError:
        raise ConfigurationError(
            f"FastAPI {fastapi.__version__} with Starlette {starlette.__version__} has no `{module.__name__}.{name}`, "
            f"which this version of django-fastapi-bridge needs. Install one that supports them."
        ) from None


IncludedRouter: Final[type[BaseRoute]] = take(fastapi.routing, "_IncludedRouter")
"""What `include_router` leaves among the routes."""

NativeTelemetry: Final[Any] = take(fastapi.applications, "NativeTelemetry")
"""What serves a request that OpenTelemetry wants to hear of; public by its name, though in no documentation."""

begin_operation: Final[Callable[..., AbstractContextManager[None]]] = take(fastapi.routing, "_operation")
"""Begins a part of a trace, if there is a trace."""

is_coroutine: Final[Callable[[Any], bool]] = take(fastapi.dependencies.models, "_is_coroutine_callable")
is_generator: Final[Callable[[Any], bool]] = take(fastapi.dependencies.models, "_is_gen_callable")
is_async_generator: Final[Callable[[Any], bool]] = take(fastapi.dependencies.models, "_is_async_gen_callable")

get_cache_key: Final[Callable[..., Any]] = take(fastapi.dependencies.models, "_get_cache_key")
"""By what the result of a dependency is remembered in a request."""

next_item: Final[Callable[..., Any]] = take(starlette.concurrency, "_next")
"""Takes the next item of a synchronous iterator, on a thread."""

BodyTooLarge: Final[type[Exception]] = take(starlette.middleware.body_limit, "_RequestBodyTooLarge")
"""FastAPI knows this one, and answers it wherever it is raised."""


def set_trace_lookups(operation: Callable[..., AbstractContextManager[None]], get_data: Callable[[], Any]) -> None:
    """Set how FastAPI's routes find the trace that they write in: by `_operation`, and by `get_telemetry_data`."""
    fastapi.routing.__dict__.update(_operation=operation, get_telemetry_data=get_data)


def native_telemetry_of(api: fastapi.FastAPI) -> Any:
    """Return the `NativeTelemetry` of an application; None if it has none."""
    return vars(api).get("_native_telemetry")


def routes_version_of(router: APIRouter) -> int:
    """Return how often the routes of a router have changed."""
    version: int = vars(router)["_routes_version"]
    return version


def type_adapter_of(field: object) -> Any:
    """Return Pydantic's type adapter of a field of FastAPI's; None if it cannot be told."""
    return getattr(field, "_type_adapter", None)
