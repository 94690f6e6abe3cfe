import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from atlas.models import Language
from django.db import connection

from django_fastapi import workers
from django_fastapi.workers import Job, Pool, Worker

LONG = 60.0


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool(2, patience=0)
    yield pool
    pool.close()
    assert pool.join(LONG)


class Guest:
    """A tenant that does nothing but come and go."""

    def __init__(self, pool: Pool, label: str = "guest") -> None:
        self.pool = pool
        self.label = label
        self.worker: Worker | None = None
        self.moved_in = threading.Event()
        self.tidied_up = threading.Event()
        self.refused = False
        self.is_stream = False
        self.seconds = LONG

    def move_in(self, worker: Worker) -> Job:
        self.worker = worker
        return self._arrive

    def move_out(self) -> tuple[Worker, Job]:
        worker, self.worker = self.worker, None
        assert worker is not None
        return worker, self._tidy_up

    def begin_waiting(self) -> float:
        return self.seconds

    def give_up(self) -> Callable[[], None]:
        def refuse() -> None:
            self.refused = True

        return refuse

    def ask(self, preferred: Worker | None = None, *, seconds: float = LONG) -> bool:
        self.seconds = seconds
        with self.pool.lock:
            return self.pool.ask(self, preferred)

    def leave(self) -> None:
        """Give the worker back, as its last job."""
        worker = self.worker
        assert worker is not None
        is_done = threading.Event()

        def leave() -> Job | None:
            with self.pool.lock:
                self.worker = None
                following = self.pool.take_back(worker)
            is_done.set()
            return following

        worker.put(leave)
        assert is_done.wait(LONG)

    def leave_to_others(self) -> None:
        with self.pool.lock:
            self.pool.leave_to_others(self)

    def _arrive(self) -> None:
        self.moved_in.set()

    def _tidy_up(self) -> None:
        self.tidied_up.set()


def has_moved_in(guest: Guest) -> bool:
    return guest.moved_in.wait(LONG)


def test_a_worker_runs_jobs_in_order_and_what_a_job_returns_before_the_next() -> None:
    events: list[str] = []
    worker = Worker("test")

    def second() -> None:
        events.append("second")

    def first() -> Job:
        events.append(f"first on {threading.current_thread().name}")
        return second

    worker.put(first)
    worker.put(lambda: events.append("third"))
    worker.stop()
    worker.thread.join(LONG)
    assert events == ["first on test", "second", "third"]
    assert worker.thread.daemon


@pytest.mark.usefixtures("transactional_db")
def test_a_worker_that_ends_closes_its_connections() -> None:
    raw: list[object] = []
    worker = Worker("test")

    def work() -> None:
        Language.objects.count()
        raw.append(connection.connection)

    worker.put(work)
    worker.stop()
    worker.thread.join(LONG)
    with pytest.raises(Exception, match="closed database"):
        raw[0].execute("SELECT 1")  # type: ignore[attr-defined]


def test_there_are_never_more_workers_than_asked_for_and_they_are_made_when_needed(pool: Pool) -> None:
    guests = [Guest(pool) for _ in range(3)]
    assert pool.counts() == {"workers": 0, "idle": 0, "lendable": 0, "waiting": 0}
    assert [guest.ask() for guest in guests] == [True, True, False]
    assert pool.counts() == {"workers": 2, "idle": 0, "lendable": 0, "waiting": 1}
    assert pool.is_wanted
    guests[0].leave()
    assert has_moved_in(guests[2])
    guests[1].leave()
    guests[2].leave()
    assert pool.counts() == {"workers": 2, "idle": 2, "lendable": 0, "waiting": 0}


def test_without_patience_nobody_waits_for_one_who_begins_at_this_moment(pool: Pool) -> None:
    first, second = Guest(pool), Guest(pool)
    assert first.ask()
    assert first.moved_in.wait(LONG)
    assert first.worker is not None
    first.worker.busy_since = time.monotonic() + LONG
    assert second.ask()
    first.leave()
    second.leave()


def test_who_waits_is_served_in_the_order_of_coming(pool: Pool) -> None:
    guests = [Guest(pool) for _ in range(5)]
    for guest in guests:
        guest.ask()
    for first, later in ((0, 2), (1, 3), (2, 4)):
        assert not guests[later].moved_in.is_set()
        guests[first].leave()
        assert has_moved_in(guests[later])
    guests[3].leave()
    guests[4].leave()


def test_a_tenant_gets_its_last_worker_again_if_that_is_idle(pool: Pool) -> None:
    first, second = Guest(pool), Guest(pool)
    first.ask()
    second.ask()
    used = first.worker
    first.leave()
    second.leave()
    first.ask(used)
    assert first.worker is used
    second.ask(used)
    assert second.worker is not used
    first.leave()
    second.leave()


def test_a_worker_left_to_others_is_taken_only_when_none_is_free_the_longest_left_first(pool: Pool) -> None:
    lenders = [Guest(pool), Guest(pool)]
    assert [lender.ask() for lender in lenders] == [True, True]
    for lender in lenders:
        lender.leave_to_others()
    taker = Guest(pool)
    worker = lenders[0].worker
    assert taker.ask()
    assert taker.worker is worker
    assert lenders[0].worker is None
    assert lenders[0].tidied_up.wait(LONG)
    assert lenders[1].worker is not None
    taker.leave()
    lenders[1].leave()


def test_a_worker_that_was_reclaimed_is_not_given_to_others(pool: Pool) -> None:
    lenders = [Guest(pool), Guest(pool)]
    for lender in lenders:
        lender.ask()
    lenders[0].leave_to_others()
    with pool.lock:
        pool.reclaim(lenders[0])
        pool.reclaim(lenders[1])
    taker = Guest(pool)
    assert not taker.ask()
    lenders[0].leave()
    assert has_moved_in(taker)
    taker.leave()
    lenders[1].leave()


def test_who_waited_for_too_long_is_refused_and_only_they(pool: Pool) -> None:
    hosts = [Guest(pool), Guest(pool)]
    for host in hosts:
        host.ask()
    late, patient = Guest(pool), Guest(pool)
    late.ask(seconds=0)
    patient.ask()
    assert pool.expire()
    assert (late.refused, patient.refused) == (True, False)
    hosts[0].leave()
    assert has_moved_in(patient)
    assert not late.moved_in.is_set()
    assert not pool.expire()
    hosts[1].leave()
    patient.leave()


@pytest.fixture
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    with running() as loop:
        yield loop


@contextmanager
def running() -> Iterator[asyncio.AbstractEventLoop]:
    """Give an event loop that runs on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(LONG)
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_one_event_loop_sweeps_until_nobody_waits_and_another_one_if_that_has_stopped(
    pool: Pool, running_loop: asyncio.AbstractEventLoop
) -> None:
    with running() as loop:
        assert pool.begin_sweeping(loop)
        assert not pool.begin_sweeping(running_loop)
    assert pool.begin_sweeping(running_loop)
    assert not pool.expire()
    assert pool.begin_sweeping(running_loop)


def test_the_complaint_names_who_has_the_workers_and_is_not_repeated_at_once(
    pool: Pool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = [Guest(pool, "GET /slow"), Guest(pool, "GET /slower")]
    for host in hosts:
        host.ask()
    pool.complain()
    waiting = Guest(pool)
    waiting.ask()
    pool.complain()
    assert not caplog.records
    monkeypatch.setattr(workers, "_COMPLAIN_SECONDS", -1.0)
    pool.complain()
    pool.complain()
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("django_fastapi.threads", logging.WARNING)
    assert record.getMessage().startswith(
        "1 wait for one of 2 request threads, the first for 0.0 s; held by: GET /slow"
    )
    assert "GET /slower for" in record.getMessage()
    hosts[0].leave()
    assert has_moved_in(waiting)
    hosts[1].leave()
    waiting.leave()


def test_a_path_in_the_complaint_cannot_forge_a_line(
    pool: Pool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = ("GET /\n2026-01-01 ERROR forged\x1b[2J", "GET /\u2028\u00e4")
    hosts, waiting = [Guest(pool, label) for label in labels], Guest(pool)
    for guest in (*hosts, waiting):
        guest.ask()
    monkeypatch.setattr(workers, "_COMPLAIN_SECONDS", -1.0)
    pool.complain()
    [record] = caplog.records
    assert record.getMessage().isprintable()
    assert r"GET /\n2026-01-01 ERROR forged\x1b[2J for" in record.getMessage()
    hosts[0].leave()
    assert has_moved_in(waiting)
    hosts[1].leave()
    waiting.leave()


def test_closing_ends_idle_workers_at_once_and_the_others_when_their_tenants_leave(pool: Pool) -> None:
    stays, leaves = Guest(pool), Guest(pool)
    stays.ask()
    leaves.ask()
    idle = leaves.worker
    leaves.leave()
    assert idle is not None
    pool.close()
    idle.thread.join(LONG)
    assert not pool.join(0)
    stays.leave()
    assert pool.join(LONG)


def test_closing_ends_no_worker_before_those_who_wait_have_had_one(pool: Pool) -> None:
    guests = [Guest(pool) for _ in range(3)]
    for guest in guests:
        guest.ask()
    pool.close()
    guests[0].leave()
    assert has_moved_in(guests[2])
    guests[1].leave()
    guests[2].leave()
    assert pool.join(LONG)


def test_who_comes_after_the_closing_is_served_all_the_same(pool: Pool) -> None:
    """A request that began before the shutdown takes its thread when it needs one."""
    guests = [Guest(pool), Guest(pool)]
    for guest in guests:
        guest.ask()
    for guest in guests:
        guest.leave()
    pool.close()
    late = Guest(pool)
    assert late.ask()
    assert has_moved_in(late)
    late.leave()
    assert pool.join(LONG)


class Clocks:
    """The clock on the wall and that of the processor, which a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = self.processor = 100.0
        monkeypatch.setattr("time.monotonic", lambda: self.wall)
        monkeypatch.setattr("time.process_time", lambda: self.processor)

    def go(self, seconds: float, *, processor: float) -> None:
        """Let time pass, a part of which the processor was at work for this process."""
        self.wall += seconds
        self.processor += seconds * processor


class Busy(Guest):
    """A guest whose work lasts until the test ends it."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.may_go = threading.Event()

    def _arrive(self) -> None:
        super()._arrive()
        assert self.may_go.wait(LONG)


@pytest.fixture
def patient() -> Iterator[Pool]:
    """A pool of three that leaves a busy worker alone for a hundred seconds."""
    pool = Pool(3, patience=100)
    yield pool
    pool.close()
    assert pool.join(LONG)


@pytest.fixture
def crowd(patient: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Clocks, list[Busy]]]:
    """Three who need a worker, the first of whom has one; and the clocks."""
    guests = [Busy(patient) for _ in range(3)]
    with monkeypatch.context() as during:
        clocks = Clocks(during)
        assert [guest.ask() for guest in guests] == [True, False, False]
        assert has_moved_in(guests[0])
        yield clocks, guests
    for guest in guests:
        guest.may_go.set()
        guest.leave()


def test_a_worker_that_gets_on_is_left_alone(
    patient: Pool, crowd: tuple[Clocks, list[Busy]], running_loop: asyncio.AbstractEventLoop
) -> None:
    clocks, _ = crowd
    assert patient.begin_spreading(running_loop)
    assert not patient.begin_spreading(running_loop)
    clocks.go(1, processor=0.9)
    assert patient.begin_spreading(running_loop)  # whoever wanted to look has not come
    clocks.go(50, processor=0.9)
    assert patient.spread()
    assert patient.counts() == {"workers": 1, "idle": 0, "lendable": 0, "waiting": 2}


def test_another_event_loop_looks_at_once_if_that_which_wanted_to_has_stopped(
    patient: Pool, running_loop: asyncio.AbstractEventLoop
) -> None:
    busy, waiting = Busy(patient), Guest(patient)
    assert busy.ask()
    with running() as loop:
        assert not waiting.ask()
        assert patient.begin_spreading(loop)
        assert not patient.begin_spreading(running_loop)
    assert patient.begin_spreading(running_loop)
    busy.may_go.set()
    busy.leave()
    assert has_moved_in(waiting)
    assert not patient.spread()
    waiting.leave()


def test_one_more_begins_when_it_takes_too_long(
    patient: Pool, crowd: tuple[Clocks, list[Busy]], running_loop: asyncio.AbstractEventLoop
) -> None:
    clocks, guests = crowd
    patient.begin_spreading(running_loop)
    clocks.go(101, processor=0.9)
    assert patient.spread()
    assert has_moved_in(guests[1])
    assert patient.counts()["waiting"] == 1
    clocks.go(101, processor=0.9)
    assert not patient.spread()
    assert has_moved_in(guests[2])


def test_all_begin_when_the_processor_has_nothing_to_do(
    patient: Pool, crowd: tuple[Clocks, list[Busy]], running_loop: asyncio.AbstractEventLoop
) -> None:
    clocks, guests = crowd
    patient.begin_spreading(running_loop)
    clocks.go(0.001, processor=0.1)
    assert not patient.spread()
    assert all(map(has_moved_in, guests))
    assert patient.counts()["waiting"] == 0


def test_who_comes_to_end_something_waits_for_no_busy_worker(
    patient: Pool, crowd: tuple[Clocks, list[Busy]], running_loop: asyncio.AbstractEventLoop
) -> None:
    _, guests = crowd
    last = Guest(patient)
    with patient.lock:
        assert patient.ask(last, None, is_patient=False)
    assert has_moved_in(last)
    last.leave()
    assert has_moved_in(guests[1])
    patient.begin_spreading(running_loop)
    patient.spread()


def test_who_had_to_wait_gets_their_last_worker_again_if_that_is_idle(
    patient: Pool, monkeypatch: pytest.MonkeyPatch, running_loop: asyncio.AbstractEventLoop
) -> None:
    first, second, busy = Guest(patient), Guest(patient), Busy(patient)
    with monkeypatch.context() as during:
        clocks = Clocks(during)
        with patient.lock:
            assert all(patient.ask(guest, None, is_patient=False) for guest in (first, second, busy))
        used = first.worker
        first.leave()
        second.leave()
        assert not first.ask(used)
        patient.begin_spreading(running_loop)
        clocks.go(0.001, processor=0.1)
        assert not patient.spread()
        assert first.worker is used
    busy.may_go.set()
    busy.leave()
    first.leave()


def test_streams_have_half_of_the_workers_at_most_and_leave_the_rest_to_others(
    running_loop: asyncio.AbstractEventLoop,
) -> None:
    pool = Pool(4, patience=0)
    streams = [Guest(pool) for _ in range(3)]
    for stream in streams:
        stream.is_stream = True
    assert [stream.ask() for stream in streams] == [True, True, False]
    assert pool.begin_spreading(running_loop)
    assert not pool.spread()
    other = Guest(pool)
    assert other.ask()
    other.leave()
    assert not streams[2].moved_in.is_set()
    streams[0].leave()
    assert has_moved_in(streams[2])
    for guest in streams[1:]:
        guest.leave()
    pool.close()
    assert pool.join(LONG)
