import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from atlas.models import Language
from django.db import OperationalError, connection, connections, transaction

from django_fastapi.exceptions import RequestThreadGone, ThreadWaitTimeout
from django_fastapi.leases import Lease
from django_fastapi.workers import THREAD_NAME, Pool

LONG = 60.0


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Give a pool of one thread, and see that it is not lost."""
    pool = Pool(1, patience=0)
    yield pool
    pool.close()
    assert pool.join(LONG), "the thread was lost"


def make(pool: Pool, *, wait_seconds: float = LONG) -> Lease:
    return Lease(pool, "test", get_wait_seconds=lambda: wait_seconds)


def here() -> str:
    return threading.current_thread().name


def settle(pool: Pool) -> None:
    """Wait until the workers have done all that they were given."""
    for worker in list(pool._workers):  # noqa: SLF001 (there is no other way to see that nothing comes)
        is_done = threading.Event()
        worker.put(is_done.set)
        assert is_done.wait(LONG)


class Gate:
    """Something the thread waits at."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def wait(self) -> None:
        self.reached.set()
        assert self.opened.wait(LONG)


def test_a_lease_has_no_worker_before_its_first_task_and_none_after_its_end(pool: Pool) -> None:
    lease = make(pool)
    assert (lease.has_worker, lease.is_ended, lease.label) == (False, False, "test")
    assert lease.submit(here).result(LONG).startswith(THREAD_NAME)
    assert lease.has_worker
    lease.end()
    settle(pool)
    assert (lease.has_worker, lease.is_ended) == (False, True)


def test_tasks_run_in_the_order_they_were_added_whether_or_not_they_had_to_wait(pool: Pool) -> None:
    gate, events = Gate(), list[int]()
    first, second = make(pool), make(pool)
    first.submit(gate.wait)
    for number in range(5):
        first.submit(events.append, number)
        second.submit(events.append, 10 + number)
    first.end()
    second.end()
    gate.opened.set()
    settle(pool)
    assert events == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]


def test_submit_is_that_of_an_executor(pool: Pool) -> None:
    lease = make(pool)
    assert lease.submit(sorted, [2, 1], reverse=True).result(LONG) == [2, 1]
    with pytest.raises(ZeroDivisionError):
        lease.submit(divmod, 1, 0).result(LONG)
    lease.end()


def test_a_future_cancelled_while_it_waits_never_runs(pool: Pool) -> None:
    gate, events = Gate(), list[str]()
    lease = make(pool)
    lease.submit(gate.wait)
    future = lease.submit(events.append, "cancelled")
    lease.submit(events.append, "last")
    assert future.cancel()
    gate.opened.set()
    lease.end()
    settle(pool)
    assert events == ["last"]


def test_after_the_end_no_task_is_taken_and_those_before_it_run(pool: Pool) -> None:
    gate, lease = Gate(), make(pool)
    lease.submit(gate.wait)
    future = lease.submit(here)
    lease.end()
    lease.end()
    with pytest.raises(RequestThreadGone):
        lease.submit(here)
    gate.opened.set()
    assert future.result(LONG)


def test_a_lease_that_never_worked_ends_without_a_worker(pool: Pool) -> None:
    events: list[str] = []
    lease = make(pool)
    lease.on_end = lambda: events.append("end")
    lease.end()
    assert pool.counts()["workers"] == 0
    assert not events


# Who keeps the thread


def others_get_it(pool: Pool) -> bool:
    """Return whether another lease is served while the one before has not ended."""
    other = make(pool)
    future = other.submit(here)
    settle(pool)
    is_served = future.done()
    future.cancel()
    other.end()
    return is_served


def nothing(lease: Lease) -> None:
    """Leave the lease as it is."""


def hold(lease: Lease) -> None:
    lease.hold()


def hold_firmly(lease: Lease) -> None:
    lease.hold_firmly()


def hold_iterator(lease: Lease) -> None:
    lease.hold_iterator(iter([]))


def open_transaction(lease: Lease) -> None:
    lease.submit(transaction.atomic().__enter__).result(LONG)


@pytest.mark.usefixtures("transactional_db")
@pytest.mark.parametrize("is_stream", [False, True], ids=["request", "stream"])
@pytest.mark.parametrize(
    ("keep", "keeps_request", "keeps_stream"),
    [
        (nothing, False, False),
        (hold, True, False),
        (hold_firmly, True, True),
        (hold_iterator, True, True),
        (open_transaction, True, True),
    ],
)
def test_what_keeps_the_thread_from_those_who_wait(
    pool: Pool, keep: Callable[[Lease], None], *, is_stream: bool, keeps_request: bool, keeps_stream: bool
) -> None:
    for keep_first in (False, True):
        lease = make(pool)
        if is_stream:
            lease.become_stream()
        if keep_first:
            keep(lease)
        lease.submit(here).result(LONG)
        if not keep_first:
            keep(lease)
            lease.submit(here).result(LONG)
        assert others_get_it(pool) is not (keeps_stream if is_stream else keeps_request)
        lease.end()
        settle(pool)


@pytest.mark.usefixtures("transactional_db")
def test_when_nothing_keeps_it_any_longer_those_who_wait_get_it(pool: Pool) -> None:
    iterator = iter([1])
    block = transaction.atomic()
    pairs: list[tuple[Callable[[Lease], object], Callable[[Lease], object]]] = [
        (Lease.hold, Lease.release),
        (Lease.hold_firmly, Lease.release_firm),
        (lambda lease: lease.hold_iterator(iterator), lambda lease: lease.release_iterator(iterator)),
        (Lease.hold, Lease.become_stream),
        (
            lambda lease: lease.submit(block.__enter__).result(LONG),
            lambda lease: lease.submit(block.__exit__, None, None, None).result(LONG),
        ),
    ]
    for take, give in pairs:
        lease, other = make(pool), make(pool)
        lease.submit(here).result(LONG)
        take(lease)
        future = other.submit(here)
        settle(pool)
        assert not future.done()
        give(lease)
        assert future.result(LONG)
        lease.end()
        other.end()
        settle(pool)


def test_holds_count(pool: Pool) -> None:
    lease = make(pool)
    lease.hold()
    lease.hold()
    lease.submit(here).result(LONG)
    lease.release()
    assert not others_get_it(pool)
    lease.release()
    assert others_get_it(pool)
    lease.end()


def test_a_request_keeps_the_thread_while_nobody_waits_and_a_stream_does_not(pool: Pool) -> None:
    request = make(pool)
    request.submit(here).result(LONG)
    settle(pool)
    assert pool.counts()["lendable"] == 1
    request.become_stream()
    settle(pool)
    assert pool.counts() == {"workers": 1, "idle": 1, "lendable": 0, "waiting": 0}
    assert request.submit(here).result(LONG)
    request.end()


@pytest.mark.parametrize("is_stream", [False, True], ids=["request", "stream"])
def test_who_calls_again_and_again_overtakes_nobody(pool: Pool, *, is_stream: bool) -> None:
    first, second = make(pool), make(pool)
    if is_stream:
        first.become_stream()
        second.become_stream()
    loop = asyncio.new_event_loop()
    calls: list[str] = []
    gate = Gate()

    def call(lease: Lease, name: str) -> None:
        calls.append(name)
        gate.wait()
        lease.submit(calls.append, name)

    first.submit(call, first, "first")
    assert gate.reached.wait(LONG)
    second.submit(call, second, "second")
    assert pool.begin_sweeping(loop)
    gate.opened.set()
    settle(pool)
    assert calls == ["first", "second", "first", "second"]
    first.end()
    second.end()
    loop.close()


@pytest.mark.usefixtures("transactional_db")
def test_unless_something_is_open(pool: Pool) -> None:
    first, second = make(pool), make(pool)
    loop = asyncio.new_event_loop()
    calls: list[str] = []
    gate = Gate()
    block = transaction.atomic()

    def call() -> None:
        block.__enter__()
        gate.wait()
        first.submit(calls.append, "first")
        first.submit(block.__exit__, None, None, None)

    first.submit(call)
    assert gate.reached.wait(LONG)
    second.submit(calls.append, "second")
    assert pool.begin_sweeping(loop)
    gate.opened.set()
    settle(pool)
    assert calls == ["first", "second"]
    first.end()
    second.end()
    loop.close()


def test_a_lease_that_lost_its_thread_to_others_gets_one_again(pool: Pool) -> None:
    first, second = make(pool), make(pool)
    for lease in (first, second, first, second):
        assert lease.submit(here).result(LONG)
        settle(pool)
    first.end()
    second.end()


# The end


def test_an_iterator_that_was_not_exhausted_is_closed_on_the_thread(pool: Pool) -> None:
    closed_on: list[str] = []

    def items() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed_on.append(here())

    iterator, lease = items(), make(pool)
    lease.hold_iterator(iterator)
    thread = lease.submit(here).result(LONG)
    lease.submit(next, iterator).result(LONG)
    lease.end()
    settle(pool)
    assert closed_on == [thread]


def test_what_comes_at_the_end_comes_once_after_the_last_task_in_the_context_of_the_end(pool: Pool) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    events: list[str] = []
    lease = make(pool)
    lease.on_end = lambda: events.append(f"end {variable.get()} on {here()}")
    gate = Gate()
    lease.submit(gate.wait)
    lease.submit(events.append, "task")
    variable.set("set")
    lease.end()
    gate.opened.set()
    settle(pool)
    assert events[0] == "task"
    assert events[1].startswith(f"end set on {THREAD_NAME}")
    assert len(events) == 2


def test_it_comes_too_when_others_have_the_thread_by_then(pool: Pool) -> None:
    events: list[str] = []
    lease, other = make(pool), make(pool)
    lease.on_end = lambda: events.append("end")
    lease.submit(here).result(LONG)
    settle(pool)
    other.submit(here).result(LONG)
    other.hold()
    lease.end()
    assert not events
    other.end()
    settle(pool)
    assert events == ["end"]


def test_it_waits_for_a_thread_for_as_long_as_it_takes(pool: Pool) -> None:
    events: list[str] = []
    lease, other = make(pool, wait_seconds=0), make(pool)
    lease.on_end = lambda: events.append("end")
    lease.submit(here).result(LONG)
    settle(pool)
    other.submit(here).result(LONG)
    other.hold()
    refused = lease.submit(here)
    lease.end()
    for _ in range(2):
        assert pool.expire()
    assert isinstance(refused.exception(0), ThreadWaitTimeout)
    other.end()
    settle(pool)
    assert events == ["end"]


@pytest.mark.usefixtures("transactional_db")
def test_it_comes_too_when_the_end_is_told_while_the_thread_is_given_back(pool: Pool) -> None:
    gate, events = Gate(), list[str]()
    lease = make(pool)
    lease.become_stream()
    lease.on_end = lambda: events.append("end")

    def make_giving_back_slow() -> None:
        wrapper = connections["default"]

        def slowly() -> None:
            del vars(wrapper)["close_if_unusable_or_obsolete"]
            gate.wait()

        wrapper.close_if_unusable_or_obsolete = slowly  # type: ignore[method-assign]

    lease.submit(make_giving_back_slow)
    assert gate.reached.wait(LONG)
    lease.end()
    gate.opened.set()
    settle(pool)
    assert events == ["end"]
    assert not lease.has_worker


@pytest.mark.parametrize("error", [ValueError, SystemExit, GeneratorExit])
def test_whatever_the_end_raises_is_logged_and_costs_no_thread(
    pool: Pool, caplog: pytest.LogCaptureFixture, error: type[BaseException]
) -> None:
    def fail() -> None:
        raise error

    def unclosable() -> Iterator[None]:
        try:
            yield
        finally:
            fail()

    iterator, lease = unclosable(), make(pool)
    lease.on_end = fail
    lease.hold_iterator(iterator)
    lease.submit(next, iterator).result(LONG)
    lease.end()
    settle(pool)
    assert len(caplog.records) == (1 if error is GeneratorExit else 2)  # `close` takes a GeneratorExit for granted
    assert pool.counts()["idle"] == 1


# Waiting


def test_who_waited_too_long_fails_with_all_its_tasks_and_may_try_again(pool: Pool) -> None:
    gate, host, guest = Gate(), make(pool), make(pool, wait_seconds=0)
    host.submit(gate.wait)
    futures = [guest.submit(here) for _ in range(2)]
    assert futures[0].cancel()
    time.sleep(0)
    assert not pool.expire()
    with pytest.raises(ThreadWaitTimeout):
        futures[1].result(0)
    gate.opened.set()
    settle(pool)
    assert guest.submit(here).result(LONG)
    host.end()
    guest.end()


# Connections


def die() -> None:
    """Leave the connection as a restart of the database does, found out by a query that fails."""
    with pytest.raises(OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM nothing")
    connection.is_usable = lambda: False  # type: ignore[method-assign]


def raw() -> object:
    Language.objects.count()
    return connection.connection


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> None:  # noqa: ARG001
    """Keep connections open between requests."""
    monkeypatch.setitem(connections.settings["default"], name="CONN_MAX_AGE", value=None)


@pytest.mark.usefixtures("kept")
def test_a_connection_is_used_again_by_the_next_request(pool: Pool) -> None:
    used = []
    for _ in range(2):
        lease = make(pool)
        used.append(lease.submit(raw).result(LONG))
        lease.end()
        settle(pool)
    assert used[0] is used[1]


@pytest.mark.usefixtures("kept")
def test_a_firm_hold_that_asks_for_it_closes_the_connections_before_others_have_them(pool: Pool) -> None:
    lease, other = make(pool), make(pool)
    lease.hold_firmly(closes_connections=True)
    used = lease.submit(raw).result(LONG)
    future = other.submit(raw)
    settle(pool)
    assert not future.done()
    lease.release_firm()
    assert future.result(LONG) is not used
    lease.end()
    other.end()


@pytest.mark.usefixtures("kept")
def test_it_closes_them_too_when_nobody_waits_and_the_end_comes_later(pool: Pool) -> None:
    lease, other = make(pool), make(pool)
    lease.hold_firmly(closes_connections=True)
    used = lease.submit(raw).result(LONG)
    lease.release_firm()
    settle(pool)
    lease.end()
    assert other.submit(raw).result(LONG) is not used
    other.end()


@pytest.mark.usefixtures("kept")
def test_when_one_connection_is_found_dead_every_worker_tests_its_own_before_the_next_request() -> None:
    pool = Pool(3, patience=0)
    leases = [make(pool) for _ in range(3)]
    used = [lease.submit(raw).result(LONG) for lease in leases]
    for lease in leases[1:]:
        lease.submit(lambda: setattr(connection, "is_usable", lambda: False)).result(LONG)
    leases[0].submit(die).result(LONG)
    for lease in leases:
        lease.end()
    settle(pool)
    epoch = pool.epoch
    assert epoch > 0
    leases = [make(pool) for _ in range(3)]
    used_now = [lease.submit(raw).result(LONG) for lease in leases]
    assert not {id(one) for one in used} & {id(one) for one in used_now}
    for lease in leases:
        lease.end()
    settle(pool)
    assert pool.epoch == epoch
    pool.close()
    assert pool.join(LONG)


@pytest.fixture
def occupied(pool: Pool) -> Iterator[Lease]:
    """Give a lease that has done its work, and whose thread is kept from noticing anything that comes."""
    gate, lease = Gate(), make(pool)
    lease.submit(raw).result(LONG)
    settle(pool)
    (worker,) = pool._workers  # noqa: SLF001 (nothing of ours occupies a thread without the lease)
    worker.put(gate.wait)
    yield lease
    gate.opened.set()
    settle(pool)
    assert pool.counts()["idle"] == 1


@pytest.mark.usefixtures("kept")
def test_an_end_with_nothing_to_do_does_not_wake_the_thread(pool: Pool, occupied: Lease) -> None:
    occupied.on_end = lambda: pytest.fail("It was not needed.")
    occupied.needs_end = lambda: False
    occupied.end()
    assert pool.counts()["idle"] == 1


@pytest.mark.usefixtures("kept")
def test_an_end_with_something_to_do_does(pool: Pool, occupied: Lease) -> None:
    events: list[str] = []
    occupied.on_end = lambda: events.append("end")
    occupied.needs_end = lambda: True
    occupied.end()
    assert pool.counts()["idle"] == 0
    assert not events


@pytest.mark.usefixtures("kept")
def test_one_that_has_to_close_connections_does(pool: Pool, occupied: Lease) -> None:
    occupied.hold_firmly(closes_connections=True)
    occupied.end()
    assert pool.counts()["idle"] == 0


@pytest.mark.usefixtures("transactional_db")
def test_a_connection_that_django_would_close_is_closed_at_the_end(pool: Pool) -> None:
    lease, other = make(pool), make(pool)
    lease.submit(raw).result(LONG)
    settle(pool)
    lease.end()
    settle(pool)
    assert other.submit(lambda: connection.connection).result(LONG) is None
    other.end()


@pytest.mark.usefixtures("kept")
def test_what_has_something_open_becomes_no_stream_while_streams_have_half_of_the_threads() -> None:
    pool = Pool(2, patience=0)
    streams = [make(pool) for _ in range(2)]
    for stream in streams:
        stream.hold_firmly()
        stream.submit(here).result(LONG)
    settle(pool)
    assert [stream.become_stream() for stream in streams] == [True, False]
    assert [stream.become_stream() for stream in streams] == [True, False]
    streams[0].end()
    settle(pool)
    assert streams[1].become_stream()
    streams[1].end()
    pool.close()
    assert pool.join(LONG)


@pytest.mark.parametrize("has_looked_up", [True, False])
def test_what_has_nothing_open_becomes_a_stream_and_waits_with_its_next_task(*, has_looked_up: bool) -> None:
    pool = Pool(2, patience=0)
    first, second = make(pool), make(pool)
    first.hold_firmly()
    for lease in (first, second):
        lease.submit(here).result(LONG)
        settle(pool)
        assert lease.become_stream()
    if has_looked_up:
        settle(pool)
    future = second.submit(here)
    assert pool.counts()["waiting"] == 1
    settle(pool)
    assert not future.done()
    first.end()
    assert future.result(LONG)
    second.end()
    pool.close()
    assert pool.join(LONG)
