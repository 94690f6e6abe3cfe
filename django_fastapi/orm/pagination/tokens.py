"""Cursors as text: a place in an order, its values with their types, signed for one list only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.core import signing

from django_fastapi.exceptions import ConfigurationError

_SALT: Final = "django_fastapi.orm.cursor"
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a list.

    Args:
        key: The values of the ordering columns of the row that is there, or was.
        is_backward: Whether the rows before it are wanted, and not those after it.
        is_inclusive: Whether the row itself is wanted.
    """

    key: Sequence[object]
    is_backward: bool = False
    is_inclusive: bool = False


def write(place: Place, binding: str) -> str:
    """Return a place as text that a client can give back.

    It is signed, not encrypted: who takes it apart sees the values.

    Args:
        place: The place.
        binding: What tells this list from all others; only with the same one the text can be read.

    Raises:
        ConfigurationError: A value has a type that has no form in text.
    """
    flags = [place.is_backward, place.is_inclusive]
    return _signer(binding).sign_object([flags, [_encode(value) for value in place.key]], compress=True)


def read(text: str, binding: str) -> Place:
    """Return the place that was written.

    Raises:
        ValueError: It was not written by this project, or not for this list.
    """
    if not text.isascii():
        raise ValueError("A cursor is written in ASCII.")
    try:
        (is_backward, is_inclusive), values = _signer(binding).unsign_object(text)
    except signing.BadSignature as error:
        raise ValueError(str(error)) from error
    return Place(tuple(_TYPES[tag].decode(value) for tag, value in values), is_backward, is_inclusive)


def is_plain(value: object) -> bool:
    """Return whether a value has a type that can be written."""
    return type(value) in _PLAIN


def _signer(binding: str) -> signing.Signer:
    # Without a time: the same place is the same text, so that the answer to the same request is.
    return signing.Signer(salt=f"{_SALT}:{binding}")


@dataclass(frozen=True, slots=True)
class _Type:
    """A type of values, and its form in JSON."""

    type: type[Any]
    encode: Callable[[Any], object]
    decode: Callable[[Any], object]


def _same(value: object) -> object:
    return value


def _decode_duration(microseconds: int) -> timedelta:
    return timedelta(microseconds=microseconds)


_TYPES: Final = {
    "none": _Type(type(None), _same, _same),
    "bool": _Type(bool, _same, _same),
    "int": _Type(int, _same, _same),
    "str": _Type(str, _same, _same),
    "float": _Type(float, repr, float),
    "decimal": _Type(Decimal, str, Decimal),
    "datetime": _Type(datetime, datetime.isoformat, datetime.fromisoformat),
    "date": _Type(date, date.isoformat, date.fromisoformat),
    "time": _Type(time, time.isoformat, time.fromisoformat),
    "duration": _Type(timedelta, lambda value: value // _MICROSECOND, _decode_duration),
    "uuid": _Type(UUID, str, UUID),
    "bytes": _Type(bytes, bytes.hex, bytes.fromhex),
}


_PLAIN: Final = frozenset(known.type for known in _TYPES.values())


def _encode(value: object) -> list[object]:
    for tag, known in _TYPES.items():
        if type(value) is known.type:
            return [tag, known.encode(value)]
    raise ConfigurationError(f"Cursors cannot hold {value!r}, of {type(value).__name__}: order by another column.")
