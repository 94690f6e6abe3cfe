"""Chunked cursors: each is closed by the thread that opened it, at a moment when that can be done."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

_logger = logging.getLogger("django_fastapi.threads")


class ChunkedCursors:
    """The chunked cursors of one thread that somebody still reads from; to be made on that thread.

    `iterator()` and `aiterator()` close theirs when nobody reads on, wherever that is noticed. It may be another
    thread, such as that of the event loop. It may be this one in the middle of another query, since the garbage
    collector runs anywhere: psycopg then waits for the lock of its connection, which that query has, and so for ever.
    What cannot be closed at once is abandoned, and closed by `close_abandoned`.

    Attributes:
        is_looked_after: Whether the thread calls `close_abandoned` again and again. Another one closes nothing of it.
    """

    def __init__(self) -> None:
        self.is_looked_after: bool = False
        self._thread = threading.get_ident()
        self._open: set[_Closing] = set()
        self._abandoned: deque[_Closing] = deque()

    def __bool__(self) -> bool:
        """Whether one is open."""
        return bool(self._open)

    @property
    def has_abandoned(self) -> bool:
        """Whether there are some to close."""
        return bool(self._abandoned)

    def add(self, cursor: Any, connection: BaseDatabaseWrapper) -> None:
        """Look after a cursor of a connection, both of this thread."""
        self.close_abandoned()
        closing = _Closing(self, cursor.close, getattr(connection.connection, "lock", None))
        vars(cursor)["close"] = closing
        self._open.add(closing)

    def close(self, closing: "_Closing") -> None:
        """Close a cursor, now or later; to be called on any thread."""
        if closing not in self._open:
            return
        if self._can_close(closing):
            self._open.discard(closing)
            closing.close()
        else:
            self._abandoned.append(closing)

    def close_abandoned(self) -> None:
        """Close those that nobody reads from."""
        while self._abandoned:
            self._close_logged(self._abandoned.popleft())

    def close_all(self) -> None:
        """Close all of them: somebody may keep an iterator that was not read to its end."""
        for closing in tuple(self._open):
            self._close_logged(closing)
        self._abandoned.clear()

    def forget(self) -> None:
        """Close none of them, now or later: their connections are closed."""
        self._open.clear()
        self._abandoned.clear()

    def _can_close(self, closing: "_Closing") -> bool:
        if threading.get_ident() == self._thread:
            return closing.lock is None or not closing.lock.locked()
        return not self.is_looked_after

    def _close_logged(self, closing: "_Closing") -> None:
        if closing in self._open:
            self._open.discard(closing)
            try:
                closing.close()
            except Exception:
                _logger.exception("A cursor could not be closed.")


class _Closing:
    """The `close` of a cursor, without a reference to Django's wrapper: that would be a circle."""

    __slots__ = ("_cursors", "close", "lock")

    def __init__(self, cursors: ChunkedCursors, close: Callable[[], None], lock: Any) -> None:
        self._cursors = cursors
        self.close: Callable[[], None] = close
        self.lock: Any = lock

    def __call__(self) -> None:
        self._cursors.close(self)
