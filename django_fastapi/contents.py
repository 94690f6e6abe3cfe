"""What an endpoint returned, and what its response model does with it: where can that be done?"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType
from typing import Any, Final, TypeGuard, cast
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db.models import Manager, Model, QuerySet
from django.db.models.query import RawQuerySet
from pydantic import BaseModel

from .internals import type_adapter_of

_ORM: Final = (Model, QuerySet, RawQuerySet, Manager)
_HOOKS: Final = ("post_init", "computed_fields", "custom_init")
_MAPPINGS: Final = (dict, Mapping)  # `Mapping` alone takes ten times as long to say that a dict is one
_DEPTH: Final = 3
_SMALL: Final = 100
SCALARS: Final = frozenset((NoneType, bool, int, float, str, bytes, Decimal, date, datetime, time, timedelta, UUID))


def is_small_and_plain(value: object) -> bool:
    """Return whether a value is made of at most a hundred objects of Python's own types: none runs code or waits."""
    if type(value) is dict:
        items = cast("dict[object, object]", value)
        if len(items) <= _SMALL and SCALARS.issuperset(map(type, items.values())):
            return True  # what most endpoints return, at a third of the price
    left: list[object] = [value]
    for _ in range(_SMALL):
        if not left:
            return True
        one = left.pop()
        kind: type[object] = type(one)
        if kind in SCALARS:
            continue
        if kind is dict:
            left += cast("dict[object, object]", one).values()
        elif kind is list or kind is tuple:
            left += cast("Collection[object]", one)
        else:
            return False
    return not left


def holds_orm(value: object) -> bool:
    """Return whether there is a model instance, a queryset or a manager in a value, down to the third level.

    The value itself may be an envelope: a model of Pydantic's or a dataclass.
    """
    level: Iterable[object] = (value,)
    for depth in range(_DEPTH + 1):
        below: list[object] = []
        for one in level:
            if type(one) in SCALARS:
                continue
            if isinstance(one, _ORM):
                return True
            if depth == _DEPTH:
                continue
            if _is_mapping(one):
                below += one.values()
            elif _is_collection(one):
                below += one
            elif depth == 0:
                below += _fields_of(one)
        level = below
    return False


class PlainFields:
    """Knows of response fields whether validating and serializing with them runs Python code, such as a validator."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[object, bool] = WeakKeyDictionary()

    def __contains__(self, field: object | None) -> bool:
        """Return whether nothing but Pydantic's compiled code runs for a field of FastAPI's.

        A field whose type adapter cannot be told counts as one with code.
        """
        if field is None:
            return True
        is_plain = self._known.get(field)
        if is_plain is None:
            adapter = type_adapter_of(field)
            is_plain = self._known[field] = adapter is not None and not has_code(adapter.core_schema)
        return is_plain


def has_code(schema: object) -> bool:
    """Return whether there is a function, or a hook by its name, in a core schema of Pydantic's."""
    if isinstance(schema, dict):
        items = cast("dict[str, object]", schema)
        return any(map(items.get, _HOOKS)) or any(has_code(items[key]) for key in items.keys() - {"metadata"})
    if isinstance(schema, list | tuple):
        return any(map(has_code, cast("Collection[object]", schema)))
    return callable(schema) and not isinstance(schema, type)


def _is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, _MAPPINGS)


def _fields_of(value: Any) -> Iterable[object]:
    """Return the values of an envelope: a model of Pydantic's or a dataclass."""
    if isinstance(value, BaseModel):
        return vars(value).values()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name, None) for field in dataclasses.fields(value)]
    return ()


def _is_collection(value: object) -> TypeGuard[Collection[object]]:
    return isinstance(value, list | tuple | set | frozenset)
