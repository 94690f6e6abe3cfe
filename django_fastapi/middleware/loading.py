"""Django's middleware, of whatever make, as coroutine functions."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string

from django_fastapi.concurrency import run
from django_fastapi.contexts import is_coroutine_function
from django_fastapi.exceptions import ConfigurationError

GetResponse: TypeAlias = Callable[[HttpRequest], HttpResponseBase]
AsyncGetResponse: TypeAlias = Callable[[HttpRequest], Awaitable[HttpResponseBase]]
Hook: TypeAlias = Callable[..., Awaitable[HttpResponseBase | None]]

_logger: Final = logging.getLogger("django.request")


@dataclass(frozen=True, slots=True)
class Loaded:
    """One middleware. Its synchronous code runs on the request's thread.

    Args:
        name: What it is called in messages.
        call: The middleware itself.
        process_view: Called before the endpoint, if the middleware has it.
        process_exception: Called for an exception of the endpoint, likewise.
        process_template_response: Called for a response that is still to be rendered, likewise.
    """

    name: str
    call: AsyncGetResponse
    process_view: Hook | None
    process_exception: Hook | None
    process_template_response: Hook | None


def load(
    middleware: str | Callable[..., Any], get_response: GetResponse, aget_response: AsyncGetResponse
) -> Loaded | None:
    """Return a middleware; None if it does not want to be used, as `MiddlewareNotUsed` says.

    One that can be async is: then it needs no thread that waits for the endpoint.

    Args:
        middleware: A dotted path, a class, or a factory.
        get_response: What stands inside of it, if it is synchronous.
        aget_response: What stands inside of it, if it can be async.

    Raises:
        ConfigurationError: It cannot be imported, or makes nothing.
    """
    factory = _find(middleware)
    name = f"{factory.__module__}.{factory.__qualname__}" if hasattr(factory, "__qualname__") else repr(factory)
    try:
        made = factory(aget_response if getattr(factory, "async_capable", False) else get_response)
    except MiddlewareNotUsed as reason:
        if settings.DEBUG:
            _logger.debug("MiddlewareNotUsed(%r): %s", name, reason)
        return None
    if not callable(made):
        raise ConfigurationError(
            f"`DjangoMiddleware(middleware=...)`: {name} returned {made!r}, which is no middleware."
        )
    return Loaded(
        name,
        _on_thread(made),
        *(_hook(made, hook) for hook in ("process_view", "process_exception", "process_template_response")),
    )


def _find(middleware: str | Callable[..., Any]) -> Callable[..., Any]:
    if not isinstance(middleware, str):
        return middleware
    try:
        found: Callable[..., Any] = import_string(middleware)
    except ImportError as error:
        raise ConfigurationError(
            f"`DjangoMiddleware(middleware={middleware!r})` cannot be imported: {error}"
        ) from error
    return found


def _hook(made: object, name: str) -> Hook | None:
    method: Callable[..., Any] | None = getattr(made, name, None)
    return None if method is None else _on_thread(method)


def _on_thread(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Return a function as a coroutine function."""
    if is_coroutine_function(function) or is_coroutine_function(getattr(type(function), "__call__", None)):  # noqa: B004 (it is not called)
        return function

    async def call(*args: Any, **kwargs: Any) -> Any:
        return await run(partial(function, *args, **kwargs))

    return call
