"""Objects of a request, saved in one transaction: all of them, or none."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from django.db import DatabaseError, DataError, IntegrityError, connections, router, transaction
from django.db.models import Model, ProtectedError, RestrictedError
from django.http import Http404

from django_fastapi.exceptions import Conflict, Fault
from django_fastapi.orm.definitions import Definition, options_of

from .assembling import Assembler
from .cleaning import check_constraints, clean, refusal_of
from .deferred import check_deferred
from .files import save_file
from .nodes import Location, Members, Node, Scopes, attributes, references_to, snapshot
from .plans import Missing, RelationSlot
from .references import scopes_of, visible
from .refusing import explain
from .violations import Rule, violation_of

BODY: Final[Location] = ("body",)

Before: TypeAlias = Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class Item:
    """A body that is to be saved.

    Args:
        data: The body.
        instance: The object that it changes; None for a new one.
        loc: Where in the request it is.
    """

    data: Definition
    instance: Any = None
    loc: Location = BODY


class _Refused(Exception):
    """An error of the database, on its way out of the transaction, and the object that was being saved."""

    def __init__(self, node: Node, error: Exception) -> None:
        super().__init__(error)
        self.node = node
        self.error = error


class Writer:
    """Saves and deletes objects in one transaction; see `writing`.

    Args:
        using: The alias of the database.
        scopes: By model, what the client may name of it; of other models, what the default manager has.
    """

    def __init__(self, using: str, scopes: Scopes) -> None:
        self.using: str = using
        """The alias of the database."""
        self._scopes = scopes
        self.nodes: list[Node] = []
        """What was saved."""
        self.deleted: set[str] = set()
        """The tables of which something was deleted."""

    def save(
        self, items: Sequence[Item], extra: Mapping[str, Any] | None = None, *, before: Before | None = None
    ) -> list[Any]:
        """Save what bodies say, and return the objects.

        Args:
            items: The bodies.
            extra: What the server adds to each object, by fields of the model.
            before: Is given each object with its new values, before they are validated.

        Raises:
            InvalidInput: Something is wrong with the bodies. It lists everything, and nothing was saved.
            Conflict: Nothing is wrong but that an object of the kind is there already.
            Http404: An object that is changed is gone.
        """
        with _restored(item.instance for item in items):
            roots = self._checked(items, extra or {}, before)
            for root in roots:
                _save(root, self)
        return [root.instance for root in roots]

    def delete(self, instance: Model) -> None:
        """Delete an object, and what Django deletes with it.

        Raises:
            Conflict: Others refer to it that must not lose it; it names them.
        """
        self.deleted.add(instance._meta.db_table)
        try:
            with transaction.atomic(using=self.using):
                told: Any = instance.delete()
        except ProtectedError as error:
            raise _held(error.protected_objects) from error
        except RestrictedError as error:
            raise _held(error.restricted_objects) from error
        # A model's own `delete` may tell nothing.
        labels: Mapping[str, int] = told[1] if told else {}
        self.deleted |= {instance._meta.apps.get_model(label)._meta.db_table for label in labels}

    def hidden(self, manager: Any) -> list[Any]:
        """Return the keys of related objects that the client may not name, and so not take away."""
        if not scopes_of(manager.model, self._scopes):
            return []
        seen = visible(manager.model, self.using, self._scopes).order_by().values("pk")
        return list(manager.exclude(pk__in=seen).values_list("pk", flat=True))

    def check_deferred(self) -> None:
        """Look at what the database leaves for the end of the transaction: that may be out of our hands.

        Raises:
            IntegrityError: A constraint does not hold.
        """
        if self.nodes or self.deleted:
            written = {table for node in self.nodes for table in node.plan.tables}
            check_deferred(written, self.deleted, self.using)

    def _checked(self, items: Sequence[Item], extra: Mapping[str, Any], before: Before | None) -> list[Node]:
        assembler = Assembler(self.using, self._scopes)
        roots = [assembler.assemble(item.data, item.instance, item.loc, extra) for item in items]
        assembler.references.check()
        nodes = [node for root in roots for node in root.all()]
        unprepared = _prepare(roots, before) if before else set[Node]()
        self.nodes += nodes
        replacing = _replacing(nodes)
        for node in nodes:
            clean(node, is_prepared=node not in unprepared)
            if node not in replacing:
                check_constraints(node)
        _refuse(nodes)
        self._remove_others(nodes)
        for node in replacing:
            check_constraints(node)
        _refuse(replacing)
        return roots

    def _remove_others(self, nodes: Iterable[Node]) -> None:
        """Remove what nested lists do not have: what they have may be of the same kind."""
        for node in nodes:
            for members in node.members:
                if _replaces(node, members):
                    manager = getattr(node.instance, members.slot.relation.name)
                    _remove(members.slot, self._others(manager, members), manager, self)

    def _others(self, manager: Any, members: Members) -> list[Any]:
        kept = [child.instance.pk for child in members.nodes]
        if members.slot.relation.field.many_to_many:
            kept += self.hidden(manager)
        return list(manager.exclude(pk__in=kept))


def _prepare(roots: Iterable[Node], before: Before) -> set[Node]:
    """Give a hook the objects that can be followed; return the others, in which something is wrong."""
    unprepared = {root for root in roots if any(node.faults for node in root.all())}
    for root in roots:
        if root not in unprepared:
            before(root.instance)
    return unprepared


def _refuse(nodes: Iterable[Node]) -> None:
    faults = [fault for node in nodes for fault in node.faults]
    if faults:
        raise refusal_of(faults)


def _replaces(node: Node, members: Members) -> bool:
    """Return whether what a list does not have is removed."""
    return members.slot.relation.is_many and not (node.is_new or members.slot.missing is Missing.KEEP)


def _replacing(nodes: Iterable[Node]) -> dict[Node, None]:
    """Return the objects, in their order, whose like may be among those that are removed for them."""
    lists = [members for node in nodes for members in node.members if _replaces(node, members)]
    return {one: None for members in lists for child in members.nodes for one in child.all()}


@contextmanager
def writing(model: type[Model], scopes: Scopes | None = None, *, instance: Model | None = None) -> Generator[Writer]:
    """Give what saves and deletes objects, in one transaction that ends with the block.

    What the database refuses, now or when the transaction ends, is told as what is wrong with the bodies. In a
    transaction that somebody else has begun, what would be refused at its end is refused now: on PostgreSQL, that takes
    three statements.

    Args:
        model: The model whose database it is.
        scopes: By model, what the client may name of it; of other models, what the default manager has.
        instance: An object that is changed, for the project's database routers.

    Raises:
        WriteRefused: The database has refused something.
    """
    using = router.db_for_write(model, instance=instance)
    writer = Writer(using, scopes or {})
    is_within = connections[using].in_atomic_block
    try:
        with transaction.atomic(using=using):
            yield writer
            if is_within:
                writer.check_deferred()
    except _Refused as refused:
        raise explain(refused.error, [refused.node], using) or refused.error from refused.error
    except (IntegrityError, DataError) as error:
        # A constraint that is checked when the transaction ends, or one that holds what was to be deleted.
        raise explain(error, writer.nodes, using) or _held_after_all(error, writer) or error from error


def write(items: Sequence[Item], extra: Mapping[str, Any], scopes: Scopes) -> list[Any]:
    """Save what bodies say, in a transaction of its own, and return the objects; see `Writer.save`."""
    if not items:
        return []
    model = options_of(type(items[0].data)).model
    with _restored(item.instance for item in items), writing(model, scopes, instance=items[0].instance) as writer:
        return writer.save(items, extra)


def delete(instance: Model) -> None:
    """Delete an object, and what Django deletes with it, in a transaction of its own.

    Raises:
        Conflict: Others refer to it that must not lose it; it names them.
    """
    with writing(type(instance), instance=instance) as writer:
        writer.delete(instance)


def _held(holders: Iterable[Model]) -> Conflict:
    # Which ones is not told: the client may not be allowed to see them.
    names = sorted({str(type(one)._meta.verbose_name_plural) for one in holders})
    kinds = sorted({type(one)._meta.label_lower for one in holders})
    message = "This cannot be deleted, since %(names)s refer to it."
    return Conflict([Fault(("path",), message, "protected", {"names": ", ".join(names)}, {"held_by": kinds})])


def _held_after_all(error: Exception, writer: Writer) -> Conflict | None:
    """Return the conflict if something refers to what was deleted, whatever Django knew of it."""
    violation = violation_of(error) if writer.deleted else None
    if violation is None or violation.rule is not Rule.REFERENCE:
        return None
    return Conflict([Fault(("path",), "This cannot be deleted, since others refer to it.", "protected")])


@contextmanager
def _restored(instances: Iterable[Any]) -> Generator[None]:
    """Give objects back as they were, unless they have been saved."""
    before = [(attributes(one), snapshot(one)) for one in instances if one is not None]
    try:
        yield
    except BaseException:
        for now, then in before:
            now.clear()
            now.update(then)
        raise


def _save(node: Node, writer: Writer) -> None:
    for relation, owner in node.owners:
        if relation.relation.field.get_cached_value(node.instance, default=None) is not owner.instance:
            continue  # a hook has given another
        _save(owner, writer)
        # It had no key yet when it was assigned.
        setattr(node.instance, relation.relation.name, owner.instance)
    for slot in node.files:
        save_file(node.instance, slot.field.name, writer.using)
    with _named(node):
        _save_row(node, writer.using)
        for relation, keys in node.lists:
            manager = getattr(node.instance, relation.relation.name)
            manager.add(*keys) if node.is_new else manager.set([*keys, *writer.hidden(manager)])
    for relation, related in node.removed:
        _remove(relation, [related], None, writer)
        relation.relation.field.set_cached_value(node.instance, None)
    for members in node.members:
        _save_members(node, members, writer)


@contextmanager
def _named(node: Node) -> Generator[None]:
    """Tell which object was being saved when the database refused something."""
    try:
        yield
    except (IntegrityError, DataError) as error:
        raise _Refused(node, error) from error


def _save_row(node: Node, using: str) -> None:
    instance = node.instance
    if node.is_new:
        instance.save(using=using, force_insert=True)
    elif changed := _changed(node):
        _update(instance, changed, using)
    stale = [one.attname for one in instance._meta.concrete_fields if _is_stale(node, one)]
    if stale:
        instance.refresh_from_db(using=using, fields=stale)


def _update(instance: Any, changed: list[str], using: str) -> None:
    try:
        instance.save(using=using, update_fields=changed)
    except (IntegrityError, DataError):
        raise
    except DatabaseError as error:
        if error.__cause__ is None:  # Django's own: no row has this key any more
            raise Http404(f"No {instance._meta.object_name} matches the given query.") from error
        raise


def _changed(node: Node) -> list[str]:
    """Return the fields to be saved: those that were written or that validation has changed, and their companions."""
    after = attributes(node.instance)
    names = [
        field.name
        for field in node.instance._meta.concrete_fields
        if not (field.primary_key or field.generated)
        and (field.name in node.written or after.get(field.attname) != node.before.get(field.attname))
    ]
    stamps = [one.name for one in node.instance._meta.concrete_fields if getattr(one, "auto_now", False)]
    is_changed = names or node.lists or node.members or node.removed
    return list(dict.fromkeys([*names, *stamps])) if is_changed else []


def _is_stale(node: Node, field: Any) -> bool:
    """Return whether only the database knows the value of a field."""
    value = attributes(node.instance).get(field.attname)
    return hasattr(value, "resolve_expression") or (field.generated and not node.is_new)


def _save_members(node: Node, members: Members, writer: Writer) -> None:
    slot, relation = members.slot, members.slot.relation
    for child in members.nodes:
        if not relation.field.many_to_many:
            for name, value in references_to(node.instance, slot, writer.using).items():
                setattr(child.instance, name, value)
        _save(child, writer)
    if not relation.is_many:
        return
    if relation.field.many_to_many:
        getattr(node.instance, relation.name).add(*[child.instance for child in members.nodes])
    attributes(node.instance).get("_prefetched_objects_cache", {}).pop(relation.name, None)


def _remove(slot: RelationSlot, objects: Sequence[Any], manager: Any, writer: Writer) -> None:
    if not objects:
        return
    if slot.missing is Missing.DELETE:
        for one in objects:
            writer.delete(one)
    elif manager is not None:
        manager.remove(*objects)
    else:
        for one in objects:
            setattr(one, slot.relation.field.field.name, None)
            one.save(update_fields=[slot.relation.field.field.name])
