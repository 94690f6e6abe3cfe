"""From the fields of a model to the annotations of a schema."""

import datetime as dt
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Final, Optional

from django.conf import settings
from django.db.models import NOT_PROVIDED, ImageField, Model
from pydantic import Field
from pydantic.fields import FieldInfo

from .exceptions import SchemaError
from .fields import field_type, input_annotation
from .introspection import AnyField, Kind, Relation, columns, is_own, relations, value_field
from .options import Options, unknown_field

_annotated: Final[Any] = Annotated
_optional: Final[Any] = Optional

_PRIVILEGED: Final = frozenset({"is_staff", "is_superuser", "groups", "user_permissions", "password", "last_login"})
_CONSTANTS: Final = (str, int, float, bool, Decimal, dt.date, dt.time, dt.timedelta, uuid.UUID)


@dataclass(frozen=True, slots=True)
class Derived:
    """A field of a schema that came from a field of the model.

    Args:
        name: Its name in the schema.
        source: Its name on the model.
        annotation: Its type, with what binds input.
    """

    name: str
    source: str
    annotation: Any


class Deriver:
    """Derives the fields of one schema.

    Args:
        schema: The name of the schema, for errors and for the names of its enums.
        options: What its `class Meta` says.
        is_reserved: Whether a field cannot have this name.
        nest: Makes the schema of a relation that `depth` asks for.
    """

    def __init__(
        self,
        schema: str,
        options: Options,
        is_reserved: Callable[[str], bool],
        nest: Callable[[Relation], Any],
    ) -> None:
        self._schema = schema
        self._options = options
        self._is_reserved = is_reserved
        self._nest = nest

    def derive(self, names: Iterable[str]) -> list[Derived]:
        """Return the fields of these names.

        Raises:
            SchemaError: A name is no field of the model, or its field has no type.
        """
        return [self._derive(name) for name in names]

    def name_of(self, source: str) -> str:
        """Return the name in the schema of a field of the model."""
        return f"{source.lstrip('_')}_" if self._is_reserved(source) else source

    def _derive(self, source: str) -> Derived:
        name = self.name_of(source)
        annotation, field = self._annotation(source)
        extra: dict[str, Any] = {"alias": source} if name != source else {}
        if field is not None and field.help_text:
            extra["description"] = str(field.help_text)
        extra.update(self._default(source, field))
        return Derived(name, source, _annotated[annotation, Field(**extra)])

    def _annotation(self, source: str) -> tuple[Any, AnyField | None]:
        model = self._options.model
        relation = relations(model).get(source)
        if relation is not None:
            return self._related(relation)
        field = model._meta.pk if source == "pk" else columns(model).get(source)
        if field is None:
            raise unknown_field(self._schema, model, source)
        target = value_field(field)
        found = field_type(target)
        if target is not field:
            return self._nullable(self._key(target), is_nullable=bool(field.null)), field
        annotation = input_annotation(field, found, _enum_name(model, field))
        return self._nullable(annotation, is_nullable=bool(field.null) or found.is_nullable), field

    def _related(self, relation: Relation) -> tuple[Any, AnyField | None]:
        if relation.kind is Kind.GENERIC:
            raise SchemaError(
                f"`{self._schema}`: `{relation.name}` may be an object of any model, so its type is not known: "
                f"declare it, such as `{relation.name}: BookOut | AuthorOut`, or leave it out."
            )
        one = self._nest(relation) if self._options.depth else self._key(relation.key_field)
        field = relation.field if relation.kind is Kind.FORWARD or is_own(relation.field) else None
        if relation.is_many:
            return list.__class_getitem__(one), field
        return self._nullable(one, is_nullable=relation.is_nullable), field

    def _key(self, field: AnyField) -> Any:
        # A generated key is the client's to give where it names another object.
        return input_annotation(field, replace(field_type(field), is_read_only=False), "")

    @staticmethod
    def _nullable(annotation: Any, *, is_nullable: bool) -> Any:
        return _optional[annotation] if is_nullable else annotation

    def _default(self, source: str, field: AnyField | None) -> dict[str, Any]:
        if self._is_read_only(source, field):
            return {"default": None, "json_schema_extra": READ_ONLY}
        found = _default_of(field) if field is not None else {"default_factory": list}
        if not found and source in self._options.optional:
            return dict(ABSENT)
        return found

    def _is_read_only(self, source: str, field: AnyField | None) -> bool:
        if source in self._options.read_only or field is None or is_read_only(field):
            return True
        return self._options.is_open and is_privileged(field)


def is_read_only(field: Any) -> bool:
    """Return whether values of the field are not the client's to give: they are generated, or set by Django."""
    if not is_own(field):
        return True
    if field.many_to_many:
        return not (field.editable and field.remote_field.through._meta.auto_created)
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False) or _is_size_of_image(field):
        return True
    return field_type(value_field(field)).is_read_only and not field.is_relation


def _is_size_of_image(field: Any) -> bool:
    images: list[Any] = [one for one in field.model._meta.fields if isinstance(one, ImageField)]
    return any(field.name in (one.width_field, one.height_field) for one in images)


def is_privileged(field: Any) -> bool:
    """Return whether clients may write a field only where somebody has named it: rights, owners, chosen keys."""
    if field.name in _PRIVILEGED or (field.primary_key and field.has_default()):
        return True
    return bool(field.is_relation) and field.related_model._meta.label_lower == settings.AUTH_USER_MODEL.lower()


def _default_of(field: Any) -> dict[str, Any]:
    if field.many_to_many:
        return {"default_factory": list} if field.blank else {}
    default = field.default
    if default is not NOT_PROVIDED:
        default = default.value if isinstance(default, Enum) else default
        if default is None or isinstance(default, _CONSTANTS):
            return {"default": default}
        return {"default_factory": field.get_default}
    if field.db_default is not NOT_PROVIDED:
        return dict(ABSENT)
    return _default_without(field)


def _default_without(field: Any) -> dict[str, Any]:
    """Return what stands for a field whose model names no default."""
    if field.null:
        return {"default": None}
    if field.blank and field.empty_strings_allowed and field_type(value_field(field)).annotation is str:
        return {"default": ""}
    return {}


def _enum_name(model: type[Model], field: AnyField) -> str:
    return model.__name__ + "".join(part.capitalize() for part in field.name.split("_"))


def READ_ONLY(schema: dict[str, Any]) -> None:  # noqa: N802 (the mark of a field, as ABSENT is)
    """Tell JSON schema that a field is for output alone."""
    schema.pop("default", None)
    schema["readOnly"] = True


def _absent(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


ABSENT: Final[dict[str, Any]] = {"default": None, "json_schema_extra": _absent}
"""A field that input may leave out, without a value that stands for it."""


def partially(info: FieldInfo) -> Any:
    """Return the annotation of a field that may be left out, and is the same but for that."""
    told = info.asdict()
    attributes: dict[str, Any] = {**told["attributes"], "default_factory": None, **ABSENT}
    if info.json_schema_extra is READ_ONLY:
        attributes["json_schema_extra"] = READ_ONLY
    attributes = {name: value for name, value in attributes.items() if value is not None or name == "default"}
    return _annotated[(told["annotation"], *told["metadata"], Field(**attributes))]


def absent(annotation: Any) -> Any:
    """Return an annotation whose field may be left out."""
    return _annotated[annotation, Field(**ABSENT)]
