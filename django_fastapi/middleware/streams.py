"""The body of an answer on its way from the application to what stands around it, piece by piece."""

import asyncio
from typing import Self


class Unwanted(OSError):
    """Nobody wants the rest of a body."""


class Stream:
    """An async iterator over the pieces that an application sends. It holds none back."""

    def __init__(self) -> None:
        self._pieces = asyncio.Queue[bytes | None]()
        self._has_one_out = False
        self.is_unwanted: bool = False
        self.is_complete: bool = False

    async def put(self, piece: bytes | None) -> None:
        """Hand over a piece, or None at the end, and wait until the next one is wanted.

        Raises:
            Unwanted: Nobody takes it.
        """
        self.is_complete = piece is None
        if not self.is_unwanted:
            self._pieces.put_nowait(piece)
            await self._pieces.join()
        if self.is_unwanted and piece is not None:
            raise Unwanted

    def refuse(self) -> None:
        """Take no more pieces."""
        self.is_unwanted = True
        self._is_through()
        while not self._pieces.empty():
            self._pieces.get_nowait()
            self._pieces.task_done()

    def __aiter__(self) -> Self:
        """Return this."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece: the one before is through."""
        self._is_through()
        piece = await self._pieces.get()
        self._has_one_out = True
        if piece is None:
            self._is_through()
            raise StopAsyncIteration
        return piece

    def _is_through(self) -> None:
        if self._has_one_out:
            self._has_one_out = False
            self._pieces.task_done()
