"""WebSockets of an application under test."""

import json
from typing import Any

import httpx
from starlette.websockets import WebSocketDisconnect

from django_fastapi.types import Message

from .portal import Portal
from .runs import Run

_NORMAL = 1000  # RFC 6455, section 7.4.1
_ABNORMAL = 1006


class WebSocketDenied(WebSocketDisconnect):
    """The application did not accept the WebSocket.

    Attributes:
        response: What it answered instead; where it just closed, the 403 that a server makes of that.
    """

    def __init__(self, response: httpx.Response, code: int = _ABNORMAL, reason: str | None = None) -> None:
        super().__init__(code, reason)
        self.response: httpx.Response = response

    def __str__(self) -> str:
        """Say the status and the code."""
        return f"The WebSocket was denied: {self.response.status_code}, code {self.code}. {self.reason}".rstrip()


class AsyncWebSocketSession:
    """The client's end of a WebSocket.

    Attributes:
        accepted_subprotocol: What the application chose of the subprotocols it was offered.
        headers: What it sent along when it accepted.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._is_closed = False
        self.accepted_subprotocol: str | None = None
        self.headers: httpx.Headers = httpx.Headers()

    async def begin(self) -> None:
        """Open it.

        Raises:
            WebSocketDenied: The application did not accept it.
            Exception: What the application did not catch.
        """
        self._run.tell(type="websocket.connect")
        try:
            await self._be_accepted()
        except BaseException:
            self._run.cancel()
            raise

    async def receive(self) -> Message:
        """Wait for a message, and return it as ASGI has it.

        Raises:
            starlette.websockets.WebSocketDisconnect: The application closed the WebSocket, or ended.
            Exception: What the application did not catch.
        """
        message = await self._run.next()
        if message is not None and message["type"] == "websocket.send":
            return message
        self._is_closed = True
        await self._run.end()
        self._run.raise_failure()
        message = message or {"code": _ABNORMAL}
        raise WebSocketDisconnect(message.get("code", _NORMAL), message.get("reason"))

    async def receive_text(self) -> str:
        """Wait for a message of text, and return it; see `receive`."""
        text: str = (await self.receive())["text"]
        return text

    async def receive_bytes(self) -> bytes:
        """Wait for a message of bytes, and return it; see `receive`."""
        data: bytes = (await self.receive())["bytes"]
        return data

    async def receive_json(self) -> Any:
        """Wait for a message of JSON, text or bytes, and return what it says; see `receive`."""
        message = await self.receive()
        return json.loads(message["text"] if message.get("text") is not None else message["bytes"])

    async def send_text(self, text: str) -> None:
        """Send a message of text."""
        self._run.tell(type="websocket.receive", text=text)

    async def send_bytes(self, data: bytes) -> None:
        """Send a message of bytes."""
        self._run.tell(type="websocket.receive", bytes=data)

    async def send_json(self, value: Any) -> None:
        """Send a message of JSON, as text."""
        await self.send_text(json.dumps(value, separators=(",", ":"), ensure_ascii=False))

    async def close(self, code: int = _NORMAL, reason: str | None = None) -> None:
        """Close it from the client's side."""
        if not self._is_closed:
            self._is_closed = True
            self._run.tell(type="websocket.disconnect", code=code, reason=reason or "")

    async def end(self) -> None:
        """Close it and wait for the application to end.

        Raises:
            Exception: What the application did not catch, unless it is only that the client has closed.
        """
        await self.abandon()
        try:
            self._run.raise_failure()
        except WebSocketDisconnect:
            return

    async def abandon(self) -> None:
        """Close it and wait for the application to end, however it does."""
        await self.close()
        await self._run.end()

    async def _be_accepted(self) -> None:
        message = await self._run.next()
        if self._run.has_failed or message is None:
            await self._run.end()
            self._run.raise_failure()
        if message is None:
            raise WebSocketDenied(httpx.Response(500), _ABNORMAL, "The application ended.")
        if message["type"] == "websocket.close":
            raise WebSocketDenied(httpx.Response(403), message.get("code", _NORMAL), message.get("reason"))
        if message["type"] == "websocket.http.response.start":
            raise WebSocketDenied(await self._denial(message))
        self.accepted_subprotocol = message.get("subprotocol")
        self.headers = httpx.Headers(list(message.get("headers", [])))

    async def _denial(self, start: Message) -> httpx.Response:
        body = b""
        while (message := await self._run.next()) is not None:
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        return httpx.Response(start["status"], headers=list(start.get("headers", [])), content=body)


class WebSocketSession:
    """The client's end of a WebSocket, for synchronous tests; its methods are those of `AsyncWebSocketSession`.

    The application does synchronous work for it while the test is in one of these methods.

    Attributes:
        accepted_subprotocol: What the application chose of the subprotocols it was offered.
        headers: What it sent along when it accepted.
    """

    def __init__(self, portal: Portal, session: AsyncWebSocketSession) -> None:
        self._portal = portal
        self._session = session
        self.accepted_subprotocol: str | None = session.accepted_subprotocol
        self.headers: httpx.Headers = session.headers

    def receive(self) -> Message:
        """Wait for a message, and return it as ASGI has it.

        Raises:
            starlette.websockets.WebSocketDisconnect: The application closed the WebSocket, or ended.
            Exception: What the application did not catch.
        """
        return self._portal.call(self._session.receive)

    def receive_text(self) -> str:
        """Wait for a message of text, and return it; see `receive`."""
        return self._portal.call(self._session.receive_text)

    def receive_bytes(self) -> bytes:
        """Wait for a message of bytes, and return it; see `receive`."""
        return self._portal.call(self._session.receive_bytes)

    def receive_json(self) -> Any:
        """Wait for a message of JSON, text or bytes, and return what it says; see `receive`."""
        return self._portal.call(self._session.receive_json)

    def send_text(self, text: str) -> None:
        """Send a message of text."""
        self._portal.call(self._session.send_text, text)

    def send_bytes(self, data: bytes) -> None:
        """Send a message of bytes."""
        self._portal.call(self._session.send_bytes, data)

    def send_json(self, value: Any) -> None:
        """Send a message of JSON, as text."""
        self._portal.call(self._session.send_json, value)

    def close(self, code: int = _NORMAL, reason: str | None = None) -> None:
        """Close it from the client's side."""
        self._portal.call(self._session.close, code, reason)
