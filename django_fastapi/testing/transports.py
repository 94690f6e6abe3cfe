"""httpx transports into the application under test, for synchronous and for asynchronous tests."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import httpx

from django_fastapi.concurrency import lend
from django_fastapi.contexts import waiting_thread

from .borrowing import SharedThread
from .exchanges import Exchange
from .portal import Portal, get_portal

T = TypeVar("T")

_SHARED_THREAD = SharedThread()


class Transport(httpx.BaseTransport):
    """Runs the application while the test's thread waits, and its synchronous work on that thread.

    Args:
        open_exchange: Returns the exchange for a request, its body's chunks given; awaited on the event loop.
    """

    def __init__(self, open_exchange: Callable[[httpx.Request, list[bytes]], Awaitable[Exchange]]) -> None:
        self._open_exchange = open_exchange

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        assert isinstance(request.stream, httpx.SyncByteStream)  # httpx.Client sees to it
        chunks = list(request.stream)

        async def answer() -> httpx.Response:
            exchange = await self._open_exchange(request, chunks)
            return await exchange.begin(_Stream(portal, exchange))

        portal = get_portal()
        return portal.call(answer)


class _Stream(httpx.SyncByteStream):
    def __init__(self, portal: Portal, exchange: Exchange) -> None:
        self._portal = portal
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        while (chunk := self._portal.call(self._exchange.chunk)) is not None:
            yield chunk

    def close(self) -> None:
        self._portal.call(self._exchange.end)


class AsyncTransport(httpx.AsyncBaseTransport):
    """Runs the application on the test's event loop, and its synchronous work where the test's own is done.

    Args:
        open_exchange: Returns the exchange for a request, its body's chunks given.
    """

    def __init__(self, open_exchange: Callable[[httpx.Request, list[bytes]], Awaitable[Exchange]]) -> None:
        self._open_exchange = open_exchange

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        assert isinstance(request.stream, httpx.AsyncByteStream)  # httpx.AsyncClient sees to it
        chunks = [chunk async for chunk in request.stream]

        async def answer() -> httpx.Response:
            exchange = await self._open_exchange(request, chunks)
            return await exchange.begin(_AsyncStream(exchange))

        return await run_on_test_thread(answer())


class _AsyncStream(httpx.AsyncByteStream):
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await self._exchange.chunk()) is not None:
            yield chunk

    async def aclose(self) -> None:
        await self._exchange.end()


async def run_on_test_thread(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine, and the application that it starts, so that synchronous work goes where the test's own goes.

    That is the thread that waits in `async_to_sync`, as Django's test cases have it, or else asgiref's shared thread.
    """
    context = contextvars.copy_context()
    if waiting_thread() is None:
        context.run(lend, _SHARED_THREAD)
    return await asyncio.create_task(coroutine, context=context)
