"""Values of clients, made fit to be compared with a database column, or refused before the database sees them."""

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal, InvalidOperation
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final, TypeAlias, cast

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import (
    CompositePrimaryKey,
    DateField,
    DateTimeField,
    DecimalField,
    Field,
    FloatField,
    GenericIPAddressField,
)
from django.utils import timezone
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from django_fastapi.exceptions import UnfitValue

AnyField: TypeAlias = "Field[Any, Any]"

_INT64: Final = (-(2**63), 2**63 - 1)
_MICROSECOND: Final = timedelta(microseconds=1)
_MAX_EXPONENT: Final = 1000
_UNREADABLE: Final = (ValidationError, ValueError, TypeError, ArithmeticError, LookupError)


def column_of(field: AnyField) -> AnyField:
    """Return the field that has the values of `field`: itself, or what a foreign key refers to in the end."""
    while field.remote_field is not None and hasattr(field, "target_field"):
        field = cast("Any", field).target_field
    return field


def fit(field: AnyField, value: object, using: str, *, canonical: bool = True) -> Any:
    """Return a client's value as the column of a field can be compared with, on every database.

    Text for a column that holds no text is read with the field's `to_python`. Of all spellings that it reads, only the
    canonical one counts: the one in which the API writes the value. So `1` is a key, but not `1_0`, ` 1`, `+1`, `1.0`
    or `٣`; a UUID is lower-case with hyphens (RFC 9562, section 4), as Django's path converter has it.

    Args:
        field: The field of a model, or what a transform gives (`published__year`).
        value: Text, or a value of a type that such a column holds; a tuple of them for a composite primary key.
        using: The alias of the database: integers have ranges of its own.
        canonical: Whether other spellings of a value that is no text are refused.

    Raises:
        UnfitValue: No row can have the value; the message says what is right.
    """
    column = column_of(field)
    if isinstance(value, Enum):
        value = value.value
    if isinstance(column, CompositePrimaryKey):
        return _fit_composite(column, value, using, canonical=canonical)
    if isinstance(value, str):
        return _fit_text(column, value, using, canonical=canonical)
    return _fit_typed(column, value, using)


def check_text(text: str) -> None:
    """Refuse text that some database cannot take.

    Raises:
        UnfitValue: It holds a NUL character (PostgreSQL has none) or a lone surrogate (which UTF-8 cannot write).
    """
    if "\0" in text:
        raise UnfitValue("must not hold a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UnfitValue("must not hold lone surrogates") from None


def _fit_composite(key: CompositePrimaryKey, value: object, using: str, *, canonical: bool) -> tuple[Any, ...]:
    fields: tuple[AnyField, ...] = cast("Any", key).fields
    if not isinstance(value, list | tuple) or len(cast("list[object]", value)) != len(fields):
        raise UnfitValue(f"must be {len(fields)} values, for {', '.join(field.name for field in fields)}")
    parts = zip(fields, cast("list[object]", value), strict=True)
    return tuple(fit(field, part, using, canonical=canonical) for field, part in parts)


def _fit_text(column: AnyField, text: str, using: str, *, canonical: bool) -> Any:
    check_text(text)
    try:
        value = column.to_python(text)
        if isinstance(column, GenericIPAddressField):
            ip_address(value)  # to_python looks at the addresses of IPv6 only
    except _UNREADABLE:
        raise _misspelt(column) from None
    if isinstance(value, str):
        if column.max_length is not None and len(value) > column.max_length:
            raise UnfitValue(f"must have at most {column.max_length} characters")
    else:
        value = _fit_typed(column, value, using)
    if canonical and not _is_spelling(text, value, column):
        raise _misspelt(column)
    return value


def _misspelt(column: AnyField) -> UnfitValue:
    kind = column.description % vars(column)
    return UnfitValue(f"must be a value of the kind '{kind}', spelled as the API writes it")


def _is_spelling(text: str, value: object, column: AnyField) -> bool:
    """Return whether the API, or the column, writes the value like this."""
    stored = column.get_prep_value(value)
    return text == (stored if isinstance(stored, str) else _spell(value))


def _spell(value: object) -> str:
    try:
        spelling = to_jsonable_python(value)
    except PydanticSerializationError:
        return str(value)
    return spelling if isinstance(spelling, str) else to_json(spelling).decode()


def _fit_typed(column: AnyField, value: Any, using: str) -> Any:  # noqa: PLR0911 (one line for each type of value)
    match value:
        case bool():
            return value
        case int() | float() | Decimal():
            return _fit_number(column, value, using)
        case datetime():
            return _fit_datetime(column, value, using)
        case date() if isinstance(column, DateTimeField):
            return _fit_datetime(column, datetime.combine(value, time()), using)
        case time() if value.tzinfo is not None:
            raise UnfitValue("must be a time without a UTC offset")
        case timedelta():
            _check_range(value // _MICROSECOND, _INT64)
            return value
        case IPv4Address() | IPv6Address():
            return str(value)
        case list() | tuple() if hasattr(column, "base_field"):
            items = cast("list[object]", value)
            return [fit(cast("Any", column).base_field, item, using) for item in items]
        case _:
            return value


def _fit_number(column: AnyField, value: float | Decimal, using: str) -> float | Decimal:
    if not (isinstance(value, int) or (value.is_finite() if isinstance(value, Decimal) else math.isfinite(value))):
        raise UnfitValue("must be a finite number")
    if isinstance(column, DecimalField):
        return _fit_decimal(column, value)
    operations = connections[using].ops
    kind = column.get_internal_type()
    if kind in operations.integer_field_ranges:
        _check_range(value, operations.integer_field_range(kind))
        if value != int(value):
            raise UnfitValue("must be a whole number")
        return int(value)
    if isinstance(value, int):
        _check_range(value, _INT64)
    if isinstance(column, FloatField):
        value = float(value)
        if not math.isfinite(value):
            raise UnfitValue("must be a number that a computer's float can hold")
    return value


def _check_range(value: float | Decimal, limits: tuple[int, int]) -> None:
    low, high = limits
    if not low <= value <= high:
        raise UnfitValue(f"must be from {low} to {high}")


def _fit_decimal(column: Any, value: float | Decimal) -> Decimal:
    """Return a decimal with the column's digits; Django would round it, or fail on one with too many."""
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    digits: int | None = column.max_digits
    places: int | None = column.decimal_places
    if digits is None or places is None:
        if number and abs(number.adjusted()) > _MAX_EXPONENT:
            raise UnfitValue(f"must have at most {_MAX_EXPONENT} digits")
        return number
    try:
        fitted = number.quantize(Decimal(1).scaleb(-places), context=Context(prec=digits))
    except InvalidOperation:
        raise UnfitValue(f"must have at most {digits - places} digits before the point") from None
    if fitted != number:
        raise UnfitValue(f"must have at most {places} digits after the point")
    return fitted or fitted.copy_abs()


def _fit_datetime(column: AnyField, value: datetime, using: str) -> Any:
    """Return a point in time in UTC, or a naive one without `USE_TZ`; a naive one is in the current time zone."""
    try:
        if not settings.USE_TZ:
            return timezone.make_naive(value) if timezone.is_aware(value) else value
        value = (value if timezone.is_aware(value) else timezone.make_aware(value)).astimezone(UTC)
        if isinstance(column, DateTimeField):
            # Databases without time zones are given it in the connection's.
            value.astimezone(connections[using].timezone)
            return value
        return timezone.localdate(value) if isinstance(column, DateField) else value
    except (OverflowError, ValueError):
        raise UnfitValue("must be a point in time that every time zone can express") from None
