"""What the annotations of a schema say: a schema inside, one or many, or nothing of the kind."""

import dataclasses
import types
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Union, get_args, get_origin

from django.db.models import Model
from pydantic import BaseModel

from .definitions import Definition

_union: Final[Any] = Union


@dataclass(frozen=True, slots=True)
class Nesting:
    """A schema inside an annotation.

    Args:
        schema: The schema.
        is_many: Whether the annotation is a collection of them.
        is_optional: Whether it may be None.
        is_plain: Whether there is nothing else to it: `S`, `S | None` or `list[S]`.
    """

    schema: type[Definition]
    is_many: bool
    is_optional: bool
    is_plain: bool


def nesting(annotation: Any) -> Nesting | None:
    """Return the one schema that an annotation nests; None if it nests none, or in a way that is no relation's."""
    if _is_named(annotation):
        found = nesting(strip(annotation))
        return None if found is None else replace(found, is_plain=False)
    is_optional, inner = split_optional(annotation)
    is_plain = strip(inner) is inner
    inner = strip(inner)
    if is_schema(inner):
        return Nesting(inner, is_many=False, is_optional=is_optional, is_plain=is_plain)
    if get_origin(inner) not in (list, tuple, set, frozenset):
        return None
    items = [one for one in get_args(inner) if one is not Ellipsis]
    if len(items) != 1 or not is_schema(strip(items[0])):
        return None
    is_plain = is_plain and get_origin(inner) is list and not is_optional and strip(items[0]) is items[0]
    return Nesting(strip(items[0]), is_many=True, is_optional=is_optional, is_plain=is_plain)


def is_schema(annotation: Any) -> bool:
    """Return whether an annotation is a schema."""
    return isinstance(annotation, type) and issubclass(annotation, Definition)


def is_annotated(annotation: Any) -> bool:
    """Return whether an annotation carries metadata."""
    return get_origin(annotation) is Annotated


def strip(annotation: Any) -> Any:
    """Return an annotation without its metadata; of a named type, as `type Books = ...`, what it stands for."""
    while is_annotated(annotation) or _is_named(annotation):
        annotation = get_args(annotation)[0] if is_annotated(annotation) else _meaning(annotation)
    return annotation


def _is_named(annotation: Any) -> bool:
    # There are two classes of this name: that of `typing`, from Python 3.12 on, and that of `typing_extensions`.
    return type(get_origin(annotation) or annotation).__name__ == "TypeAliasType"


def _meaning(annotation: Any) -> Any:
    origin = get_origin(annotation)
    return annotation.__value__ if origin is None else origin.__value__[get_args(annotation)]


def split_optional(annotation: Any) -> tuple[bool, Any]:
    """Return whether an annotation takes None, and what else it takes."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return False, annotation
    others = [one for one in get_args(annotation) if one is not types.NoneType]
    if len(others) == len(get_args(annotation)):
        return False, annotation
    return True, _union[tuple(others)]


def is_optional_of(annotation: Any, expected: Any, may_be_null: bool) -> bool:  # noqa: FBT001 (a fact of the column)
    """Return whether an annotation is exactly this type, and takes None if the column may be null."""
    is_optional, inner = split_optional(annotation)
    return bool(inner == expected) and (is_optional or not may_be_null)


def wants_objects(annotation: Any) -> bool:
    """Return whether Pydantic reads the attributes of something under this annotation, or takes just anything."""
    if annotation is Any or annotation is object:
        return True
    if isinstance(annotation, type) and not get_args(annotation):
        kind: type[Any] = annotation
        return issubclass(kind, BaseModel | Model) or dataclasses.is_dataclass(kind)
    return any(wants_objects(one) for one in get_args(annotation))


def members(annotation: Any) -> tuple[Any, ...]:
    """Return what a union allows, each without its metadata; of anything else itself."""
    annotation = strip(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(inner for one in get_args(annotation) for inner in members(one))
    return (annotation,)
