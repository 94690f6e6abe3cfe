"""How often a request has asked the database, how often the same, and how long that took."""

import logging
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar, Token
from time import perf_counter
from traceback import walk_stack
from typing import Any, Final

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from .failures import is_library

_logger: Final = logging.getLogger("django_fastapi.queries")

_ASKING: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
_LONGEST: Final = 300


class QueryRecord:
    """The queries of one request.

    Attributes:
        count: How many there were.
        seconds: How long they took, all together.
    """

    __slots__ = ("_places", "_statements", "count", "seconds")

    def __init__(self) -> None:
        self.count: int = 0
        self.seconds: float = 0.0
        self._statements: Counter[str] = Counter()
        self._places: dict[str, str] = {}

    @property
    def repeated(self) -> int:
        """How many were the same as one before, but for their parameters."""
        return self._statements.total() - len(self._statements)

    @property
    def server_timing(self) -> str:
        """The value of a `Server-Timing` header (W3C), as the developer tools of browsers show it."""
        return f'db;dur={self.seconds * 1000:.1f};desc="queries={self.count}, repeated={self.repeated}"'

    def add(self, sql: str, seconds: float) -> None:
        """Note that a statement was run."""
        self.count += 1
        self.seconds += seconds
        if not sql.lstrip("( ").upper().startswith(_ASKING):
            return  # a savepoint, a BEGIN
        self._statements[sql] += 1
        if sql not in self._places and self._statements[sql] > 1:
            self._places[sql] = _place()

    def complain(self, label: str) -> None:
        """Log a warning if a statement was run more than once.

        Args:
            label: Method and path of the request.
        """
        if not self.repeated:
            return
        sql, times = self._statements.most_common(1)[0]
        place = self._places.get(sql, "")
        text = sql if len(sql) <= _LONGEST else f"{sql[:_LONGEST]}..."
        _logger.warning(
            "%s made %d queries, %d of them repeated. %d times%s: %s",
            label,
            self.count,
            self.repeated,
            times,
            place,
            text,
        )


_current: Final[ContextVar[QueryRecord | None]] = ContextVar("django_fastapi.query_record", default=None)


def begin_record() -> tuple[QueryRecord, Token[QueryRecord | None]]:
    """Record the queries of the current task, and of all that runs on a thread for it, until `end_record`."""
    record = QueryRecord()
    return record, _current.set(record)


def end_record(token: Token[QueryRecord | None]) -> None:
    """Record no longer."""
    _current.reset(token)


def watch_connections() -> None:
    """Have all connections report their queries: those that are made from now on, and those of the current thread."""
    connection_created.connect(_watch, dispatch_uid="django_fastapi.debug")
    for connection in connections.all(initialized_only=True):
        _watch(connection)


def _watch(connection: BaseDatabaseWrapper, **_: Any) -> None:
    # In front: who leaves a block of `execute_wrapper` removes the last one.
    if _execute not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, _execute)


def _execute(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 (Django's signature)
    record = _current.get()
    if record is None:
        return execute(sql, params, many, context)
    start = perf_counter()
    try:
        return execute(sql, params, many, context)
    finally:
        record.add(str(sql), perf_counter() - start)


def _place() -> str:
    """Return the line of the project that is being run; empty if there is none on this thread."""
    for caller, line in walk_stack(None):
        if not is_library(caller):
            return f" at {caller.f_code.co_filename}:{line}"
    return ""
