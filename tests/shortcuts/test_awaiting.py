import asyncio
import operator
from collections.abc import Callable
from typing import Any

import pytest

from django_fastapi.exceptions import AwaitForgotten
from django_fastapi.shortcuts.awaiting import OnlyAwaitable


async def answer() -> int:
    return 42


def make() -> OnlyAwaitable[int]:
    return OnlyAwaitable(answer(), "get_answer(Question, ...)")


def test_it_can_be_awaited() -> None:
    async def wait() -> list[int]:
        return [await make(), *await asyncio.gather(make()), await asyncio.wait_for(make(), 5)]

    assert asyncio.run(wait()) == [42, 42, 42]


@pytest.mark.parametrize(
    "use",
    [
        lambda it: it.title,
        lambda it: setattr(it, "title", "x"),
        lambda it: delattr(it, "title"),
        lambda it: hasattr(it, "title"),
        lambda it: it["x"],
        lambda it: "x" in it,
        *[bool, str, len, iter, list, dict, int, float, "{}".format, operator.index],
        lambda it: f"{it}",
        lambda it: it == 42,
        lambda it: 42 == it,  # noqa: SIM300 (the other way round)
        lambda it: it != 42,
        lambda it: it < 42,
        lambda it: it + 1,
        lambda it: it(),
        lambda it: it.__enter__(),
    ],
)
def test_any_other_use_says_await(use: Callable[[Any], object]) -> None:
    async def misuse() -> None:
        it = make()
        try:
            use(it)
        finally:
            await it

    with pytest.raises(AwaitForgotten, match=r"write `await get_answer\(Question, ...\)`, or use `aget_answer"):
        asyncio.run(misuse())


def test_a_debugger_may_look_at_it() -> None:
    async def look() -> str:
        it = make()
        text = repr(it)
        await it
        return text

    assert asyncio.run(look()) == "<get_answer(Question, ...), to be awaited>"


def test_python_warns_if_it_is_not_used_at_all() -> None:
    async def forget() -> None:
        make()

    with pytest.warns(RuntimeWarning, match="was never awaited"):
        asyncio.run(forget())
