"""Where a middleware, which asks for a response and waits, meets an application, which sends one."""

import asyncio
import contextvars
from typing import Any, TypeAlias

from django.core.exceptions import RequestAborted
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from django_fastapi.concurrency import adopt
from django_fastapi.requests import RequestSlot
from django_fastapi.responses import as_foreseen, foreseen_cookies
from django_fastapi.types import Message
from django_fastapi.waiting import WaitingThread, leaned_on, wait_for

from .answers import Origin, may_be_whole
from .streams import Stream

_Answer: TypeAlias = tuple[HttpResponseBase, contextvars.Context]


class Exchange:
    """One request at one middleware.

    The application runs in the task of the request, the middleware in another one. Context variables go along: what the
    middleware has set the application sees, and the other way round.

    Args:
        slot: The place of Django's request, which is there.
    """

    def __init__(self, slot: RequestSlot) -> None:
        self._slot = slot
        self._loop = asyncio.get_running_loop()
        self._asked: asyncio.Future[tuple[contextvars.Context, WaitingThread | None]] = self._loop.create_future()
        self._answered: asyncio.Future[_Answer] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._start: Message | None = None
        self._stream: Stream | None = None
        self.origin: Origin = Origin()
        self.placeholder: HttpResponse | None = None
        """What the middleware is shown in the place of a response when the application has failed."""

    # What the middleware calls.

    def ask(self) -> HttpResponseBase:
        """Return the response, on the request's thread, which does the application's work meanwhile."""
        response, context = wait_for(self._ask, self._loop)
        adopt(context)
        return response

    async def aask(self) -> HttpResponseBase:
        """Return the response."""
        response, context = await self._ask(None)
        adopt(context)
        return response

    async def _ask(self, thread: WaitingThread | None) -> _Answer:
        if self._asked.done():
            raise RuntimeError("A middleware may call `get_response` once for each request.")
        self._asked.set_result((contextvars.copy_context(), thread))
        return await self._answered

    # What the task of the request calls.

    async def is_asked(self, passing: "asyncio.Task[Any]") -> bool:
        """Wait for the middleware to ask; return False if it has ended without that.

        Args:
            passing: The task of the middleware.
        """
        await asyncio.wait({self._asked, passing}, return_when=asyncio.FIRST_COMPLETED)
        if not self._asked.done():
            return False
        context, thread = self._asked.result()
        adopt(context)
        if thread is not None:
            leaned_on.set(thread)
        return True

    @property
    def is_answered(self) -> bool:
        """Whether there is a response."""
        return self._answered.done()

    @property
    def is_unfinished(self) -> bool:
        """Whether the application has begun to send a response and not come to its end."""
        if self._stream is None:
            return self._start is not None and not self._answered.done()
        return not (self._stream.is_complete or self._ended.done())

    @property
    def is_unwanted(self) -> bool:
        """Whether the middleware has ended without the whole body of the response."""
        return self._stream is not None and self._stream.is_unwanted and not self._stream.is_complete

    def answer(self, response: HttpResponseBase) -> None:
        """Give the middleware a response."""
        self._answered.set_result((response, contextvars.copy_context()))

    def fail(self, status: int) -> None:
        """Show the middleware an error, since the application has none to show."""
        self.placeholder = HttpResponse(status=status)
        self.answer(self.placeholder)

    async def send(self, message: Message) -> None:
        """Be the `send` of the application.

        Raises:
            Unwanted: Nobody wants the rest of the body.
        """
        if message["type"] == "http.response.start":
            self._start = message
            if not may_be_whole(message):
                self._begin(message, None)
        elif message["type"] == "http.response.body":
            await self._send_body(message.get("body", b""), is_last=not message.get("more_body", False))

    async def _send_body(self, body: bytes, *, is_last: bool) -> None:
        if not self._answered.done():
            assert self._start is not None  # the ASGI specification
            self._begin(self._start, body if is_last else None)
        if self._stream is not None:
            if body:
                await self._stream.put(body)
            if is_last:
                await self._stream.put(None)
        if is_last:
            # What comes after the answer, such as background tasks, comes after it.
            await asyncio.shield(self._ended)

    def _begin(self, start: Message, body: bytes | None) -> None:
        stream = Stream()
        if body is None:
            self._stream = stream
        request = self._slot.request
        assert request is not None  # the middleware has it
        headers = as_foreseen(request, start.get("headers", ()), self._slot.varies_on)
        self.origin = Origin(headers, body, foreseen_cookies(request))
        self.answer(self.origin.make_response(start["status"], stream))

    def abort(self, error: BaseException | None) -> None:
        """Let the middleware wait no longer: the application has ended without an answer, or the client has left."""
        if not self._answered.done():
            self._answered.set_exception(error if isinstance(error, Exception) else RequestAborted())
            self._answered.exception()  # it need not be asked for

    def close(self) -> None:
        """Forget what has been exchanged: contexts that know this, and a circle waits for the garbage collector."""
        del self._asked, self._answered
        self._start = self._stream = None

    def end(self, _passing: "asyncio.Task[Any]") -> None:
        """Note that the middleware has ended, and with it the answer."""
        if not self._ended.done():
            self._ended.set_result(None)
        if self._stream is not None:
            self._stream.refuse()
