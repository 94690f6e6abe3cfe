"""What an endpoint returns, ready for FastAPI: querysets and instances become objects of the response's schemas."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeGuard, cast, get_args, get_origin, get_type_hints

from django.db.models import Model
from pydantic import BaseModel, RootModel, ValidationError
from pydantic.fields import FieldInfo

from .annotations import own_annotations
from .contents import holds_orm, is_mapping, is_source, named_values, without_manager
from .definitions import Definition, options_of
from .exceptions import SchemaError
from .instances import read_instances, read_queryset
from .loaded import read_loaded
from .responses import write_rows
from .shapes import is_schema, members, nesting, split_optional, strip
from .singles import limited, only_one

_DATACLASS: Final = "__dataclass_fields__"
_TYPED: Final = "__total__"
_PASSED_ON: Final = ("include", "exclude", "by_alias", "exclude_none")


class OrmWriter:
    """Prepares what endpoints return for FastAPI's own validation and serialization."""

    def write(self, content: Any, options: Mapping[str, Any]) -> bytes | None:
        """Return the JSON of what an endpoint returned, if rows can take the place of instances."""
        field = options.get("field")
        if field is None or field.field_info.metadata or not _is_simple(options):
            return None
        return write_rows(content, field.field_info.annotation, {name: options.get(name) for name in _PASSED_ON})

    def prepare_loaded(self, content: Any, options: Mapping[str, Any]) -> Any | None:
        """Return what `prepare` does, if all that the answer needs is in memory; None otherwise."""
        field = options.get("field")
        if field is None or not isinstance(content, Model):
            return None
        return read_loaded(content, field.field_info.annotation)

    def prepare(self, content: Any, options: Mapping[str, Any]) -> Any:
        """Return the content with objects of schemas in the place of what came out of the ORM; queries the database.

        Args:
            content: What the endpoint returned.
            options: Those of `fastapi.routing.serialize_response`.

        Raises:
            SchemaError: There is no response model, and so nothing that says which fields may be seen.
        """
        field = options.get("field")
        if field is None:
            raise SchemaError(
                f"The endpoint returns {_described(content)} without a response model, which says what may be seen of "
                "it: add `response_model=`, such as `response_model=list[BookOut]`."
            )
        return _prepared(content, field.field_info.annotation)


def _is_simple(options: Mapping[str, Any]) -> bool:
    """Return whether the answer is JSON that depends on the values alone, not on where they came from."""
    return bool(options.get("dump_json")) and not (options.get("exclude_unset") or options.get("exclude_defaults"))


def _described(content: Any) -> str:
    if isinstance(content, Model):
        return f"a `{type(content).__name__}`"
    model = getattr(content, "model", None)
    return f"a queryset of `{model.__name__}`" if isinstance(model, type) else "objects of the ORM"


def _prepared(content: Any, annotation: Any) -> Any:
    is_optional, annotation = split_optional(strip(annotation))
    annotation = strip(annotation)
    if is_source(content):
        return _of_queryset(content, annotation, is_optional=is_optional)
    if isinstance(content, Model):
        schema = _schema_of(annotation, type(content))
        return content if schema is None else read_instances(schema, [content])[0]
    if not holds_orm(content):
        return content
    if isinstance(content, list | tuple | set | frozenset):
        return _of_collection(list(cast("Iterable[Any]", content)), annotation)
    if is_mapping(content):
        return {key: _prepared(value, _value_annotation(annotation, key)) for key, value in content.items()}
    return _of_envelope(content, annotation)


def _of_envelope(content: Any, annotation: Any) -> Any:
    envelope = next((one for one in members(annotation) if _is_model(one) and isinstance(content, one)), None)
    if envelope is None:
        return _prepared_values(named_values(content) or {}, annotation)
    return _of_model(content, envelope)


def _of_model(content: BaseModel, envelope: type[BaseModel]) -> Any:
    """Return a copy of an object of the response model, which knows what was set, with prepared values."""
    named = {name: value for name, value in vars(content).items() if name in envelope.model_fields}
    values = _prepared_values({**named, **(content.model_extra or {})}, envelope)
    try:
        made = envelope.model_validate(values, from_attributes=True, by_alias=True, by_name=True)
    except ValidationError:
        return values  # FastAPI says what is wrong with them
    copied = content.model_copy()
    vars(copied).update(vars(made))
    if copied.model_extra:
        copied.model_extra.update(made.model_extra or {})
    return copied


def _prepared_values(named: Mapping[str, Any], annotation: Any) -> dict[str, Any]:
    return {
        _key(annotation, name): _prepared(value, _value_annotation(annotation, name)) for name, value in named.items()
    }


def _of_queryset(content: Any, annotation: Any, *, is_optional: bool) -> Any:
    found = nesting(annotation)
    if found is not None and found.is_many:
        return read_queryset(found.schema, content)
    if (schema := _schema_of(annotation, content.model)) is not None:
        return only_one(read_queryset(schema, limited(content)), content, is_optional=is_optional)
    return _of_collection(list(without_manager(content)), annotation)


def _of_collection(content: list[Any], annotation: Any) -> list[Any]:
    arguments = get_args(annotation)
    schema = _item_schema(arguments)
    if schema is not None and _is_of(content, options_of(schema).model):
        return read_instances(schema, content)
    if get_origin(annotation) is tuple and len(arguments) == len(content) and Ellipsis not in arguments:
        return [_prepared(one, argument) for one, argument in zip(content, arguments, strict=True)]
    argument = arguments[0] if arguments else None
    if not any(map(is_schema, members(argument))) and all(isinstance(one, Model) for one in content):
        return content  # instances for a model that is no schema of ours: Pydantic reads their attributes
    return [_prepared(one, argument) for one in content]


def _item_schema(arguments: Sequence[Any]) -> type[Definition] | None:
    """Return the schema of every item of a collection with these arguments."""
    items: list[Any] = [strip(one) for one in arguments if one is not Ellipsis]
    return items[0] if len(items) == 1 and is_schema(items[0]) else None


def _is_of(content: Sequence[Any], model: type[Model]) -> TypeGuard[Sequence[Model]]:
    return all(isinstance(one, model) for one in content)


def _schema_of(annotation: Any, model: type[Model]) -> type[Definition] | None:
    """Return the schema of a model's objects, of those that an annotation allows."""
    for member in members(annotation):
        if is_schema(member) and issubclass(model, options_of(member).model):
            schema: type[Definition] = member
            return schema
    return None


def _value_annotation(annotation: Any, key: Any) -> Any:
    """Return the annotation of a value inside an envelope, by the name or the alias of its field."""
    for member in members(annotation):
        for name, info in _infos(member).items():
            if key in (name, info.validation_alias, info.alias):
                return info.annotation
        if key in (hints := _hints(member)):
            return hints[key]
        if get_origin(member) in (dict, Mapping):
            return get_args(member)[1]
    return None


def _is_model(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel) and not issubclass(annotation, RootModel)


def _infos(annotation: Any) -> dict[str, FieldInfo]:
    """Return the fields of a model or a dataclass of Pydantic's."""
    if not isinstance(annotation, type) or not hasattr(annotation, "__pydantic_validator__"):
        return {}
    found: dict[str, FieldInfo] = getattr(annotation, "__pydantic_fields__", {})
    return found


def _hints(annotation: Any) -> dict[str, Any]:
    """Return the annotations of a typed dictionary or a dataclass."""
    # Before Python 3.12 Pydantic asks for the `TypedDict` of `typing_extensions`, which `is_typeddict` does not know.
    if not isinstance(annotation, type) or not (hasattr(annotation, _DATACLASS) or hasattr(annotation, _TYPED)):
        return {}
    kind = cast("type[Any]", annotation)
    try:
        return get_type_hints(kind)
    except NameError:  # it names what only a function has
        return own_annotations(kind)


def _key(annotation: Any, name: str) -> str:
    """Return the key under which Pydantic looks for a field."""
    for member in members(annotation):
        if (info := _infos(member).get(name)) is not None:
            return info.validation_alias if isinstance(info.validation_alias, str) else name
    return name
