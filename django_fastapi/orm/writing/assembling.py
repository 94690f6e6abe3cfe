"""From a body to objects with its values, nested ones included. Nothing is saved."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import ImageField, QuerySet
from django.http import Http404

from django_fastapi.exceptions import Fault, UnfitValue
from django_fastapi.orm.definitions import Definition
from django_fastapi.orm.exceptions import SchemaError, suggestion
from django_fastapi.orm.introspection import Kind, columns

from .files import faults_of_image, uploaded
from .nodes import Location, Members, Node, Scopes, references_to, snapshot
from .plans import Missing, RelationSlot, Slot, WritePlan, plan_write
from .references import DOES_NOT_EXIST, References, limited, visible
from .values import stored

_READ_ONLY: Final = "This cannot be written."
_UNCHANGEABLE: Final = "This cannot be changed."
_REPEATED: Final = "This is named twice."
_UNKNOWN: Final = "There is no object with this key here."
_TOO_DEEP: Final = "This is nested too deep."

_MAX_LEVELS: Final = 32
"""How deep objects are nested: each level takes several frames of Python's stack."""


class Assembler:
    """Makes the objects of one request.

    Args:
        using: The alias of the database.
        scopes: By model, what the client may name.
    """

    def __init__(self, using: str, scopes: Scopes) -> None:
        self._using = using
        self._scopes = scopes
        self.references: References = References(using, scopes)

    def assemble(
        self, data: Definition, instance: Any, loc: Location, extra: Mapping[str, Any], plan: WritePlan | None = None
    ) -> Node:
        """Return an object with the values of a body; what is wrong with them is noted in it.

        Args:
            data: The body.
            instance: The object to change; None to make one.
            loc: Where in the request it is.
            extra: What the server adds, by fields of the model.
            plan: What the schema writes; asked for if None.

        Raises:
            SchemaError: The server adds what is no field of the model.
            Http404: The object has not loaded all of its columns, and is gone.
        """
        if plan is None:
            plan = plan_write(type(data), None if instance is None else instance.__class__)
        instance_or_new = plan.model() if instance is None else instance
        before = {} if instance is None else self._whole(instance)
        node = Node(plan, instance_or_new, loc, instance is None, before, frozenset(extra))
        self._refuse_read_only(node, data)
        self._write_fields(node, data)
        self._write_relations(node, data)
        _give(node, extra)
        return node

    def _whole(self, instance: Any) -> dict[str, Any]:
        """Return what an instance has, after what it has not loaded was loaded at once: validation may ask for it."""
        generated = {field.attname for field in instance._meta.concrete_fields if field.generated}
        missing = instance.get_deferred_fields() - generated
        if missing:
            try:
                instance.refresh_from_db(using=self._using, fields=missing)
            except ObjectDoesNotExist as error:
                raise Http404(f"No {instance._meta.object_name} matches the given query.") from error
        return snapshot(instance)

    def _write_fields(self, node: Node, data: Definition) -> None:
        plan = node.plan
        for slot in plan.columns:
            if plan.is_written(slot, data) and not _stays(node, slot, data):
                self._write_column(node, slot, getattr(data, slot.name))
        for slot in plan.references:
            if plan.is_written(slot, data):
                self._write_reference(node, slot, getattr(data, slot.name))
        for slot in plan.files:
            if slot.name in data.model_fields_set:
                self._write_file(node, slot, getattr(data, slot.name))

    def _write_relations(self, node: Node, data: Definition) -> None:
        plan = node.plan
        for slot in plan.lists:
            if plan.is_written(slot, data):
                self._write_list(node, slot, getattr(data, slot.name) or [])
        for slot in plan.nested:
            is_given = slot.relation.kind is Kind.FORWARD and node.is_given(slot.relation.field)
            if plan.is_written(slot, data) and not is_given:
                self._write_nested(node, slot, getattr(data, slot.name))

    def _refuse_read_only(self, node: Node, data: Definition) -> None:
        plan = node.plan
        for name, key in plan.read_only:
            if name in data.model_fields_set and not plan.ignores:
                node.faults.append(Fault((*node.loc, key), _READ_ONLY, "read_only"))
        slot = plan.identity
        value = None if slot is None else getattr(data, slot.name)
        if slot is not None and value is not None and value != node.instance.pk and not plan.ignores:
            node.fail(slot, Fault((*node.loc, slot.key), _READ_ONLY, "read_only"))

    def _write_column(self, node: Node, slot: Slot, value: Any) -> None:
        try:
            value = stored(slot.field, value, self._using)
        except UnfitValue as error:
            node.fail(slot, Fault((*node.loc, slot.key), f"Input {error}", "value_error"))
            return
        self._set(node, slot, value)

    def _write_reference(self, node: Node, slot: Slot, value: Any) -> None:
        is_other = node.is_new or value != node.before.get(slot.field.attname)
        if not self._set(node, slot, value):
            return
        if value is None and not slot.field.null:
            message = slot.field.error_messages["null"]
            node.fail(slot, Fault((*node.loc, slot.key), message, "null"))
        elif value is not None and is_other and not node.is_given(slot.field):
            self.references.add_key(node, slot, value)

    def _set(self, node: Node, slot: Slot, value: Any) -> bool:
        """Give the instance a value, unless it is a key that it has already; return whether it has it now."""
        if slot.is_key and not node.is_new:
            if value != getattr(node.instance, slot.field.attname):
                node.fail(slot, Fault((*node.loc, slot.key), _UNCHANGEABLE, "immutable"))
                return False
            return True
        setattr(node.instance, slot.field.attname, value)
        node.written.add(slot.field.name)
        return True

    def _write_file(self, node: Node, slot: Slot, value: Any) -> None:
        file = uploaded(value)
        if value is not None and isinstance(slot.field, ImageField):
            for fault in faults_of_image(slot.field, file, slot.limits, (*node.loc, slot.key)):
                node.fail(slot, fault)
        if slot.field.name in node.failed:
            return
        setattr(node.instance, slot.field.attname, file)
        node.written.add(slot.field.name)
        if value is not None:
            node.files.append(slot)

    def _write_list(self, node: Node, slot: RelationSlot, values: Sequence[Any]) -> None:
        self.references.add_list(node, slot, values)
        node.lists.append((slot, list(dict.fromkeys(values))))

    def _write_nested(self, node: Node, slot: RelationSlot, value: Any) -> None:
        if value and _levels(node.loc) >= _MAX_LEVELS:
            node.fail(slot, Fault((*node.loc, slot.key), _TOO_DEEP, "too_deep"))
        elif slot.relation.is_many:
            node.members.append(Members(slot, self._members(node, slot, value or [])))
        elif value is None:
            self._write_nothing(node, slot)
        else:
            self._write_one(node, slot, value)

    def _write_nothing(self, node: Node, slot: RelationSlot) -> None:
        if slot.relation.kind is Kind.FORWARD:
            setattr(node.instance, slot.relation.name, None)
            node.written.add(slot.relation.name)
        elif (related := _related(node, slot)) is None:
            return
        elif slot.missing in (Missing.DELETE, Missing.DETACH):
            node.removed.append((slot, related))
        elif slot.missing is None:
            node.fail(slot, Fault((*node.loc, slot.key), _UNCHANGEABLE, "immutable"))

    def _write_one(self, node: Node, slot: RelationSlot, data: Definition) -> None:
        loc = (*node.loc, slot.key)
        is_own = bool(slot.relation.field.one_to_one)
        existing = _related(node, slot) if is_own else None
        key = _key_value(slot.plan, data)
        if not is_own and key is not None:
            existing = self._find(self._choices(node, slot, key), [key]).get(key)
            if existing is None and slot.plan.identity is not None:
                node.fail(slot, Fault((*loc, slot.plan.identity.key), _UNKNOWN, DOES_NOT_EXIST))
                return
        child = self.assemble(data, existing, loc, {}, slot.plan)
        if slot.relation.kind is Kind.FORWARD:
            setattr(node.instance, slot.relation.name, child.instance)
            node.written.add(slot.relation.name)
            node.owners.append((slot, child))
        else:
            _bind(child, slot, node, self._using)
            node.members.append(Members(slot, (child,)))

    def _members(self, node: Node, slot: RelationSlot, items: Sequence[Definition]) -> tuple[Node, ...]:
        plan = slot.plan
        keys = [_key_value(plan, one) for one in items]
        found = self._find(self._candidates(node, slot), [key for key in keys if key is not None])
        nodes: list[Node] = []
        for index, (data, key) in enumerate(zip(items, keys, strict=True)):
            loc = (*node.loc, slot.key, index)
            existing = found.get(key)
            if key is not None and keys.index(key) != index:
                node.faults.append(Fault(loc, _REPEATED, "repeated"))
            elif key is not None and existing is None and plan.identity is not None:
                node.faults.append(Fault((*loc, plan.identity.key), _UNKNOWN, DOES_NOT_EXIST))
            else:
                child = self.assemble(data, existing, loc, {}, plan)
                if slot.relation.field.one_to_many:
                    _bind(child, slot, node, self._using)
                nodes.append(child)
        return tuple(nodes)

    def _choices(self, node: Node, slot: RelationSlot, key: Any) -> QuerySet[Any]:
        """Return the objects that a foreign key may refer to; the one that it refers to already may stay."""
        objects = visible(slot.relation.model, self._using, self._scopes)
        choices = limited(objects, slot.relation.field)
        if choices is objects:
            return objects
        related = _related(node, slot)
        return objects if related is not None and related.pk == key else choices

    def _candidates(self, node: Node, slot: RelationSlot) -> QuerySet[Any]:
        """Return the objects that a nested list can change: those of the object, or those that it could have."""
        model = slot.relation.model
        if slot.relation.field.one_to_many:
            return model._base_manager.none() if node.is_new else getattr(node.instance, slot.relation.name).all()
        return limited(visible(model, self._using, self._scopes), slot.relation.field)

    def _find(self, objects: QuerySet[Any], keys: list[Any]) -> dict[Any, Any]:
        if not keys:
            return {}
        fitting = [key for key in keys if _is_fit(objects.model._meta.pk, key, self._using)]
        return {one.pk: one for one in objects.using(self._using).filter(pk__in=fitting)}


def _is_fit(field: Any, value: Any, using: str) -> bool:
    try:
        stored(field, value, using)
    except UnfitValue:
        return False
    return True


def _key_value(plan: WritePlan, data: Definition) -> Any:
    """Return the primary key that a body has, where it is one column; None if it has none."""
    slots = [plan.identity] if plan.identity else [one for one in plan.columns if one.is_key]
    is_there = len(slots) == 1 and slots[0].name in data.model_fields_set
    return getattr(data, slots[0].name) if is_there else None


def _stays(node: Node, slot: Slot, data: Definition) -> bool:
    """Return whether a key stays what it is, since the body has none: what stands for it would be another."""
    if not slot.is_key:
        return False
    return getattr(data, slot.name) is None or not (node.is_new or slot.name in data.model_fields_set)


def _levels(loc: Location) -> int:
    return sum(isinstance(one, str) for one in loc)


def _related(node: Node, slot: RelationSlot) -> Any:
    """Return the one object of a relation; None if there is none."""
    if node.is_new:
        return None
    try:
        return getattr(node.instance, slot.relation.name)
    except ObjectDoesNotExist:
        return None


def _bind(child: Node, slot: RelationSlot, node: Node, using: str) -> None:
    """Have an object refer to the one that lists it."""
    for name, value in references_to(node.instance, slot, using).items():
        setattr(child.instance, name, value)
        child.written.add(name)
        if value is None:  # a key that is not there yet, and cannot be validated
            child.awaited.add(name)


def _give(node: Node, extra: Mapping[str, Any]) -> None:
    """Give an instance what the server adds."""
    model = node.plan.model
    fields = {field.name: field for field in model._meta.concrete_fields}
    known = {**fields, **columns(model), "pk": model._meta.pk}
    for name, value in extra.items():
        if name not in known:
            raise SchemaError(f"`{model.__name__}.{name}` is no field that can be given{suggestion(name, known)}")
        setattr(node.instance, name, value)
        node.written.add(known[name].name)
