"""Which objects are there, by their keys: a query that most bodies cause, compiled once."""

from collections.abc import Collection
from typing import Any, Final

from django.db import connections
from django.db.models import IntegerField, Model

from .examples import FIRST_KEY
from .introspection import AnyField, is_of_django
from .rows import in_chunks, is_stock
from .statements import Statement, get_statements

_MAX_KEYS: Final = 256  # of which every database takes as many at once


def find_existing(model: type[Model], field: AnyField, keys: Collection[Any], using: str) -> set[Any] | None:
    """Return those keys under which the default manager of a model has an object.

    Args:
        model: The model.
        field: Its column, which has each value once.
        keys: Values of the field's own type.
        using: The alias of the database.

    Returns:
        None where Django has to compile a query: for a manager of the project's own, or keys that are no integers.
    """
    manager: Any = model._default_manager
    is_plain = isinstance(field, IntegerField) and is_of_django(field) and all(type(key) is int for key in keys)
    if not keys or len(keys) > _MAX_KEYS or not is_plain or not is_stock(manager.__class__):
        return None
    connection = connections[using]
    (wanted,) = in_chunks(list(keys), connection)
    owner: Any = model, field.name
    statement = get_statements().get(owner, (len(wanted), using), lambda: _compile(model, field, len(wanted), using))
    if statement is None or statement.sql is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, wanted)
        return {key for (key,) in cursor.fetchall()}


def _compile(model: type[Model], field: AnyField, count: int, using: str) -> Statement | None:
    examples = list(range(FIRST_KEY, FIRST_KEY + count))
    queryset: Any = model._default_manager.using(using).order_by().filter(**{f"{field.name}__in": examples})
    sql, params = queryset.values_list(field.name).query.get_compiler(using).as_sql()
    return Statement(sql, (), using, None) if list(params) == examples else None
