"""When Django's database connections of a thread are begun with, given back and closed.

Django ties this to a request's two signals; here it is tied to a worker thread changing hands. All functions act on the
connections of the thread that calls them.
"""

import logging
import threading
import time
from contextlib import suppress
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend

from .cursors import ChunkedCursors

_logger = logging.getLogger("django_fastapi.threads")


class _Thread(threading.local):
    """What is known of the connections of one thread.

    Django's own `connections.all(initialized_only=True)` asks for each alias by an exception, several times a request.

    Attributes:
        known: Those of the thread's connections that can be open, by alias.
        raw: The database's own connections as they were last seen, by alias.
        cursors: The chunked cursors that somebody still reads from.
    """

    def __init__(self) -> None:
        self.known: dict[str, BaseDatabaseWrapper] = {}
        self.raw: dict[str, Any] = {}
        self.cursors: ChunkedCursors = ChunkedCursors()


_thread = _Thread()


def watch(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Remember a connection and its chunked cursors, for the other functions; the receiver of `connection_created`.

    `iterator()` and `aiterator()` read from such a cursor, over several calls. Nothing else tells that one is open. The
    signal comes too late for a cursor that opens its connection: `begin` does not wait for it.
    """
    _thread.known[connection.alias] = connection
    if "chunked_cursor" in vars(connection):
        return
    open_cursor = connection.chunked_cursor

    def chunked_cursor() -> Any:
        cursor = open_cursor()
        _thread.cursors.add(cursor, connection)
        return cursor

    vars(connection)["chunked_cursor"] = chunked_cursor


def begin() -> None:
    """Make the thread's connections ready for another request, as Django does at `request_started`."""
    _thread.cursors.is_looked_after = True
    if len(_thread.known) < len(connections.settings):
        for connection in connections.all():
            watch(connection)
    for connection in _known():
        connection.queries_log.clear()
        _close_if_unusable_or_obsolete(connection)
        _thread.raw[connection.alias] = connection.connection


def test() -> None:
    """Close the connections whose other end is gone, without waiting for an error to tell."""
    for connection in _known():
        if connection.connection is not None and not connection.is_usable():
            _drop(connection)


def has_open_work() -> bool:
    """Return whether a transaction is open on the thread, in an atomic block or by hand, or a chunked cursor is."""
    cursors = _thread.cursors
    if cursors.has_abandoned:
        cursors.close_abandoned()
    return bool(cursors) or any(map(_is_in_transaction, _thread.known.values()))


def is_tidy() -> bool:
    """Return whether `give_back` would change nothing, if no work is open."""
    now = time.monotonic()
    for connection in _thread.known.values():
        is_due = connection.close_at is not None and now >= connection.close_at
        if connection.errors_occurred or (is_due and connection.connection is not None):
            return False
    return True


def has_lost() -> bool:
    """Return whether a connection has died since `begin`, or since this was asked before; nothing is closed."""
    has_lost = False
    for connection in _thread.known.values():
        raw, before = connection.connection, _thread.raw.get(connection.alias)
        _thread.raw[connection.alias] = raw
        if before is not None and raw is not before:
            # The end of an atomic block that cannot roll back connects anew, and leaves no trace of the error.
            has_lost = True
        elif raw is not None and connection.errors_occurred and not _is_in_transaction(connection):
            connection.errors_occurred = not connection.is_usable()
            has_lost |= connection.errors_occurred
    return has_lost


def give_back() -> bool:
    """Roll back what is open and close what is broken or too old; return whether a connection was found dead."""
    _thread.cursors.close_all()
    found_dead = False
    for connection in _known():
        was_suspect = connection.errors_occurred
        if connection.in_atomic_block:
            _drop(connection)
        else:
            _close_if_unusable_or_obsolete(connection)
        # An atomic block that met the error has closed it by itself.
        if was_suspect and (connection.connection is None or connection.in_atomic_block):
            connection.errors_occurred = False
            found_dead = True
    _thread.raw.clear()
    return found_dead


def close_all() -> None:
    """Close all connections of the thread, whatever state they are in."""
    _thread.cursors.forget()
    _thread.raw.clear()
    for connection in _known():
        _drop(connection)


def discard_all() -> None:
    """Close all connections of the thread for good: none goes back to a pool, with what was set on it."""
    for connection in _known():
        if connection.connection is not None and getattr(connection, "pool", None) is not None:
            try:
                connection.connection.close()
            except Exception:
                _logger.exception("A database connection could not be closed.")
    close_all()


def abandon_pools() -> list[Any]:
    """Have Django make new pools of connections, in a process that was forked, and return those that came along.

    They are without their threads, and their sockets are the parent's. Whoever gets them has to keep them: one that is
    finalized waits for its threads. Django keeps its pools under a private name, `_connection_pools`.
    """
    abandoned: list[Any] = []
    for settings in connections.settings.values():
        if settings["OPTIONS"].get("pool"):
            backend: Any = load_backend(settings["ENGINE"])
            pools: dict[str, Any] = getattr(backend.DatabaseWrapper, "_connection_pools", {})
            abandoned += pools.values()
            pools.clear()
    return abandoned


def _known() -> list[BaseDatabaseWrapper]:
    return list(_thread.known.values())


def _is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    return connection.in_atomic_block or (
        connection.connection is not None and connection.autocommit != connection.settings_dict["AUTOCOMMIT"]
    )


def _close_if_unusable_or_obsolete(connection: BaseDatabaseWrapper) -> None:
    try:
        connection.close_if_unusable_or_obsolete()
    except Exception:
        _logger.exception("A database connection could not be closed; it is dropped.")
        _drop(connection)


def _drop(connection: BaseDatabaseWrapper) -> None:
    # A wrapper that is closed inside an atomic block stays in the block; only a new one opens a connection again.
    try:
        connection.close()
    except Exception:
        _logger.exception("A database connection could not be closed; it is dropped.")
    finally:
        _thread.known.pop(connection.alias, None)
        with suppress(AttributeError):  # somebody has removed it before
            del connections[connection.alias]
