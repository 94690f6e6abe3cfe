"""The body of a streaming response of Django's on its way to the client, piece by piece."""

import asyncio
import contextvars
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final, Self

from django.http import StreamingHttpResponse

from .concurrency import become_stream, current_lease, run

_BLOCK_SIZE: Final = 2**16


@asynccontextmanager
async def opened(response: StreamingHttpResponse) -> AsyncGenerator[AsyncIterator[bytes]]:
    """Give the parts of a response; to be called before it is begun, since what fails until its first part can be told.

    A synchronous iterator is read on the request's thread, which is kept for it to the end, as it would be under WSGI.
    A file is read there too, though any thread will do: whoever waits may have it between two blocks, however slowly
    they are sent.

    Args:
        response: A response that has not been iterated over.

    Raises:
        ThreadWaitTimeout: Too many streams keep a thread.
    """
    content: Any = response.streaming_content
    if response.is_async:
        yield content
        return
    is_file = getattr(response, "file_to_stream", None) is not None
    lease = None if is_file else current_lease()
    if lease is not None:
        await become_stream()
        lease.hold_iterator(content)
    parts = _Parts(content)
    try:
        await parts.wait()
        yield parts
    finally:
        parts.stop()


class _Parts:
    """The parts of a synchronous iterator, read on the request's thread.

    The thread reads on while others are sent, as far as a block: small parts that come fast are sent as one, and none
    waits for the next.

    Args:
        parts: What is iterated over, always in the same context.
    """

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._reading: asyncio.Task[None] | None = None
        self._read: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._is_waited_for = False
        self._is_unwanted = False
        self._is_at_end = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not await self.wait():
            raise StopAsyncIteration
        return b"".join([self._read.popleft() for _ in range(len(self._read))])

    async def wait(self) -> bool:
        """Wait until there is a part, or none to come; return whether there is one."""
        while not self._read:
            if self._reading is None or self._reading.done():
                if self._reading is not None:
                    self._reading.result()
                if self._is_at_end or self._is_unwanted:
                    return False
                self._reading = self._loop.create_task(run(self._read_block), context=self._context)
                self._reading.add_done_callback(self._note_end)
            self._news.clear()
            self._is_waited_for = True  # and only then look, as the thread looks at this after it has read something
            if not self._read and not self._reading.done():
                await self._news.wait()
        return True

    def stop(self) -> None:
        """Have the thread read no further than the part it is at."""
        self._is_unwanted = True

    def _read_block(self) -> None:
        size = 0
        for part in self._parts:
            self._read.append(part)
            if self._is_waited_for:
                self._is_waited_for = False
                self._loop.call_soon_threadsafe(self._news.set)
            size += len(part)
            if size >= _BLOCK_SIZE or self._is_unwanted:
                return
        self._is_at_end = True

    def _note_end(self, reading: "asyncio.Task[None]") -> None:
        if not reading.cancelled():
            reading.exception()  # it may be that nobody waits for it any more
        self._news.set()
