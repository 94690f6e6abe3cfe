"""What an endpoint returned: where in it something of the ORM is."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias, TypeGuard

from django.db.models import Manager, Model, QuerySet
from django.db.models.query import RawQuerySet
from pydantic import BaseModel

AnyQuerySet: TypeAlias = QuerySet[Any, Any]
Source: TypeAlias = "QuerySet[Any, Any] | RawQuerySet[Any] | Manager[Any]"

_QUERYSETS: Final = (QuerySet, RawQuerySet, Manager)

_DEPTH: Final = 4


def holds_orm(content: Any, depth: int = _DEPTH) -> bool:
    """Return whether there is a queryset or an instance of a model in what an endpoint returned."""
    if isinstance(content, (Model, *_QUERYSETS)):
        return True
    return depth > 0 and any(holds_orm(one, depth - 1) for one in _inside(content))


def _inside(content: Any) -> Iterator[Any]:
    if is_mapping(content):
        yield from content.values()
    elif isinstance(content, list | tuple | set | frozenset):
        yield from content
    elif (named := named_values(content)) is not None:
        yield from named.values()


def is_mapping(content: object) -> TypeGuard[Mapping[Any, Any]]:
    """Return whether it is a mapping of names to values."""
    return isinstance(content, Mapping)


def named_values(content: Any) -> dict[str, Any] | None:
    """Return the fields of a model of Pydantic or a dataclass."""
    if isinstance(content, BaseModel):
        return dict(vars(content))
    if dataclasses.is_dataclass(content) and not isinstance(content, type):
        return {field.name: getattr(content, field.name, None) for field in dataclasses.fields(content)}
    return None


def is_source(content: object) -> TypeGuard[Source]:
    """Return whether it gives rows of the database: a queryset, also a raw one, or a manager."""
    return isinstance(content, _QUERYSETS)


def is_queryset(content: object) -> TypeGuard[AnyQuerySet]:
    """Return whether it is a queryset; a raw one is none, nor is a manager."""
    return isinstance(content, QuerySet)


def is_raw(content: object) -> TypeGuard["RawQuerySet[Any]"]:
    """Return whether it is a raw queryset."""
    return isinstance(content, RawQuerySet)


def without_manager(source: Any) -> Any:
    """Return the queryset of all a manager has; anything else as it is."""
    return source.all() if _is_manager(source) else source


def _is_manager(source: object) -> TypeGuard["Manager[Any]"]:
    return isinstance(source, Manager)
