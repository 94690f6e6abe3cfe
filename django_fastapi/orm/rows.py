"""The fast way: rows of the database become dictionaries, without instances between.

The SQL is that of the plain way, `querysets.with_columns`, compiled by Django and kept for the next time. Whatever
stands against it makes the caller go the plain way.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connections, router
from django.db.models import DEFERRED, Manager, Model, Q, QuerySet
from django.db.models.manager import BaseManager
from django.db.models.signals import post_init, pre_init
from django.db.models.sql import Query

from .contents import AnyQuerySet
from .examples import example_keys, first_instance, stubs
from .introspection import has_init_receivers, is_many_to_many, names, value_field
from .keys import Key, exact_key, is_settled, query_key, surroundings
from .layouts import Child, Layout, NoRowsError, key_position, layout_of
from .planning import Form, Nested, Plan
from .querysets import child_keys, parent_keys, with_columns
from .statements import Statement, get_statements

Row = Sequence[Any]

_MAX_KEYS: Final = 8192
_METHODS: Final = ("__iter__", "_fetch_all", "iterator", "_clone", "_chain", "get_queryset")


def read_rows(plan: Plan, queryset: AnyQuerySet) -> list[Any] | None:
    """Return the values of a queryset as dictionaries by the fields of the schema.

    Args:
        plan: The plan for the queryset's model.
        queryset: The queryset, as the user made it. It is not evaluated.

    Returns:
        None where only instances give what the ORM gives.
    """
    statements = get_statements()
    if not _is_possible(plan) or statements.is_refused(plan) or not _is_ordinary(plan, queryset):
        return None
    using = queryset.db
    try:
        statement, params = _statement(plan, queryset, using)
        return _run(statement, params)
    except NoRowsError as error:
        if error.is_lasting:
            statements.refuse(plan)
        return None


def read_row_chunks(plan: Plan, queryset: AnyQuerySet, size: int) -> Iterator[list[Any]] | None:
    """Return the values of a queryset in chunks, of which one at a time is in memory; otherwise as `read_rows`."""
    statements = get_statements()
    # A null where the schema has no place for it would be found when half of the answer is sent.
    if not _is_possible(plan) or plan.attributes or statements.is_refused(plan) or not _is_ordinary(plan, queryset):
        return None
    try:
        statement, params = _statement(plan, queryset, queryset.db)
        if statement.sql is not None:
            _check_children(statement.layout, statement.using)
    except NoRowsError as error:
        if error.is_lasting:
            statements.refuse(plan)
        return None
    return _row_chunks(statement, params, size)


def _check_children(layout: Layout, using: str) -> None:
    """Raise `NoRowsError` if only instances can give the objects of a relation, however deep."""
    for child in layout.children:
        statement = _child_statement(child, 1, using)
        below, _start = statement.layout
        if below.not_null:
            raise NoRowsError("an annotation may be null")
        _check_children(below, statement.using)


KeyLists = Mapping[str, tuple[str, Mapping[Any, list[Any]]]]
"""By the field of a schema: the attribute of an instance, and by its value the keys of the related objects."""


def read_key_lists(plan: Plan, instances: Sequence[Model]) -> KeyLists:
    """Return the keys of related objects that a plan reads and no instance has loaded.

    Those of which only the related manager of an instance can tell are left out.

    Args:
        plan: What is read of the instances.
        instances: Some of one model.
    """
    # Public by Django's documentation, its underscore notwithstanding.
    aliases = {vars(one)["_state"].db for one in instances}
    lists: dict[str, tuple[str, Mapping[Any, list[Any]]]] = {}
    if len(aliases) != 1 or (using := aliases.pop()) is None:
        return lists
    for nested in plan.nested:
        if (attname := _key_list_attname(nested)) is None or _has_receivers(nested.plan):
            continue
        rows = [(getattr(one, attname),) for one in instances]
        if all(type(key) is int for (key,) in rows) and not any(has_objects(one, nested) for one in instances):
            with suppress(NoRowsError):
                lists[nested.name] = attname, _table(Child(nested, plan.model, attname, 0), rows, using)
    return lists


@cache
def _key_list_attname(nested: Nested) -> str | None:
    """Return by which attribute of an instance the keys of a relation are found; None where rows do not give them."""
    keys = parent_keys(nested.relation) if nested.form is Form.KEY and nested.relation.is_many else []
    is_possible = len(keys) == 1 and nested.relation.is_stock and _is_possible(nested.plan)
    return keys[0] if is_possible else None


def has_objects(instance: Model, nested: Nested) -> bool:
    """Return whether an instance has loaded the objects of a relation to many."""
    return nested.relation.name in getattr(instance, "_prefetched_objects_cache", ())


def _row_chunks(statement: Statement, params: Sequence[Any], size: int) -> Iterator[list[Any]]:
    if statement.sql is None:
        return
    connection: Any = connections[statement.using]
    is_disabled = connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
    with connection.cursor() if is_disabled else connection.chunked_cursor() as cursor:
        cursor.execute(statement.sql, params)
        while rows := cursor.fetchmany(size):
            yield values_of(statement.layout, rows, statement.using)


@cache
def _is_possible(plan: Plan) -> bool:
    return not plan.all_obstacles()


def _is_ordinary(plan: Plan, queryset: AnyQuerySet) -> bool:
    """Return whether a queryset gives its rows as they are, none of them changed, and nothing else with them."""
    state, query = vars(queryset), queryset.query
    return (
        state["_result_cache"] is None
        and state["_iterable_class"].__name__ == "ModelIterable"
        and not state["_prefetch_related_lookups"]
        and not _overlaps(plan, state["_known_related_objects"])
        and type(query) is Query
        and not query.combinator
        and not (query.extra and _shadows(query, plan))
        and not query.select_for_update
        and _is_plain_class(type(queryset))
        and not _has_receivers(plan)
    )


def _overlaps(plan: Plan, known: dict[Any, Any]) -> bool:
    """Return whether a related object that the plan reads is one that the user has, and may have changed."""
    return bool(known) and any(one.relation.field in known for one in plan.nested)


def _shadows(query: Query, plan: Plan) -> bool:
    """Return whether instances have what `extra` selects in the place of a column."""
    return not query.extra.keys().isdisjoint(names(plan.model))


@cache
def _is_plain_class(kind: type[Any]) -> bool:
    return all(getattr(kind, name, None) is getattr(QuerySet, name, None) for name in _METHODS)


def _has_receivers(plan: Plan) -> bool:
    if not post_init.receivers and not pre_init.receivers:
        return False
    return has_init_receivers(plan.model) or any(_has_receivers(one.plan) for one in plan.nested)


def _statement(plan: Plan, queryset: AnyQuerySet, using: str) -> tuple[Statement, tuple[Any, ...]]:
    """Return the statement of a queryset and its parameters, compiled now only if it was not before."""
    statements = get_statements()
    if not statements.is_used_by(plan):
        statement = _compiled(plan, queryset, using)
        return statement, statement.params
    if (key := query_key(queryset.query, using)) is not None:
        found = statements.get(plan, key.value, partial(_parametrised, plan, queryset, key, using))
        if found is not None:
            return found, _values(key, using)
    if (exact := exact_key(queryset.query, using)) is not None:
        found = statements.get(plan, exact.value, partial(_settled, plan, queryset, using))
        if found is not None:
            return found, found.params
    statement = _compiled(plan, queryset, using)
    return statement, statement.params


def _values(key: Key, using: str) -> tuple[Any, ...]:
    connection = connections[using]
    return tuple(field.get_db_prep_value(value, connection, prepared=True) for field, value in key.parameters)


def _parametrised(plan: Plan, queryset: AnyQuerySet, key: Key, using: str) -> Statement | None:
    """Return the statement for all values of its conditions, if its parameters are these, in order."""
    statement = _settled(plan, queryset, using)
    values = _values(key, using)
    if statement is None or statement.params != values:
        return None
    are_alike = all(type(one) is type(other) for one, other in zip(statement.params, values, strict=True))
    return statement if are_alike else None


def _settled(plan: Plan, queryset: AnyQuerySet, using: str) -> Statement | None:
    return _compiled(plan, queryset, using) if is_settled(queryset.query) else None


def _compiled(plan: Plan, queryset: AnyQuerySet, using: str) -> Statement:
    compiler = with_columns(plan, queryset).query.get_compiler(using=using)
    try:
        sql, params = compiler.as_sql()
    except EmptyResultSet:
        return Statement(None, (), using, None)
    return Statement(sql, tuple(params), using, layout_of(plan, compiler))


def _run(statement: Statement, params: Sequence[Any]) -> list[Any]:
    """Return the values of a statement."""
    rows = _fetched(statement, params)
    return values_of(statement.layout, rows, statement.using)


def values_of(layout: Layout, rows: Sequence[Row], using: str) -> list[Any]:
    """Return the values of rows, with the objects of their relations to many."""
    if not rows:
        return []
    for at in layout.not_null:
        if any(row[at] is None for row in rows):
            raise NoRowsError("an annotation is null")
    connection: Any = connections[using]
    tables = [_table(child, rows, using) for child in layout.children]
    functions = [
        function
        for expression in layout.converted
        for function in (*connection.ops.get_db_converters(expression), *expression.get_db_converters(connection))
    ]
    return layout.build(rows, connection, functions, layout.converted, tables)


def _table(child: Child, rows: Sequence[Row], using: str) -> dict[Any, list[Any]]:
    """Return the objects of a relation by the key of the row they belong to."""
    at = child.key
    keys = list(dict.fromkeys([row[at] for row in rows]))
    if None in keys:
        keys.remove(None)
    found: dict[Any, list[Any]] = {}
    for chunk in in_chunks(keys, connections[using]):
        statement = _child_statement(child, len(chunk), using, rows[0][at])
        layout, start = statement.layout
        params = (*statement.params[:start], *chunk, *statement.params[start + len(chunk) :])
        child_rows = _fetched(statement, params)
        key = layout.key
        for row, value in zip(child_rows, values_of(layout, child_rows, statement.using), strict=True):
            found.setdefault(row[key], []).append(value)
    return found


def _fetched(statement: Statement, params: Sequence[Any]) -> list[Row]:
    if statement.sql is None:
        return []
    with connections[statement.using].cursor() as cursor:
        cursor.execute(statement.sql, params)
        rows: list[Row] = cursor.fetchall()
    return rows


def in_chunks(keys: list[Any], connection: Any) -> Iterator[list[Any]]:
    """Yield the keys in chunks whose length is a power of two, the last key repeated: few lengths, few statements."""
    most = connection.features.max_query_params or _MAX_KEYS
    size = 1 << (min(most, _MAX_KEYS).bit_length() - 1)
    for start in range(0, len(keys), size):
        chunk = keys[start : start + size]
        padded = 1 << (len(chunk) - 1).bit_length()
        yield chunk + chunk[-1:] * (padded - len(chunk))


def _child_statement(child: Child, count: int, using: str, first: Any = DEFERRED) -> Statement:
    """Return the statement for the objects of a relation of `count` rows; its keys are examples.

    Args:
        child: The relation.
        count: The number of rows.
        using: The database of the rows.
        first: The key of the first of them, if it is known, for the routers.
    """
    manager: Any = child.nested.plan.model._default_manager
    if is_stock(manager.__class__):
        aliases = using, _alias(child, manager, using, first)
        return _kept_child(child, manager.get_queryset, count, aliases)
    queryset: AnyQuerySet = manager.get_queryset()
    if not _is_ordinary(child.nested.plan, queryset) or queryset.query.is_sliced:
        raise NoRowsError("a default manager gives querysets of its own kind", is_lasting=True)
    aliases = using, _alias(child, queryset, using, first)
    # What the manager filters by may be different each time: a tenant, a language.
    exact = exact_key(queryset.query, aliases[1])
    if exact is None:
        return _compiled_child(child, queryset, count, aliases)
    return _kept_child(child, lambda: queryset, count, aliases, exact.value)


def _kept_child(
    child: Child, get_queryset: Callable[[], AnyQuerySet], count: int, aliases: tuple[str, str], *also: Hashable
) -> Statement:
    """Return the statement for a relation's objects, compiled now only if it was not before."""
    statements = get_statements()
    if not statements.is_used_by(child.nested):
        return _compiled_child(child, get_queryset(), count, aliases)

    def compile_() -> Statement | None:
        queryset = get_queryset()
        return _compiled_child(child, queryset, count, aliases) if is_settled(queryset.query) else None

    found = statements.get(child.nested, (child.attname, count, *aliases, *surroundings(), *also), compile_)
    return found or _compiled_child(child, get_queryset(), count, aliases)


def _alias(child: Child, source: object, using: str, first: Any) -> str:
    """Return the database that a relation's manager or queryset asks: its own, or what the routers say."""
    own: str | None = vars(source)["_db"]
    if own or not router.routers:
        return own or using
    return router.db_for_read(child.nested.plan.model, instance=first_instance(child, first, using))


@cache
def is_stock(kind: Any) -> bool:
    """Return whether each queryset of such a manager is the same: all rows, by Django's own code."""
    is_own = kind.get_queryset is not vars(BaseManager)["get_queryset"] or Manager not in kind.__mro__
    return not is_own and _is_plain_class(getattr(kind, "_queryset_class", object))


def _compiled_child(child: Child, queryset: AnyQuerySet, count: int, aliases: tuple[str, str]) -> Statement:
    using, alias = aliases
    relation, plan = child.nested.relation, child.nested.plan
    examples = example_keys(child, count)
    instances = stubs(child, examples, using)
    planned = with_columns(plan, queryset.using(alias), also=child_keys(relation))
    if is_many_to_many(relation):
        planned = getattr(instances[0], relation.name).get_prefetch_querysets(instances, [planned])[0]
    else:
        planned.query.add_q(Q((f"{relation.field.field.name}__in", instances)), reuse_all=True)
    compiler: Any = planned.query.get_compiler(using=alias)
    try:
        sql, params = compiler.as_sql()
    except EmptyResultSet:
        raise NoRowsError("a default manager gives nothing") from None
    layout = layout_of(plan, compiler, key=key_position(compiler, relation))
    field: Any = value_field(child.model._meta.get_field(child.attname))
    prepared = [field.get_db_prep_value(one, connections[alias], prepared=True) for one in examples]
    return Statement(sql, tuple(params), alias, (layout, _run_of(prepared, list(params))))


def _run_of(examples: list[Any], params: list[Any]) -> int:
    """Return where in the parameters the keys begin."""
    count = len(examples)
    starts = [at for at in range(len(params) - count + 1) if params[at : at + count] == examples]
    if len(starts) != 1:
        raise NoRowsError("the keys of a relation are not among the parameters", is_lasting=True)
    return starts[0]
