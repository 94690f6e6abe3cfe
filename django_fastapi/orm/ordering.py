"""The order of lists: declared names only, and always a total order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final, TypeAlias, TypeVar, cast

from django.db.models import CompositePrimaryKey, F, Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.db.models.expressions import Combinable, Expression, OrderBy as OrderByExpression
from fastapi import Depends, Query

from django_fastapi.exceptions import ConfigurationError
from django_fastapi.lookups import check_order

from .parameters import ORDERING, WrongParameter, query_signature, refuse

M = TypeVar("M", bound=Model)

Term: TypeAlias = str | Combinable | OrderByExpression

_RANDOM: Final = "?"


@dataclass(frozen=True, slots=True)
class Ordering:
    """The order that a client asked for; what `OrderBy` gives an endpoint.

    Args:
        terms: As for `QuerySet.order_by()`; none leaves the queryset's own order.
    """

    terms: tuple[Term, ...] = ()

    def apply(self, queryset: QuerySet[M]) -> QuerySet[M]:
        """Return the queryset in this order, which the primary key completes: no two rows are equal.

        Raises:
            ConfigurationError: A declared name does not exist, or leads over a relation to many.
        """
        for term in self.terms:
            if isinstance(term, str) and term.removeprefix("-").split(LOOKUP_SEP)[0] not in queryset.query.annotations:
                _check(queryset.model, term.removeprefix("-"))
        return ordered(queryset.order_by(*self.terms) if self.terms else queryset)


def OrderBy(  # noqa: N802 (named like FastAPI's own Query and Depends)
    *names: str,
    default: Sequence[str] | None = None,
    model: type[Model] | None = None,
    **aliases: Term,
) -> Any:
    """Return a dependency that reads `?ordering=-published,title` from declared names and no others.

    ::

        def books(order: Annotated[Ordering, OrderBy("title", "-published")]) -> ...:
            return order.apply(Book.objects.all())

    A client may ask for any of the names in either direction, `-` being descending. As they are written here, with
    their signs, they are the order of a client that asks for none. Any other name is answered with 422.

    Args:
        *names: Columns such as `author__name`, or annotations; not over relations to many.
        default: The order of a client that asks for none, if it is another one: declared names, with signs. Empty
            leaves the queryset's own order.
        model: The model, for checking the columns now and not when the order is first applied.
        **aliases: Further names, with what they stand for: `author="author__name"`,
            `newest=F("published").desc(nulls_last=True)`. A client's `-` turns that round.

    Returns:
        A `fastapi.Depends`, for `Annotated[Ordering, OrderBy(...)]`.

    Raises:
        ConfigurationError: A default is not declared, or a column does not exist.
    """
    declared: dict[str, Term] = {name.removeprefix("-"): name.removeprefix("-") for name in names}
    declared.update(aliases)
    defaults = tuple(names if default is None else default)
    for name in defaults:
        if name.removeprefix("-") not in declared:
            raise ConfigurationError(f"OrderBy(default=...): `{name}` is not declared; {', '.join(declared)} are.")
    for term in declared.values():
        if isinstance(term, str) and model is not None:
            check_order(model, term.removeprefix("-"))
    return Depends(_OrderBy(tuple(declared.items()), defaults))


@dataclass(frozen=True, init=False)  # no slots: FastAPI finds the signature in the dictionary of the instance
class _OrderBy:
    """The dependency behind `OrderBy`: equal by its arguments, so that an override finds it."""

    declared: tuple[tuple[str, Term], ...]
    default: tuple[str, ...]

    def __init__(self, declared: tuple[tuple[str, Term], ...], default: tuple[str, ...]) -> None:
        object.__setattr__(self, "declared", declared)
        object.__setattr__(self, "default", default)
        names = ", ".join(f"`{name}`" for name, _ in declared)
        description = f"The order of the list: any of {names}, separated by commas; with `-` in front descending."
        parameter = Annotated[str, Query(description=description)]
        object.__setattr__(self, "__signature__", query_signature(ordering=(parameter, ",".join(default))))

    async def __call__(self, *, ordering: str) -> Ordering:
        terms: Mapping[str, Term] = dict(self.declared)
        chosen: dict[str, Term] = {}
        for item in ordering.split(",") if ordering else self.default:
            name = item.removeprefix("-")
            if name not in terms:
                names = ", ".join(terms)
                problem = f"must be some of {names}, each with or without '-', separated by commas"
                raise refuse([WrongParameter(ORDERING, ordering, problem, kind="enum")])
            chosen.setdefault(name, terms[name] if item == name else reversed_term(terms[name]))
        return Ordering(tuple(chosen.values()))


def ordered(queryset: QuerySet[M]) -> QuerySet[M]:
    """Return the queryset with the primary key at the end of its order, unless it is in it.

    Querysets that the key would change stay as they are: slices, unions, `values()`, `distinct("column")`.
    """
    query: Any = queryset.query
    is_changed_by_key = query.is_sliced or query.combinator or query.distinct_fields or query.extra_order_by
    if is_changed_by_key or not query.default_cols:
        return queryset
    terms = terms_of(queryset)
    is_total = has_key(queryset.model, terms)
    if is_total and query.order_by:
        return queryset
    # That of the model is written down as well: Django leaves it out of queries that group.
    rows = queryset if query.standard_ordering else queryset.reverse()
    return rows.order_by(*terms) if is_total else rows.order_by(*terms, "pk")


def terms_of(queryset: QuerySet[Any]) -> tuple[Term, ...]:
    """Return the order of a queryset: its own, or that of the model."""
    query: Any = queryset.query
    terms: Sequence[Term] = query.order_by
    if not terms and query.default_ordering:
        terms = queryset.model._meta.ordering
    return tuple(terms if query.standard_ordering else map(reversed_term, terms))


def has_key(model: type[Model], terms: Sequence[Term]) -> bool:
    """Return whether the primary key is among the terms."""
    names = {name_of(term) for term in terms}
    # The name of a relation stands for the order of the related model.
    return "pk" in names or all(field.attname in names for field in key_fields(model))


def key_fields(model: type[Model]) -> Sequence[Any]:
    """Return the fields of the primary key: one, or those of a composite one."""
    key: Any = model._meta.pk
    return key.fields if isinstance(key, CompositePrimaryKey) else [key]


def name_of(term: Term) -> str | None:
    """Return the column that a term names, without its sign; None for an expression."""
    if isinstance(term, OrderByExpression):
        term = cast("Any", term).expression
    if isinstance(term, F):
        name: str = cast("Any", term).name
        return name
    return term.removeprefix("-") if isinstance(term, str) else None


def reversed_term(term: Term) -> Term:
    """Return a term in the other direction, NULLs at the other end."""
    if isinstance(term, str):
        return term if term == _RANDOM else term[1:] if term.startswith("-") else f"-{term}"
    expression: Term = as_expression(term).copy().reverse_ordering()
    return expression


def as_expression(term: Term) -> Any:
    """Return a term as Django's `OrderBy` expression; a name stands for its column."""
    if isinstance(term, str):
        column = F(term.removeprefix("-"))
        return column.desc() if term.startswith("-") else column.asc()
    return term if isinstance(term, OrderByExpression) else cast("Expression", term).asc()


@lru_cache(maxsize=1024)
def _check(model: Any, name: str) -> None:
    check_order(model, name)
