"""Random interleavings of what requests do, against what must hold whatever they do."""

import asyncio
import inspect
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from django.db import DatabaseError, connection, connections, transaction
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from django_fastapi.exceptions import RequestThreadGone, ThreadWaitTimeout
from django_fastapi.leases import Lease
from django_fastapi.workers import Pool

if TYPE_CHECKING:
    from concurrent.futures import Future

LONG = 60.0
SIZE = 2
STREAMS = SIZE // 2


class Gate:
    """Something a task waits at."""

    def __init__(self) -> None:
        self.opened = threading.Event()


class Request:
    """A lease, what it was given to do, and what happened."""

    def __init__(self, pool: Pool, *, wait_seconds: float, needs_end: bool) -> None:
        self.lease = Lease(pool, "request", get_wait_seconds=lambda: wait_seconds)
        self.lease.on_end = self._note_end
        self.lease.needs_end = lambda: needs_end
        self.needs_end = needs_end
        self.futures: list[Future[int]] = []
        self.ran: list[int] = []
        self.ends = 0
        self.problems: list[str] = []
        self.holds = self.firm_holds = 0
        self.open_iterators: list[Any] = []
        self.closed_on: list[threading.Thread] = []
        self.thread_of_block: threading.Thread | None = None
        self.blocks: list[Any] = []
        self._is_running = threading.Lock()

    def add(self, work: Callable[[], object]) -> None:
        number = len(self.futures)

        def task() -> int:
            self._check(is_first_alone=self._is_running.acquire(blocking=False))
            try:
                work()
            finally:
                self.ran.append(number)
                self._is_running.release()
            return number

        self.futures.append(self.lease.submit(task))

    def open_block(self) -> None:
        block = transaction.atomic()
        with suppress(DatabaseError):
            block.__enter__()
            self.blocks.append(block)
            self.thread_of_block = threading.current_thread()

    def close_block(self) -> None:
        if self.blocks:
            with suppress(DatabaseError):
                self.blocks.pop().__exit__(None, None, None)

    def kill_connection(self) -> None:
        wrapper = connections["default"]
        raw = wrapper.connection
        raw.close()
        wrapper.errors_occurred = True
        wrapper.is_usable = lambda: wrapper.connection is not raw  # type: ignore[method-assign]
        vars(wrapper)["killed"] = raw, self

    def set_state(self) -> None:
        connection.ensure_connection()
        vars(connections["default"])["setter"] = connection.connection, self

    def items(self) -> Any:
        try:
            while True:
                yield
        finally:
            self.closed_on.append(threading.current_thread())

    def _check(self, *, is_first_alone: bool) -> None:
        connection.ensure_connection()
        if not is_first_alone:
            self.problems.append("two tasks at a time")
        if self.ends:
            self.problems.append("a task after the end")
        if connection.in_atomic_block is not bool(self.blocks):
            self.problems.append("the transaction of another")
        if self.blocks and threading.current_thread() is not self.thread_of_block:
            self.problems.append("lost the thread of an open transaction")
        killed, killer = vars(connections["default"]).get("killed", (None, None))
        if killed is connection.connection and killer is not self:
            self.problems.append("a dead connection of another")
        changed, setter = vars(connections["default"]).get("setter", (None, None))
        if changed is connection.connection and setter is not self:
            self.problems.append("what another has set on the connection")

    def _note_end(self) -> None:
        self.ends += 1


class Requests(RuleBasedStateMachine):
    """Requests that come, work, hold, stream, break and go, on a pool of two threads."""

    is_hasty = False
    """Whether a step is taken before the threads are done with the one before, so that no run is like another."""

    requests = Bundle("requests")
    gates = Bundle("gates")

    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool(SIZE, patience=0)
        self.loop = asyncio.new_event_loop()  # says that it calls `expire`
        self.all: list[Request] = []
        self.closed_gates: set[Gate] = set()
        self.blocked: dict[threading.Thread, Gate] = {}

    @rule(target=requests, wait_seconds=st.sampled_from([LONG, 0.0]), needs_end=st.booleans())
    def begin(self, wait_seconds: float, *, needs_end: bool) -> Request:
        request = Request(self.pool, wait_seconds=wait_seconds, needs_end=needs_end)
        self.all.append(request)
        return request

    @rule(request=requests)
    def work(self, request: Request) -> None:
        self._add(request, lambda: None)

    @rule(request=requests)
    def open_block(self, request: Request) -> None:
        self._add(request, request.open_block)

    @rule(request=requests)
    def close_block(self, request: Request) -> None:
        self._add(request, request.close_block)

    @rule(request=requests)
    def kill_connection(self, request: Request) -> None:
        self._add(request, request.kill_connection)

    @rule(request=requests, target=gates)
    def work_slowly(self, request: Request) -> Gate:
        gate = Gate()

        def wait() -> None:
            thread = threading.current_thread()
            self.blocked[thread] = gate
            gate.opened.wait(LONG)
            del self.blocked[thread]

        self.closed_gates.add(gate)
        self._add(request, wait)
        return gate

    @rule(gate=consumes(gates))
    def open_gate(self, gate: Gate) -> None:
        self._open(gate)
        self._settle()

    @rule(request=requests)
    def cancel(self, request: Request) -> None:
        for future in reversed(request.futures):
            if future.cancel():
                return

    @rule(request=requests)
    def hold(self, request: Request) -> None:
        request.lease.hold()
        request.holds += 1

    @rule(request=requests)
    def release(self, request: Request) -> None:
        if request.holds:
            request.holds -= 1
            request.lease.release()
            self._settle()

    @rule(request=requests, closes_connections=st.booleans())
    def hold_firmly(self, request: Request, *, closes_connections: bool) -> None:
        request.lease.hold_firmly(closes_connections=closes_connections)
        request.firm_holds += 1

    @rule(request=requests)
    def set_state(self, request: Request) -> None:
        if not request.lease.is_ended:
            request.lease.hold_firmly(closes_connections=True)
            self._add(request, request.set_state)
            request.lease.release_firm()
            self._settle()

    @rule(request=requests)
    def release_firm(self, request: Request) -> None:
        if request.firm_holds:
            request.firm_holds -= 1
            request.lease.release_firm()
            self._settle()

    @rule(request=requests)
    def iterate(self, request: Request) -> None:
        self._iterate(request)

    def _iterate(self, request: Request) -> None:
        if not request.lease.is_ended:
            iterator = request.items()
            request.open_iterators.append(iterator)
            request.lease.hold_iterator(iterator)
            self._add(request, lambda: next(iterator))

    @rule(request=requests)
    def become_stream(self, request: Request) -> None:
        request.lease.become_stream()
        self._settle()

    @rule(request=requests)
    def become_stream_and_go_on(self, request: Request) -> None:
        request.lease.become_stream()
        self._iterate(request)

    @rule()
    def expire(self) -> None:
        self.pool.expire()

    @rule(request=consumes(requests))
    def end(self, request: Request) -> None:
        request.lease.end()
        self._settle()

    @rule(request=requests)
    def end_and_go_on(self, request: Request) -> None:
        request.lease.end()
        self._settle()
        with pytest.raises(RequestThreadGone):
            request.add(lambda: None)

    @invariant()
    def no_request_met_what_it_must_not(self) -> None:
        assert not [problem for request in self.all for problem in request.problems]

    @invariant()
    def tasks_run_in_order(self) -> None:
        for request in self.all:
            ran = list(request.ran)
            assert ran == sorted(ran)

    @invariant()
    def there_are_no_more_workers_than_allowed_and_none_is_idle_while_somebody_waits_who_may_have_it(self) -> None:
        if not self.is_hasty:
            self._assert_good_use_of_workers()

    def _assert_good_use_of_workers(self) -> None:
        counts = self.pool.counts()
        assert counts["workers"] <= SIZE
        assert counts["idle"] + counts["lendable"] <= counts["workers"]
        having = [request for request in self.all if request.lease.has_worker]
        assert len(having) == counts["workers"] - counts["idle"]
        streams = sum(request.lease.is_stream for request in having)
        assert streams <= STREAMS
        waiting = [tenant.is_stream for tenant in self.pool._waiting]  # noqa: SLF001 (how many wait says too little)
        if counts["idle"] + counts["lendable"]:
            assert all(waiting)
            assert not waiting or streams == STREAMS

    def teardown(self) -> None:
        self.is_hasty = False
        for _ in range(SIZE + 1):  # what one of them does may give another one something to do
            self._settle()
        self._assert_good_use_of_workers()
        for gate in list(self.closed_gates):
            self._open(gate)
        for request in self.all:
            request.lease.end()
        while self.pool.expire():
            self._settle()
        self._settle()
        counts = self.pool.counts()
        assert counts == {"workers": counts["workers"], "idle": counts["workers"], "lendable": 0, "waiting": 0}
        for request in self.all:
            self._assert_all_is_over(request)
        self._assert_clean_threads()
        self.pool.close()
        self.loop.close()
        assert self.pool.join(LONG)
        self.no_request_met_what_it_must_not()

    def _assert_all_is_over(self, request: Request) -> None:
        assert all(future.done() for future in request.futures)
        for number, future in enumerate(request.futures):
            error = None if future.cancelled() else future.exception()
            assert error is None or isinstance(error, ThreadWaitTimeout)
            assert (number in request.ran) is (not future.cancelled() and error is None)
        assert request.ends <= int(request.needs_end)
        assert request.ends == request.needs_end or not request.ran
        assert inspect.GEN_SUSPENDED not in map(inspect.getgeneratorstate, request.open_iterators)

    def _assert_clean_threads(self) -> None:
        found: list[bool] = []
        for _ in range(SIZE):
            lease = Lease(self.pool, "look", get_wait_seconds=lambda: LONG)
            found.append(lease.submit(lambda: connection.in_atomic_block).result(LONG))
            lease.end()
        assert not any(found)

    def _add(self, request: Request, work: Callable[[], object]) -> None:
        if not request.lease.is_ended:
            request.add(work)
            self.pool.begin_sweeping(self.loop)
            self._settle()

    def _open(self, gate: Gate) -> None:
        self.closed_gates.discard(gate)
        gate.opened.set()

    def _settle(self) -> None:
        """Wait until each worker has done what it was given, or waits at a gate: so that a run can be repeated."""
        if self.is_hasty:
            return
        for worker in list(self.pool._workers):  # noqa: SLF001 (there is no other way to see that nothing comes)
            is_done = threading.Event()
            worker.put(is_done.set)
            while not is_done.wait(0.0005):
                gate = self.blocked.get(worker.thread)
                if gate is not None and not gate.opened.is_set():
                    break


class HastyRequests(Requests):
    """The same, as an event loop does it."""

    is_hasty = True


@pytest.mark.usefixtures("transactional_db")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", [Requests, HastyRequests])
def test_whatever_requests_do_in_whatever_order(
    monkeypatch: pytest.MonkeyPatch, kind: type[RuleBasedStateMachine]
) -> None:
    monkeypatch.setitem(connections.settings["default"], name="CONN_MAX_AGE", value=None)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        kind,
        settings=settings(
            max_examples=200, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
