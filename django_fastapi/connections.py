"""When Django's database connections of a thread are begun with, given back and closed.

Django ties this to a request's two signals; here it is tied to a worker thread changing hands. All functions act on the
connections of the thread that calls them.
"""

import logging
import threading
import weakref
from typing import Any

from django.db import connections, reset_queries
from django.db.backends.base.base import BaseDatabaseWrapper

_logger = logging.getLogger("django_fastapi.threads")


class _OpenCursors(threading.local):
    """The chunked cursors of this thread that somebody still reads from."""

    def __init__(self) -> None:
        self.alive: weakref.WeakSet[Any] = weakref.WeakSet()


_open_cursors = _OpenCursors()


class _Known(threading.local):
    """The database's own connections as they were last seen on this thread, by alias."""

    def __init__(self) -> None:
        self.raw: dict[str, Any] = {}


_known = _Known()


def watch_cursors(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Remember the chunked cursors of a connection, for `has_open_work`; a receiver of `connection_created` too.

    `iterator()` and `aiterator()` read from such a cursor, over several calls. Nothing else tells that one is open.
    """
    if "chunked_cursor" in vars(connection):
        return
    open_cursor = connection.chunked_cursor

    def chunked_cursor() -> Any:
        cursor = open_cursor()
        _open_cursors.alive.add(cursor)
        return cursor

    vars(connection)["chunked_cursor"] = chunked_cursor


def begin() -> None:
    """Make the thread's connections ready for another request, as Django does at `request_started`."""
    reset_queries()
    for connection in connections.all():
        watch_cursors(connection)
        _close_if_unusable_or_obsolete(connection)
        _known.raw[connection.alias] = connection.connection


def test() -> None:
    """Close the connections whose other end is gone, without waiting for an error to tell."""
    for connection in connections.all(initialized_only=True):
        if connection.connection is not None and not connection.is_usable():
            _drop(connection)


def has_open_work() -> bool:
    """Return whether a transaction is open on the thread, in an atomic block or by hand, or a chunked cursor is."""
    return bool(_open_cursors.alive) or any(map(_is_in_transaction, connections.all(initialized_only=True)))


def has_lost() -> bool:
    """Return whether a connection has died since `begin`, or since this was asked before; nothing is closed."""
    has_lost = False
    for connection in connections.all(initialized_only=True):
        raw, before = connection.connection, _known.raw.get(connection.alias)
        _known.raw[connection.alias] = raw
        if before is not None and raw is not before:
            # The end of an atomic block that cannot roll back connects anew, and leaves no trace of the error.
            has_lost = True
        elif raw is not None and connection.errors_occurred and not _is_in_transaction(connection):
            connection.errors_occurred = not connection.is_usable()
            has_lost |= connection.errors_occurred
    return has_lost


def give_back() -> bool:
    """Roll back what is open and close what is broken or too old; return whether a connection was found dead."""
    _close_cursors()
    found_dead = False
    for connection in connections.all(initialized_only=True):
        was_suspect = connection.errors_occurred
        if connection.in_atomic_block:
            _drop(connection)
        else:
            _close_if_unusable_or_obsolete(connection)
        # An atomic block that met the error has closed it by itself.
        if was_suspect and (connection.connection is None or connection.in_atomic_block):
            connection.errors_occurred = False
            found_dead = True
    _known.raw.clear()
    return found_dead


def close_all() -> None:
    """Close all connections of the thread, whatever state they are in."""
    _open_cursors.alive.clear()
    _known.raw.clear()
    for connection in connections.all(initialized_only=True):
        _drop(connection)


def discard_all() -> None:
    """Close all connections of the thread for good: none goes back to a pool, with what was set on it."""
    for connection in connections.all(initialized_only=True):
        if connection.connection is not None and getattr(connection, "pool", None) is not None:
            try:
                connection.connection.close()
            except Exception:
                _logger.exception("A database connection could not be closed.")
    close_all()


def _is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    return connection.in_atomic_block or (
        connection.connection is not None and connection.autocommit != connection.settings_dict["AUTOCOMMIT"]
    )


def _close_cursors() -> None:
    # Somebody may keep an iterator that was not read to its end: it must not hold the thread of others.
    for cursor in list(_open_cursors.alive):
        try:
            cursor.close()
        except Exception:
            _logger.exception("A cursor could not be closed.")
    _open_cursors.alive.clear()


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
        del connections[connection.alias]
