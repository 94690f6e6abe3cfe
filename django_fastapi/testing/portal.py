"""An event loop for tests that have none, whose synchronous work comes back to the test's thread."""

import asyncio
import os
import threading
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from django_fastapi.concurrency import lend
from django_fastapi.contexts import thread_kept
from django_fastapi.waiting import WaitingThread

T = TypeVar("T")

_JOIN_SECONDS = 1.0


class Portal:
    """An event loop on a thread of its own, driven by one other thread.

    Between two calls the loop goes on, but synchronous work of the application waits for the next call.
    """

    def __init__(self) -> None:
        self._waiting_thread = WaitingThread()
        started: Future[tuple[AbstractEventLoop, asyncio.Event]] = Future()
        thread = threading.Thread(target=_run_loop, args=(started,), name="django_fastapi-testing", daemon=True)
        thread.start()
        self._loop, stop = started.result()
        weakref.finalize(self, _stop_loop, self._loop, stop, thread)

    def call(self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """Run a coroutine function on the loop and its synchronous work here, and return what it returns.

        Raises:
            RuntimeError: The current thread has a running event loop.
        """
        _refuse_running_loop()
        future = asyncio.run_coroutine_threadsafe(self._run(function, args), self._loop)
        try:
            with thread_kept():
                self._waiting_thread.work_until(future)
        except BaseException:
            future.cancel()
            raise
        return future.result()

    async def _run(self, function: Callable[..., Coroutine[Any, Any, T]], args: tuple[Any, ...]) -> T:
        lend(self._waiting_thread)
        return await function(*args)


class _Own(threading.local):
    """The portal of each thread, and the process it was made in: threads do not come along in a fork."""

    portal: Portal | None = None
    pid = 0


_own = _Own()


def get_portal() -> Portal:
    """Return the portal of the current thread, made at its first use.

    All clients of a thread share it, so that one lifespan serves them all.
    """
    if _own.portal is None or _own.pid != os.getpid():
        _own.portal, _own.pid = Portal(), os.getpid()
    return _own.portal


def _refuse_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("`Client` is for synchronous tests; in an `async def` test use `AsyncClient`.")


def _run_loop(started: "Future[tuple[AbstractEventLoop, asyncio.Event]]") -> None:
    async def run() -> None:
        stop = asyncio.Event()
        started.set_result((asyncio.get_running_loop(), stop))
        await stop.wait()

    try:
        asyncio.run(run())
    except RuntimeError:
        # Python 3.12 begins no thread while it ends, and asyncio wants one at the very end if an executor was in use.
        if threading.main_thread().is_alive():
            raise


def _stop_loop(loop: AbstractEventLoop, stop: asyncio.Event, thread: threading.Thread) -> None:
    if thread.is_alive() and not loop.is_closed():
        loop.call_soon_threadsafe(stop.set)
        if threading.current_thread() is not thread:
            thread.join(_JOIN_SECONDS)
