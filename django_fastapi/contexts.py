"""Contexts carried between event loop and worker thread, exactly as `sync_to_async` carries them.

asgiref and AnyIO offer no public way to do this without their own threads, so three private names are used here and
nowhere else: asgiref's `_restore_context`, the thread-locals by which `async_to_sync` finds its loop, and AnyIO's token
for `anyio.from_thread.run`. `tests/test_contexts.py` fails when one of them changes.
"""

import asyncio
import contextvars
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from anyio._core._eventloop import threadlocals
from anyio.lowlevel import EventLoopToken, current_token
from asgiref import sync
from asgiref.sync import AsyncToSync, SyncToAsync

restore: Callable[[contextvars.Context], None] = vars(sync)["_restore_context"]
"""Set the variables of a context in the current one; `Local` storage becomes this thread's."""


def loop_token() -> EventLoopToken:
    """Return what `enter_thread` needs to know of the running event loop."""
    return current_token()


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


def waiting_thread() -> Any | None:
    """Return the executor of the thread that waits in `async_to_sync` for the current task, or None."""
    return getattr(AsyncToSync.executors, "current", None)


def forget_waiting_thread() -> None:
    """Have the current context wait on no thread any longer: it is to outlive the call of `async_to_sync` above it."""
    AsyncToSync.executors.current = None
