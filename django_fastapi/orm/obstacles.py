"""Why rows cannot take the place of instances: what a schema or a model does of its own between database and JSON."""

from functools import cache
from typing import Any, Final, get_args

from django.db.models import Model
from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo

from .definitions import Definition
from .introspection import foreign_construction, is_composite

_HARMLESS_CONFIG: Final = frozenset(
    {
        "title",
        "alias_generator",
        "validate_by_name",
        "validate_by_alias",
        "populate_by_name",
        "json_schema_extra",
        "json_schema_serialization_defaults_required",
        "frozen",
        "extra",
        "use_attribute_docstrings",
        "protected_namespaces",
        "arbitrary_types_allowed",
        "from_attributes",
        "defer_build",
    }
)
_HOOKS: Final = (
    "__init__",
    "__new__",
    "__getattribute__",
    "model_post_init",
    "model_dump",
    "model_dump_json",
    "__get_pydantic_core_schema__",
)
_DECORATORS: Final = (
    "validators",
    "field_validators",
    "root_validators",
    "model_validators",
    "field_serializers",
    "model_serializers",
    "computed_fields",
)


@cache
def schema_obstacles(schema: type[Definition]) -> tuple[str, ...]:
    """Return what a schema itself does with values."""
    root = next(base for base in schema.__mro__ if base.__module__ == "django_fastapi.orm.schemas")
    return tuple(f"`{schema.__name__}` {reason}" for reason in _own_ways(schema, root))


@cache
def envelope_obstacles(envelope: type[BaseModel]) -> tuple[str, ...]:
    """Return what a model round the schemas does with values."""
    found = _own_ways(envelope, BaseModel)
    if issubclass(envelope, RootModel):
        found.append("is no object in JSON")
    if any(not _is_simple(one.annotation) for one in envelope.model_fields.values()):
        found.append("holds other models")
    return tuple(found)


def _is_simple(annotation: Any) -> bool:
    """Return whether what is under an annotation is the same in JSON whatever model it is in."""
    if isinstance(annotation, type) and not get_args(annotation):
        return issubclass(annotation, Definition) or not issubclass(annotation, BaseModel | bytes)
    return all(_is_simple(one) for one in get_args(annotation))


def _own_ways(schema: type[BaseModel], root: type[BaseModel]) -> list[str]:
    # Private to Pydantic, and there is no other way to ask for all of a class's decorators at once.
    decorators: Any = schema.__pydantic_decorators__
    ours_too: Any = root.__pydantic_decorators__
    found = [
        f"has {kind.replace('_', ' ')}"
        for kind in _DECORATORS
        if getattr(decorators, kind, {}).keys() != getattr(ours_too, kind, {}).keys()
    ]
    found += [f"has a `{name}` of its own" for name in _HOOKS if not _is_same(schema, root, name)]
    if schema.__private_attributes__:
        found.append("has private attributes")
    config, ours = dict(schema.model_config), dict(root.model_config)
    found += [
        f"configures `{key}`" for key in sorted({*config, *ours} - _HARMLESS_CONFIG) if config.get(key) != ours.get(key)
    ]
    found += [f"makes `{name}` depend on its value" for name, info in schema.model_fields.items() if _is_fickle(info)]
    return found


def _is_same(schema: type[Any], root: type[Any], name: str) -> bool:
    ours, theirs = getattr(schema, name, None), getattr(root, name, None)
    return getattr(ours, "__func__", ours) is getattr(theirs, "__func__", theirs)


def _is_fickle(info: FieldInfo) -> bool:
    return getattr(info, "exclude_if", None) is not None or info.discriminator is not None


@cache
def model_obstacles(model: type[Model]) -> tuple[str, ...]:
    """Return what a model does between a row and an instance."""
    found = [foreign_construction(model)]
    if is_composite(model._meta.pk):
        found.append(f"`{model.__name__}` has a primary key of several columns")
    return tuple(reason for reason in found if reason)
