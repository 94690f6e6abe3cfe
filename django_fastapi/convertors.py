"""The convertors of parameters in a route's path."""

from typing import ClassVar, Final

from starlette.convertors import IntegerConvertor, register_url_convertor

_MAX_DIGITS: Final = 4300
"""What Python makes an integer of, unless it is told otherwise (`sys.set_int_max_str_digits`)."""


class BoundedIntegerConvertor(IntegerConvertor):
    """Starlette's `int`, for no more digits than Python reads: a longer number is no match, where Starlette raises."""

    regex: ClassVar[str] = f"[0-9]{{1,{_MAX_DIGITS}}}"


def install() -> None:
    """Have the routes that are made from now on take `{name:int}` so."""
    register_url_convertor("int", BoundedIntegerConvertor())
