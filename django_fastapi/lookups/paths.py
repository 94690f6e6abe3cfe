"""Lookups such as `author__name__icontains`, resolved against a model before any client can ask for them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, TypeGuard, cast

from django.core.exceptions import FieldDoesNotExist
from django.db.models import CompositePrimaryKey, ForeignObject, Model, Value
from django.db.models.constants import LOOKUP_SEP
from django.db.models.functions import ExtractIsoYear, ExtractYear

from django_fastapi.exceptions import ConfigurationError, UnfitValue

from .columns import AnyField, check_text, fit

_EXACT: Final = "exact"
_REGEX: Final = frozenset({"regex", "iregex"})
_PATTERNS: Final = frozenset(
    {"contains", "icontains", "startswith", "istartswith", "endswith", "iendswith", "iexact", "search"}
)
_MAX_PATTERN: Final = 10_000
_BOUNDS: Final = 2
_YEARS: Final = (2, 9998)


@dataclass(frozen=True, slots=True)
class LookupPath:
    """A lookup whose every part exists.

    Args:
        name: The lookup as it was written.
        column: The field whose values are compared: a model's, or what the last transform gives.
        lookup: What compares them, such as `icontains`; None if the name does not say.
        is_key: Whether it names rows: a primary key, another unique field, a relation.
        is_multivalued: Whether a row can meet it several times, by way of a relation to many.
        is_year: Whether the year of a date is compared; databases compare the first and last moment of it.
    """

    name: str
    column: AnyField
    lookup: str | None
    is_key: bool
    is_multivalued: bool
    is_year: bool

    def condition(self, value: object, using: str, *, canonical: bool = True) -> tuple[str, object]:
        """Return name and value for `Q` or `filter()`, with a client's value made fit.

        Args:
            value: A value, or a collection of values, of which any one is looked for unless the lookup says otherwise.
            using: The alias of the database.
            canonical: Whether text has to be in the canonical spelling, see `fit`.

        Raises:
            UnfitValue: No row can meet it.
        """
        is_composite = isinstance(self.column, CompositePrimaryKey) and self.lookup in (None, _EXACT)
        if _is_collection(value) and not is_composite:
            return self._condition_of_values(list(value), using, canonical=canonical)
        if self.lookup in _PATTERNS or self.lookup in _REGEX:
            return self.name, _fit_pattern(value)
        return self.name, self._fit(value, using, canonical=canonical)

    def _condition_of_values(self, values: list[object], using: str, *, canonical: bool) -> tuple[str, object]:
        if self.lookup is None:
            return f"{self.name}{LOOKUP_SEP}in", [self._fit(value, using, canonical=canonical) for value in values]
        if self.lookup == "range" and len(values) != _BOUNDS:
            raise UnfitValue("must be two values, the lower and the upper bound")
        if self.lookup in ("in", "range"):
            return self.name, [self._fit(value, using, canonical=canonical) for value in values]
        return self.name, fit(self.column, values, using, canonical=canonical)

    def _fit(self, value: object, using: str, *, canonical: bool) -> object:
        if self.lookup == "isnull":
            return value
        fitted = fit(self.column, value, using, canonical=canonical)
        if self.is_year and isinstance(fitted, int) and not _YEARS[0] <= fitted <= _YEARS[1]:
            raise UnfitValue(f"must be from {_YEARS[0]} to {_YEARS[1]}")
        return fitted


def _is_collection(value: object) -> TypeGuard[Collection[object]]:
    return isinstance(value, list | tuple | set | frozenset)


def _fit_pattern(value: object) -> object:
    if isinstance(value, str):
        check_text(value)
        # SQLite refuses patterns of more than 50,000 bytes; a character can take four of them.
        if len(value) > _MAX_PATTERN:
            raise UnfitValue(f"must have at most {_MAX_PATTERN} characters")
    return value


def resolve_lookup(
    model: type[Model], name: str, annotations: Mapping[str, Any] | None = None, *, allow_regex: bool = False
) -> LookupPath:
    """Resolve a lookup: relations, a field, transforms, and what compares.

    Args:
        model: The model that the path begins at.
        name: The lookup, such as `author__name__icontains`.
        annotations: Those of the queryset, by name.
        allow_regex: Whether regular expressions may compare.

    Raises:
        ConfigurationError: A part of it does not exist, or it lets clients send regular expressions.
    """
    path = _walk(model, name, annotations or {})
    source: Any = path.column
    lookup: str | None = None
    for index, part in enumerate(path.rest):
        if index == len(path.rest) - 1 and path.has_lookup(source, part):
            lookup = part
        else:
            source = _transform(path, source, part)
    if lookup in _REGEX and not allow_regex:
        raise ConfigurationError(
            f"`{name}` lets clients send regular expressions, which can keep the database busy for ever. "
            "Take `contains` or `startswith`, or the case-insensitive `icontains` or `istartswith`."
        )
    return LookupPath(
        name=name,
        column=getattr(source, "output_field", source),
        lookup=lookup,
        is_key=path.is_key and path.rest in ([], [_EXACT], ["in"]),
        is_multivalued=path.is_multivalued,
        is_year=isinstance(source, ExtractYear | ExtractIsoYear),
    )


def check_order(model: type[Model], name: str, annotations: Mapping[str, Any] | None = None) -> None:
    """Check that rows can be ordered by `author__name`.

    Raises:
        ConfigurationError: It does not exist, compares something, or leads over a relation to many: that would repeat
            rows.
    """
    path = resolve_lookup(model, name, annotations)
    if path.lookup is not None:
        raise ConfigurationError(f"`{name}` of {model.__name__} compares something: rows cannot be ordered by it.")
    if path.is_multivalued:
        raise ConfigurationError(
            f"`{name}` leads over a relation to many, and would repeat rows of {model.__name__}: "
            "order by an annotation, such as `Min(...)`."
        )


@dataclass(frozen=True, slots=True)
class _Walk:
    """The part of a path that names relations and a field, what is left of it, and what could stand there."""

    name: str
    column: Any
    rest: list[str]
    names: list[str]
    owner: str
    is_key: bool = False
    is_relation: bool = False
    is_multivalued: bool = False

    def has_lookup(self, source: Any, lookup: str) -> bool:
        return lookup in _relation_lookups() if self.is_relation else source.get_lookup(lookup) is not None


def _walk(model: type[Model], name: str, annotations: Mapping[str, Any]) -> _Walk:
    first, *rest = parts = name.split(LOOKUP_SEP)
    if first in annotations:
        column = annotations[first].output_field
        return _Walk(name, column, rest, list(column.get_lookups()), type(column).__name__)
    options: Any = model._meta
    relation: Any = None
    is_multivalued = False
    for index, part in enumerate(parts):
        try:
            field: Any = options.pk if part == "pk" else options.get_field(part)
        except FieldDoesNotExist:
            if relation is None:
                raise _unknown(f"`{name}`", part, [*_names(options), *annotations], options.object_name) from None
            return _relation(name, relation, parts[index:], is_multivalued=is_multivalued)
        if not field.is_relation:
            is_key = field.primary_key or field.unique
            return _Walk(
                name=name,
                column=field,
                rest=parts[index + 1 :],
                names=list(field.get_lookups()),
                owner=f"{options.object_name}.{field.name}",
                is_key=is_key,
                is_multivalued=is_multivalued,
            )
        if not hasattr(field, "path_infos"):
            raise ConfigurationError(
                f"`{name}` leads over `{options.object_name}.{part}`, a generic foreign key: name its two columns."
            )
        relation, options = field, field.path_infos[-1].to_opts
        is_multivalued = is_multivalued or any(info.m2m for info in field.path_infos)
    return _relation(name, relation, [], is_multivalued=is_multivalued)


def _relation(name: str, relation: Any, rest: list[str], *, is_multivalued: bool) -> _Walk:
    info = relation.path_infos[-1]
    return _Walk(
        name=name,
        column=info.target_fields[0],
        rest=rest,
        names=[*_names(info.to_opts), *_relation_lookups()],
        owner=info.to_opts.object_name,
        is_key=True,
        is_relation=True,
        is_multivalued=is_multivalued,
    )


def _relation_lookups() -> Collection[str]:
    lookups: Collection[str] = cast("Any", ForeignObject).get_lookups()
    return lookups


def _transform(path: _Walk, source: Any, part: str) -> Any:
    transform: Any = None if path.is_relation else source.get_transform(part)
    if transform is None:
        raise _unknown(f"`{path.name}`", part, path.names, path.owner)
    return transform(Value(None, output_field=getattr(source, "output_field", source)))


def _names(options: Any) -> list[str]:
    return ["pk", *(field.name for field in options.get_fields())]


def _unknown(whole: str, part: str, names: list[str], owner: str) -> ConfigurationError:
    close = get_close_matches(part, names, n=1)
    hint = f"; did you mean `{close[0]}`?" if close else "."
    return ConfigurationError(f"{whole}: `{owner}` has no `{part}`{hint}")
