"""Django middleware of every make, as people write them."""

from collections.abc import Awaitable, Callable
from typing import Any

from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import async_only_middleware, sync_and_async_middleware, sync_only_middleware
from django.utils.deprecation import MiddlewareMixin

from tests.request_threads import Places

Get = Callable[[HttpRequest], HttpResponse]
AsyncGet = Callable[[HttpRequest], Awaitable[HttpResponse]]

places = Places()
"""Where synchronous code of these runs."""


def mark(request: HttpRequest, response: Any) -> Any:
    response.headers["X-Seen"] = f"{request.path} {response.status_code} {getattr(request, 'noted', None)}"
    return response


class OldStyle(MiddlewareMixin):
    """With the two methods, as most of Django's own."""

    def process_request(self, request: HttpRequest) -> None:
        places.note()
        request.before = "before"  # type: ignore[attr-defined]

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        places.note()
        return mark(request, response)  # type: ignore[no-any-return]


class NewStyle:
    """With `__call__`, as the documentation has it."""

    def __init__(self, get_response: Get) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        places.note()
        request.before = "before"  # type: ignore[attr-defined]
        response = self.get_response(request)
        places.note()
        return mark(request, response)  # type: ignore[no-any-return]


class Async:
    """Async and nothing else, without the mark that Django asks for."""

    sync_capable = False
    async_capable = True

    def __init__(self, get_response: AsyncGet) -> None:
        self.get_response = get_response

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        request.before = "before"  # type: ignore[attr-defined]
        return mark(request, await self.get_response(request))  # type: ignore[no-any-return]


def factory(get_response: Get) -> Get:
    return NewStyle(get_response)


@sync_only_middleware
def sync_factory(get_response: Get) -> Get:
    return factory(get_response)


@async_only_middleware
def async_factory(get_response: AsyncGet) -> AsyncGet:
    async def middleware(request: HttpRequest) -> HttpResponse:
        request.before = "before"  # type: ignore[attr-defined]
        return mark(request, await get_response(request))  # type: ignore[no-any-return]

    return middleware


@sync_and_async_middleware
def either_factory(get_response: Any) -> Any:
    return async_factory(get_response)


class Unused:
    def __init__(self, _get_response: Get) -> None:
        raise MiddlewareNotUsed("not today")


def nothing(_get_response: Get) -> None:
    """Forget to return the middleware."""
