"""Objects of the database as dependencies: the path parameter says which."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Annotated, Any, Final, Generic, TypeVar, cast

from django.db.models import CompositePrimaryKey, Model, QuerySet
from fastapi import Depends, Path
from pydantic import WithJsonSchema

from django_fastapi.exceptions import ConfigurationError
from django_fastapi.lookups import column_of, resolve_lookup

from .objects import Source, find_object, queryset_of

M = TypeVar("M", bound=Model)

_SCOPE: Final = "_scope"
_FORMATS: Final = {
    "UUIDField": "uuid",
    "DateField": "date",
    "DateTimeField": "date-time",
    "TimeField": "time",
    "DurationField": "duration",
}


@dataclass(frozen=True, init=False)  # no slots: FastAPI finds the signature in the dictionary of the instance
class ObjectOr404(Generic[M]):
    """A dependency that gives the object which the path names, or 404.

    ::

        @api.get("/books/{pk}")
        def read(book: Annotated[Book, Depends(ObjectOr404(Book))]) -> BookOut: ...

    The parameter of the path is named like the lookup, unless `name` says otherwise; a composite primary key has a
    parameter for each of its fields. It is found by its canonical spelling only, see `get_object_or_404`. Two
    dependencies with equal arguments are equal: one query serves both, and an override of one is an override of both.

    Args:
        source: A model, or a manager or a queryset that has the objects anybody may see.
        lookup: The field of the model that the path has: a unique one.
        name: The name of the path's parameter.
        scope: A dependency that returns the queryset of what this request may see; all else is 404 as well. It may
            be async, and depend on the user.

    Raises:
        ConfigurationError: The field does not exist, or names no single object.
    """

    source: Any
    lookup: str
    name: str | None
    scope: Callable[..., Any] | None

    def __init__(
        self,
        source: Source[M],
        *,
        lookup: str = "pk",
        name: str | None = None,
        scope: Callable[..., Any] | None = None,
    ) -> None:
        for attribute, value in {"source": source, "lookup": lookup, "name": name, "scope": scope}.items():
            object.__setattr__(self, attribute, value)
        object.__setattr__(self, "__signature__", self._signature())

    def __call__(self, **values: Any) -> M:
        """Return the object.

        Raises:
            Http404: There is none.
        """
        queryset: QuerySet[M] = queryset_of(values.pop(_SCOPE, self.source), "ObjectOr404")
        key: Any = tuple(values.values())
        return find_object(queryset.all(), (), {self.lookup: key if len(key) > 1 else key[0]}, keys=(self.lookup,))

    def _signature(self) -> Signature:
        """Return the signature that FastAPI reads."""
        parameters = [
            Parameter(name, Parameter.KEYWORD_ONLY, annotation=Annotated[str, Path(), WithJsonSchema(schema)])
            for name, schema in self._parameters().items()
        ]
        if self.scope is not None:
            parameters.append(Parameter(_SCOPE, Parameter.KEYWORD_ONLY, annotation=Annotated[Any, Depends(self.scope)]))
        return Signature(parameters)

    def _parameters(self) -> dict[str, dict[str, Any]]:
        model: type[Model] = queryset_of(self.source, "ObjectOr404").model
        path = resolve_lookup(model, self.lookup)
        if "__" in self.lookup or not _is_unique(model, self.lookup):
            raise ConfigurationError(
                f"`ObjectOr404({model.__name__}, lookup={self.lookup!r})`: the lookup must be the primary key or a "
                "unique field."
            )
        if isinstance(path.column, CompositePrimaryKey):
            fields: tuple[Any, ...] = cast("Any", path.column).fields
            return {name: _schema(field) for name, field in zip(path.column.field_names, fields, strict=True)}
        return {self.name or self.lookup: _schema(path.column)}


def _is_unique(model: type[Model], name: str) -> bool:
    field: Any = model._meta.pk if name == "pk" else model._meta.get_field(name)
    return getattr(field, "primary_key", False) or (field.concrete and field.unique)


def _schema(field: Any) -> dict[str, Any]:
    """Return the JSON schema of a key, for the documentation: what is no key is 404 and not 422."""
    column = column_of(field)
    kind = column.get_internal_type()
    if kind.endswith(("IntegerField", "AutoField")):
        return {"type": "integer"}
    schema: dict[str, Any] = {"type": "string"}
    if kind in _FORMATS:
        schema["format"] = _FORMATS[kind]
    elif column.max_length is not None:
        schema["maxLength"] = column.max_length
    return schema
