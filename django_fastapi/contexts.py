"""Contexts carried between event loop and worker thread, exactly as `sync_to_async` carries them.

asgiref and AnyIO offer no public way to do this without their own threads, so some private names are used here and
nowhere else: asgiref's `_restore_context`, the thread-locals by which `async_to_sync` finds its loop, what a `Local`
keeps its values in, AnyIO's token for `anyio.from_thread.run`, and how it notes which event loop runs.
`tests/test_contexts.py` and `tests/test_concurrency.py` fail when one of them changes.
"""

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol, cast

from anyio._core import _eventloop
from anyio._core._eventloop import threadlocals
from anyio.lowlevel import EventLoopToken, current_token
from asgiref import sync
from asgiref.local import Local
from asgiref.sync import AsyncToSync, SyncToAsync

is_coroutine_function: Final[Callable[[object], bool]] = vars(sync)["iscoroutinefunction"]
"""asgiref's: before Python 3.12 that of `inspect` does not know the mark of class-based views and of middleware."""

restore: Callable[[contextvars.Context], None] = vars(sync)["_restore_context"]
"""Set the variables of a context in the current one; `Local` storage becomes this thread's."""


_set_library: Callable[[str | None], Any] = vars(_eventloop)["set_current_async_library"]
_reset_library: Callable[[Any], None] = vars(_eventloop)["reset_current_async_library"]


class _Loop(threading.local):
    """The token of the loop that runs on a thread; AnyIO makes a new one each time it is asked."""

    token: EventLoopToken | None = None


_loop = _Loop()


def loop_token(loop: asyncio.AbstractEventLoop) -> EventLoopToken:
    """Return what `enter_thread` needs to know of the running event loop."""
    token = _loop.token
    if token is None or token.native_token is not loop:
        token = _loop.token = current_token()
    return token


def enter_thread(loop: asyncio.AbstractEventLoop, token: EventLoopToken) -> None:
    """Make `async_to_sync` and `anyio.from_thread.run` on this thread use `loop`."""
    SyncToAsync.threadlocal.main_event_loop = loop
    SyncToAsync.threadlocal.main_event_loop_pid = os.getpid()
    SyncToAsync.threadlocal.task_context = []
    threadlocals.current_token = token
    threadlocals.current_cancel_scope = None


def leave_thread() -> None:
    """Undo `enter_thread` where that matters: `anyio.from_thread.run` would wait for the thread that calls it."""
    vars(threadlocals).pop("current_token", None)


def call_outside_of_loop(function: Callable[[], Any]) -> Any:
    """Call a function in a context that comes from an event loop, so that `anyio.run` works there all the same."""
    token = _set_library(None)
    try:
        return function()
    finally:
        _reset_library(token)


@contextmanager
def thread_kept() -> Generator[None]:
    """Undo within the current thread, at the end of the block, all that `enter_thread` and asgiref did to it."""
    owners: list[dict[str, Any]] = [vars(SyncToAsync.threadlocal), vars(threadlocals)]
    before = [dict(owner) for owner in owners]
    try:
        yield
    finally:
        for owner, known in zip(owners, before, strict=True):
            owner.clear()
            owner.update(known)


class _Storage(Protocol):
    """What asgiref keeps the values of a `Local` in."""

    thread_id: int
    data: Mapping[str, Any]


class LocalValues:
    """What is set on a `Local` here; asking it for what is not set costs more than ten times as much.

    Args:
        local: The `Local`.
    """

    __slots__ = ("_storage",)

    def __init__(self, local: Local) -> None:
        keeper = cast("object", vars(local)["_storage"])
        self._storage = cast("contextvars.ContextVar[_Storage]", vars(keeper)["_data"])

    def get(self) -> Mapping[str, Any]:
        """Return them by their names."""
        storage = self._storage.get(None)
        return _NOTHING if storage is None or storage.thread_id != threading.get_ident() else storage.data


_NOTHING: Mapping[str, Any] = {}
_executors = LocalValues(AsyncToSync.executors)


def waiting_thread() -> Any | None:
    """Return the executor of the thread that waits in `async_to_sync` for the current task, or None."""
    return _executors.get().get("current")


def forget_waiting_thread() -> None:
    """Have the current context wait on no thread any longer: it is to outlive the call of `async_to_sync` above it."""
    AsyncToSync.executors.current = None
