"""A request's body that Django has read, for an application that comes second."""

from collections.abc import Awaitable
from typing import IO, Any, Final, cast

from .types import Message, Receive

_CHUNK_SIZE: Final = 2**16


class RepeatableBody:
    """`receive` for Django's handler, whose file with the body outlives it.

    Args:
        receive: The server's.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._file: IO[bytes] | None = None
        self._is_rewound = False
        self._is_told = False

    def __call__(self) -> Awaitable[Message]:
        """Receive a message from the server."""
        return self._receive()

    def keep(self, file: IO[bytes]) -> IO[bytes]:
        """Keep the body, and return it as a file that may be closed."""
        self._file = file
        return cast("IO[bytes]", _Unclosed(file))

    async def repeat(self) -> Message:
        """Receive a message, as if nobody had read the body yet."""
        if self._is_told:
            return await self._receive()
        chunk = self._read()
        self._is_told = not chunk
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    def close(self) -> None:
        """Remove what was kept."""
        if self._file is not None:
            self._file.close()

    def _read(self) -> bytes:
        if self._file is None:
            return b""
        if not self._is_rewound:
            self._is_rewound = True
            self._file.seek(0)
        return self._file.read(_CHUNK_SIZE)


class _Unclosed:
    """A file that stays open."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def close(self) -> None:
        """Leave it to its owner."""
