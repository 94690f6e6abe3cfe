"""The plain way: instances of the model, read attribute by attribute as the plan says, validated without limits."""

import traceback
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from types import MappingProxyType
from typing import Any, TypeVar

from django.core.exceptions import ObjectDoesNotExist, SynchronousOnlyOperation
from django.db.models import Model
from pydantic_core import SchemaValidator

from .contents import AnyQuerySet, is_queryset, is_raw, is_source, without_manager
from .core_schemas import Node, changed
from .definitions import Definition
from .exceptions import SchemaError, UnplannedAccess, suggestion
from .introspection import is_own, names
from .limits import loosened
from .planning import Attribute, Form, Nested, Plan, plan_query
from .querysets import completed, planned, with_columns
from .rows import KeyLists, has_objects, read_key_lists
from .shapes import is_schema

S = TypeVar("S", bound=Definition)


def read_queryset(schema: type[S], queryset: Any) -> list[S]:
    """Return what a queryset gives, as objects of the schema.

    Args:
        schema: The schema.
        queryset: A queryset or a manager; one of `values()` gives its rows, a raw or an evaluated one its instances.
    """
    queryset = without_manager(queryset)
    if is_raw(queryset):
        return read_instances(schema, list(queryset))
    if not gives_instances(queryset):
        validator = _validator(schema)
        return [validator.validate_python(row, by_name=True) for row in queryset]
    plan = plan_query(schema, queryset.model)
    if not is_plannable(queryset):
        return read_instances(schema, list(queryset))
    try:
        instances = list(planned(plan, queryset))
    except SynchronousOnlyOperation as error:
        raise _unplanned(plan, plan.model.__name__, None) from error
    validator = _validator_by_name(schema)
    return [_validated(plan, one, validator) for one in instances]


def read_chunks(schema: type[S], queryset: Any, size: int) -> Iterator[list[S]]:
    """Return what a queryset gives, as objects of the schema, in chunks of which one at a time is in memory."""
    are_instances = is_raw(queryset) or gives_instances(queryset)
    if is_queryset(queryset) and are_instances and is_plannable(queryset):
        plan = plan_query(schema, queryset.model)
        # What the user prefetches, Django loads for each chunk; the plan's own is loaded with `read_instances`.
        queryset = with_columns(plan, queryset)
    source: Any = queryset
    found: Iterator[Any] = source.iterator() if is_raw(queryset) else source.iterator(size)
    while chunk := list(islice(found, size)):
        if are_instances:
            yield read_instances(schema, chunk)
        else:
            yield [_validator(schema).validate_python(row, by_name=True) for row in chunk]


def read_instances(schema: type[S], instances: Sequence[Model]) -> list[S]:
    """Return instances as objects of the schema; what they have not loaded is loaded, for all of them at once.

    Raises:
        UnplannedAccess: That would ask the database on the event loop.
    """
    plans = {type(one): plan_query(schema, type(one)) for one in instances}
    lists = {model: _complete(plan, [one for one in instances if type(one) is model]) for model, plan in plans.items()}
    validator = _validator_by_name(schema)
    return [_validated(plans[type(one)], one, validator, lists[type(one)]) for one in instances]


def gives_instances(queryset: AnyQuerySet) -> bool:
    """Return whether the queryset gives instances of its model: not those of `values()`, `dates()` and the like."""
    # Private to Django, which offers no other way to tell `values()` from the rest.
    iterable: type = vars(queryset)["_iterable_class"]
    return iterable.__name__ == "ModelIterable"


def is_plannable(queryset: AnyQuerySet) -> bool:
    """Return whether joins and columns can be added: not after evaluation, nor to unions and the like."""
    return vars(queryset)["_result_cache"] is None and not queryset.query.combinator


def extract(plan: Plan, instance: Any, lists: KeyLists = MappingProxyType({})) -> dict[str, Any]:
    """Return the values of an instance by the fields of the schema.

    Args:
        plan: What is read of the instance.
        instance: The instance.
        lists: Keys of related objects that are not read from the instance.

    Raises:
        SchemaError: The instance lacks an attribute that its queryset would have had to give.
    """
    values: dict[str, Any] = dict(plan.cuts)
    for column in plan.columns:
        value = getattr(instance, column.attname)
        values[column.name] = value if value is None or column.convert is None else column.convert(value)
    for nested in plan.nested:
        if nested.name in lists:
            attname, keys = lists[nested.name]
            values[nested.name] = keys.get(getattr(instance, attname), [])
        else:
            values[nested.name] = _related(nested, instance)
    for attribute in plan.attributes:
        _read_attribute(plan, attribute, instance, values)
    return values


def _related(nested: Nested, instance: Any) -> Any:
    if nested.relation.is_many:
        return [_one(nested, one) for one in getattr(instance, nested.relation.name).all()]
    try:
        return _one(nested, getattr(instance, nested.relation.name))
    except ObjectDoesNotExist:
        if nested.relation.is_nullable:
            return None
        raise


def _one(nested: Nested, value: Any) -> Any:
    if value is None or nested.form is Form.RAW:
        return value
    if nested.form is Form.OBJECT:
        return extract(nested.plan, value)
    (key,) = nested.plan.columns
    found = getattr(value, key.attname)
    return found if key.convert is None else key.convert(found)


def _read_attribute(plan: Plan, attribute: Attribute, instance: Any, values: dict[str, Any]) -> None:
    value = instance
    for name in attribute.path:
        if value is None:
            break
        if not attribute.is_known and not hasattr(value, name):
            if attribute.has_default:
                return
            raise _missing(plan, attribute)
        value = getattr(value, name)
    values[attribute.name] = list(without_manager(value)) if is_source(value) else value


def _missing(plan: Plan, attribute: Attribute) -> SchemaError:
    schema, model, name = plan.schema, plan.model, attribute.path[0]
    label = f"`{schema.__name__}.{attribute.name}`" if schema else attribute.name
    return SchemaError(
        f"{label}: `{model.__name__}` has no `{name}`, and its queryset gives none: "
        f"add it with `.annotate({name}=...)`{suggestion(name, names(model))}"
    )


def _validated(plan: Plan, instance: Model, validator: SchemaValidator, lists: KeyLists = MappingProxyType({})) -> Any:
    try:
        values = extract(plan, instance, lists)
    except SynchronousOnlyOperation as error:
        owner, name = ([*_touched(error)] or [(plan.model.__name__, None)])[-1]
        raise _unplanned(plan, owner, name) from error
    return validator.validate_python(values, by_name=True)


@cache
def _validator(schema: type[Definition]) -> SchemaValidator:
    return SchemaValidator(_core_schema(schema))


@cache
def _validator_by_name(schema: type[Definition]) -> SchemaValidator:
    """Return the validator for what `extract` gives: its keys are names, which may be aliases of other fields."""
    # Without any aliases, what Pydantic reads by itself would be lost: JSON, instances for other models.
    return SchemaValidator(changed(_core_schema(schema), _with_names_first))


def _core_schema(schema: type[Definition]) -> Any:
    if not schema.__pydantic_complete__:
        schema.model_rebuild()
    return loosened(schema.__pydantic_core_schema__)


def _with_names_first(node: Node) -> Node:
    if node.get("type") != "model" or not is_schema(node["cls"]):
        return node
    return {**node, "schema": _fields_with_names_first(node["schema"])}


def _fields_with_names_first(node: Node) -> Node:
    if node["type"] != "model-fields":  # a validator round the fields
        return {**node, "schema": _fields_with_names_first(node["schema"])}
    fields = {name: _with_name_first(name, field) for name, field in node["fields"].items()}
    return {**node, "fields": fields}


def _with_name_first(name: str, field: Node) -> Node:
    alias = field.get("validation_alias")
    if alias is None:
        return field
    aliases = [[alias]] if isinstance(alias, str) else alias if isinstance(alias[0], list) else [alias]
    return {**field, "validation_alias": [[name], *aliases]}


def _complete(plan: Plan, instances: Sequence[Model]) -> KeyLists:
    """Load what the instances lack, and return what of it is not for the instances to have."""
    try:
        lists = read_key_lists(plan, instances)
        completed(plan, instances, without=lists)
    except SynchronousOnlyOperation as error:
        lacking = next(
            (one.relation.name for one in plan.nested if not all(_is_loaded(one, it) for it in instances)), None
        )
        raise _unplanned(plan, plan.model.__name__, lacking) from error
    return lists


def _is_loaded(nested: Nested, instance: Any) -> bool:
    if nested.relation.is_many:
        return has_objects(instance, nested)
    return bool(nested.relation.field.is_cached(instance))


def _unplanned(plan: Plan, owner: str, name: str | None) -> UnplannedAccess:
    """Return the error that names what was read: Django's own says only that something was."""
    schema = plan.schema.__name__ if plan.schema else plan.model.__name__
    what = f"`{owner}.{name}`" if name else f"something of `{owner}`"
    cure = f"Nest `{name}` in the schema, or load it" if name and name not in _read_names(plan) else "Load it"
    return UnplannedAccess(
        f"`{schema}` reads {what}, which is not loaded, and the event loop must not wait for the database. "
        f"{cure} with the queryset, or use `await {schema}.from_orm_async(...)` or `from_queryset_async`."
    )


def _read_names(plan: Plan) -> set[str]:
    return {one.relation.name for one in plan.nested} | {one.attname for one in plan.columns}


def _touched(error: SynchronousOnlyOperation) -> Iterator[tuple[str, str | None]]:
    """Yield model and attribute of the descriptors that led to the database, the innermost first."""
    for frame, _line in traceback.walk_tb(error.__traceback__):
        descriptor: Any = frame.f_locals.get("self")
        field: Any = getattr(descriptor, "field", None) or getattr(descriptor, "related", None)
        model: Any = getattr(field, "model", None)
        if isinstance(model, type) and issubclass(model, Model) and frame.f_code.co_name != "<genexpr>":
            name: str = field.name if is_own(field) else field.get_accessor_name()
            yield model.__name__, name
