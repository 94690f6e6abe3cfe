"""What a database says when it refuses a row: which kind of rule, and which columns.

A row that passed `full_clean` is refused where another request was quicker. Each driver says so in its own way:
PostgreSQL by SQLSTATE and the name of the constraint, MySQL and MariaDB by number and words, SQLite by words.
"""

import re
import sqlite3
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from django.db import DataError, connections


class Rule(Enum):
    """A kind of rule that a database holds rows to."""

    UNIQUE = "unique"
    REFERENCE = "foreign key"
    NOT_NULL = "not null"
    CHECK = "check"
    RANGE = "range of the column"


@dataclass(frozen=True, slots=True)
class Violation:
    """What a database says of a row.

    Args:
        rule: The kind of rule.
        constraint: The name of the constraint, if it is told.
        table: The table, if it is told.
        columns: The columns, as far as they are told.
    """

    rule: Rule
    constraint: str | None = None
    table: str | None = None
    columns: tuple[str, ...] = ()


_STATES: Final = {
    "23505": Rule.UNIQUE,
    "23P01": Rule.UNIQUE,  # an exclusion constraint
    "23503": Rule.REFERENCE,
    "23502": Rule.NOT_NULL,
    "23514": Rule.CHECK,
}
"""PostgreSQL's SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html"""

_NUMBERS: Final = {
    1062: Rule.UNIQUE,
    1586: Rule.UNIQUE,
    1216: Rule.REFERENCE,
    1217: Rule.REFERENCE,
    1451: Rule.REFERENCE,
    1452: Rule.REFERENCE,
    1048: Rule.NOT_NULL,
    1364: Rule.NOT_NULL,
    3819: Rule.CHECK,
    4025: Rule.CHECK,
}
"""MySQL's and MariaDB's: https://mariadb.com/kb/en/mariadb-error-code-reference/"""

_MYSQL_NAME: Final = re.compile(r"for key '(?:[^'.]*\.)?([^']+)'|CONSTRAINT `([^`]+)`")
_MYSQL_COLUMN: Final = re.compile(r"[Cc]olumn '([^']+)'|FOREIGN KEY \(`([^`]+)`\)")
_MYSQL_TABLE: Final = re.compile(r"\(`[^`]+`\.`([^`]+)`, CONSTRAINT `")

_SQLITE: Final = {
    "UNIQUE": Rule.UNIQUE,
    "FOREIGN KEY": Rule.REFERENCE,
    "NOT NULL": Rule.NOT_NULL,
    "CHECK": Rule.CHECK,
}
_SQLITE_WORDS: Final = re.compile(r"(UNIQUE|FOREIGN KEY|NOT NULL|CHECK) constraint failed(?:: (.*))?")


def violation_of(error: Exception) -> Violation | None:
    """Return which rule of the database an error is about; None if it is about something else.

    Args:
        error: An `IntegrityError` or a `DataError` of Django's.
    """
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        found = _of_sqlite(str(cause))
    elif isinstance(code := error.args[0] if error.args else None, int):
        found = _of_mysql(code, str(error.args[-1]))
    else:
        found = _of_postgres(cause)
    if found is None:
        return Violation(Rule.RANGE) if isinstance(error, DataError) else None
    return found


def with_columns(violation: Violation, table: str, using: str) -> Violation | None:
    """Return a violation with its columns, which are asked of the database if only a constraint is named.

    Args:
        violation: What the database said.
        table: The table that is meant, if it has such a constraint.
        using: The alias of the database. The transaction that the error ended must have been left.

    Returns:
        None if it is of another table.
    """
    if violation.table not in (None, table):
        return None
    if violation.columns or violation.constraint is None:
        return violation
    connection = connections[using]
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, table)
    if violation.constraint not in constraints:
        return None
    columns = tuple(column for column in constraints[violation.constraint]["columns"] if column)
    return Violation(violation.rule, violation.constraint, table, columns)


def _of_postgres(cause: Any) -> Violation | None:
    state = str(getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or "")
    rule = Rule.RANGE if state.startswith("22") else _STATES.get(state)
    if rule is None:
        return None
    told = cause.diag
    columns = (told.column_name,) if told.column_name else ()
    return Violation(rule, told.constraint_name, told.table_name, columns)


def _of_mysql(code: int, words: str) -> Violation | None:
    rule = _NUMBERS.get(code)
    name, column = _MYSQL_NAME.search(words), _MYSQL_COLUMN.search(words)
    columns = (column[1] or column[2],) if column else ()
    if rule is None:
        return Violation(Rule.RANGE, columns=columns) if columns else None
    table = _MYSQL_TABLE.search(words)
    return Violation(rule, name[1] or name[2] if name else None, table[1] if table else None, columns)


def _of_sqlite(words: str) -> Violation | None:
    found = _SQLITE_WORDS.search(words)
    if found is None:
        return None
    rule, what = _SQLITE[found[1]], found[2] or ""
    if rule is Rule.CHECK or what.startswith("index "):
        return Violation(rule, what.removeprefix("index ").strip("'") or None)
    table = what.partition(".")[0] or None
    return Violation(rule, None, table, tuple(part.rpartition(".")[2] for part in what.split(", ") if part))
