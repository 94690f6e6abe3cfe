"""Validators of the atlas models: codes, coordinates, patterns."""

import re

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

validate_two_capitals = RegexValidator(r"\A[A-Z]{2}\Z", _("Enter two capital letters, such as CH."))
validate_three_capitals = RegexValidator(r"\A[A-Z]{3}\Z", _("Enter three capital letters, such as CHE."))
validate_language_tag = RegexValidator(
    r"\A[a-z]{2,3}(-[A-Z]{2})?\Z",
    _("Enter a language, with or without a country, such as de or de-CH."),
)


def validate_pattern(value: str) -> None:
    """Check that a string is a regular expression.

    Raises:
        ValidationError: it does not compile.
    """
    try:
        re.compile(value)
    except re.error as error:
        raise ValidationError(
            _("Enter a regular expression; this one is wrong: %(error)s."),
            code="invalid_pattern",
            params={"error": error},
        ) from error
