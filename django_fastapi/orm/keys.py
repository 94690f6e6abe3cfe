"""When two queries have the same SQL: the keys under which compiled statements are kept.

Django compiles a query anew each time it runs, which costs more than most small queries themselves. A key says that
the SQL would come out the same; where that cannot be said for sure, there is no key.
"""

import io
import pickle
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final, TypeGuard

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import lookups
from django.db.models.constants import LOOKUP_SEP
from django.db.models.expressions import Col
from django.db.models.sql import Query
from django.utils import timezone, translation

from .introspection import is_of_django, value_field

MAX_BYTES: Final = 8192

_PROTOCOL: Final = 5
_PLAIN_MODULES: Final = frozenset({"builtins", "datetime", "decimal", "uuid", "collections", "zoneinfo", "functools"})
_LAZY: Final = "django.utils.functional"
_FIELD_LOADER: Final = ("django.db.models.fields", "_load_field")

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
    return query.model, using, *surroundings()


def surroundings() -> tuple[Hashable, ...]:
    """Return what is compiled into SQL beside the query: the time zone by `__year`, the language by lazy texts."""
    return timezone.get_current_timezone_name(), translation.get_language()


def is_settled(query: Query) -> bool:
    """Return whether nothing but Django's own code takes part in compiling the query.

    A function of the project's own may read a global when it is compiled; then equal queries have different SQL.
    """
    pickled = _pickled((query, _orders_of_models(query)))
    if pickled is None:
        return False
    lister = _ClassLister(io.BytesIO(pickled))
    try:
        lister.load()
    except Exception:  # noqa: BLE001 (whatever a class of the project's own does when it is unpickled, it is no key)
        return False
    return lister.is_plain


def _orders_of_models(query: Query) -> list[Any]:
    """Return the expressions of every `Meta.ordering` that is compiled into the SQL of a query."""
    return [order for one in _queries(query) for order in _orders(one)]


def _queries(node: Any) -> Iterator[Query]:
    """Yield the queries in an expression or a query, that query itself included."""
    below: list[Any] = []
    if isinstance(node, Query):
        yield node
        below = [*node.annotations.values(), node.where, *node.combined_queries]
    elif hasattr(node, "get_source_expressions"):
        below = node.get_source_expressions()
    for one in below:
        yield from _queries(one)


def _orders(query: Query) -> Iterator[Any]:
    is_default = query.default_ordering and not query.order_by
    ordering: Any = query.extra_order_by or (query.get_meta().ordering if is_default else query.order_by)
    model: Any = query.model
    yield from _expressions(model, ordering, is_of_model=is_default)


def _expressions(
    model: type[models.Model], ordering: Sequence[Any], seen: tuple[Any, ...] = (), *, is_of_model: bool = True
) -> Iterator[Any]:
    for order in ordering:
        if not isinstance(order, str):
            if is_of_model:
                yield order
        elif (other := _model_at(model, order)) is not None and other not in seen:
            yield from _expressions(other, other._meta.ordering or (), (*seen, other))


def _model_at(model: type[models.Model], order: str) -> type[models.Model] | None:
    """Return the model whose own order takes the place of a relation that is ordered by; None if it is no relation."""
    for name in order.lstrip("-+").split(LOOKUP_SEP):
        try:
            field = model._meta.get_field(name)
        except FieldDoesNotExist:
            return None
        if not isinstance(field.related_model, type):
            return None
        model = field.related_model
    return model


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
        return partial(self._load_field, found) if (module, name) == _FIELD_LOADER else found

    def _load_field(self, load: Any, *arguments: str) -> Any:
        """Load a field of a model, which is in a pickle by its name, and note what is not Django's."""
        field: Any = load(*arguments)
        inner: Any = value_field(field)
        while inner is not None:
            if not (is_of_django(inner) and is_of_django(field)):
                self.is_plain = False
            inner = getattr(inner, "base_field", None)  # of an array
        return field


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
