"""The objects that one body makes or changes, before anything of it is saved."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from django.db.models import Model, QuerySet

from django_fastapi.exceptions import Fault

from .plans import RelationSlot, Slot, WritePlan

Scopes: TypeAlias = Mapping[type[Model], "QuerySet[Any]"]
"""By model, what a client may name of it; of other models, what the default manager has."""

Location: TypeAlias = tuple[str | int, ...]


def attributes(instance: Any) -> dict[str, Any]:
    """Return what an instance has loaded or been given: the dictionary itself."""
    found: dict[str, Any] = instance.__dict__
    return found


def snapshot(instance: Any) -> dict[str, Any]:
    """Return a copy of what an instance has, which does not change where a value of the instance changes in place."""
    names = {field.attname for field in instance._meta.concrete_fields}
    return {
        name: deepcopy(value) if name in names and type(value) in (dict, list) else value
        for name, value in attributes(instance).items()
    }


@dataclass(frozen=True, slots=True)
class Members:
    """The objects of a nested list.

    Args:
        slot: The field of the schema.
        nodes: The objects.
    """

    slot: RelationSlot
    nodes: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One object that is made or changed.

    Args:
        plan: What its schema writes.
        instance: The object, with its new values.
        loc: Where in the request it is.
        is_new: Whether it is made.
        before: What the instance had before.
        given: The names of fields that the server has given.
        written: The names of the fields that have been given a value.
        failed: The names of those whose value is wrong.
        awaited: The names of those whose value is there only when another object has been saved.
        faults: What is wrong.
        files: The fields that have a new file.
        lists: The many-to-many relations that are given by keys, with these.
        owners: The objects it refers to, by field; they are saved before it.
        members: The objects that refer to it, or are related by a table; they are saved after it.
        removed: One-to-one relations whose object goes, with the object.
    """

    plan: WritePlan
    instance: Any
    loc: Location
    is_new: bool
    before: dict[str, Any]
    given: frozenset[str] = frozenset()
    written: set[str] = field(default_factory=set[str])
    failed: set[str] = field(default_factory=set[str])
    awaited: set[str] = field(default_factory=set[str])
    faults: list[Fault] = field(default_factory=list[Fault])
    files: list[Slot] = field(default_factory=list[Slot])
    lists: list[tuple[RelationSlot, list[Any]]] = field(default_factory=list["tuple[RelationSlot, list[Any]]"])
    owners: list[tuple[RelationSlot, "Node"]] = field(default_factory=list["tuple[RelationSlot, Node]"])
    members: list[Members] = field(default_factory=list[Members])
    removed: list[tuple[RelationSlot, Any]] = field(default_factory=list["tuple[RelationSlot, Any]"])

    def fail(self, slot: Slot | RelationSlot, fault: Fault) -> None:
        """Note what is wrong with a field."""
        self.failed.add(slot.field.name if isinstance(slot, Slot) else slot.relation.name)
        self.faults.append(fault)

    def is_given(self, model_field: Any) -> bool:
        """Return whether the server has given a field, whatever the body says of it."""
        return not self.given.isdisjoint({model_field.name, model_field.attname})

    def all(self) -> "list[Node]":
        """Return this node and those below it."""
        below = [*(node for _, node in self.owners), *(node for one in self.members for node in one.nodes)]
        return [self, *(inner for node in below for inner in node.all())]


def references_to(instance: Any, slot: RelationSlot, using: str) -> dict[str, Any]:
    """Return the values of fields by which a nested object refers to the one that has it.

    Args:
        instance: The object that has it; it may have no key yet.
        slot: The field of the schema.
        using: The alias of the database: content types have keys of its own.
    """
    field = slot.relation.field
    if not slot.is_generic:
        return {field.field.name: instance}
    content_type: Any = slot.relation.model._meta.get_field(field.content_type_field_name).related_model
    types = content_type.objects.db_manager(using)
    found = types.get_for_model(instance, for_concrete_model=field.for_concrete_model)
    return {field.content_type_field_name: found, field.object_id_field_name: instance.pk}
