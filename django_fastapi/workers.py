"""Worker threads, and whose they are: a bounded pool, lent to one tenant at a time."""

import itertools
import logging
import threading
import time
from asyncio import AbstractEventLoop
from collections import OrderedDict
from collections.abc import Callable
from queue import SimpleQueue
from typing import NamedTuple, Optional, Protocol

from . import connections

_logger = logging.getLogger("django_fastapi.threads")
_numbers = itertools.count(1)

THREAD_NAME = "django_fastapi"

SPREAD_SECONDS = 0.001
"""How long after `ask` has returned False to call `spread` for the first time, and again."""

_PATIENCE_SECONDS = 0.005
_LATE_SECONDS = 0.1
_SATURATED = 0.7  # of a core
_COMPLAIN_SECONDS = 1.0
_SECONDS_BETWEEN_COMPLAINTS = 2.0

Job = Callable[[], Optional["Job"]]  # what a worker runs; it returns what to run next, if anything, and never raises


class Tenant(Protocol):
    """Who has a worker, or waits for one. The pool calls it with its lock held."""

    @property
    def label(self) -> str:
        """What to call it in the log."""
        ...

    @property
    def is_stream(self) -> bool:
        """Whether it is one of those that may have half of the workers at most."""
        ...

    def move_in(self, worker: "Worker") -> Job:
        """Take the worker and return what to run on it."""
        ...

    def move_out(self) -> tuple["Worker", Job]:
        """Give up a worker that was left to others, and return what to run on it first."""
        ...

    def begin_waiting(self) -> float:
        """Return how many seconds to wait for a worker at most; there is none just now."""
        ...

    def give_up(self) -> Callable[[], None]:
        """Wait no longer; return what to do about it without the lock."""
        ...


class Worker:
    """A daemon thread that runs jobs in order.

    Args:
        name: The name of the thread.
    """

    def __init__(self, name: str) -> None:
        self.epoch: int = 0
        self.busy_since: float | None = None
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.thread: threading.Thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def put(self, job: Job) -> None:
        """Run `job` after those that were put before."""
        self.busy_since = time.monotonic()
        self._jobs.put(job)

    def stop(self) -> None:
        """End the thread after the jobs that were put before, its connections closed."""
        self._jobs.put(None)

    def _run(self) -> None:
        try:
            while (job := self._jobs.get()) is not None:
                while job is not None:
                    self.busy_since = time.monotonic()
                    job = job()
                self.busy_since = None
        finally:
            connections.close_all()


class _Wait(NamedTuple):
    """What a tenant waits for.

    Args:
        since: When it began, by `time.monotonic`.
        deadline: When it ends at the latest, by the same clock.
        preferred: The worker to take if it is idle by then.
    """

    since: float
    deadline: float
    preferred: Worker | None


class Pool:
    """At most `size` workers, each with one tenant at a time; further tenants wait in the order they came.

    A tenant may leave its worker to others: it keeps it for as long as nobody waits. Streams have half of the workers
    at most, since it is their clients who decide how long they last.

    Python runs one thread at a time, and threads that compete for that are slower than one that does the work of all.
    So a worker that gets on with its work is left alone with it, and takes the next tenant when it is done; another one
    helps when that takes longer than `patience`, because it waits for the database, or for whatever else.

    Args:
        size: The number of worker threads.
        patience: How many seconds a worker may be busy before another one begins; 0 lets all begin at once.
    """

    def __init__(self, size: int, *, patience: float = _PATIENCE_SECONDS) -> None:
        self.size = size
        self._patience = patience
        self._measured = (0.0, 0.0)
        self.streams_size: int = max(1, size // 2)
        self.lock: threading.Lock = threading.Lock()
        self.epoch: int = 0
        self._workers: list[Worker] = []
        self._idle: list[Worker] = []
        self._retired: list[Worker] = []
        self._waiting: OrderedDict[Tenant, _Wait] = OrderedDict()
        self._lendable: OrderedDict[Tenant, None] = OrderedDict()
        self._since: dict[Worker, tuple[Tenant, float]] = {}
        self._sweeping_loop: AbstractEventLoop | None = None
        self._spreading_loop: AbstractEventLoop | None = None
        self._quiet_until = 0.0
        self._is_closed = False

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits for a worker. The lock is held."""
        return bool(self._waiting)

    @property
    def is_contested(self) -> bool:
        """Whether somebody waits for a worker, and an event loop looks after those who do. The lock is held."""
        return bool(self._waiting) and self._sweeping_loop is not None

    @property
    def has_idle(self) -> bool:
        """Whether there is a worker, or may be one, that nobody has. The lock is held."""
        return bool(self._idle) or len(self._workers) < self.size

    def counts(self) -> dict[str, int]:
        """Return how many workers there are, are idle and are left to others, and how many tenants wait."""
        with self.lock:
            return {
                "workers": len(self._workers),
                "idle": len(self._idle),
                "lendable": len(self._lendable),
                "waiting": len(self._waiting),
            }

    @property
    def has_room_for_stream(self) -> bool:
        """Whether another stream may have a worker. The lock is held."""
        return sum(tenant.is_stream for tenant, _ in self._since.values()) < self.streams_size

    def ask(self, tenant: Tenant, preferred: Worker | None, *, is_patient: bool = True) -> bool:
        """Give `tenant` a worker now, or else, and then return False, when it is its turn. The lock is held.

        Args:
            tenant: Who needs a worker.
            preferred: The worker to take if it is idle: the one it had before.
            is_patient: Whether a worker that is busy gets the chance to be done soon; then the caller sees to `spread`.
        """
        now = time.monotonic()
        may_have_worker = self._may_have_worker(tenant) and not (is_patient and self._gets_on(now))
        worker = self._free_worker(preferred) if may_have_worker else None
        if worker is None:
            self._waiting[tenant] = _Wait(now, now + tenant.begin_waiting(), preferred)
            return False
        worker.put(self._hand_over(worker, tenant))
        return True

    def leave_to_others(self, tenant: Tenant) -> None:
        """Let whoever asks have the tenant's worker. The lock is held."""
        self._lendable[tenant] = None

    def reclaim(self, tenant: Tenant) -> None:
        """Undo `leave_to_others`. The lock is held."""
        self._lendable.pop(tenant, None)

    def take_back(self, worker: Worker) -> Job | None:
        """Give a worker to the next who waits, and return what to run on it, or leave it idle. The lock is held."""
        self._since.pop(worker, None)
        following = self._next_waiting()
        if following is not None:
            return self._hand_over(worker, following[0])
        if self._is_closed:
            self._retire(worker)
        else:
            self._idle.append(worker)
        return None

    def begin_spreading(self, loop: AbstractEventLoop) -> bool:
        """Note that `loop` calls `spread` until it returns False; return False if one does already.

        One that has stopped does not, nor one that comes late since something blocks it.
        """
        now = time.monotonic()
        with self.lock:
            is_spread = _runs(self._spreading_loop) and now - self._measured[0] < _LATE_SECONDS
            if is_spread or not self._has_free_worker():
                return False
            self._spreading_loop = loop
            self._measured = (now, time.process_time())
            return True

    def spread(self) -> bool:
        """Have more workers begin if those who are busy do not get on; return whether to look again."""
        now, used = time.monotonic(), time.process_time()
        with self.lock:
            then, used_then = self._measured
            self._measured = (now, used)
            is_saturated = used - used_then > _SATURATED * (now - then)
            while self._waiting and self._has_free_worker() and not (is_saturated and self._gets_on(now)):
                following = self._next_waiting()
                worker = self._free_worker(following[1]) if following is not None else None
                if following is None or worker is None:
                    break
                worker.put(self._hand_over(worker, following[0]))
            if self._has_free_worker() and any(map(self._may_have_worker, self._waiting)):
                return True
            self._spreading_loop = None
            return False

    def expire(self) -> bool:
        """Turn away those whose deadline has passed; return whether others still wait."""
        now = time.monotonic()
        with self.lock:
            late = [tenant for tenant, wait in self._waiting.items() if wait.deadline <= now]
            for tenant in late:
                del self._waiting[tenant]
            refusals = [tenant.give_up() for tenant in late]
            is_wanted = self.is_wanted
            if not is_wanted:
                self._sweeping_loop = None
        for refuse in refusals:
            refuse()
        return is_wanted

    def begin_sweeping(self, loop: AbstractEventLoop) -> bool:
        """Note that `loop` calls `expire` until it returns False; return False if one does already."""
        with self.lock:
            if _runs(self._sweeping_loop):
                return False
            self._sweeping_loop = loop
            return True

    def suspect(self) -> None:
        """Have every worker test its connections before its next tenant: where one is dead, more are."""
        with self.lock:
            self.epoch += 1

    def complain(self) -> None:
        """Say in the log who has the workers, if somebody has waited for one for over a second."""
        now = time.monotonic()
        with self.lock:
            longest = max((now - wait.since for wait in self._waiting.values()), default=0.0)
            if longest <= _COMPLAIN_SECONDS or now < self._quiet_until:
                return
            self._quiet_until = now + _SECONDS_BETWEEN_COMPLAINTS
            count = len(self._waiting)
            held = sorted((tenant.label, now - since) for tenant, since in self._since.values())
        _logger.warning(
            "%d wait for one of %d request threads, the first for %.1f s; held by: %s",
            count,
            self.size,
            longest,
            ", ".join(f"{_escape(label)} for {seconds:.1f} s" for label, seconds in held),
        )

    def close(self) -> None:
        """End the idle workers now, and the others when their tenants have left."""
        with self.lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
            for worker in idle:
                self._retire(worker)

    def join(self, seconds: float) -> bool:
        """Wait for all threads to end; return whether they have."""
        deadline = time.monotonic() + seconds
        with self.lock:
            workers = [*self._workers, *self._retired]
        for worker in workers:
            worker.thread.join(max(0.0, deadline - time.monotonic()))
        return not any(worker.thread.is_alive() for worker in workers)

    def _retire(self, worker: Worker) -> None:
        """End a worker; a tenant that comes late has a new one. The lock is held."""
        self._workers.remove(worker)
        self._retired.append(worker)
        worker.stop()

    def _may_have_worker(self, tenant: Tenant) -> bool:
        return not tenant.is_stream or self.has_room_for_stream

    def _next_waiting(self) -> tuple[Tenant, Worker | None] | None:
        """Return who waits no longer, and the worker they would like to have."""
        for tenant in self._waiting:
            if self._may_have_worker(tenant):
                return tenant, self._waiting.pop(tenant).preferred
        return None

    def _gets_on(self, now: float) -> bool:
        """Return whether a worker is busy, and not for long."""
        if not self._patience:
            return False  # not for one either that begins while this is asked, and so later than `now`
        since = now - self._patience
        return any(worker.busy_since is not None and worker.busy_since > since for worker in self._workers)

    def _has_free_worker(self) -> bool:
        return self.has_idle or bool(self._lendable)

    def _free_worker(self, preferred: Worker | None) -> Worker | None:
        if preferred is not None and preferred in self._idle:
            self._idle.remove(preferred)
            return preferred
        if self._idle:
            return self._idle.pop()
        if len(self._workers) < self.size:
            worker = Worker(f"{THREAD_NAME}-{next(_numbers)}")
            self._workers.append(worker)
            return worker
        if self._lendable:
            lender, _ = self._lendable.popitem(last=False)
            worker, tidy_up = lender.move_out()
            worker.put(tidy_up)
            return worker
        return None

    def _hand_over(self, worker: Worker, tenant: Tenant) -> Job:
        self._since[worker] = (tenant, time.monotonic())
        return tenant.move_in(worker)


def _runs(loop: AbstractEventLoop | None) -> bool:
    return loop is not None and loop.is_running()


def _escape(label: str) -> str:
    """Return a label that stays within its line: the path in it is the client's."""
    return label.encode("unicode_escape").decode("ascii")
