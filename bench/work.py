"""What is measured: the rows of the table, each a module of `bench.rows`."""

import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from . import rows


@dataclass(frozen=True, slots=True)
class Work:
    """A request that several contestants answer with the same JSON.

    Args:
        title: What is done there.
        path: Where.
        method: The method of the request.
        headers: Its headers.
        body: Its body, of a type that `headers` names.
        differs: The keys of the answer that are different each time.
    """

    title: str
    path: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    differs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table.

    Args:
        work: What is done.
        contestants: The keys of those who do it.
        is_cleared: Whether what it writes is taken away before each round.
    """

    work: Work
    contestants: frozenset[str]
    is_cleared: bool = False


def all_rows() -> list[Row]:
    """Return the rows, in the order of their modules' names."""
    return [Row(module.WORK, frozenset(vars(module)), hasattr(module, "clear")) for module in _modules()]


def register(contestant: str, target: Any) -> None:
    """Have every row add its endpoint to a contestant's application.

    Args:
        contestant: The key of the contestant: the function of this name is called in each module that has it.
        target: Its only argument: the contestant's API, router or list of URL patterns.
    """
    for module in _modules():
        if (add := getattr(module, contestant, None)) is not None:
            add(target)


def fill() -> None:
    """Have every row make the data that only it needs."""
    for module in _modules():
        if (add := getattr(module, "fill", None)) is not None:
            add()


def clear() -> None:
    """Have every row take away what requests have made, so that each round finds as much as the others."""
    for module in _modules():
        if (take_away := getattr(module, "clear", None)) is not None:
            take_away()


def _modules() -> Iterator[ModuleType]:
    for found in sorted(pkgutil.iter_modules(rows.__path__), key=lambda found: found.name):
        yield import_module(f"{rows.__name__}.{found.name}")
