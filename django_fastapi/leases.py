"""A request's claim to a worker thread: its synchronous work, in order, on one thread."""

import contextvars
import enum
import functools
import logging
import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from . import connections
from .exceptions import RequestThreadGone, ThreadWaitTimeout
from .tasks import FutureTask, Task
from .workers import Job, Pool, Worker

T = TypeVar("T")

_logger = logging.getLogger("django_fastapi.threads")


class _Next(enum.Enum):
    """What a worker does when there is no task."""

    KEEP = enum.auto()
    LEAVE = enum.auto()
    END = enum.auto()


class Lease(Executor):
    """A claim to one worker at a time, for all that a request does synchronously.

    It takes a worker with its first task. It keeps it while a task runs, while a transaction is open on it and while it
    is held. Otherwise it leaves it to others: a request has it for as long as nobody waits, a stream gives it back.

    Args:
        pool: Where the workers come from.
        label: What to call it in the log.
        get_wait_seconds: Returns how long a task waits for a worker before it fails with `ThreadWaitTimeout`; asked
            when there is none.

    Attributes:
        on_end: Run on the thread after the last task, if there was a first, in the context of `end`.
        needs_end: Asked by `end`, in its context, whether `on_end` has anything to do.
    """

    # As attributes of the class what a request without synchronous work never changes: it is not to pay for them.
    is_stream: bool = False
    on_end: Callable[[], None] | None = None
    needs_end: Callable[[], bool] | None = None
    _wait_seconds = math.inf
    _worker: Worker | None = None
    _last_worker: Worker | None = None
    _is_busy = False  # a worker runs its tasks, or will when it has one
    _is_ready = False  # the worker's connections are ready for this request
    _has_open_work = False  # after the last task
    _is_tidy = False  # the worker can go as it is
    _has_begun = False
    _is_ended = False
    _has_finished = False
    _context: contextvars.Context | None = None
    _holds = 0  # of synchronous dependencies: a stream does not keep its thread for them
    _firm_holds = 0
    _closes_connections = False

    def __init__(self, pool: Pool, label: str, *, get_wait_seconds: Callable[[], float]) -> None:
        self.pool = pool
        self._label = label
        self._get_wait_seconds = get_wait_seconds
        self._tasks: deque[Task] = deque()
        self._iterators: dict[int, Iterator[Any]] = {}

    @property
    def label(self) -> str:
        """What to call it in the log."""
        return self._label

    @property
    def has_worker(self) -> bool:
        """Whether it has a worker now."""
        return self._worker is not None

    @property
    def is_ended(self) -> bool:
        """Whether the request is over."""
        return self._is_ended

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Run a function on the thread, as `concurrent.futures.Executor` has it."""
        task = FutureTask((lambda: fn(*args, **kwargs)) if args or kwargs else fn)
        self.add(task)
        return task.future

    def add(self, task: Task) -> bool:
        """Run a task after those that were added before; return whether it need not wait for a worker.

        Raises:
            RequestThreadGone: The request is over.
        """
        with self.pool.lock:
            if self._is_ended:
                raise RequestThreadGone
            self._tasks.append(task)
            return self._wake()

    def hold(self) -> None:
        """Keep the thread until `release`, whoever waits, unless this becomes a stream; it counts."""
        with self.pool.lock:
            self._holds += 1
            self.pool.reclaim(self)

    def release(self) -> None:
        """Take back one `hold`."""
        with self.pool.lock:
            self._holds -= 1
            self._look_again()

    def hold_firmly(self, *, closes_connections: bool = False) -> None:
        """Keep the thread until `release_firm`, whoever waits, and whatever this becomes; it counts.

        Args:
            closes_connections: Close the thread's connections before somebody else has it, since what was set on them
                must not reach another request.
        """
        with self.pool.lock:
            self._firm_holds += 1
            self._closes_connections |= closes_connections
            self._is_tidy = False
            self.pool.reclaim(self)

    def release_firm(self) -> None:
        """Take back one `hold_firmly`."""
        with self.pool.lock:
            self._firm_holds -= 1
            self._look_again()

    def hold_iterator(self, iterator: Iterator[Any]) -> None:
        """Keep the thread until `release_iterator`, or to the end, when the iterator is closed on it."""
        with self.pool.lock:
            self._iterators[id(iterator)] = iterator
            self._is_tidy = False
            self.pool.reclaim(self)

    def release_iterator(self, iterator: Iterator[Any]) -> None:
        """Note that an iterator is exhausted."""
        with self.pool.lock:
            self._iterators.pop(id(iterator), None)
            self._look_again()

    def become_stream(self) -> bool:
        """Give the thread back whenever there is nothing to do and nothing open, from now on.

        Returns:
            False if it works or has something open, and streams have as many threads as they may: nothing changes.
        """
        with self.pool.lock:
            if not self.is_stream and self._worker is not None:
                is_open = self._is_busy or self._has_open_work or self._firm_holds or self._iterators
                if not is_open:
                    self._hand_back()  # at once: with its next task it asks anew, and so waits if it has to
                elif not self.pool.has_room_for_stream:
                    return False
            self.is_stream = True
            return True

    def end(self) -> None:
        """Give the thread back after the tasks that were added; no more are taken."""
        if not self._has_begun and not self._is_busy:
            self._is_ended = True  # no thread has ever heard of it: there is nobody to lock out
            return
        needs_end = self._needs_end()
        with self.pool.lock:
            if self._is_ended:
                return
            self._is_ended = True
            if not needs_end:
                self.on_end = None
            if self._is_tidy and not self._is_busy and self.on_end is None:
                self._has_finished = True
                self._hand_back()
                return
            if needs_end:
                self._context = contextvars.copy_context()
            if self._worker is not None or self._has_work_left():
                self._wake()

    def move_in(self, worker: Worker) -> Job:
        """Take a worker. The pool's lock is held."""
        self._worker = self._last_worker = worker
        return self._work

    def move_out(self) -> tuple[Worker, Job]:
        """Give up a worker that was left to others. The pool's lock is held."""
        worker, self._worker = self._worker, None
        assert worker is not None  # who has none leaves none to others
        self._is_ready = self._is_tidy = False
        return worker, self._tidy_up

    def begin_waiting(self) -> float:
        """Return how long it waits: what comes at the end of a request comes, however long that takes."""
        self._wait_seconds = self._get_wait_seconds() if self._tasks else math.inf
        return self._wait_seconds

    def give_up(self) -> Callable[[], None]:
        """Wait for no worker any longer. The pool's lock is held."""
        self._is_busy = False
        tasks, self._tasks = self._tasks, deque()
        error = ThreadWaitTimeout(self._wait_seconds)
        if self._is_ended and self._has_work_left():
            self._wake()

        def refuse() -> None:
            for task in tasks:
                task.fail(error)

        return refuse

    def _look_again(self) -> None:
        """Let the worker see whether it can go."""
        if self._worker is not None:
            self._wake()

    def _needs_end(self) -> bool:
        return self.on_end is not None and (self.needs_end is None or self.needs_end())

    def _hand_back(self) -> None:
        """Give the worker back from here, without waking it if there is nothing to tidy up: it runs nothing now."""
        self.pool.reclaim(self)
        is_tidy = self._is_tidy
        worker, tidy_up = self.move_out()
        if not is_tidy:
            worker.put(tidy_up)
        job = self.pool.take_back(worker)
        if job is not None:
            worker.put(job)

    def _has_work_left(self) -> bool:
        """Whether something has to come at the end."""
        return self._has_begun and not self._has_finished and self.on_end is not None

    def _wake(self) -> bool:
        if self._is_busy:
            return self._worker is not None
        self._is_busy = True
        if self._worker is None:
            return self.pool.ask(self, self._last_worker, is_patient=bool(self._tasks))
        self.pool.reclaim(self)
        self._worker.put(self._work)
        return True

    # The rest runs on the worker.

    def _work(self) -> Job | None:
        while True:
            step = self._next()
            if step is _Next.KEEP:
                return None
            if step is _Next.LEAVE or step is _Next.END:
                if step is _Next.END:
                    self._finish()
                self._tidy_up()
                self._is_ready = False
                has_left, job = self._leave()
                if has_left:
                    return job
                continue
            if not self._is_ready:
                self._make_ready()
            step.run()
            del step
            if connections.has_lost():
                self.pool.suspect()

    def _next(self) -> Task | _Next:
        with self.pool.lock:
            if self._tasks and not self.pool.is_contested:
                self._is_tidy = False
                return self._tasks.popleft()
        has_open_work = self._is_ready and connections.has_open_work()
        is_tidy = not has_open_work and not self._closes_connections and connections.is_tidy()
        with self.pool.lock:
            self._is_tidy = False
            is_free = not has_open_work and not self._is_held()
            is_leaving = is_free and (self.is_stream or self._is_due(is_tidy=is_tidy))
            if self._tasks:
                is_next_turn = is_leaving and self._is_ready and self.pool.is_contested
                return _Next.LEAVE if is_next_turn else self._tasks.popleft()
            if self._is_ended:
                return _Next.END
            self._has_open_work = has_open_work
            if is_leaving:
                return _Next.LEAVE
            if is_free:
                self._is_tidy = is_tidy
                self.pool.leave_to_others(self)
            self._is_busy = False
            return _Next.KEEP

    def _is_held(self) -> bool:
        return bool(self._firm_holds or self._iterators or (self._holds and not self.is_stream))

    def _is_due(self, *, is_tidy: bool) -> bool:
        """Return whether another one has the worker sooner from here than from elsewhere."""
        return self.pool.is_wanted and (is_tidy or not self.pool.has_idle)

    def _make_ready(self) -> None:
        worker = self._worker
        assert worker is not None  # the worker runs this
        if worker.epoch != self.pool.epoch:
            worker.epoch = self.pool.epoch
            connections.test()
        connections.begin()
        self._is_ready = True
        self._has_begun = True

    def _finish(self) -> None:
        """Do what comes after the last task."""
        if self._has_begun and not self._is_ready:
            self._make_ready()
        iterators, self._iterators = self._iterators, {}
        for iterator in iterators.values():
            _run_logged(getattr(iterator, "close", None))
        if self._has_begun and self._context is not None and self.on_end is not None:
            _run_logged(functools.partial(self._context.run, self.on_end))
        self._context = None  # it holds this lease, and a circle waits for the garbage collector
        self._has_finished = True

    def _tidy_up(self) -> None:
        if self._closes_connections:
            connections.discard_all()
        elif connections.give_back():
            self.pool.suspect()

    def _leave(self) -> tuple[bool, Job | None]:
        """Give the worker back; return whether, and what it runs for the next.

        With more to do by now it is kept, or, if others wait, had again after them: a stream that calls and calls would
        leave them nothing else.
        """
        with self.pool.lock:
            has_tasks = bool(self._tasks)
            is_kept = not self.pool.is_contested if has_tasks else self._is_ended and not self._has_finished
            if is_kept:
                return False, None
            worker, self._worker = self._worker, None
            assert worker is not None  # the worker runs this
            self._is_busy = has_tasks
            job = self.pool.take_back(worker)
            if has_tasks:
                self.pool.ask(self, worker, is_patient=False)
            return True, job


def _run_logged(function: Callable[[], None] | None) -> None:
    if function is not None:
        try:
            function()
        except BaseException:  # whatever it is, it must not take the worker along
            _logger.exception("The work around a request failed.")
