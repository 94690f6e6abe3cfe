"""The errors of a 422: what FastAPI lists, without secrets, and in Django's words for other languages than English."""

import functools
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django import forms
from django.core.validators import (
    DecimalValidator,
    EmailValidator,
    MaxLengthValidator,
    MaxValueValidator,
    MinLengthValidator,
    MinValueValidator,
    RegexValidator,
    StepValueValidator,
)
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError, ValidationException
from starlette.requests import HTTPConnection

from .languages import Translatable, is_english, language_of, speaking
from .redaction import IsSecret, redact, secrets_of
from .secret_fields import declared_names

_Error = Mapping[str, Any]

_CONTAINERS: Final = frozenset(
    {
        "dataclass_type",
        "dict_type",
        "frozen_set_type",
        "iterable_type",
        "list_type",
        "mapping_type",
        "model_attributes_type",
        "model_type",
        "set_type",
        "tuple_type",
    }
)


def list_errors(error: ValidationException, connection: HTTPConnection) -> list[dict[str, Any]]:
    """Return what is wrong with a request, as FastAPI lists it, with these differences.

    Secrets are masked (see `redaction`), and a body or a value that could not be read as JSON is not repeated. In a
    language other than English the messages are Django's, where it has any for the kind of error. Values without a form
    in JSON (bytes that are no text, lone surrogates, infinities, NaN: RFC 8259) are left out.

    Args:
        error: What FastAPI raised.
        connection: The request or WebSocket it was raised for.
    """
    route = connection.scope.get("route")
    declared = declared_names(route) if route is not None else frozenset[str]()
    encode = functools.partial(_encode, is_secret=secrets_of(route), declared=declared)
    has_no_json = isinstance(error, RequestValidationError) and isinstance(error.body, bytes)
    language = language_of(connection.scope)
    with speaking(language):
        return [
            encode(_without_input(one) if _is_unread(one, has_no_json=has_no_json) else one)
            for one in map(_say_again if is_english(language) else _translate, error.errors())
        ]


def _encode(error: _Error, is_secret: IsSecret, declared: Collection[str]) -> dict[str, Any]:
    try:
        encoded = redact(jsonable_encoder(error), is_secret, declared)
        json.dumps(encoded, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        bare = {name: jsonable_encoder(error[name]) for name in ("type", "loc", "msg")}
        return redact(bare, is_secret, declared)
    return encoded


def _is_unread(error: _Error, *, has_no_json: bool) -> bool:
    """Return whether nobody could tell what in a value is secret: it is the text of what should have been JSON."""
    is_text = isinstance(error.get("input"), str | bytes)
    if error["type"] == "json_invalid":
        return is_text
    # A text in the place of an object is often that object, encoded twice.
    return error["loc"][:1] == ("body",) and (has_no_json or (is_text and error["type"] in _CONTAINERS))


def _without_input(error: _Error) -> _Error:
    return {key: value for key, value in error.items() if key != "input"}


def _say_again(error: _Error) -> _Error:
    """Return the error of a model's validator in the language of the answer."""
    reason = error.get("ctx", {}).get("reason")
    return {**error, "msg": reason.again()} if isinstance(reason, Translatable) else error


def _translate(error: _Error) -> _Error:
    error = _say_again(error)
    words = _EMAIL if _is_about_email(error) else _WORDS.get(error["type"])
    message = words and words.say(error.get("ctx", {}), error.get("input"))
    return {**error, "msg": message} if message else error


def _is_about_email(error: _Error) -> bool:
    message: str = error["msg"]  # the type is that of any validator's error
    return error["type"] == "value_error" and message.startswith("value is not a valid email address")


@dataclass(frozen=True, slots=True)
class _Words:
    """Django's words for a kind of error.

    Args:
        message: A lazily translated text.
        limits: For each parameter of the text, the name by which Pydantic has its value.
    """

    message: Any
    limits: Mapping[str, str] = field(default_factory=dict[str, str])

    def say(self, context: Mapping[str, Any], value: Any) -> str | None:
        """Return the words, or None if Pydantic does not tell enough for them."""
        parameters = {name: context.get(limit) for name, limit in self.limits.items()}
        if None in parameters.values():
            return None
        if isinstance(value, str):
            parameters["show_value"] = len(value)
        try:
            return str(self.message % parameters if self.limits else self.message)
        except KeyError:
            return None


def _invalid(form_field: type[forms.Field], code: str = "invalid") -> _Words:
    return _Words(form_field.default_error_messages[code])


_EMAIL: Final = _Words(EmailValidator.message)
_REQUIRED: Final = _Words(forms.Field.default_error_messages["required"])
_VALUE: Final = _Words(RegexValidator.message)
_INTEGER: Final = _invalid(forms.IntegerField)
_NUMBER: Final = _invalid(forms.FloatField)
_DATE: Final = _invalid(forms.DateField)
_TIME: Final = _invalid(forms.TimeField)
_DATE_TIME: Final = _invalid(forms.DateTimeField)
_DURATION: Final = _invalid(forms.DurationField)
_URL: Final = _invalid(forms.URLField)
_UUID: Final = _invalid(forms.UUIDField)
_JSON: Final = _invalid(forms.JSONField)
_LIST: Final = _invalid(forms.MultipleChoiceField, "invalid_list")
_WORDS: Final[Mapping[str, _Words]] = {
    "missing": _REQUIRED,
    "string_type": _VALUE,
    "string_pattern_mismatch": _VALUE,
    "string_too_short": _Words(MinLengthValidator.message, {"limit_value": "min_length"}),
    "string_too_long": _Words(MaxLengthValidator.message, {"limit_value": "max_length"}),
    "bool_type": _VALUE,
    "bool_parsing": _VALUE,
    "enum": _VALUE,
    "literal_error": _VALUE,
    "int_type": _INTEGER,
    "int_parsing": _INTEGER,
    "int_parsing_size": _INTEGER,
    "int_from_float": _INTEGER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "decimal_max_digits": _Words(DecimalValidator.messages["max_digits"], {"max": "max_digits"}),
    "decimal_max_places": _Words(DecimalValidator.messages["max_decimal_places"], {"max": "decimal_places"}),
    "decimal_whole_digits": _Words(DecimalValidator.messages["max_whole_digits"], {"max": "whole_digits"}),
    "greater_than_equal": _Words(MinValueValidator.message, {"limit_value": "ge"}),
    "less_than_equal": _Words(MaxValueValidator.message, {"limit_value": "le"}),
    "multiple_of": _Words(StepValueValidator.message, {"limit_value": "multiple_of"}),
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "time_type": _TIME,
    "time_parsing": _TIME,
    "datetime_type": _DATE_TIME,
    "datetime_parsing": _DATE_TIME,
    "datetime_object_invalid": _DATE_TIME,
    "datetime_from_date_parsing": _DATE_TIME,
    "time_delta_type": _DURATION,
    "time_delta_parsing": _DURATION,
    "url_type": _URL,
    "url_parsing": _URL,
    "url_syntax_violation": _URL,
    "url_scheme": _URL,
    "uuid_type": _UUID,
    "uuid_parsing": _UUID,
    "json_invalid": _JSON,
    "json_type": _JSON,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
}
