"""Constraints that a database leaves for the end of the transaction, looked at before it."""

from typing import Any, Final

from django.db import connections

_NAMES: Final = """
SELECT DISTINCT quote_ident(nspname) || '.' || quote_ident(conname)
FROM pg_constraint JOIN pg_namespace ON pg_namespace.oid = connamespace
WHERE condeferred AND (conrelid = ANY(%s::text[]::regclass[]) OR confrelid = ANY(%s::text[]::regclass[]))
"""


def check_deferred(written: set[str], deleted: set[str], using: str) -> None:
    """Look at the constraints of tables that the end of the transaction would look at, and leave the rest for then.

    Only on PostgreSQL is there something to do. MySQL and MariaDB leave nothing for later; SQLite does, but there a
    transaction that has read cannot write once another has written. What a foreign key refers to is locked by the look,
    so that it stays until the transaction ends. What else the transaction has written to these tables is looked at too.

    Args:
        written: The tables of rows that were written.
        deleted: The tables of rows that were deleted, to which others may refer.
        using: The alias of the database.

    Raises:
        IntegrityError: One does not hold.
    """
    connection = connections[using]
    if connection.vendor != "postgresql":
        return
    tables = [[connection.ops.quote_name(table) for table in sorted(group)] for group in (written | deleted, deleted)]
    with connection.cursor() as cursor:
        cursor.execute(_NAMES, tables)
        rows: list[Any] = cursor.fetchall()
        names = ", ".join(name for (name,) in rows)
        if names:
            cursor.execute(f"SET CONSTRAINTS {names} IMMEDIATE")
            cursor.execute(f"SET CONSTRAINTS {names} DEFERRED")
