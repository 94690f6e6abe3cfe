"""Queries for one row of a model whose SQL is compiled once: those that every request with a user makes."""

import functools
from dataclasses import dataclass
from typing import Any, Final

from django.db import connections, models
from django.db.models.manager import BaseManager
from django.utils import timezone

_GET: Final = "get_queryset"
_PLAIN_KEYS: Final = frozenset(
    {
        models.AutoField,
        models.BigAutoField,
        models.SmallAutoField,
        models.IntegerField,
        models.BigIntegerField,
        models.PositiveIntegerField,
        models.PositiveBigIntegerField,
        models.CharField,
        models.EmailField,
        models.UUIDField,
    }
)


@dataclass(frozen=True, slots=True)
class _Statement:
    """Compiled SQL, and how its rows become instances.

    Args:
        sql: With one placeholder for each lookup.
        names: The attributes that the columns are for.
        converters: What Django's fields and the database make of the columns' values.
    """

    sql: str
    names: tuple[str, ...]
    converters: dict[int, tuple[list[Any], Any]]


@functools.lru_cache(maxsize=16)
def has_stock_manager(model: type[models.Model]) -> bool:
    """Return whether the default manager of a model gives all rows, as Django's own does, and the key is a plain one.

    Nobody knows what values a key has that is a field of a project's own, or that of another model.
    """
    manager: object = model._default_manager
    if type(model._meta.pk) not in _PLAIN_KEYS:
        return False
    stock: Any = vars(BaseManager)[_GET]
    return getattr(type(manager), _GET) is stock and type(model._default_manager.all()) is models.QuerySet


def find_row(manager: Any, **lookups: Any) -> Any | None:
    """Return the instance that `manager.get(**lookups)` would; None if there is none.

    Args:
        manager: A stock one: see `has_stock_manager`.
        **lookups: Fields with their values; the names may end with `__gt`. The values are such as the fields have.
    """
    using: str = manager.db
    model: Any = manager.model
    # Django sorts lookups by their names.
    names = tuple(sorted(lookups))
    statement = _compile(model, names, using)
    connection = connections[using]
    parameters = [_prepare(_field(model, name), lookups[name], connection) for name in names]
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, parameters)
        row = cursor.fetchone()
    if row is None:
        return None
    values = list(row)
    for position, (converters, column) in statement.converters.items():
        for convert in converters:
            values[position] = convert(values[position], column, connection)
    return model.from_db(using, statement.names, values)


@functools.lru_cache(maxsize=64)
def _compile(model: type[models.Model], lookups: tuple[str, ...], using: str) -> _Statement:
    manager: Any = model._default_manager
    samples = {name: _sample(_field(model, name)) for name in lookups}
    query = manager.using(using).order_by().filter(**samples).query
    compiler = query.get_compiler(using)
    sql, parameters = compiler.as_sql()
    assert len(parameters) == len(lookups)  # one placeholder for each: there are no others
    columns = [column for column, *_ in compiler.select]
    names = tuple(column.target.attname for column in columns)
    return _Statement(sql, names, compiler.get_converters(columns))


def _field(model: type[models.Model], lookup: str) -> Any:
    return model._meta.get_field(lookup.partition("__")[0])


def _prepare(field: Any, value: Any, connection: Any) -> Any:
    """Return the parameter that Django's lookups make of a value, which may be a key that no row can have."""
    return field.get_db_prep_value(field.get_prep_value(value), connection, prepared=True)


def _sample(field: Any) -> Any:
    """Return some value that the field takes, for a statement to be compiled with."""
    kind = field.get_internal_type()
    if kind == "UUIDField":
        return "00000000-0000-0000-0000-000000000000"
    return timezone.now() if kind == "DateTimeField" else "1"


def forget_statements(**_: Any) -> None:
    """Compile the statements anew at the next need; a receiver of Django's `setting_changed`."""
    _compile.cache_clear()
