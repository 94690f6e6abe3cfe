"""What a database refuses, as what is wrong with the body."""

from collections.abc import Iterable
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from django_fastapi.exceptions import Fault, WriteRefused

from .cleaning import faults_of, refusal_of
from .nodes import Node
from .references import DOES_NOT_EXIST
from .violations import Rule, Violation, violation_of, with_columns

_NO_CHOICE: Final = forms.ModelChoiceField.default_error_messages["invalid_choice"]
_GONE: Final = _("Select a valid choice. That choice is not one of the available choices.")
_INVALID: Final = _("Enter a valid value.")


def explain(error: Exception, nodes: Iterable[Node], using: str) -> WriteRefused | None:
    """Return the refusal that an error of the database means; None if it has nothing to do with these objects.

    Args:
        error: The error. The transaction it ended has been left.
        nodes: The objects of which one was being saved.
        using: The alias of the database.
    """
    violation = violation_of(error)
    if violation is None or violation.rule is Rule.NOT_NULL:
        return None
    for node in nodes:
        for model in (node.plan.model, *node.plan.model._meta.all_parents):
            found = with_columns(violation, model._meta.db_table, using)
            if found is not None:
                return refusal_of(_faults(node, model, found))
        slot = node.plan.through.get(violation.table or "")
        if slot is not None and violation.rule is Rule.REFERENCE:
            return refusal_of([Fault((*node.loc, slot.key), _GONE, DOES_NOT_EXIST)])
    return None


def _faults(node: Node, model: Any, violation: Violation) -> list[Fault]:
    by_column = {field.column: field for field in model._meta.concrete_fields}
    names = [by_column[column].name for column in violation.columns if column in by_column]
    if violation.rule is Rule.UNIQUE:
        return [fault for _, fault in faults_of(node, _clash(node, model, violation, names))]
    keys = [node.plan.key_of(name) or name for name in names]
    loc = (*node.loc, keys[0]) if len(keys) == 1 else node.loc
    if violation.rule is Rule.REFERENCE:
        return [Fault(loc, _GONE, DOES_NOT_EXIST)]
    constraint = next((one for one in model._meta.constraints if one.name == violation.constraint), None)
    if constraint is not None:
        code = constraint.violation_error_code or "invalid"
        return [Fault(loc, constraint.get_violation_error_message(), code)]
    return [Fault(loc, _INVALID, "invalid")]


def _clash(node: Node, model: Any, violation: Violation, names: list[str]) -> ValidationError:
    """Return the error that validation would have raised."""
    constraint = next((one for one in model._meta.constraints if one.name == violation.constraint), None)
    if constraint is not None:
        names = list(getattr(constraint, "fields", ()))
    if names and getattr(constraint, "condition", None) is None:
        error = node.instance.unique_error_message(model, tuple(names))
    else:
        message = _INVALID if constraint is None else constraint.get_violation_error_message()
        error = ValidationError(message, "unique")
    return ValidationError({names[0]: [error]}) if len(names) == 1 else error
