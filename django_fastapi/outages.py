"""Whether an error of the database says that the database is away.

Django has one `OperationalError` for a server that is down and for a lock that was not granted. What tells them apart
is what the driver knows. To ask the connection is too late when the error arrives: it may have been closed, opened anew
or given to another request by then, and one in a failed transaction looks unusable though it is not.
"""

import sqlite3
from typing import Final

from django.db import InterfaceError, OperationalError

# SQLSTATE (ISO 9075): class 08 is a connection exception; 57P and 53300 are PostgreSQL's for a server that shuts down,
# starts up or ends the session, and for one that takes no more connections.
_SQLSTATES: Final = ("08", "57P", "53300")
# https://dev.mysql.com/doc/mysql-errors/en/: no more connections, shutdown, aborted; from 2002 on the client's own:
# no connection, unknown host, gone away, lost.
_MYSQL_CODES: Final = frozenset({1040, 1053, 1152, 1203, 1927, 2002, 2003, 2005, 2006, 2013, 2055, 4031})
_PRIMARY_CODE: Final = 0xFF  # of SQLite's extended ones


def is_away(error: BaseException) -> bool:
    """Return whether an exception means that a database cannot be reached, or has dropped the connection.

    It knows the drivers of PostgreSQL, MySQL, MariaDB and SQLite; of others it returns False.

    Args:
        error: Any exception; those of interest are Django's `OperationalError` and `InterfaceError`.
    """
    if isinstance(error, InterfaceError):
        return _says_closed(error)
    return isinstance(error, OperationalError) and _is_lost(error)


def _says_closed(error: InterfaceError) -> bool:
    """Return whether the connection was found closed: psycopg2 says so in words, MySQL's drivers with 0 and no words.

    The other errors of this class are mistakes in the use of a driver.
    """
    return error.args == (0, "") or "connection already closed" in str(error)


def _is_lost(error: OperationalError) -> bool:
    cause = error.__cause__
    code = error.args[0] if error.args else None
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & _PRIMARY_CODE == sqlite3.SQLITE_CANTOPEN
    if isinstance(code, int):
        return code in _MYSQL_CODES
    for name in ("sqlstate", "pgcode"):  # psycopg's name, and psycopg2's
        if hasattr(cause, name):
            state: str | None = getattr(cause, name)
            # Without one the error is not the server's: the driver has no connection.
            return state is None or state.startswith(_SQLSTATES)
    return False
