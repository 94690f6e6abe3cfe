"""Requests to an ASGI application message by message, for what no client library would send."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat

from django_fastapi.types import ASGIApp, Message, Scope

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(slots=True)
class Answer:
    """What an application has sent, and how much of the body it has asked for."""

    messages: list[Message] = field(default_factory=list)
    chunks_read: int = 0

    @property
    def status(self) -> int:
        [start] = [message for message in self.messages if message["type"].endswith(".start")]
        return int(start["status"])

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        [start] = [message for message in self.messages if message["type"].endswith(".start")]
        return list(start["headers"])

    def header(self, name: str) -> str | None:
        """Return the one header of a name, or None."""
        values = [value.decode("latin-1") for key, value in self.headers if key == name.encode()]
        assert len(values) <= 1, values
        return values[0] if values else None

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages if message["type"].endswith(".body"))


def make_scope(path: str = "/", method: str = "GET", *, headers: Headers = (), **extra: object) -> Scope:
    """Return the scope of a request; `Host` is added unless it is among the headers."""
    own = () if any(name == b"host" for name, _ in headers) else ((b"host", b"testserver"),)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [*own, *headers],
        "client": ("203.0.113.9", 4000),
        "server": ("127.0.0.1", 80),
        **extra,
    }


async def aask(app: ASGIApp, scope: Scope, chunks: Iterable[bytes] = (), *, is_whole: bool = True) -> Answer:
    """Send a request whose body comes in chunks, and return the answer.

    Args:
        app: The application.
        scope: The scope.
        chunks: The body.
        is_whole: Whether the last chunk is the end; else the client goes away after it.
    """
    answer = Answer()
    pieces = chain(chunks, [None])
    following = next(pieces)

    async def receive() -> Message:
        nonlocal following
        piece = following
        if piece is None:
            if not is_whole:
                return {"type": "http.disconnect"}
            if answer.chunks_read:
                await asyncio.Event().wait()  # the client stays until it has its answer
            answer.chunks_read += 1
            return {"type": "http.request", "body": b"", "more_body": False}
        answer.chunks_read += 1
        following = next(pieces)
        return {"type": "http.request", "body": piece, "more_body": following is not None or not is_whole}

    async def send(message: Message) -> None:
        answer.messages.append(message)

    await app(scope, receive, send)
    return answer


def ask(app: ASGIApp, scope: Scope, chunks: Iterable[bytes] = (), *, is_whole: bool = True) -> Answer:
    """Do the same from synchronous code, in an event loop of its own."""
    return asyncio.run(aask(app, scope, chunks, is_whole=is_whole))


def endless(chunk: bytes) -> Iterable[bytes]:
    """Return a body without an end."""
    return repeat(chunk)
