"""A thread that waits for the event loop, and does a request's synchronous work meanwhile."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self, TypeVar

from asgiref.sync import async_to_sync

from .contexts import thread_kept, waiting_thread
from .tasks import Task

if TYPE_CHECKING:
    import concurrent.futures

T = TypeVar("T")


class WaitingThread:
    """A thread that waits, again and again, and runs the tasks that are added while it does.

    Args:
        outer: The same thread, which was waiting already when it began with what makes it wait again. They share their
            tasks, since only the innermost wait can run any.
    """

    def __init__(self, outer: Self | None = None) -> None:
        self.outer: Self | None = outer
        self.tasks: deque[Task] = deque() if outer is None else outer.tasks
        self.condition: threading.Condition = threading.Condition() if outer is None else outer.condition
        self._is_closed = False

    @property
    def is_open(self) -> bool:
        """Whether it, or an outer one, will wait again."""
        return not self._is_closed or (self.outer is not None and self.outer.is_open)

    def add(self, task: Task) -> bool:
        """Run a task when the thread waits; return False if it will not any more."""
        with self.condition:
            if not self.is_open:
                return False
            self.tasks.append(task)
            self.condition.notify_all()
            return True

    def work_until(self, future: "concurrent.futures.Future[Any]") -> None:
        """Run tasks on the current thread until `future` is done."""
        future.add_done_callback(self._wake)
        while (task := self._next(future)) is not None:
            task.run()

    def close(self) -> None:
        """Wait no more; run the tasks that were added and that no outer wait will run."""
        while True:
            with self.condition:
                self._is_closed = True
                if self.is_open or not self.tasks:
                    return
                task = self.tasks.popleft()
            task.run()

    def _next(self, future: "concurrent.futures.Future[Any]") -> Task | None:
        with self.condition:
            while not future.done():
                if self.tasks:
                    return self.tasks.popleft()
                self.condition.wait()
            return None

    def _wake(self, _future: "concurrent.futures.Future[Any]") -> None:
        with self.condition:
            self.condition.notify_all()


leaned_on: ContextVar[WaitingThread | None] = ContextVar("django_fastapi.leaned_on", default=None)
"""The thread that does the synchronous work of the current task, while it waits."""


def wait_for(function: Callable[[WaitingThread | None], Coroutine[Any, Any, T]], loop: asyncio.AbstractEventLoop) -> T:
    """Run a coroutine function on the request's event loop, and wait for it on the request's thread.

    Whoever has that thread as `leaned_on` does its synchronous work there meanwhile. So a middleware can have the
    thread through a whole request, and the endpoint has it too.

    Args:
        function: Called with the thread; with None if asgiref looks after it.
        loop: The event loop of the request.
    """
    if waiting_thread() is not None:
        # Whose thread was borrowed by an `async_to_sync` outside of everything: asgiref knows how to wait once more.
        return async_to_sync(function)(None)
    thread = WaitingThread(leaned_on.get())
    future = asyncio.run_coroutine_threadsafe(function(thread), loop)
    with thread_kept():
        thread.work_until(future)
        thread.close()
    return future.result()
