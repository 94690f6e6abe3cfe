"""What a shortcut returns on the event loop: to be awaited, and of no other use."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final, Generic, NoReturn, TypeVar, cast

from asgiref.sync import sync_to_async

from django_fastapi.exceptions import AwaitForgotten

T = TypeVar("T")
C = TypeVar("C", bound=type)

_USES: Final = (
    *("getattr", "setattr", "delattr", "getitem", "setitem", "delitem", "contains", "iter", "next", "len"),
    *("bool", "str", "format", "int", "float", "index", "eq", "ne", "lt", "le", "gt", "ge", "add", "or", "and"),
    *("call", "enter", "exit", "aiter", "aenter", "aexit", "reduce_ex"),
)


def _refuse(self: "OnlyAwaitable[Any]", *_: object) -> NoReturn:
    call = object.__getattribute__(self, "_call")
    raise AwaitForgotten(
        f"`{call}` was called on the event loop, and its result used without `await`: "
        f"write `await {call}`, or use `a{call}`, which type checkers understand."
    )


def _of_no_other_use(cls: C) -> C:
    for use in _USES:
        setattr(cls, f"__{use}__", _refuse)
    return cls


@_of_no_other_use
class OnlyAwaitable(Generic[T]):
    """Stand for the result of a coroutine until it is awaited.

    Whatever else is done with it raises `AwaitForgotten`. If nothing at all is done with it, Python warns of a
    coroutine that was never awaited.

    Args:
        coroutine: What `await` runs.
        call: The call that returned this, for the message.
    """

    __slots__ = ("_call", "_coroutine")
    _call: str
    _coroutine: Coroutine[Any, Any, T]

    def __init__(self, coroutine: Coroutine[Any, Any, T], call: str) -> None:
        object.__setattr__(self, "_coroutine", coroutine)
        object.__setattr__(self, "_call", call)

    def __await__(self) -> Generator[Any, Any, T]:
        """Run the coroutine."""
        return self._coroutine.__await__()

    def __repr__(self) -> str:
        """Say what this is: a debugger may look at it."""
        return f"<{self._call}, to be awaited>"

    def __hash__(self) -> int:
        """Return a hash: `asyncio.gather` asks for one."""
        return object.__hash__(self)


def here_or_awaited(call: str, function: Callable[[], T]) -> T:
    """Return what a function returns; on the event loop, what has the request's thread run it when it is awaited.

    Args:
        call: The call of the shortcut, for the message.
        function: What to run.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return function()
    return cast("T", OnlyAwaitable(sync_to_async(function)(), call))
