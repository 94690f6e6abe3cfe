"""The `class Meta` of a schema: which model, which of its fields."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, cast

from django.apps import apps
from django.db.models import Model

from .exceptions import SchemaError, suggestion
from .introspection import Kind, names, relations

ALL: Final = "__all__"

_KNOWN: Final = ("model", "fields", "exclude", "optional", "read_only", "depth")


@dataclass(frozen=True, slots=True)
class Options:
    """What a schema says in its `class Meta`.

    Args:
        model: The Django model.
        fields: The names of the fields that are derived from it, in order.
        optional: Those that input may leave out, whatever the model says.
        read_only: Those that are for output alone, beside what the model says.
        depth: How many relations deep a relation becomes an object instead of a key; for a schema that nests itself,
            how often it does.
        is_open: Whether the fields are "all but", so that a new field of the model comes in by itself.
    """

    model: type[Model]
    fields: tuple[str, ...]
    optional: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()
    depth: int = 0
    is_open: bool = False

    def is_like(self, other: "Options | None") -> bool:
        """Return whether a field that both name is the same for both."""
        return other is not None and replace(self, fields=other.fields, is_open=other.is_open) == other


def read_options(schema: str, meta: type, inherited: Options | None) -> Options:
    """Return what a `class Meta` says, on top of what the schema's base says.

    Raises:
        SchemaError: It says something that cannot be; the message tells what and the cure.
    """
    _require_models(schema)
    said = {name: value for base in reversed(meta.__mro__[:-1]) for name, value in vars(base).items()}
    said = {name: value for name, value in said.items() if not name.startswith("__")}
    for name in said:
        if name not in _KNOWN:
            raise SchemaError(f"`{schema}.Meta.{name}` means nothing{suggestion(name, _KNOWN)}")
    model = _model(schema, said.get("model"), inherited)
    fields, is_open = _fields(schema, said, model, inherited)
    options = (
        Options(model, fields, is_open=is_open)
        if inherited is None
        else replace(inherited, model=model, fields=fields, is_open=is_open)
    )
    options = replace(
        options,
        optional=_some(schema, said, "optional", options.optional, fields),
        read_only=_some(schema, said, "read_only", options.read_only, fields),
        depth=said.get("depth", options.depth),
    )
    if type(options.depth) is not int or options.depth < 0:
        raise SchemaError(f"`{schema}.Meta.depth` must be a number of relations, 0 or more, not {options.depth!r}.")
    return options


def _require_models(schema: str) -> None:
    if not apps.models_ready:
        raise SchemaError(
            f"`{schema}` is defined before Django's apps are ready: define schemas in a module that is imported later, "
            "such as `api.py` or one that only `api.py` imports."
        )


def _model(schema: str, said: Any, inherited: Options | None) -> type[Model]:
    if said is None:
        if inherited is None:
            raise SchemaError(f"`{schema}.Meta` names no model: add `model = ...`.")
        return inherited.model
    if not (isinstance(said, type) and issubclass(said, Model)) or said._meta.abstract:
        raise SchemaError(f"`{schema}.Meta.model` must be a Django model that is not abstract, not {said!r}.")
    if inherited is not None and not issubclass(said, inherited.model):
        raise SchemaError(
            f"`{schema}.Meta.model` is `{said.__name__}`, which is no `{inherited.model.__name__}` as its base's is."
        )
    return said


def _fields(
    schema: str, said: dict[str, Any], model: type[Model], inherited: Options | None
) -> tuple[tuple[str, ...], bool]:
    if "fields" in said and "exclude" in said:
        raise SchemaError(f"`{schema}.Meta` has both `fields` and `exclude`: keep one.")
    if said.get("fields") == ALL:
        return _all_fields(model), True
    if "fields" in said:
        return tuple(dict.fromkeys(_names(schema, "fields", said["fields"]))), False
    if "exclude" in said:
        excluded = set(_names(schema, "exclude", said["exclude"]))
        for name in excluded.difference(_all_fields(model)):
            _refuse_unknown(schema, model, name, _all_fields(model))
        return tuple(name for name in _all_fields(model) if name not in excluded), True
    if inherited is None:
        raise SchemaError(
            f'`{schema}.Meta` says nothing of fields: add `fields = [...]`, `exclude` or `fields = "{ALL}"`.'
        )
    return inherited.fields, inherited.is_open


def _refuse_unknown(schema: str, model: type[Model], name: str, known: Iterable[str]) -> None:
    raise SchemaError(
        f"`{schema}.Meta.exclude` names `{model.__name__}.{name}`, which is none of its fields{suggestion(name, known)}"
    )


def _all_fields(model: type[Model]) -> tuple[str, ...]:
    """Return what `"__all__"` means: the model's own columns, foreign keys and many-to-many fields."""
    fields = [field.name for field in model._meta.concrete_fields]
    many = [field.name for field in model._meta.many_to_many]
    return tuple(dict.fromkeys([*fields, *many]))


def _some(
    schema: str,
    said: dict[str, Any],
    option: Literal["optional", "read_only"],
    default: tuple[str, ...],
    fields: tuple[str, ...],
) -> tuple[str, ...]:
    if option not in said:
        return default
    return fields if said[option] == ALL else tuple(_names(schema, option, said[option]))


def _names(schema: str, option: str, said: Any) -> list[str]:
    if not isinstance(said, list | tuple | set | frozenset):
        raise SchemaError(f'`{schema}.Meta.{option}` must be a list of names or "{ALL}", not {said!r}.')
    return [str(name) for name in cast("Iterable[object]", said)]


def unknown_field(schema: str, model: type[Model], name: str) -> SchemaError:
    """Return the error for a name in `Meta.fields` that is no field of the model."""
    if hasattr(model, name):
        return SchemaError(
            f"`{model.__name__}.{name}` is no field, so its type is not known: "
            f"declare it in `{schema}`, such as `{name}: str`."
        )
    return SchemaError(f"`{schema}`: `{model.__name__}.{name}` does not exist{suggestion(name, names(model))}")


def is_generic_relation(model: type[Model], name: str) -> bool:
    """Return whether the name is that of a generic foreign key."""
    relation = relations(model).get(name)
    return relation is not None and relation.kind is Kind.GENERIC
