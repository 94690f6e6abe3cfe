import sqlite3
from pathlib import Path

import psycopg
import pymysql  # type: ignore[import-untyped]
import pytest
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connections
from django.db.backends.sqlite3.base import DatabaseWrapper
from psycopg import errors
from psycopg_pool import PoolTimeout

from django_fastapi.outages import is_away


def raised(error: Exception, cause: Exception) -> Exception:
    """Return an error as Django's wrapper raises it."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "cause",
    [
        psycopg.OperationalError("connection failed: Connection refused"),
        psycopg.OperationalError("the connection is closed"),
        errors.AdminShutdown("terminating connection due to administrator command"),
        errors.CannotConnectNow("the database system is starting up"),
        errors.ConnectionFailure("lost"),
        errors.TooManyConnections("sorry, too many clients already"),
        PoolTimeout("couldn't get a connection after 30.00 sec"),
    ],
)
def test_postgresql_is_away(cause: Exception) -> None:
    assert is_away(raised(OperationalError(*cause.args), cause))


@pytest.mark.parametrize(
    "cause",
    [
        errors.LockNotAvailable("canceling statement due to lock timeout"),
        errors.DeadlockDetected("deadlock detected"),
        errors.SerializationFailure("could not serialize access"),
        errors.QueryCanceled("canceling statement due to statement timeout"),
        errors.DiskFull("no space left on device"),
    ],
)
def test_postgresql_is_there_and_did_not_do_it(cause: Exception) -> None:
    assert not is_away(raised(OperationalError(*cause.args), cause))


@pytest.mark.parametrize(
    ("code", "expected"),
    [(1040, True), (2002, True), (2003, True), (2006, True), (2013, True), (1205, False), (1213, False), (3024, False)],
)
def test_mysql_is_told_by_its_codes(code: int, *, expected: bool) -> None:
    cause = pymysql.err.OperationalError(code, "a text")
    assert is_away(raised(OperationalError(code, "a text"), cause)) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InterfaceError(0, ""), True),
        (InterfaceError("connection already closed"), True),
        (InterfaceError("the cursor is closed"), False),
        (OperationalError(), False),
        (OperationalError("raised by hand"), False),
        (DatabaseError("something else"), False),
        (IntegrityError("a key"), False),
        (ConnectionRefusedError(), False),
    ],
)
def test_others_are_told_by_class_and_words(error: Exception, *, expected: bool) -> None:
    assert is_away(error) is expected


def sqlite_error(path: Path, sql: str) -> Exception:
    """Return what Django raises for a statement on an SQLite database."""
    settings = {**connections["default"].settings_dict, "NAME": str(path), "OPTIONS": {"timeout": 0}}
    connection = DatabaseWrapper({**settings, "CONN_MAX_AGE": 0}, alias="tried")
    try:
        with pytest.raises(OperationalError) as caught, connection.cursor() as cursor:
            cursor.execute(sql)
    finally:
        connection.close()
    return caught.value


@pytest.mark.django_db
def test_sqlite_is_away_without_its_folder_and_not_when_it_is_locked(tmp_path: Path) -> None:
    assert is_away(sqlite_error(tmp_path / "gone" / "db.sqlite3", "SELECT 1"))
    holder = sqlite3.connect(tmp_path / "db.sqlite3", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        error = sqlite_error(tmp_path / "db.sqlite3", "CREATE TABLE one (number int)")
    finally:
        holder.close()
    assert "locked" in str(error)
    assert not is_away(error)
