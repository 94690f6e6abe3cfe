"""The test's database connections, lent to the thread where async tests do their synchronous work.

The transaction of a test is open on the connections of the thread that ran its set-up. Where pytest runs `async def`
tests (AnyIO's plugin, pytest-asyncio), the ORM calls of the test itself are made on asgiref's one shared thread, which
has connections of its own. Here that thread is given the test's, as Django's live server is, and the application does
its work there as well: one thread and one connection for the test, the endpoints and the rollback.
"""

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from asgiref.sync import SyncToAsync
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from django_fastapi.tasks import Task

_get_running_loop: Callable[[], Any] = vars(asyncio)["_get_running_loop"]
_set_running_loop: Callable[[Any], None] = vars(asyncio)["_set_running_loop"]


class SharedThread:
    """asgiref's thread for all code that has no other, with the interface of a thread that was lent."""

    def add(self, task: Task) -> None:
        """Run a task after those that were added before, and after the test's own calls."""
        SyncToAsync.single_thread_executor.submit(task.run)


class _Loan:
    """Connections of the test's thread that asgiref's thread has for a while; counted, since clients may overlap."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._lent: dict[str, BaseDatabaseWrapper] = {}
        self._returned: dict[str, BaseDatabaseWrapper] = {}

    def begin(self) -> None:
        """Lend the connections of the current thread, unless they are lent already."""
        with self._lock:
            self._count += 1
            if self._count == 1:
                # The executor runs one call after the other: whatever comes now finds the connections there.
                SyncToAsync.single_thread_executor.submit(self._move_in, _connections_of_thread())

    def end(self) -> None:
        """Take them back, if nobody else has them lent."""
        with self._lock:
            self._count -= 1
            if self._count == 0:
                SyncToAsync.single_thread_executor.submit(self._move_out)

    def _move_in(self, lent: dict[str, BaseDatabaseWrapper]) -> None:
        self._lent = lent
        self._returned = {connection.alias: connection for connection in connections.all(initialized_only=True)}
        for alias, connection in lent.items():
            connection.inc_thread_sharing()
            connections[alias] = connection

    def _move_out(self) -> None:
        for alias, connection in self._lent.items():
            connection.dec_thread_sharing()
            if alias in self._returned:
                connections[alias] = self._returned[alias]
            else:
                del connections[alias]
        self._lent, self._returned = {}, {}


_loan = _Loan()


def _connections_of_thread() -> dict[str, BaseDatabaseWrapper]:
    """Return the connections that the synchronous code of the current thread has.

    Where an event loop runs, Django's `connections` shows others, for each task (`asgiref.local.Local` with
    `thread_critical`), and asgiref offers no way round: so for this moment no loop seems to run. `_set_running_loop` is
    what asyncio keeps for those who write event loops.
    """
    loop = _get_running_loop()
    _set_running_loop(None)
    try:
        return {alias: connections[alias] for alias in connections}
    finally:
        _set_running_loop(loop)


def lend_connections() -> Callable[[], None]:
    """Lend the current thread's connections to asgiref's thread; return what takes them back, once."""
    _loan.begin()
    is_over = False

    def take_back() -> None:
        nonlocal is_over
        if not is_over:
            is_over = True
            _loan.end()

    return take_back


@contextmanager
def lent_connections() -> Generator[None]:
    """Lend the current thread's connections to asgiref's thread within the block."""
    take_back = lend_connections()
    try:
        yield
    finally:
        take_back()
