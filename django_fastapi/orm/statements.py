"""Compiled statements, kept for the queries that come again."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from django.apps import apps

_SIZE: Final = 512
_MAX_MISSES: Final = 64
_PAUSE: Final = 1000


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL that is ready to be run, and what is to be done with its rows.

    Args:
        sql: The SQL; None where no row can match.
        params: Its parameters; for those of a key with lookups, examples.
        using: The alias of the database.
        layout: Where the columns are, and how they become values; as the module that compiled it has it.
    """

    sql: str | None
    params: tuple[Any, ...]
    using: str
    layout: Any


class Statements:
    """The statements of a process: those used last, for all plans.

    Data is never kept. An owner whose keys never come again, since something in them is new each time, is not served
    for a while.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Statement | None] = OrderedDict()
        self._misses: dict[Hashable, int] = {}
        self._refused: set[Hashable] = set()
        self._lock = threading.Lock()

    def refuse(self, owner: Hashable) -> None:
        """Note that there can be no statement for this owner."""
        self._refused.add(owner)

    def is_refused(self, owner: Hashable) -> bool:
        """Return whether there can be no statement for this owner."""
        return owner in self._refused

    def is_used_by(self, owner: Hashable) -> bool:
        """Return whether keys of this owner have come again lately; if not, it is tried anew after a pause."""
        misses = self._misses.get(owner, 0)
        if misses < _MAX_MISSES:
            return True
        with self._lock:
            self._misses[owner] = 0 if misses >= _MAX_MISSES + _PAUSE else misses + 1
        return False

    def get(self, owner: Hashable, key: Hashable, compile_: Callable[[], Statement | None]) -> Statement | None:
        """Return the statement of a key; `compile_` makes it where it is not there.

        Args:
            owner: Whose key it is.
            key: What the SQL depends on.
            compile_: Makes the statement; None is kept as well, and means that there is none for this key.
        """
        with self._lock:
            if (owner, key) in self._kept:
                self._kept.move_to_end((owner, key))
                self._misses.pop(owner, None)
                return self._kept[owner, key]
        statement = compile_()
        with self._lock:
            self._misses[owner] = self._misses.get(owner, 0) + 1
            self._kept[owner, key] = statement
            while len(self._kept) > _SIZE:
                self._kept.popitem(last=False)
        return statement

    def clear(self, **_signal: Any) -> None:
        """Forget everything: settings have changed, or models have."""
        with self._lock:
            self._kept.clear()
            self._misses.clear()
            self._refused.clear()

    def __len__(self) -> int:
        """Return how many statements are kept."""
        return len(self._kept)


class _OwnsStatements(Protocol):
    statements: Statements


def get_statements() -> Statements:
    """Return the statements of this process."""
    return cast("_OwnsStatements", apps.get_app_config("django_fastapi")).statements
