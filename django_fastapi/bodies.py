"""The body of a request, which the server hands out once, for Starlette and for Django."""

import asyncio
import io
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import Any, TypeVar

from django.conf import settings
from django.http import RawPostDataException, UnreadablePostError
from starlette.datastructures import FormData
from starlette.requests import HTTPConnection, Request

from .exceptions import BodyNotRead
from .types import Message, Receive

T = TypeVar("T")


class Body:
    """A body on its way from the server, read by Starlette through `receive` or by Django as a stream.

    While only Starlette reads, the messages pass through. What Django reads is kept, in memory or in a temporary file
    as `FILE_UPLOAD_MAX_MEMORY_SIZE` says, and is there for Starlette as well.

    Args:
        receive: The server's; None if there is no body, as on a WebSocket.
    """

    # As attributes of the class what a request without a body never changes: it is not to pay for them.
    _spool: "_Spool | None" = None
    _count: Callable[[int], None] | None = None
    _is_told = False  # Starlette has been told the end
    _is_asking_starlette = False
    _disconnect: Message | None = None
    is_taken: bool = False
    """Whether Starlette has received some of it before Django asked."""

    def __init__(self, receive: Receive | None) -> None:
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        if receive is None:
            self._is_told = True

    @property
    def is_waiting(self) -> bool:
        """Whether there is a body, by the headers, and nobody has begun to read it."""
        return self._count is not None and self._spool is None and not self.is_taken

    def limit(self, count: Callable[[int], None]) -> None:
        """Have what Django reads of a body that is to come counted; what Starlette reads is counted where it passes.

        Args:
            count: Is told how many bytes have come in all, and raises if they are too many.
        """
        self._count = count

    async def receive(self) -> Message:
        """Return the next ASGI message: the server's, or one with what Django has read."""
        assert self._receive is not None  # a WebSocket keeps the server's
        spool = self._spool
        if spool is None:
            if self._is_told and self._is_asking_starlette:
                raise RuntimeError("The body is gone.")
            message = await self._receive()
            if message["type"] == "http.request":
                self.is_taken = self.is_taken or bool(message.get("body")) or message.get("more_body", False)
                self._is_told = not message.get("more_body", False)
            return message
        if self._is_told:
            return self._disconnect or await self._receive()
        try:
            chunk = await spool.replay(self._pull)
        except UnreadablePostError:
            assert self._disconnect is not None  # that is why
            return self._disconnect
        self._is_told = not chunk
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    async def load(self) -> None:
        """Read what is left, and keep it.

        Raises:
            UnreadablePostError: The client went away.
        """
        spool = self._begin()
        while not spool.is_complete:
            await self._pull()

    def open(self) -> io.BufferedReader:
        """Return the whole as a file, which reads from the server when it has to."""
        return io.BufferedReader(_BodyFile(self._begin(), self._pull_from_thread), io.DEFAULT_BUFFER_SIZE)

    async def aask_starlette(self, request: Request) -> bytes:
        """Return a body that a middleware has read and repeats for a request.

        Raises:
            RawPostDataException: Nobody has kept it.
        """
        self._is_asking_starlette = True
        try:
            return await request.body()
        except RuntimeError as error:
            raise RawPostDataException("The body of this request has been read, and nobody has kept it.") from error
        finally:
            self._is_asking_starlette = False

    def ask_starlette(self, request: Request) -> bytes:
        """Do as `aask_starlette`, from a thread."""
        return self._wait_for(self.aask_starlette, request)

    def close(self) -> None:
        """Remove what was kept."""
        if self._spool is not None:
            self._spool.close()

    def _begin(self) -> "_Spool":
        if self._spool is None:
            # What Starlette has taken of it by now was empty, or Django's request would not come here.
            self._spool = _Spool(is_complete=self._is_told)
        return self._spool

    async def _pull(self) -> None:
        """Receive one message and keep what is in it."""
        spool = self._begin()
        assert self._receive is not None  # without it nothing is missing
        async with spool.lock:
            if spool.is_complete:
                return
            message = self._disconnect or await self._receive()
            if message["type"] == "http.disconnect":
                self._disconnect = message
                raise UnreadablePostError("The client went away before the end of the body.")
            data = message.get("body", b"")
            if self._count is not None:
                self._count(spool.size + len(data))
            spool.append(data, is_last=not message.get("more_body", False))

    def _pull_from_thread(self) -> None:
        self._wait_for(self._pull)

    def _wait_for(self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """Run a coroutine function on the event loop of the request, and wait for it on the current thread.

        Raises:
            BodyNotRead: The current thread is that of the event loop.
        """
        with suppress(RuntimeError):
            if asyncio.get_running_loop() is self._loop:
                raise BodyNotRead
        return asyncio.run_coroutine_threadsafe(function(*args), self._loop).result()


class _Spool:
    """The bytes that were kept, in the order they came."""

    def __init__(self, *, is_complete: bool) -> None:
        self.lock = asyncio.Lock()  # around the server's `receive`, which is for one at a time
        self.is_complete = is_complete
        self.size = 0
        self._file = SpooledTemporaryFile[bytes](max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE)
        self._file_lock = threading.Lock()  # its one position serves all readers
        self._replayed = 0

    def append(self, data: bytes, *, is_last: bool) -> None:
        with self._file_lock:
            self._file.seek(0, os.SEEK_END)
            self._file.write(data)
            self.size += len(data)
        self.is_complete = is_last

    def read_at(self, offset: int, size: int) -> bytes:
        with self._file_lock:
            self._file.seek(offset)
            return self._file.read(size)

    async def replay(self, pull: Callable[[], Coroutine[Any, Any, None]]) -> bytes:
        """Return what Starlette has not been given yet, a piece of it; nothing at the end."""
        while self._replayed == self.size and not self.is_complete:
            await pull()
        chunk = self.read_at(self._replayed, 2**16)
        self._replayed += len(chunk)
        return chunk

    def close(self) -> None:
        self._file.close()


class _BodyFile(io.RawIOBase):
    """What a spool keeps and will keep, as a file with a position of its own."""

    def __init__(self, spool: _Spool, pull: Callable[[], None]) -> None:
        self._spool = spool
        self._pull = pull
        self._offset = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_END:
            while not self._spool.is_complete:
                self._pull()
            offset += self._spool.size
        elif whence == os.SEEK_CUR:
            offset += self._offset
        self._offset = offset
        return offset

    def readinto(self, buffer: Any, /) -> int:
        while self._offset >= self._spool.size and not self._spool.is_complete:
            self._pull()
        data = self._spool.read_at(self._offset, len(buffer))
        buffer[: len(data)] = data
        self._offset += len(data)
        return len(data)


def already_read(connection: HTTPConnection) -> bytes | FormData | None:
    """Return what Starlette's request has read of its body and keeps: all of its bytes or its form; None if nothing.

    Only its coroutines tell, and they begin to read if nothing was read. So two private names are used here and nowhere
    else; `tests/test_bodies.py` fails when one of them changes.
    """
    kept = vars(connection)
    body: bytes | None = kept.get("_body")
    form: FormData | None = kept.get("_form")
    return form if body is None else body
