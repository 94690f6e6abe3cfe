"""What binds input only: Django's validators and choices, seen by Pydantic and by OpenAPI.

The core schema of each such type is a layer round the plain type, and the layer is marked. `loosened` takes the marked
layers off; what is left reads whatever the database holds.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeGuard

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, MaxValueValidator, MinLengthValidator, MinValueValidator
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from django_fastapi.languages import Translatable

from .core_schemas import Node, changed
from .introspection import AnyField

_INPUT_ONLY: Final = "django_fastapi_input_only"

_KEYWORDS: Final[dict[type[Any], str]] = {
    MaxLengthValidator: "maxLength",
    MinLengthValidator: "minLength",
    MaxValueValidator: "maximum",
    MinValueValidator: "minimum",
}
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def input_only(check: Callable[[Any], Any], schema: CoreSchema) -> CoreSchema:
    """Return a schema that lets `check` change or refuse what `schema` has accepted, on input alone."""
    return core_schema.no_info_after_validator_function(check, schema, metadata={_INPUT_ONLY: True})


def loosened(schema: CoreSchema) -> Any:
    """Return a core schema without the layers that bind input."""
    return changed(schema, _without_layers)


def _without_layers(node: Node) -> Node:
    while _INPUT_ONLY in (node.get("metadata") or ()):
        node = node["schema"]
    config: Node = node.get("config") or {}
    if config.get("extra_fields_behavior") == "forbid":
        # Rows of `values()` may have more columns than the schema.
        return {**node, "config": {**config, "extra_fields_behavior": "ignore"}}
    return node


def _check_storable(value: Any) -> None:
    """Refuse what not every database stores, also in what is inside: JSON, arrays."""
    left: list[Any] = [value]
    while left:
        one = left.pop()
        if isinstance(one, str) and _UNSTORABLE.search(one):
            raise PydanticCustomError("string_unstorable", "No NUL character and no lone surrogate can be stored")
        if isinstance(one, float | Decimal) and not math.isfinite(one):
            raise PydanticCustomError("finite_number", "Input should be a finite number")
        if _is_dict(one):
            left += [*one, *one.values()]
        elif _is_list(one):
            left += one


def _is_dict(value: object) -> TypeGuard[dict[Any, Any]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _reason(error: ValidationError) -> Translatable:
    return Translatable(lambda: " ".join(error.messages))


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """The limits of a Django field on its input: its validators, and what no database stores.

    Args:
        field: The field; for an array that of an item.
        json_format: The `format` of JSON schema, for input and output.
    """

    field: AnyField
    json_format: str | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Run the checks after the plain type's own."""
        return input_only(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Tell the limits that JSON schema has words for."""
        json_schema = handler(schema)
        target = handler.resolve_ref_schema(json_schema)
        if self.json_format:
            target["format"] = self.json_format
        if handler.mode == "validation":
            target.update(self._keywords(target))
        return json_schema

    def _check(self, value: Any) -> Any:
        _check_storable(value)
        if value == "" and not self.field.blank:
            raise PydanticCustomError("blank", "This must not be blank")
        try:
            self.field.run_validators(value)
        except ValidationError as error:
            code = str(getattr(error.error_list[0], "code", None) or "invalid")
            raise PydanticCustomError("django", "{reason}", {"reason": _reason(error), "code": code}) from None
        return value

    def _keywords(self, target: JsonSchemaValue) -> JsonSchemaValue:
        found: JsonSchemaValue = {}
        is_number = target.get("type") in ("integer", "number")
        for validator in self.field.validators:
            keyword = _KEYWORDS.get(type(validator))
            limit = getattr(validator, "limit_value", None)
            if keyword is None or callable(limit) or keyword.endswith("Length") == is_number:
                continue
            if is_number or target.get("type") == "string":
                found[keyword] = limit
        if target.get("type") == "string" and not self.field.blank and "format" not in target:
            found.setdefault("minLength", 1)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """The choices of a Django field: one of them on input, a named enum in OpenAPI.

    What the database holds is served even if it is no choice any more.

    Args:
        field: The field.
        name: The name of the enum.
    """

    field: AnyField
    name: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Accept the choices alone."""
        return input_only(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Refer to the enum by its name."""
        choices = [value for value in self._values() if value not in (None, "")]
        if not choices:
            return handler(schema)
        members = [(f"CHOICE_{number}", value) for number, value in enumerate(choices)]
        make: Any = Enum  # type checkers know the functional form with literals alone
        enum = make(self.name, members)
        reference = f"{self.field.model.__module__}.{self.name}:{id(self.field)}"
        described = core_schema.enum_schema(enum, list(enum), ref=reference, sub_type=_sub_type(choices))
        # Pydantic looks for references inside the schema that a handler is given, not at that schema itself.
        named = handler(core_schema.no_info_after_validator_function(self._check, described))
        return {"anyOf": [named, {"const": "", "type": "string"}]} if self._accepts_blank() else named

    def _values(self) -> Iterable[Any]:
        # A field of several choices in one value has none in this sense (django-countries).
        return (self._plain(value) for value, _label in self.field.flatchoices or ())

    def _plain(self, value: Any) -> Any:
        """Return a choice as the schema has it: that of a custom field may be an object of the project's own."""
        return value if value is None or isinstance(value, str | int | float) else self.field.get_prep_value(value)

    def _accepts_blank(self) -> bool:
        return self.field.blank and self.field.empty_strings_allowed

    def _check(self, value: Any) -> Any:
        choices = list(self._values())
        if not choices or value in choices or (value == "" and self._accepts_blank()):
            return value
        expected = ", ".join(repr(choice) for choice in choices)
        raise PydanticCustomError("enum", "Input should be one of {expected}", {"expected": expected})


def _sub_type(choices: list[Any]) -> Any:
    for kind, name in ((str, "str"), (int, "int")):
        if all(type(choice) is kind for choice in choices):
            return name
    return None


class Base64:
    """Bytes, in JSON as base64 with the URL-safe alphabet (RFC 4648, section 5); input may use either alphabet."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Decode strings before the bytes are validated."""
        return core_schema.no_info_before_validator_function(
            _decode, handler(source), json_schema_input_schema=core_schema.bytes_schema()
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Tell the encoding."""
        return {"type": "string", "contentEncoding": "base64", "contentMediaType": "application/octet-stream"}


def _decode(value: Any) -> Any:
    if isinstance(value, memoryview):
        return value.tobytes()
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise PydanticCustomError("base64", "Input should be base64") from None
