"""Django's forms as judges of what a client sent: their errors as a 422."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.forms import BaseForm
from fastapi.exceptions import RequestValidationError

from django_fastapi.languages import language_of, speaking


def check_form(form: BaseForm, names: Mapping[str, str], scope: Mapping[str, Any]) -> None:
    """Let a form validate its data.

    Args:
        form: The form.
        names: For fields of the form that the body has by another name, that name.
        scope: Of the request, for the language of the messages.

    Raises:
        RequestValidationError: The form is not valid.
    """
    with speaking(language_of(scope)):
        if not form.is_valid():
            raise RequestValidationError(list(_errors(form, names)))


def _errors(form: BaseForm, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for name, errors in form.errors.as_data().items():
        for error in errors:
            for message in error.messages:
                yield {"type": error.code or "invalid", "loc": ("body", names.get(name, name)), "msg": message}
