"""Keysets: where a row stands in an order of several columns, and the condition for the rows after it.

The order is total, since the primary key is in it. So a row's place is given by its own values, whatever other rows
come and go: nothing is passed over, nothing is repeated.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any, Final, Generic, TypeVar, cast

from django.conf import settings
from django.core.exceptions import FieldDoesNotExist
from django.db import connections
from django.db.models import DateTimeField, DecimalField, ExpressionWrapper, F, FloatField, Model, Q, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.db.models.expressions import Col, OrderBy
from django.db.models.functions import Cast, Random
from django.db.models.functions.datetime import TruncBase

from django_fastapi.exceptions import ConfigurationError
from django_fastapi.orm.ordering import (
    Term,
    as_expression,
    has_key,
    key_fields,
    name_of,
    ordered,
    reversed_term,
    terms_of,
)

from .tokens import is_plain

M = TypeVar("M", bound=Model)

_MAX_DEPTH: Final = 10
_FLOAT_DIGITS: Final = 15


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column of the order.

    Args:
        name: Its name in the query for keys.
        expression: What it is.
        field: The field that its values are of.
        is_descending: Its direction.
        has_nulls_first: Whether NULLs come before all values.
        is_nullable: Whether there can be NULLs.
        has_nulls_moved: Whether that is not where the database has them of itself.
        clock: Of a moment that the database has as the time on a clock, as `TruncDay` makes it: the time zone in which
            the database compares such a time. None for other columns.
    """

    name: str
    expression: Any
    field: Any
    is_descending: bool
    has_nulls_first: bool
    is_nullable: bool
    has_nulls_moved: bool
    clock: tzinfo | None

    @property
    def order(self) -> OrderBy:
        """The column as `order_by` takes it."""
        first = True if self.has_nulls_moved and self.has_nulls_first else None
        last = True if self.has_nulls_moved and not self.has_nulls_first else None
        return OrderBy(F(self.name), self.is_descending, nulls_first=first, nulls_last=last)

    def reversed(self) -> "KeyColumn":
        """Return the column in the other direction, with the NULLs at the other end."""
        return replace(self, is_descending=not self.is_descending, has_nulls_first=not self.has_nulls_first)

    def plain(self, value: object) -> object:
        """Return a value as a cursor can hold it, and as the database compares it."""
        if isinstance(value, datetime) and self.clock is not None:
            return value.replace(tzinfo=self.clock)
        return value if is_plain(value) else self.field.get_prep_value(value)

    def equal(self, value: object) -> Q:
        """Return the condition for the same value."""
        return Q((f"{self.name}__isnull", True)) if value is None else Q((self.name, value))

    def after(self, value: object) -> Q | None:
        """Return the condition for what comes after a value; None if nothing can."""
        if value is None:
            return Q((f"{self.name}__isnull", False)) if self.has_nulls_first else None
        greater = Q((f"{self.name}__{'lt' if self.is_descending else 'gt'}", value))
        if self.is_nullable and not self.has_nulls_first:
            return greater | Q((f"{self.name}__isnull", True))
        return greater


@dataclass(frozen=True, slots=True)
class Keyset(Generic[M]):
    """A queryset in a total order, and the columns of that order.

    Args:
        queryset: The rows.
        columns: What their order is made of, the primary key among it.
        key_places: Which of the columns are the primary key.
        signature: What it is made of in words, the same in every process: it tells orders apart.
    """

    queryset: QuerySet[M]
    columns: tuple[KeyColumn, ...]
    key_places: tuple[int, ...]
    signature: str

    def keys(self, limit: int, after: Sequence[object] | None, *, backward: bool, inclusive: bool) -> list[Any]:
        """Return the keys of the next rows, a tuple of the columns' values for each; one query.

        Args:
            limit: How many at most.
            after: The key of the row they come after; None for the first rows.
            backward: Whether they are counted from the end, the last row first.
            inclusive: Whether a row with just that key is one of them.
        """
        columns = [column.reversed() if backward else column for column in self.columns]
        queryset: QuerySet[Any] = self.queryset.annotate(**{column.name: column.expression for column in columns})
        if after is not None:
            queryset = queryset.filter(following(columns, after, inclusive=inclusive))
        queryset = queryset.order_by(*(column.order for column in columns))
        keys = queryset.values_list(*(column.name for column in columns))[:limit]
        return [tuple(map(KeyColumn.plain, columns, key)) for key in keys]

    def rows(self, keys: Sequence[Sequence[object]]) -> QuerySet[M]:
        """Return the rows with these keys, in order, as a queryset that nobody has read yet."""
        if not keys:
            return self.queryset.none()
        parts = [tuple(key[place] for place in self.key_places) for key in keys]
        return self.queryset.filter(pk__in=parts if len(self.key_places) > 1 else [part for (part,) in parts])


def following(columns: Sequence[KeyColumn], key: Sequence[object], *, inclusive: bool) -> Q:
    """Return the condition for the rows after a key, in the order of the columns."""
    condition = Q() if inclusive else None
    for column, value in reversed(list(zip(columns, key, strict=True))):
        ties = None if condition is None else column.equal(value) & condition
        after = column.after(value)
        condition = after | ties if after and ties else after or ties
    if condition is None:
        return Q(pk__in=[])
    first, value = columns[0], key[0]
    if not first.is_nullable and value is not None:
        # It follows from the rest; databases find the place in an index by it, and not by alternatives.
        condition &= Q((f"{first.name}__{'lte' if first.is_descending else 'gte'}", value))
    return condition


def make_keyset(queryset: QuerySet[M]) -> Keyset[M]:
    """Return the keyset of a queryset, its order completed by the primary key.

    Raises:
        ConfigurationError: The queryset cannot be gone through by cursors.
    """
    queryset = ordered(queryset)
    query: Any = queryset.query
    terms = terms_of(queryset)
    is_unfit = query.is_sliced or query.combinator or query.distinct_fields or query.extra_order_by
    if is_unfit or not has_key(queryset.model, terms):
        raise ConfigurationError(
            f"Cursors go through querysets of {queryset.model.__name__} objects that are not sliced, combined, "
            "`values()`, `distinct()` by columns or `extra(order_by=...)`: take pages by number or offset."
        )
    orders = [order for term in terms for order in _expand(queryset.model, query.annotations, term)]
    columns = _make_columns(queryset, orders)
    sources = [name_of(order.expression) for order in orders]
    return Keyset(
        queryset=queryset,
        columns=columns,
        key_places=tuple(sources.index(field.attname) for field in key_fields(queryset.model)),
        signature=";".join(_describe(order) for order in orders),
    )


def _make_columns(queryset: QuerySet[Any], orders: Sequence[Any]) -> tuple[KeyColumn, ...]:
    connection = connections[queryset.db]
    names = [f"keyset_{index}" for index in range(len(orders))]
    query: Any = queryset.annotate(**{name: order.expression for name, order in zip(names, orders, strict=True)}).query
    _check_windows(query)
    columns: list[KeyColumn] = []
    for name, order in zip(names, orders, strict=True):
        found = query.annotations[name]
        _check_relations(query, found, order)
        is_own = isinstance(found, Col) and found.alias == query.get_initial_alias()
        has_nulls_first = order.descending == connection.features.nulls_order_largest
        has_nulls_moved = bool(order.nulls_last if has_nulls_first else order.nulls_first)
        columns.append(
            KeyColumn(
                name=name,
                expression=_exact(order.expression, found) if connection.vendor == "sqlite" else order.expression,
                field=found.output_field,
                is_descending=order.descending,
                has_nulls_first=has_nulls_first != has_nulls_moved,
                is_nullable=not is_own or found.target.null,
                has_nulls_moved=has_nulls_moved,
                clock=_clock(found, connection),
            )
        )
    return tuple(columns)


def _check_windows(query: Any) -> None:
    """Refuse windows: computed over the rows of one page they have other values."""
    if query.where.contains_over_clause or any(one.contains_over_clause for one in query.annotations.values()):
        raise ConfigurationError(
            f"`Window(...)` is computed over all {query.model.__name__} objects of a list, and a page by cursor reads "
            "some of them: take pages by number or offset."
        )


def _check_relations(query: Any, resolved: Any, order: Any) -> None:
    """Refuse an order over a relation to many: a row would be in it several times."""
    columns = [] if resolved.contains_aggregate else [part for part in resolved.flatten() if isinstance(part, Col)]
    if any(_is_to_many(join) for column in columns for join in _joins(query, column.alias)):
        raise ConfigurationError(
            f"The order by {order.expression!r} leads over a relation to many, and would repeat rows of "
            f"{query.model.__name__}: order by an annotation, such as `Min(...)`."
        )


def _joins(query: Any, alias: str | None) -> Iterator[Any]:
    """Return the joins that lead to a table."""
    while (join := query.alias_map.get(alias)) is not None and join.parent_alias is not None:
        yield join
        alias = join.parent_alias


def _is_to_many(join: Any) -> bool:
    relation = join.join_field
    return getattr(relation, "multiple", False) and not relation.field.unique


def _clock(resolved: Any, connection: Any) -> tzinfo | None:
    """Return the time zone in which the database compares the time on a clock; None for what is none.

    A value that has been read says the time on that clock, in the time zone that it was truncated in or in none.
    """
    if not settings.USE_TZ or not isinstance(resolved.output_field, DateTimeField):
        return None
    is_clock = any(isinstance(part, TruncBase) for part in resolved.flatten())
    zone: tzinfo = connection.timezone
    return zone if is_clock else None


def _exact(expression: Any, resolved: Any) -> Any:
    """Return a decimal of SQLite as the float that it is: rounded to the digits of its field it equals itself no more.

    A column whose digits a float can hold is compared as it is, so that an index on it is used.
    """
    field = resolved.output_field
    if not isinstance(field, DecimalField):
        return expression
    digits: Any = field.max_digits
    is_held = isinstance(resolved, Col) and digits <= _FLOAT_DIGITS
    return ExpressionWrapper(expression, FloatField()) if is_held else Cast(expression, FloatField())


def _expand(model: type[Model], annotations: Mapping[str, Any], term: Term, depth: int = 0) -> Iterator[Any]:
    """Return the columns that a term stands for, as `OrderBy` expressions.

    The name of a relation stands for the order of the related model, as in Django's SQL compiler.
    """
    order = as_expression(term)
    name = name_of(term)
    if name == "?" or isinstance(order.expression, Random):
        raise ConfigurationError(f"{model.__name__} objects in random order have no cursors: take another order.")
    if name == "pk":
        for field in key_fields(model):
            copy = order.copy()
            copy.set_source_expressions([F(field.attname)])
            yield copy
        return
    related = _related_model(model, name) if isinstance(term, str) and name not in annotations else None
    items: Sequence[Any] = (related._meta.ordering or ()) if related is not None and depth < _MAX_DEPTH else ()
    if not items:
        yield order
    for item in items:
        follows = not isinstance(item, OrderBy)
        inner = reversed_term(item) if order.descending and follows else item
        for expanded in _expand(cast("type[Model]", related), {}, inner, depth + 1):
            yield expanded.prefix_references(f"{name}{LOOKUP_SEP}")


def _related_model(model: type[Model], name: str | None) -> type[Model] | None:
    """Return the model whose order the name of a relation stands for."""
    options: Any = model._meta
    field: Any = None
    part = ""
    for part in (name or "").split(LOOKUP_SEP):
        try:
            field = options.pk if part == "pk" else options.get_field(part)
        except FieldDoesNotExist:
            return None
        if not field.is_relation or field.related_model is None:
            return None
        options = field.related_model._meta
    return None if getattr(field, "attname", None) == part else cast("type[Model]", field.related_model)


def _describe(order: Any) -> str:
    """Return what an order is made of, without values: those may be another at each request, such as the time."""
    parts = [name_of(part) if isinstance(part, F) else type(part).__name__ for part in order.flatten()]
    return " ".join([*map(str, parts), str(order.descending), str(order.nulls_first), str(order.nulls_last)])
