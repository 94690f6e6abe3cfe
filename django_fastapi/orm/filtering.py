"""Filters of lists: a Pydantic model for the query string, each field of which is one declared lookup."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import NoneType
from typing import Any, ClassVar, Final, TypeGuard, TypeVar, get_args

from django.apps import apps
from django.db.models import Model, Q, QuerySet
from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.fields import FieldInfo

from django_fastapi.exceptions import ConfigurationError, UnfitValue
from django_fastapi.lookups import LookupPath, check_text, resolve_lookup

from .parameters import LIST_PARAMETERS, WrongParameter, refuse

M = TypeVar("M", bound=Model)

_MAX_VALUES: Final = 1000
_MAX_SEARCH: Final = 200
_MAX_WORDS: Final = 10


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a field of a `FilterSchema` asks the database: `Annotated[Decimal | None, Lookup("price__gte")] = None`.

    Args:
        path: A lookup as `QuerySet.filter()` takes it. With a list of values, those that equal any of them are found.
    """

    path: str


@dataclass(frozen=True, slots=True, init=False)
class Search:
    """A field of a `FilterSchema` that is searched for: every word of it has to be in one of the columns.

    Args:
        *paths: Columns, such as `author__name`; with a lookup (`title__istartswith`) if it is not to be `icontains`.
    """

    paths: tuple[str, ...]

    def __init__(self, *paths: str) -> None:
        object.__setattr__(self, "paths", paths)


class FilterSchema(BaseModel):
    """A Pydantic model for the query string of a list, that filters a queryset.

    ::

        class BookFilter(FilterSchema):
            author: int | None = None  # author=...
            tags: list[int] | None = None  # tags__in=[...]
            price_min: Annotated[Decimal | None, Lookup("price__gte")] = None
            search: Annotated[str | None, Search("title", "author__name")] = None

            class Meta:
                model = Book

        @api.get("/books")
        def books(filters: Annotated[BookFilter, Query()]) -> list[BookOut]:
            return filters.apply(Book.objects.all())

    A field without a `Lookup` is looked up by its name, exactly. None filters nothing. Clients can use the declared
    names and no others: a parameter that nobody declared is answered with 422, and never read as a lookup; those of
    pages and of the ordering are left to others. So are the names in `Meta.ignore`, a field of this schema among them,
    which `apply` of a subclass may use.

    With `Meta.model` the lookups are checked when the class is made, otherwise when it is applied for the first time.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Check the lookups against `Meta.model`.

        Raises:
            ConfigurationError: One of them does not exist, or the models are not loaded still.
        """
        super().__pydantic_init_subclass__(**kwargs)
        model: type[Model] | None = getattr(_meta(cls), "model", None)
        if model is None or not cls.__pydantic_fields_complete__:
            return
        if not apps.models_ready:
            raise ConfigurationError(
                f"`{cls.__name__}` was made before the models were loaded: define it in a module that `api.py` imports."
            )
        _plan(cls, model)

    @model_validator(mode="before")
    @classmethod
    def _leave_to_others(cls, data: object) -> object:
        if not _is_mapping(data):
            return data
        ignored = LIST_PARAMETERS | frozenset(getattr(_meta(cls), "ignore", ()))
        declared = {name for field, info in cls.model_fields.items() for name in (field, info.alias)}
        return {name: value for name, value in data.items() if name in declared or name not in ignored}

    def apply(self, queryset: QuerySet[M]) -> QuerySet[M]:
        """Return the queryset with a condition for each field that has a value.

        Raises:
            RequestValidationError: A value cannot be compared with its column: a NUL character, an integer out of
                range, a decimal with too many digits. FastAPI answers 422 with the names of all such parameters.
            ConfigurationError: A lookup does not exist.
        """
        wrong: list[WrongParameter] = []
        for condition in _conditions(type(self), queryset):
            value: object = getattr(self, condition.field)
            if value is None:
                continue
            try:
                queryset = condition.narrow(queryset, value)
            except UnfitValue as error:
                wrong.append(WrongParameter(condition.parameter, value, str(error)))
        if wrong:
            raise refuse(wrong)
        return queryset


@dataclass(frozen=True, slots=True)
class _Condition:
    """What one field of a schema asks.

    Args:
        field: The name of the field.
        parameter: Its name in the query.
        paths: The lookups, of which any one is to be met.
        is_search: Whether the value is taken apart into words.
    """

    field: str
    parameter: str
    paths: tuple[LookupPath, ...]
    is_search: bool

    def narrow(self, queryset: QuerySet[M], value: object) -> QuerySet[M]:
        for part in _words(value) if self.is_search else [value]:
            queryset = queryset.filter(self._condition(part, queryset))
        return queryset

    def _condition(self, value: object, queryset: QuerySet[Any]) -> Q:
        if _is_collection(value) and len(value) > _MAX_VALUES:
            raise UnfitValue(f"must be at most {_MAX_VALUES} values")
        repeating = [path.condition(value, queryset.db) for path in self.paths if path.is_multivalued]
        others = [path.condition(value, queryset.db) for path in self.paths if not path.is_multivalued]
        keys = [("pk__in", _keys(queryset, Q(*repeating, _connector=Q.OR)))] if repeating else []
        return Q(*others, *keys, _connector=Q.OR)


def _keys(queryset: QuerySet[Any], condition: Q) -> QuerySet[Any, Any]:
    """Return the keys of the rows that meet a condition over relations to many.

    A join would repeat rows: in the list, and in its count.
    """
    keys: QuerySet[Any, Any] = queryset.model._base_manager.using(queryset.db).filter(condition).values("pk")
    return keys


def _words(value: object) -> list[str]:
    text = str(value)
    check_text(text)
    words = text.split()
    if len(text) > _MAX_SEARCH or len(words) > _MAX_WORDS:
        raise UnfitValue(f"must have at most {_MAX_SEARCH} characters and {_MAX_WORDS} words")
    return words


def _is_collection(value: object) -> TypeGuard[Collection[object]]:
    return isinstance(value, list | tuple | set | frozenset)


def _is_mapping(data: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(data, Mapping)


def _meta(schema: type[FilterSchema]) -> Any:
    return getattr(schema, "Meta", None)


def _conditions(schema: type[FilterSchema], queryset: QuerySet[M]) -> tuple[_Condition, ...]:
    annotations = queryset.query.annotations
    if getattr(_meta(schema), "model", None) is None and annotations:
        return _make_plan(schema, queryset.model, annotations)
    return _plan(schema, queryset.model)


@lru_cache(maxsize=1024)
def _plan(schema: type[FilterSchema], model: type[Model]) -> tuple[_Condition, ...]:
    return _make_plan(schema, model, {})


def _make_plan(
    schema: type[FilterSchema], model: type[Model], annotations: Mapping[str, Any]
) -> tuple[_Condition, ...]:
    ignored = getattr(_meta(schema), "ignore", ())
    return tuple(
        _make_condition(f"{schema.__name__}.{name}", name, info, model, annotations)
        for name, info in schema.model_fields.items()
        if name not in ignored
    )


def _make_condition(
    whole: str, name: str, info: FieldInfo, model: type[Model], annotations: Mapping[str, Any]
) -> _Condition:
    declared = [item for item in info.metadata if isinstance(item, Lookup | Search)] or [Lookup(name)]
    if len(declared) > 1:
        raise ConfigurationError(f"`{whole}` has several of Lookup and Search: leave one.")
    [rule] = declared
    try:
        if isinstance(rule, Search):
            paths = tuple(_searched(model, path, annotations) for path in rule.paths)
        else:
            paths = (resolve_lookup(model, rule.path, annotations),)
    except ConfigurationError as error:
        raise ConfigurationError(f"`{whole}`: {error}") from None
    if not paths:
        raise ConfigurationError(f"`{whole}` searches nothing: name columns, as in Search('title').")
    for path in paths:
        if path.lookup == "isnull" and set(get_args(info.annotation) or [info.annotation]) - {bool, NoneType}:
            raise ConfigurationError(f"`{whole}` asks `{path.name}`: annotate it with `bool | None`.")
    return _Condition(name, info.alias or name, paths, isinstance(rule, Search))


def _searched(model: type[Model], path: str, annotations: Mapping[str, Any]) -> LookupPath:
    resolved = resolve_lookup(model, path, annotations)
    return resolved if resolved.lookup else resolve_lookup(model, f"{path}__icontains", annotations)
