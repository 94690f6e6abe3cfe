"""One writer at a time for an object."""

from typing import Any

from django.db import connections
from django.db.models import QuerySet


def locked(queryset: QuerySet[Any]) -> QuerySet[Any]:
    """Return the queryset with its rows locked until the transaction ends; other writers of them wait.

    Where the database has no locks of rows, which is SQLite, all other writers wait from now on: without that, one that
    has read first and writes later would fail.
    """
    connection = connections[queryset.db]
    if connection.features.has_select_for_update:
        # Rows that are only joined are not locked; an outer join could not be.
        of = ("self",) if connection.features.has_select_for_update_of else ()
        return queryset.select_for_update(of=of)
    with connection.cursor() as cursor:
        table = connection.ops.quote_name(queryset.model._meta.db_table)
        cursor.execute(f"DELETE FROM {table} WHERE 1 = 0")  # noqa: S608 (the name of the model's own table)
    return queryset
