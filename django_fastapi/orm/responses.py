"""JSON of whole answers from rows: a list of a schema, one object of it, or an envelope with such lists inside."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from .contents import holds_orm, is_mapping, is_queryset, is_source, named_values, without_manager
from .definitions import Definition
from .encoding import encoder_of
from .obstacles import envelope_obstacles
from .planning import plan_query
from .rows import read_rows
from .shapes import nesting
from .singles import limited, only_one


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a response model is, for rows.

    Args:
        annotation: The response model.
        lists: The schemas of the lists in an envelope, by the names of its fields.
        envelope: The model that is the envelope; None if the answer is a list.
        schema: The schema of the list or of the object, if it is one.
        is_many: Whether it is a list.
        is_optional: Whether there may be no object.
    """

    annotation: Any
    lists: Mapping[str, type[Definition]]
    envelope: type[BaseModel] | None = None
    schema: type[Definition] | None = None
    is_many: bool = True
    is_optional: bool = False


def write_rows(content: Any, annotation: Any, options: Mapping[str, Any]) -> bytes | None:
    """Return the JSON of what an endpoint returned; None where rows cannot take the place of instances.

    Args:
        content: What the endpoint returned.
        annotation: The response model.
        options: How Pydantic is to serialize.
    """
    try:
        answer = _answer(annotation)
    except TypeError:  # an annotation that cannot be hashed
        return None
    if answer is None:
        return None
    if answer.schema is not None and not answer.is_many:
        return _write_one(answer, answer.schema, content, options)
    if answer.schema is not None:
        rows = _rows(answer.schema, content)
        return None if rows is None else encoder_of(annotation).encode(rows, **options)
    values = _enveloped(answer, content)
    return None if values is None else encoder_of(annotation, answer.envelope).encode(values, **options)


@cache
def _answer(annotation: Any) -> _Answer | None:
    found = nesting(annotation)
    if found is not None:
        answer = _Answer(annotation, {}, None, found.schema, found.is_many, found.is_optional)
        return answer if found.is_plain else None
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)) or envelope_obstacles(annotation):
        return None
    lists: dict[str, type[Definition]] = {}
    for name, info in annotation.model_fields.items():
        found = nesting(info.annotation)
        if found is not None and found.is_many and found.is_plain and not info.metadata:
            lists[name] = found.schema
    return _Answer(annotation, lists, envelope=annotation) if lists else None


def _write_one(answer: _Answer, schema: type[Definition], content: Any, options: Mapping[str, Any]) -> bytes | None:
    if not is_source(content):
        return None
    rows = _rows(schema, limited(content))
    if rows is None:
        return None
    one = only_one(rows, content, is_optional=answer.is_optional)
    return encoder_of(answer.annotation).encode(one, **options)


def _rows(schema: type[Definition], content: Any) -> list[Any] | None:
    queryset = without_manager(content)
    return read_rows(plan_query(schema, queryset.model), queryset) if is_queryset(queryset) else None


def _enveloped(answer: _Answer, content: Any) -> dict[str, Any] | None:
    """Return the values of an envelope, with rows in its lists; the rest is validated as ever."""
    given = _values(content)
    if given is None or answer.envelope is None or _has_extra(content):
        return None
    querysets = {name: value for name, value in given.items() if is_source(value)}
    others = {name: value for name, value in given.items() if name not in querysets}
    if not querysets.keys() <= answer.lists.keys() or any(_is_no_row(value) for value in others.values()):
        return None
    try:
        rest = answer.envelope.model_validate({**others, **dict.fromkeys(querysets, ())})
    except ValidationError:
        return None
    values = dict(vars(rest))
    if _has_extra(rest) or any(values[name] for name in answer.lists if name not in querysets):
        return None
    for name, queryset in querysets.items():
        rows = _rows(answer.lists[name], queryset)
        if rows is None:
            return None
        values[name] = rows
    return values


def _values(content: Any) -> Mapping[str, Any] | None:
    return content if is_mapping(content) else named_values(content)


def _has_extra(content: Any) -> bool:
    """Return whether an object of a model has more than the model's fields."""
    return isinstance(content, BaseModel) and bool(content.model_extra)


def _is_no_row(value: Any) -> bool:
    """Return whether a value in an envelope is an object where a row would have to be."""
    return isinstance(value, BaseModel) or holds_orm(value)
