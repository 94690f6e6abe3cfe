"""What a schema writes, and how: pure, and made once for each schema."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

from django.contrib.contenttypes.fields import GenericRelation
from django.db.models import FileField, Model
from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from django_fastapi.orm.definitions import Definition, options_of
from django_fastapi.orm.deriving import ABSENT, READ_ONLY, is_read_only
from django_fastapi.orm.exceptions import SchemaError
from django_fastapi.orm.introspection import Kind, Relation, columns, is_composite, is_many_to_many, is_own, relations
from django_fastapi.orm.ordering import key_fields
from django_fastapi.orm.planning import source_of
from django_fastapi.orm.shapes import nesting, split_optional

from .files import FileLimits


class Missing(Enum):
    """What becomes of related objects that a nested list does not have, when the object that has the list is updated.

    ::

        class BookIn(ModelSchema):
            chapters: Annotated[list[ChapterIn], Missing.DELETE]
    """

    KEEP = "keep"
    """They stay as they are: the list adds and changes."""
    DETACH = "detach"
    """They are no longer related: a foreign key becomes NULL, a row of a many-to-many relation goes."""
    DELETE = "delete"
    """They are deleted."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A field of a schema that writes a field of the model.

    Args:
        name: Its name in the schema.
        key: Its name in a body.
        field: The field of the model.
        may_be_absent: Whether nothing is written where a body leaves it out.
        is_key: Whether it is of the primary key: it can be given to a new object, and stays what it is.
        limits: The limits of a file.
    """

    name: str
    key: str
    field: Any
    may_be_absent: bool = False
    is_key: bool = False
    limits: FileLimits | None = None


@dataclass(frozen=True, slots=True)
class RelationSlot:
    """A field of a schema that writes related objects.

    Args:
        name: Its name in the schema.
        key: Its name in a body.
        relation: The relation.
        may_be_absent: Whether nothing is written where a body leaves it out.
        schema: The schema of the objects; None where they are named by their keys.
        missing: What becomes of objects that the list does not have; None where it is no list.
    """

    name: str
    key: str
    relation: Relation
    may_be_absent: bool = False
    schema: type[Definition] | None = None
    missing: Missing | None = None

    @property
    def is_generic(self) -> bool:
        """Whether the objects refer to this one by content type and key."""
        return isinstance(self.relation.field, GenericRelation)

    @property
    def plan(self) -> "WritePlan":
        """What the schema of the objects writes."""
        assert self.schema is not None  # asked for nested objects only
        return plan_write(self.schema, self.relation.model)


@dataclass(frozen=True, slots=True)
class WritePlan:
    """What a schema writes.

    Args:
        schema: The schema.
        model: The model.
        columns: The fields that are columns of the model, foreign keys and files aside.
        references: The foreign keys that are given by key.
        files: The files.
        lists: The many-to-many relations that are given by keys.
        nested: The relations whose objects are nested.
        identity: The generated primary key, where the schema declares it: a nested object is found by it.
        read_only: Name and key of the fields that cannot be written.
        is_partial: Whether nothing is written that a body leaves out.
        ignores: Whether what cannot be written is passed over; otherwise it is refused.
    """

    schema: type[Definition]
    model: type[Model]
    columns: tuple[Slot, ...]
    references: tuple[Slot, ...]
    files: tuple[Slot, ...]
    lists: tuple[RelationSlot, ...]
    nested: tuple[RelationSlot, ...]
    identity: Slot | None
    read_only: tuple[tuple[str, str], ...]
    is_partial: bool
    ignores: bool

    def is_written(self, slot: Slot | RelationSlot, data: Definition) -> bool:
        """Return whether a body writes a field: it is there, or something stands for it."""
        return slot.name in data.model_fields_set or not (self.is_partial or slot.may_be_absent)

    @property
    def through(self) -> "dict[str, RelationSlot]":
        """The tables of many-to-many relations that are written, with the fields that write them."""
        slots = (*self.lists, *(one for one in self.nested if is_many_to_many(one.relation)))
        return {_through(slot.relation)._meta.db_table: slot for slot in slots}

    @property
    def tables(self) -> set[str]:
        """The tables that are written, those of nested objects aside."""
        return {one._meta.db_table for one in (self.model, *self.model._meta.all_parents)} | set(self.through)

    def key_of(self, name: str) -> str | None:
        """Return the name in a body of what writes a field of the model; None if nothing does."""
        for slot in (*self.columns, *self.references, *self.files):
            if name in (slot.field.name, slot.field.attname):
                return slot.key
        return next((one.key for one in (*self.lists, *self.nested) if one.relation.name == name), None)


def plan_write(schema: type[Definition], model: type[Model] | None = None) -> WritePlan:
    """Return what a schema writes; the database is not asked.

    Args:
        schema: The schema.
        model: The model, if it is one derived from that of the schema.

    Raises:
        SchemaError: The schema has no model, or something of it cannot be written as it is.
    """
    return _plan_cached(schema, model or options_of(schema).model)


@cache
def _plan_cached(schema: type[Definition], model: type[Model]) -> WritePlan:
    slots = list(_slots(schema, model))
    fields = [slot for slot in slots if isinstance(slot, Slot)]
    related = [slot for slot in slots if isinstance(slot, RelationSlot)]
    identities = [slot for slot in fields if slot.is_key and is_read_only(slot.field)]
    plain = [slot for slot in fields if slot not in identities]
    return WritePlan(
        schema=schema,
        model=model,
        columns=tuple(one for one in plain if not (one.field.is_relation or isinstance(one.field, FileField))),
        references=tuple(one for one in plain if one.field.is_relation),
        files=tuple(one for one in plain if isinstance(one.field, FileField)),
        lists=tuple(one for one in related if one.schema is None),
        nested=tuple(one for one in related if one.schema is not None),
        identity=identities[0] if identities else None,
        read_only=tuple(slot for slot in slots if isinstance(slot, tuple)),
        is_partial=schema.__orm_is_partial__,
        ignores=schema.model_config.get("extra") == "ignore",
    )


def _slots(schema: type[Definition], model: type[Model]) -> Iterator[Slot | RelationSlot | tuple[str, str]]:
    """Yield what each field of a schema writes; of those that write nothing though the model knows them, the names."""
    for name, info in schema.model_fields.items():
        path = source_of(schema, model, name, info)
        source = path[0]
        relation = relations(model).get(source)
        field = _field(model, source, relation)
        if len(path) > 1 or (field is None and relation is None):
            continue  # the project's own, as a second password is
        if info.json_schema_extra is READ_ONLY or _is_said_read_only(schema, source, field):
            yield name, _key(name, info)
        elif relation is not None and nesting(info.annotation) is not None:
            yield _nested(schema, name, info, relation)
        elif not _can_be_given(field, relation):
            yield name, _key(name, info)
        elif field is not None and not field.many_to_many:
            _refuse_password(schema, model, field)
            yield Slot(name, _key(name, info), field, _is_absent(info), field in key_fields(model), _limits(info))
        else:
            assert relation is not None  # what is no field of the model's own is one
            yield RelationSlot(name, _key(name, info), relation, _is_absent(info))


def _is_said_read_only(schema: type[Definition], source: str, field: Any) -> bool:
    """Return whether `Meta.read_only` names a field, which the schema may have declared by itself."""
    options = schema.__orm_options__
    if options is None:
        return False
    return source in options.read_only or (field is not None and field.name in options.read_only)


def _field(model: type[Model], source: str, relation: Relation | None) -> Any:
    if relation is not None:
        return relation.field if is_own(relation.field) else None
    return model._meta.pk if source == "pk" else columns(model).get(source)


def _can_be_given(field: Any, relation: Relation | None) -> bool:
    if relation is not None and relation.is_many:
        return is_many_to_many(relation) and bool(_through(relation)._meta.auto_created)
    if field is None or is_composite(field):
        return False
    return field.primary_key or isinstance(field, FileField) or not is_read_only(field)


def _through(relation: Relation) -> Any:
    return getattr(relation.field, "through", None) or relation.field.remote_field.through


def _nested(schema: type[Definition], name: str, info: FieldInfo, relation: Relation) -> RelationSlot:
    nests = nesting(info.annotation)
    label = f"`{schema.__name__}.{name}`"
    if relation.kind is Kind.GENERIC:
        names = f"`{relation.field.ct_field}` and `{relation.field.fk_field}`"
        raise SchemaError(f"{label} cannot be written, since it may be an object of any model: take {names}.")
    if nests is None or nests.is_many != relation.is_many:
        raise SchemaError(f"{label} cannot be written: it nests one object for several, or several for one.")
    if relation.is_many and not (is_many_to_many(relation) or relation.field.one_to_many):
        raise SchemaError(f"{label} cannot be written: leave it out, and write its objects by themselves.")
    missing = next((one for one in info.metadata if isinstance(one, Missing)), None)
    if relation.is_many and missing is None:
        raise SchemaError(
            f"{label} does not say what becomes of objects that a list does not have: write "
            f"`Annotated[list[{nests.schema.__name__}], Missing.KEEP]`, or DETACH, or DELETE."
        )
    slot = RelationSlot(name, _key(name, info), relation, _is_absent(info), nests.schema, missing)
    if missing is Missing.DETACH and not is_many_to_many(relation):
        refers = relation.field.object_id_field_name if slot.is_generic else relation.field.field.name
        if slot.is_generic or not relation.field.field.null:
            owner = f"`{relation.model._meta.label}.{refers}`"
            raise SchemaError(f"{label} cannot detach objects: {owner} must refer to one. Take DELETE.")
    return slot


def _refuse_password(schema: type[Definition], model: type[Model], field: Any) -> None:
    if field.name == "password" and hasattr(model, "set_password"):
        raise SchemaError(
            f"`{schema.__name__}.password` would be stored as it was sent: leave it out of `Meta.fields`, declare a "
            f"field of another name, and call `set_password`."
        )


def _key(name: str, info: FieldInfo) -> str:
    alias = info.validation_alias
    for one in alias.choices if isinstance(alias, AliasChoices) else [alias]:
        if isinstance(one, str):
            return one
    return name


def _limits(info: FieldInfo) -> FileLimits | None:
    _, inner = split_optional(info.annotation)
    told = [*info.metadata, *getattr(inner, "__metadata__", ())]
    return next((one for one in told if isinstance(one, FileLimits)), None)


def _is_absent(info: FieldInfo) -> bool:
    return info.json_schema_extra is ABSENT["json_schema_extra"]
