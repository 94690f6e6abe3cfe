"""Instances whose columns are all that a response reads: to serialize them needs no thread."""

import inspect
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from django.db.models import Model
from django.db.models.fields.related_descriptors import ForeignKeyDeferredAttribute
from django.db.models.query_utils import DeferredAttribute
from pydantic import BaseModel

from django_fastapi.contents import SCALARS, has_code

from .definitions import Definition, options_of
from .instances import read_instances
from .planning import plan_query
from .shapes import is_schema, split_optional, strip

_MISSING: Final = object()
_COLUMNS: Final = (DeferredAttribute, ForeignKeyDeferredAttribute)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a response model reads of an instance, if that is columns and nothing else, and no code runs for it.

    Args:
        names: The columns.
        schema: The response model, if it is a schema of ours.
    """

    names: frozenset[str]
    schema: type[Definition] | None


def read_loaded(instance: Model, annotation: Any) -> Any | None:
    """Return the instance as FastAPI can validate it; None if that would read what is not in memory, or run code.

    Args:
        instance: The instance.
        annotation: The response model.
    """
    try:
        reading = _reading(annotation, type(instance))
    except TypeError:  # an annotation that cannot be hashed
        return None
    values: dict[str, object] = vars(instance)
    if reading is None or not all(type(values.get(name, _MISSING)) in SCALARS for name in reading.names):
        return None
    return instance if reading.schema is None else read_instances(reading.schema, [instance])[0]


@cache
def _reading(annotation: Any, model: type[Model]) -> _Reading | None:
    _, schema = split_optional(strip(annotation))
    schema = strip(schema)
    if not isinstance(schema, type) or not issubclass(schema, BaseModel):
        return None
    names = _names_of_definition(schema, model) if is_schema(schema) else _names_of_model(schema)
    if names is None or not all(_is_plain(model, name) for name in names):
        return None
    return _Reading(names, schema if issubclass(schema, Definition) else None)


def _names_of_definition(schema: Any, model: type[Model]) -> frozenset[str] | None:
    if not issubclass(model, options_of(schema).model):
        return None
    plan = plan_query(schema, model)
    if plan.obstacles or plan.nested or plan.attributes:
        return None
    return frozenset(column.attname for column in plan.columns)


def _names_of_model(schema: type[BaseModel]) -> frozenset[str] | None:
    fields = schema.model_fields
    is_aliased = any(info.alias or info.validation_alias for info in fields.values())
    return None if is_aliased or has_code(schema.__pydantic_core_schema__) else frozenset(fields)


def _is_plain(model: type[Model], name: str) -> bool:
    """Return whether an attribute is a column that is read without code, no property nor a field's own descriptor."""
    if model.__getattribute__ is not object.__getattribute__:
        return False
    return type(inspect.getattr_static(model, name, None)) in _COLUMNS
