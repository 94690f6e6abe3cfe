"""The pool of request threads of this process."""

import atexit
import os
import threading
from asyncio import Task
from typing import Any, Protocol, cast

from django.apps import apps
from django.core.signals import setting_changed

from . import connections
from .settings import THREAD_WAIT, THREADS
from .workers import Pool

_JOIN_SECONDS = 10.0


class Threads:
    """Makes the pool when it is first needed; a forked process gets one of its own.

    The app config of this package owns the one in use.

    Attributes:
        tasks: The tasks that `spawn` started and that still run: an event loop alone does not keep them alive.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: Pool | None = None
        self._abandoned: list[Any] = []
        self.tasks: set[Task[Any]] = set[Task[Any]]()
        self._wait_seconds: float | None = None
        os.register_at_fork(after_in_child=self._forget_parent)
        setting_changed.connect(self._forget_setting)

    def pool(self) -> Pool:
        """Return the pool, of `FASTAPI_THREADS` threads."""
        pool = self._pool
        if pool is None:
            with self._lock:
                pool = self._pool
                if pool is None:
                    pool = self._pool = Pool(THREADS.get())
                    atexit.register(self.close)
        return pool

    def wait_seconds(self) -> float:
        """Return `FASTAPI_THREAD_WAIT`, remembered: under load every request asks for it."""
        seconds = self._wait_seconds
        if seconds is None:
            seconds = self._wait_seconds = THREAD_WAIT.get()
        return seconds

    def close(self, seconds: float = _JOIN_SECONDS) -> bool:
        """End the pool and wait until its threads have closed their connections; the next use makes a new one.

        Returns:
            Whether all threads have ended within that time.
        """
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is None:
            return True
        pool.close()
        return pool.join(seconds)

    def _forget_setting(self, **_: Any) -> None:
        self._wait_seconds = None

    def _forget_parent(self) -> None:
        # Threads do not come along in a fork, and the lock may have been held by one of them.
        self._pool = None
        self._lock = threading.Lock()
        self._abandoned = connections.abandon_pools()


class _OwnsThreads(Protocol):
    threads: Threads


def get_threads() -> Threads:
    """Return the owner of this process's pool."""
    return cast("_OwnsThreads", apps.get_app_config("django_fastapi")).threads


def get_pool() -> Pool:
    """Return the pool of request threads of this process."""
    return get_threads().pool()
