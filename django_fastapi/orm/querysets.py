"""A queryset that loads what a plan reads: with the user's own joins, prefetches and columns respected."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.db.models import Model, Prefetch, prefetch_related_objects

from .contents import AnyQuerySet
from .introspection import Kind, Relation, columns, has_init_receivers, is_many_to_many, is_own
from .planning import Nested, Plan


def planned(plan: Plan, queryset: AnyQuerySet, *, also: Sequence[str] = ()) -> AnyQuerySet:
    """Return the queryset with the joins, prefetches and columns of the plan.

    Args:
        plan: The plan for the queryset's model.
        queryset: A queryset of instances that was not evaluated and combines no others.
        also: Columns to load beside those of the plan.
    """
    result = with_columns(plan, queryset, also=also)
    ours = {_target(one): one for one in _prefetches(plan, _user_prefetches(queryset))}
    if not ours:
        return result
    return result.prefetch_related(None).prefetch_related(*_in_order(ours, _lookups(queryset)))


def with_columns(plan: Plan, queryset: AnyQuerySet, *, also: Sequence[str] = ()) -> AnyQuerySet:
    """Return the queryset with the joins and columns of the plan, and no prefetches of the plan's."""
    joins = list(_joins(plan))
    users_joins: Any = queryset.query.select_related
    result = queryset.select_related(*joins) if joins else queryset
    names = loaded_columns(plan)
    if names is None or _goes_beyond(users_joins, joins) or has_init_receivers(plan.model):
        return result
    return result.defer(None).only(*dict.fromkeys([*names, *also]))


def completed(plan: Plan, instances: Sequence[Model], *, without: Collection[str] = ()) -> None:
    """Load what the plan reads and the instances do not have yet, all of them at once.

    Args:
        plan: What is read of the instances.
        instances: Some of one model.
        without: Fields of the schema, relations, that are read in another way.
    """
    lookups: list[Any] = list(_whole_lookups(plan, without=without))
    if instances and lookups:
        prefetch_related_objects(list(instances), *lookups)


def _by_relation(nested: Iterable[Nested]) -> Collection[Nested]:
    """Return each relation once, with all that is read of it under any name."""
    found: dict[str, Nested] = {}
    for one in nested:
        name = one.relation.name
        found[name] = _both(found[name], one) if name in found else one
    return found.values()


def _both(one: Nested, other: Nested) -> Nested:
    choices: tuple[Plan, ...] = ()
    if one.choices and other.choices:  # otherwise objects of any model are read whole
        by_model = {choice.model: choice for choice in one.choices}
        for choice in other.choices:
            known = by_model.get(choice.model)
            by_model[choice.model] = _both_plans(known, choice) if known else choice
        choices = tuple(by_model.values())
    return replace(one, plan=_both_plans(one.plan, other.plan), choices=choices)


def _both_plans(one: Plan, other: Plan) -> Plan:
    return replace(
        one,
        columns=(*one.columns, *other.columns),
        nested=(*one.nested, *other.nested),
        reads_whole_rows=one.reads_whole_rows or other.reads_whole_rows,
    )


def _joins(plan: Plan, prefix: str = "") -> Iterator[str]:
    for one in _by_relation(plan.nested):
        if one.is_joined:
            yield prefix + one.relation.field.name
            yield from _joins(one.plan, f"{prefix}{one.relation.field.name}__")


def loaded_columns(plan: Plan, prefix: str = "") -> list[str] | None:
    """Return the columns that the plan reads, for `only`; None for all of them."""
    if plan.reads_whole_rows:
        return None if not prefix else []
    names = [prefix + plan.model._meta.pk.name] if plan.model._meta.pk.column else []
    names += [prefix + one.attname for one in plan.columns]
    for one in _by_relation(plan.nested):
        names += [prefix + name for name in parent_keys(one.relation)]
        if one.is_joined:
            names += _joined_columns(one, prefix)
    return names


def _joined_columns(nested: Nested, prefix: str) -> list[str]:
    inner = f"{prefix}{nested.relation.field.name}"
    names = loaded_columns(nested.plan, f"{inner}__")
    inherited = {f"{inner}__{name}": f"{prefix}{name}" for name in _inherited(nested.relation)}
    if not names:
        return [inner, *inherited.values()]
    return [inherited.get(name, name) for name in names]


def _inherited(relation: Relation) -> list[str]:
    """Return the columns that Django takes from our own row, since the other model is derived from ours."""
    if relation.kind is not Kind.REVERSE_ONE or not relation.field.parent_link:
        return []
    ours = relation.field.model
    return [name for name, field in columns(relation.model).items() if issubclass(ours, field.model)]


def parent_keys(relation: Relation) -> list[str]:
    """Return the columns of the model itself by which a relation finds its objects."""
    field = relation.field
    if relation.kind is Kind.FORWARD:
        return [one.attname for one in field.local_related_fields]
    if relation.kind is Kind.GENERIC:
        return [field.model._meta.get_field(field.ct_field).attname, field.fk_field]
    if is_many_to_many(relation):
        is_forward = is_own(field)
        forward = field if is_forward else field.field
        name = forward.m2m_target_field_name() if is_forward else forward.m2m_reverse_target_field_name()
        owner = forward.model if is_forward else forward.related_model
        return [owner._meta.get_field(name).attname]
    reverse = getattr(field, "field", None)
    foreign = getattr(reverse, "foreign_related_fields", ())
    return [one.attname for one in foreign]


def child_keys(relation: Relation) -> list[str]:
    """Return the columns of the related model by which Django matches its objects to ours."""
    field = relation.field
    if is_many_to_many(relation) or relation.kind is not Kind.MANY:
        return []
    if hasattr(field, "object_id_field_name"):
        return [field.object_id_field_name, field.content_type_field_name]
    return [one.attname for one in field.field.local_related_fields]


def child_queryset(nested: Nested, queryset: AnyQuerySet | None = None) -> AnyQuerySet:
    """Return the queryset of a relation's objects: the default manager's, as Django has it, or the user's own."""
    own: AnyQuerySet = nested.plan.model._default_manager.get_queryset() if queryset is None else queryset
    return planned(nested.plan, own, also=child_keys(nested.relation))


def _in_order(ours: dict[str, Any], users: Iterable[Any]) -> Iterator[Any]:
    """Yield the lookups, of which Django follows none before that of a relation on its way, if that has a queryset."""
    left = dict(ours)
    for lookup in users:
        target = _target(lookup)
        for path in [one for one in left if f"{target}__".startswith(f"{one}__")]:
            yield left.pop(path)
        if target not in ours:
            yield lookup
    yield from left.values()


def _prefetches(plan: Plan, users: dict[str, Any], prefix: str = "") -> Iterator[Any]:
    for one in _by_relation(plan.nested):
        path = prefix + one.relation.name
        if one.relation.kind is Kind.GENERIC:
            if not isinstance(users.get(path), GenericPrefetch):
                yield _generic(one, path)
        elif one.relation.is_many and not _takes_queryset(one.relation):
            yield Prefetch(path)
            yield from _whole_lookups(one.plan, f"{path}__")
        elif one.relation.is_many:
            yield Prefetch(path, child_queryset(one, getattr(users.get(path), "queryset", None)))
        else:
            yield from _prefetches(one.plan, users, f"{path}__")


def _whole_lookups(plan: Plan, prefix: str = "", *, without: Collection[str] = ()) -> Iterator[Any]:
    """Return the lookups that load everything a plan reads, joins included; what is loaded already stays."""
    for one in _by_relation(one for one in plan.nested if one.name not in without):
        path = prefix + one.relation.name
        if one.relation.kind is Kind.GENERIC:
            yield _generic(one, path)
            continue
        many = one.relation.is_many
        if many and not _takes_queryset(one.relation):
            yield path
            yield from _whole_lookups(one.plan, f"{path}__")
            continue
        base: AnyQuerySet = (one.plan.model._default_manager if many else one.plan.model._base_manager).get_queryset()
        keys = child_keys(one.relation) if many else _target_keys(one.relation)
        # Without prefetches of their own: Django refuses to meet the same lookup twice.
        yield Prefetch(path, with_columns(one.plan, base, also=keys))
        yield from _whole_lookups(one.plan, f"{path}__")


def _generic(nested: Nested, path: str) -> Any:
    """Return the lookup of a generic foreign key, whose objects come from the base managers, as Django has it."""
    querysets = [planned(one, one.model._base_manager.get_queryset()) for one in nested.choices]
    return GenericPrefetch(path, querysets) if querysets else Prefetch(path)


def _takes_queryset(relation: Relation) -> bool:
    """Return whether the manager of a relation prefetches a queryset that it is given; third parties' may not."""
    return relation.is_stock or hasattr(relation.field, "object_id_field_name")


def _target_keys(relation: Relation) -> list[str]:
    """Return the columns of the related model that a join from ours goes to."""
    field = relation.field
    if relation.kind is Kind.FORWARD:
        return [one.attname for one in field.foreign_related_fields]
    return [one.attname for one in field.field.local_related_fields]


def _lookups(queryset: AnyQuerySet) -> tuple[Any, ...]:
    # Private to Django, which offers no other way to see what was prefetched.
    lookups: tuple[Any, ...] = vars(queryset)["_prefetch_related_lookups"]
    return lookups


def _target(lookup: Any) -> str:
    target: str = lookup.prefetch_to if isinstance(lookup, Prefetch) else lookup
    return target


def _user_prefetches(queryset: AnyQuerySet) -> dict[str, Any]:
    return {_target(one): one for one in _lookups(queryset)}


def _goes_beyond(users_joins: Any, joins: list[str]) -> bool:
    """Return whether the user joins what the plan does not: `only` would then defer a column that is joined over."""
    if users_joins is False:
        return False
    return users_joins is True or not _paths(users_joins).issubset(joins)


def _paths(tree: dict[str, Any], prefix: str = "") -> set[str]:
    return {path for name, below in tree.items() for path in ({prefix + name} | _paths(below, f"{prefix}{name}__"))}
