"""When two queries have the same SQL: the keys under which compiled statements are kept.

Django compiles a query anew each time it runs, which costs more than most small queries themselves. A key says that
the SQL would come out the same; where that cannot be said for sure, there is no key.
"""

import io
import pickle
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeGuard

from django.db import models
from django.db.models import lookups
from django.db.models.expressions import Col
from django.db.models.sql import Query
from django.utils import timezone, translation

MAX_BYTES: Final = 8192

_PROTOCOL: Final = 5
_PLAIN_MODULES: Final = frozenset({"builtins", "datetime", "decimal", "uuid", "collections", "zoneinfo", "functools"})
_LAZY: Final = "django.utils.functional"

_LOOKUPS: Final = frozenset(
    {
        lookups.Exact,
        lookups.IntegerFieldExact,
        lookups.GreaterThan,
        lookups.GreaterThanOrEqual,
        lookups.LessThan,
        lookups.LessThanOrEqual,
        lookups.IntegerGreaterThan,
        lookups.IntegerGreaterThanOrEqual,
        lookups.IntegerLessThan,
        lookups.IntegerLessThanOrEqual,
    }
)
_INTEGERS: Final = frozenset(
    {
        models.AutoField,
        models.BigAutoField,
        models.SmallAutoField,
        models.IntegerField,
        models.BigIntegerField,
        models.SmallIntegerField,
        models.PositiveIntegerField,
        models.PositiveBigIntegerField,
        models.PositiveSmallIntegerField,
        models.ForeignKey,
        models.OneToOneField,
    }
)
_STRINGS: Final = frozenset({models.CharField, models.SlugField, models.TextField})
_MAX_VALUES: Final = 1000
_LISTED: Final[tuple[set[type], ...]] = ({int}, {str})
_NOT_IN_STATE: Final = ("where", "base_table")


@dataclass(frozen=True, slots=True)
class Key:
    """What a query's SQL depends on.

    Args:
        value: Equal for queries with the same SQL.
        parameters: The values that the SQL takes as its parameters, in order, each with the field of its column.
            Empty if the values are part of the key, so that the parameters are the same as well.
    """

    value: Hashable
    parameters: tuple[tuple[Any, Any], ...]


def query_key(query: Query, using: str) -> Key | None:
    """Return the key of a query without the values of its conditions; None if it has no such key.

    Args:
        query: The query as the user made it. It is not changed.
        using: The alias of the database.
    """
    found = _walk(query.where)
    if found is None:
        return None
    shape, walked = found
    state = {name: value for name, value in vars(query).items() if name not in _NOT_IN_STATE}
    pickled = _pickled(state)
    return None if pickled is None else Key((*_surroundings(query, using), pickled, shape), walked)


def exact_key(query: Query, using: str) -> Key | None:
    """Return the key of a query with all its values; None if it has none."""
    pickled = _pickled(query)
    return None if pickled is None else Key((*_surroundings(query, using), pickled), ())


def _surroundings(query: Query, using: str) -> tuple[Hashable, ...]:
    # Time zone and language are compiled into the SQL: by `__year` and `TruncDay`, by lazy texts.
    return query.model, using, timezone.get_current_timezone_name(), translation.get_language()


def is_settled(query: Query) -> bool:
    """Return whether nothing but Django's own code takes part in compiling the query.

    A function of the project's own may read a global when it is compiled; then equal queries have different SQL.
    """
    pickled = _pickled(query)
    if pickled is None:
        return False
    lister = _ClassLister(io.BytesIO(pickled))
    try:
        lister.load()
    except Exception:  # noqa: BLE001 (whatever a class of the project's own does when it is unpickled, it is no key)
        return False
    return lister.is_plain


def _pickled(value: Any) -> bytes | None:
    try:
        pickled = pickle.dumps(value, _PROTOCOL)
    except Exception:  # noqa: BLE001 (lambdas, open files, whatever: what cannot be pickled has no key)
        return None
    return pickled if len(pickled) <= MAX_BYTES else None


class _ClassLister(pickle.Unpickler):
    """Sees which classes and functions are in a pickle."""

    is_plain = True

    def find_class(self, module: str, name: str) -> Any:
        """Note what is neither Django's, nor a model, nor a plain value."""
        found = super().find_class(module, name)
        if not _is_plain(found, module):
            self.is_plain = False
        return found


@cache
def _is_plain(found: Any, module: str) -> bool:
    if isinstance(found, type) and issubclass(found, models.Model):
        return True
    root = module.partition(".")[0]
    return module in _PLAIN_MODULES or (root == "django" and module != _LAZY)


def _walk(where: Any) -> tuple[Hashable, tuple[tuple[Any, Any], ...]] | None:
    """Return the shape of the conditions and their values, if each compares a plain column with plain values."""
    if not where.children:
        return None
    shape: list[Hashable] = [where.connector, where.negated]
    parameters: list[tuple[Any, Any]] = []
    children: list[Any] = where.children
    for lookup in children:
        kind: Any = lookup.__class__
        if type(getattr(lookup, "lhs", None)) is not Col or (values := _values_of(kind, lookup.rhs)) is None:
            return None
        field = lookup.lhs.target
        if not all(_is_parameter(field, value) for value in values):
            return None
        shape.append((kind, lookup.lhs.alias, field, values[0].__class__, len(values)))
        parameters += [(lookup.lhs.output_field, value) for value in values]
    return tuple(shape), tuple(parameters)


def _values_of(kind: Any, rhs: Any) -> list[Any] | None:
    """Return the values that a lookup compares with; None where their number is not that of the placeholders."""
    if kind in _LOOKUPS:
        return [rhs]
    if kind is not lookups.In or not _is_list(rhs):
        return None
    if len(rhs) > _MAX_VALUES or {type(one) for one in rhs} not in _LISTED:
        return None
    # Django leaves out what is there twice.
    return rhs if len(set(rhs)) == len(rhs) else None


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return type(value) is list


def _is_parameter(field: Any, value: Any) -> bool:
    """Return whether any value like this one gives the same SQL: none that is empty, null or out of range."""
    if type(value) is int:
        return type(field) in _INTEGERS and _fits(field, value)
    return type(value) is str and type(field) in _STRINGS and value != "" and "\x00" not in value


def _fits(field: Any, value: int) -> bool:
    while field.is_relation:
        field = field.target_field
    if type(field) not in _INTEGERS:
        return False
    low, high = _INTEGER_RANGES.get(field.get_internal_type(), (0, -1))
    return low <= value <= high


_INTEGER_RANGES: Final = {
    "AutoField": (0, 2**31 - 1),
    "BigAutoField": (0, 2**63 - 1),
    "SmallAutoField": (0, 2**15 - 1),
    "IntegerField": (-(2**31), 2**31 - 1),
    "BigIntegerField": (-(2**63), 2**63 - 1),
    "SmallIntegerField": (-(2**15), 2**15 - 1),
    "PositiveIntegerField": (0, 2**31 - 1),
    "PositiveBigIntegerField": (0, 2**63 - 1),
    "PositiveSmallIntegerField": (0, 2**15 - 1),
}
"""What every database's column of that type holds."""
