"""Django's own validation of the objects of a request, and its errors as what is wrong with the body."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import FileField, UniqueConstraint

from django_fastapi.exceptions import Conflict, Fault, InvalidInput, WriteRefused
from django_fastapi.orm.exceptions import SchemaError

from .nodes import Node

UNIQUE: Final = frozenset({"unique", "unique_together"})
_LACKING: Final = frozenset({"blank", "null"})


def clean(node: Node, *, is_prepared: bool = True) -> None:
    """Validate an object as `full_clean` does but for uniqueness, and note what is wrong in its node.

    Of an object that is changed, the fields that are not written are left alone, as with Django's forms; but a
    constraint over several fields is looked at if one of them is written.

    Args:
        node: The object.
        is_prepared: Whether it has all of its values; otherwise only those that are written are looked at.

    Raises:
        SchemaError: A field that the schema does not have needs a value.
    """
    instance = node.instance
    is_whole = node.is_new and is_prepared
    if is_whole:
        _require_references(node)
    # Foreign keys have been looked up, all of them at once.
    relations = {field.name for field in instance._meta.concrete_fields if field.is_relation}
    unwritten = set[str]() if is_whole else {one.name for one in instance._meta.concrete_fields} - node.written
    exclude = relations | unwritten | _nulls(node) | node.failed | node.awaited
    if node.failed or not is_prepared:
        # The model's `clean` may ask for what is not there.
        _collect(node, lambda: instance.clean_fields(exclude=exclude))
    else:
        _collect(
            node,
            lambda: instance.full_clean(exclude=exclude, validate_unique=False, validate_constraints=False),
        )


def check_constraints(node: Node) -> None:
    """Ask whether there is something of the kind already, and for the constraints; note what is wrong in the node."""
    instance = node.instance
    _collect(node, lambda: instance.validate_unique(exclude=_not_to_be_unique(node) | node.failed | node.awaited))
    _collect(node, lambda: instance.validate_constraints(exclude=node.failed | node.awaited))


def _require_references(node: Node) -> None:
    for field in node.instance._meta.concrete_fields:
        if not field.is_relation or field.null or field.name in node.failed or field.has_db_default():
            continue
        if field.remote_field.parent_link:
            continue  # saving gives it
        # One that is new itself has no key yet.
        if getattr(node.instance, field.attname) is None and not field.is_cached(node.instance):
            _collect(node, partial(_raise_lacking, field))


def _raise_lacking(field: Any) -> None:
    raise ValidationError({field.name: ValidationError(field.error_messages["null"], code="null")})


def refusal_of(faults: list[Fault]) -> WriteRefused:
    """Return the exception for what is wrong: a conflict, if it is only that something is there already."""
    return Conflict(faults) if all(one.kind in UNIQUE for one in faults) else InvalidInput(faults)


def faults_of(node: Node, error: ValidationError) -> Iterator[tuple[str, Fault]]:
    """Yield the errors of a model with the names of their fields, as what is wrong with the body."""
    by_name = error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.error_list}
    for name, errors in by_name.items():
        for one in errors:
            yield name, _fault(node, name, one)


def _collect(node: Node, check: Callable[[], None]) -> None:
    try:
        check()
    except ValidationError as error:
        for name, fault in faults_of(node, error):
            node.failed.add(name)
            node.faults.append(fault)
    node.failed.discard(NON_FIELD_ERRORS)


def _fault(node: Node, name: str, error: Any) -> Fault:
    key = node.plan.key_of(name)
    kind = str(error.code or "invalid")
    loc = node.loc if key is None else (*node.loc, key)
    if name == NON_FIELD_ERRORS:
        return _fault_of_object(node, error)
    if key is None and node.is_new and kind in _LACKING and name not in node.given:
        raise SchemaError(
            f"`{node.plan.model.__name__}.{name}` needs a value that `{node.plan.schema.__name__}` does not have: add "
            f"it to the schema, or give it as `create({name}=...)`."
        )
    return Fault(loc, error.message, kind, error.params)


def _fault_of_object(node: Node, error: Any) -> Fault:
    """Return an error that names no field; one of uniqueness says which fields are meant."""
    params: Mapping[str, Any] = error.params or {}
    kind, fields = str(error.code or "invalid"), list[str](params.get("unique_check", ()))
    constraint = _violated(node, error)
    if constraint is not None:
        kind, fields = "unique", list(constraint.fields)
    keys = [node.plan.key_of(one) or one for one in fields]
    if len(keys) == 1:
        return Fault((*node.loc, keys[0]), error.message, kind, error.params)
    return Fault(node.loc, error.message, kind, error.params, {"fields": keys} if keys else {})


def _violated(node: Node, error: Any) -> UniqueConstraint | None:
    """Return the constraint of uniqueness that an error is of; Django tells it by the message alone."""
    for _model, constraints in node.instance.get_constraints():
        for one in constraints:
            if isinstance(one, UniqueConstraint) and error.message == one.get_violation_error_message():
                return one
    return None


def _not_to_be_unique(node: Node) -> set[str]:
    """Return the fields that take no part in a check of uniqueness with a field that is written."""
    if node.is_new:
        return set()
    fields = node.instance._meta.concrete_fields
    together = [set(names) for one in _lineage(node) for names in one._meta.unique_together]
    for field in fields:
        partners = (field.unique_for_date, field.unique_for_month, field.unique_for_year)
        together += [{field.name}, *({field.name, partner} for partner in partners if partner)]
    return {field.name for field in fields} - {name for names in together if names & node.written for name in names}


def _nulls(node: Node) -> set[str]:
    """Return the fields that are NULL and may be: `blank=False` asks for a value of a form, not of an API."""
    fields = node.instance._meta.concrete_fields
    return {field.name for field in fields if field.null and _value(node, field) is None}


def _value(node: Node, field: Any) -> Any:
    value = getattr(node.instance, field.attname)
    return value.name if isinstance(field, FileField) else value


def _lineage(node: Node) -> list[Any]:
    return [type(node.instance), *node.instance._meta.all_parents]
