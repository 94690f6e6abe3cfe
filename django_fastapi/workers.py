"""Worker threads, and whose they are: a bounded pool, lent to one tenant at a time."""

import itertools
import logging
import threading
import time
from asyncio import AbstractEventLoop
from collections import OrderedDict
from collections.abc import Callable
from queue import SimpleQueue
from typing import Optional, Protocol

from . import connections

_logger = logging.getLogger("django_fastapi.threads")
_numbers = itertools.count(1)

THREAD_NAME = "django_fastapi"

_COMPLAIN_SECONDS = 1.0
_SECONDS_BETWEEN_COMPLAINTS = 2.0

Job = Callable[[], Optional["Job"]]  # what a worker runs; it returns what to run next, if anything, and never raises


class Tenant(Protocol):
    """Who has a worker, or waits for one. The pool calls it with its lock held."""

    @property
    def label(self) -> str:
        """What to call it in the log."""
        ...

    def move_in(self, worker: "Worker") -> Job:
        """Take the worker and return what to run on it."""
        ...

    def move_out(self) -> tuple["Worker", Job]:
        """Give up a worker that was left to others, and return what to run on it first."""
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
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.thread: threading.Thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def put(self, job: Job) -> None:
        """Run `job` after those that were put before."""
        self._jobs.put(job)

    def stop(self) -> None:
        """End the thread after the jobs that were put before, its connections closed."""
        self._jobs.put(None)

    def _run(self) -> None:
        try:
            while (job := self._jobs.get()) is not None:
                while job is not None:
                    job = job()
        finally:
            connections.close_all()


class Pool:
    """At most `size` workers, each with one tenant at a time; further tenants wait in the order they came.

    A tenant may leave its worker to others: it keeps it for as long as nobody waits.

    Args:
        size: The number of worker threads.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.lock: threading.Lock = threading.Lock()
        self.epoch: int = 0
        self._workers: list[Worker] = []
        self._idle: list[Worker] = []
        self._retired: list[Worker] = []
        self._waiting: OrderedDict[Tenant, tuple[float, float]] = OrderedDict()
        self._lendable: OrderedDict[Tenant, None] = OrderedDict()
        self._since: dict[Worker, tuple[Tenant, float]] = {}
        self._sweeping_loop: AbstractEventLoop | None = None
        self._quiet_until = 0.0
        self._is_closed = False

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits for a worker. The lock is held."""
        return bool(self._waiting)

    def counts(self) -> dict[str, int]:
        """Return how many workers there are, are idle and are left to others, and how many tenants wait."""
        with self.lock:
            return {
                "workers": len(self._workers),
                "idle": len(self._idle),
                "lendable": len(self._lendable),
                "waiting": len(self._waiting),
            }

    def ask(self, tenant: Tenant, preferred: Worker | None, deadline: float) -> bool:
        """Give `tenant` a worker now, or else, and then return False, when it is its turn. The lock is held.

        Args:
            tenant: Who needs a worker.
            preferred: The worker to take if it is idle: the one it had before.
            deadline: When it wants to wait no longer, by `time.monotonic()`.
        """
        worker = self._free_worker(preferred)
        if worker is None:
            self._waiting[tenant] = (time.monotonic(), deadline)
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
        if self._waiting:
            tenant, _ = self._waiting.popitem(last=False)
            return self._hand_over(worker, tenant)
        if self._is_closed:
            self._retire(worker)
        else:
            self._idle.append(worker)
        return None

    def expire(self) -> bool:
        """Turn away those whose deadline has passed; return whether others still wait."""
        now = time.monotonic()
        with self.lock:
            late = [tenant for tenant, (_, deadline) in self._waiting.items() if deadline <= now]
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
        """Note that `loop` calls `expire` until it returns False; return False if another loop does already."""
        with self.lock:
            if self._sweeping_loop is not None and not self._sweeping_loop.is_closed():
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
            longest = max((now - since for since, _ in self._waiting.values()), default=0.0)
            if longest <= _COMPLAIN_SECONDS or now < self._quiet_until:
                return
            self._quiet_until = now + _SECONDS_BETWEEN_COMPLAINTS
            count = len(self._waiting)
            holders = sorted(f"{tenant.label} for {now - since:.1f} s" for tenant, since in self._since.values())
        _logger.warning(
            "%d wait for one of %d request threads, the first for %.1f s; held by: %s",
            count,
            self.size,
            longest,
            ", ".join(holders),
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
