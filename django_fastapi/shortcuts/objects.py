"""Objects of the database, or 404: `get_object_or_404` and its relatives, for synchronous and async code."""

import functools
from collections.abc import Collection
from typing import Any, Final, TypeAlias, TypeVar, cast

from asgiref.sync import sync_to_async
from django.db.models import Manager, Model, Q, QuerySet
from django.db.models.base import ModelBase
from django.db.models.manager import BaseManager
from django.http import Http404

from django_fastapi.exceptions import ConfigurationError, UnfitValue
from django_fastapi.lookups import resolve_lookup

from .awaiting import here_or_awaited

M = TypeVar("M", bound=Model)

Source: TypeAlias = type[M] | Manager[M] | QuerySet[M]

_NOTHING: Final = ("pk__in", ())


def get_object_or_404(klass: Source[M], /, *args: Any, **kwargs: Any) -> M:
    """Return the one object that matches, as Django's function of this name.

    On the event loop it returns what can only be awaited: `book = await get_object_or_404(Book, pk=pk)`. Type checkers
    take it for the object; typed async code uses `aget_object_or_404`.

    A value that no row can have is 404 too, and does not reach the database: text with a NUL character, an integer
    beyond the column's range, and as a primary key, another unique field or a foreign key any spelling but the
    canonical one (`1_0`, ` 1`, `1.0`, `abc`).

    Args:
        klass: A model, a manager or a queryset.
        *args: `Q` objects, as for `QuerySet.get()`.
        **kwargs: Lookups, as for `QuerySet.get()`.

    Raises:
        Http404: There is none.
        MultipleObjectsReturned: There are several.
        ValueError: `klass` is something else.
    """
    queryset = queryset_of(klass, "get_object_or_404")
    call = f"get_object_or_404({queryset.model.__name__}, ...)"
    found: M = here_or_awaited(call, functools.partial(find_object, queryset, args, kwargs))
    return found


async def aget_object_or_404(klass: Source[M], /, *args: Any, **kwargs: Any) -> M:
    """Return the one object that matches; see `get_object_or_404`."""
    found: M = await sync_to_async(find_object)(queryset_of(klass, "aget_object_or_404"), args, kwargs)
    return found


def get_list_or_404(klass: Source[M], /, *args: Any, **kwargs: Any) -> list[M]:
    """Return the objects that match, at least one; for arguments and the event loop see `get_object_or_404`.

    Raises:
        Http404: There is none.
        ValueError: `klass` is something else than a model, a manager or a queryset.
    """
    queryset = queryset_of(klass, "get_list_or_404")
    call = f"get_list_or_404({queryset.model.__name__}, ...)"
    return here_or_awaited(call, functools.partial(_find_list, queryset, args, kwargs))


async def aget_list_or_404(klass: Source[M], /, *args: Any, **kwargs: Any) -> list[M]:
    """Return the objects that match, at least one; see `get_list_or_404`."""
    return await sync_to_async(_find_list)(queryset_of(klass, "aget_list_or_404"), args, kwargs)


def queryset_of(klass: Source[M], caller: str) -> QuerySet[M]:
    """Return the queryset of a model, a manager or a queryset.

    Raises:
        ValueError: It is something else.
    """
    opened = _open(klass)
    if isinstance(opened, QuerySet):
        return cast("QuerySet[M]", opened)
    name = opened.__name__ if isinstance(opened, type) else type(opened).__name__
    raise ValueError(f"The first argument of {caller}() must be a model, a manager or a queryset, not {name!r}.")


def _open(klass: object) -> object:
    if isinstance(klass, ModelBase):
        return cast("type[Model]", klass)._default_manager.all()
    return cast("Manager[Model]", klass).all() if isinstance(klass, BaseManager) else klass


def find_object(
    queryset: QuerySet[M], args: tuple[Any, ...], kwargs: dict[str, Any], keys: Collection[str] = ("pk",)
) -> M:
    """Return the one object that matches.

    Args:
        queryset: Where to look.
        args: `Q` objects.
        kwargs: Lookups.
        keys: The lookups of which text has to be found letter by letter, whatever the database takes for equal.

    Raises:
        Http404: There is none.
    """
    missing: type[Exception] = cast("Any", queryset.model).DoesNotExist
    try:
        found = queryset.get(*_possible(queryset, args, kwargs), **kwargs)
    except missing:
        raise _missing(queryset) from None
    if not all(_is_found_by(found, name, value) for name, value in kwargs.items() if name in keys):
        raise _missing(queryset)
    return found


def _find_list(queryset: QuerySet[M], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[M]:
    found = list(queryset.filter(*_possible(queryset, args, kwargs), **kwargs))
    if not found:
        raise _missing(queryset)
    return found


def _missing(queryset: QuerySet[Any]) -> Http404:
    return Http404(f"No {queryset.model._meta.object_name} matches the given query.")


def _possible(queryset: QuerySet[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Return the positional conditions without values that no row can have.

    Raises:
        Http404: A keyword has such a value.
    """
    if not all(_is_possible(queryset, name, value) for name, value in kwargs.items()):
        raise _missing(queryset)
    return tuple(_prune(queryset, condition) if isinstance(condition, Q) else condition for condition in args)


def _prune(queryset: QuerySet[Any], condition: Q) -> Q:
    children: list[Any] = []
    for child in condition.children:
        if isinstance(child, Q):
            children.append(_prune(queryset, child))
        elif isinstance(child, tuple):
            name, value = cast("tuple[str, object]", child)
            children.append(child if _is_possible(queryset, name, value) else _NOTHING)
        else:
            children.append(child)
    return Q(*children, _connector=condition.connector, _negated=condition.negated)


def _is_possible(queryset: QuerySet[Any], name: str, value: object) -> bool:
    if hasattr(value, "resolve_expression") or isinstance(value, Model | QuerySet):
        return True
    try:
        path = resolve_lookup(queryset.model, name, queryset.query.annotations, allow_regex=True)
        path.condition(value, queryset.db, canonical=path.is_key)
    except ConfigurationError:
        # Django has the words for a lookup that does not exist.
        return True
    except UnfitValue:
        return False
    return True


def _is_found_by(found: object, name: str, value: object) -> bool:
    """Return whether an object has the text it was found by: some collations take `ch` for `CH`, or `e` for `é`.

    Where the field names a collation, that is what the project wants.
    """
    if not isinstance(found, Model) or not isinstance(value, str):
        return True
    field: Any = found._meta.pk if name == "pk" else found._meta.get_field(name)
    stored = getattr(found, field.attname)
    return not isinstance(stored, str) or stored == value or getattr(field, "db_collation", None) is not None
