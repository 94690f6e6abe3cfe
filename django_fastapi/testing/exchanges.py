"""One HTTP request to an application under test, answered piece by piece."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

import httpx

from django_fastapi.types import ASGIApp, Message, Scope

from .runs import Run

_BODILESS: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class Exchange:
    """A request and its answer.

    Args:
        app: The application.
        scope: The request's.
        chunks: The body of the request.
        raises: Whether an exception that the application did not catch is raised here.
    """

    def __init__(self, app: ASGIApp, scope: Scope, chunks: Iterable[bytes], *, raises: bool) -> None:
        self._app = app
        self._scope = scope
        self._chunks = chunks
        self._raises = raises
        self._is_bodiless = scope["method"] == "HEAD"
        self._is_complete = False
        self._run: Run | None = None

    async def begin(self, stream: httpx.SyncByteStream | httpx.AsyncByteStream) -> httpx.Response:
        """Send the request, and return the response as soon as it begins.

        Args:
            stream: The body of the response: it reads `chunk` and calls `end`.

        Raises:
            Exception: What the application did not catch.
        """
        run = self._run = Run(self._app, self._scope, raises=self._raises, backlog=1)
        for chunk in self._chunks:
            run.tell(type="http.request", body=chunk, more_body=True)
        run.tell(type="http.request", body=b"", more_body=False)
        try:
            message = await run.next()
        except BaseException:
            run.cancel()
            raise
        if message is None or run.has_failed:
            await self.end()
            self._is_complete = True
        message = message or {"status": int(HTTPStatus.INTERNAL_SERVER_ERROR)}
        status: int = message["status"]
        headers: list[tuple[bytes, bytes]] = list(message.get("headers", []))
        self._is_bodiless = self._is_bodiless or status in _BODILESS
        return httpx.Response(status, headers=headers, stream=stream)

    async def chunk(self) -> bytes | None:
        """Return the next piece of the response's body; None after the last, when the application has ended.

        Raises:
            Exception: What the application did not catch.
            httpx.RemoteProtocolError: The body broke off.
        """
        run = self._run
        while run is not None and not self._is_complete:
            message = await run.next()
            self._is_complete = message is None or _is_last(message)
            if self._is_complete:
                await self._finish(run, is_broken=message is None)
            if message is not None and message.get("body") and not self._is_bodiless:
                body: bytes = message["body"]
                return body
        return None

    async def end(self) -> None:
        """Go away, as a client that has read enough.

        Raises:
            Exception: What the application did not catch.
        """
        run, self._run = self._run, None
        if run is not None:
            run.tell(type="http.disconnect")
            await run.end()
            run.raise_failure()

    async def _finish(self, run: Run, *, is_broken: bool) -> None:
        run.tell(type="http.disconnect")
        await run.wait()
        run.raise_failure()
        if is_broken:
            raise httpx.RemoteProtocolError("The application ended without the end of its answer.")


def _is_last(message: Message) -> bool:
    return message["type"] == "http.response.body" and not message.get("more_body", False)
