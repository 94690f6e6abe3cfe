import asyncio
import contextvars
import functools
import logging
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Annotated, Any, Self, TypeVar

import anyio
import anyio.from_thread
import pytest
from asgiref.local import Local
from asgiref.sync import async_to_sync, sync_to_async
from atlas.models import Language
from django.db import connection, transaction
from django.db.models.signals import post_init
from django.utils import timezone, translation
from fastapi import Depends, FastAPI, WebSocket
from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool
from fastapi.responses import StreamingResponse
from pytest_django import Settings

from django_fastapi import concurrency, hold_thread, spawn, workers
from django_fastapi.concurrency import become_stream, current_lease, enter, is_ours, new_lease, run
from django_fastapi.exceptions import RequestThreadGone, ThreadWaitTimeout
from django_fastapi.registry import APIRegistry
from django_fastapi.threads import Threads, get_pool
from django_fastapi.types import ASGIApp

from .request_threads import Places, Socket, Stream, asking, own_threads

pytestmark = pytest.mark.anyio

T = TypeVar("T")
Request = Callable[[], Coroutine[Any, Any, T]]


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[Threads]:
    settings.FASTAPI_THREADS = 1
    with own_threads(monkeypatch) as threads:
        yield threads


@pytest.fixture
def api(registry: APIRegistry) -> FastAPI:
    return registry.get_default()


@pytest.fixture
def languages(transactional_db: None) -> list[str]:  # noqa: ARG001
    codes = [f"x{number}" for number in range(5)]
    Language.objects.bulk_create(Language(code=code) for code in codes)
    return codes


def start(request: Request[T], *, is_stream: bool = False) -> "asyncio.Task[T]":
    """Start a task that has a lease, as a request has."""
    lease = new_lease("GET /test")
    if is_stream:
        lease.become_stream()
    context = contextvars.copy_context()
    context.run(enter, lease)

    async def serve() -> T:
        try:
            return await request()
        finally:
            lease.end()

    return asyncio.get_running_loop().create_task(serve(), context=context)


class Gate:
    """Something a thread waits at, and that tells when it does."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.reached = asyncio.Event()
        self._is_open = threading.Event()

    def wait(self) -> None:
        self._loop.call_soon_threadsafe(self.reached.set)
        assert self._is_open.wait(60)

    def open(self) -> None:
        self._is_open.set()


def here() -> str:
    return threading.current_thread().name


# One thread, in order


async def test_calls_of_a_request_run_in_order_on_one_thread() -> None:
    events: list[int] = []
    places = Places()

    def call(number: int) -> None:
        places.note()
        events.append(number)

    async def request() -> None:
        calls = [run, lambda f: sync_to_async(f)(), run_in_threadpool]
        await asyncio.gather(*(calls[number % 3](lambda number=number: call(number)) for number in range(12)))

    await start(request)
    assert events == list(range(12))
    places.assert_one_request_thread(12)


async def test_the_async_orm_runs_on_the_thread_of_the_request(languages: list[str]) -> None:
    places = Places()

    def note(**_: object) -> None:
        places.note()

    async def request() -> None:
        await run(places.note)
        assert (await Language.objects.aget(code="x0")).code in languages
        assert [one.code async for one in Language.objects.all()] == languages

    post_init.connect(note, sender=Language)
    try:
        await start(request)
    finally:
        post_init.disconnect(note, sender=Language)
    places.assert_one_request_thread(1 + 1 + 5)


async def test_a_request_without_synchronous_work_takes_no_thread(threads: Threads) -> None:
    async def request() -> bool:
        await asyncio.sleep(0)
        return is_ours()

    assert await start(request)
    assert threads.pool().counts()["workers"] == 0


# What goes along


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
local = Local()


async def test_context_variables_and_locals_travel_both_ways_and_end_with_the_request() -> None:
    def change() -> tuple[str, str | None]:
        seen = variable.get(), getattr(local, "value", None)
        variable.set("by the thread")
        local.value = "by the thread"
        return seen

    def look() -> tuple[str, str | None]:
        return variable.get(), getattr(local, "value", None)

    async def request() -> None:
        variable.set("by the task")
        local.value = "by the task"
        assert await run(change) == ("by the task", "by the task")
        assert look() == ("by the thread", "by the thread")
        assert await sync_to_async(look)() == ("by the thread", "by the thread")
        assert await run(look) == ("by the thread", "by the thread")

    async def next_request() -> None:
        assert look() == await run(look) == await sync_to_async(look)() == ("unset", None)

    await start(request)
    await start(next_request)


def add_language_routes(api: FastAPI) -> None:
    def activate() -> None:
        translation.activate("de")
        timezone.activate("Asia/Tokyo")

    def state() -> list[str]:
        return [translation.get_language() or "", timezone.get_current_timezone_name()]

    api.get("/sync")(state)

    @api.get("/sync/changed", dependencies=[Depends(activate)])
    def changed() -> list[str]:
        return state()

    @api.get("/async/changed", dependencies=[Depends(activate)])
    async def async_changed() -> list[str]:
        here, there = state(), await sync_to_async(state)()
        assert here == there
        return here

    @api.get("/async")
    async def async_state() -> list[str]:
        return state()


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_language_and_time_zone_of_a_dependency_reach_the_endpoint_and_not_the_next_request(
    api: FastAPI, build: Callable[[], ASGIApp], kind: str
) -> None:
    add_language_routes(api)
    async with asking(build()) as ask:
        for _ in range(2):
            assert (await ask(f"/{kind}/changed")).json() == ["de", "Asia/Tokyo"]
            assert (await ask("/sync")).json() == ["en-us", "UTC"]
            assert (await ask("/async")).json() == ["en-us", "UTC"]


# Back to the event loop and down again


async def test_async_to_sync_inside_a_call_may_use_the_orm_on_the_same_thread(languages: list[str]) -> None:
    places = Places()

    async def inner() -> int:
        await sync_to_async(places.note)()
        await run_in_threadpool(places.note)
        return await Language.objects.acount()

    def call() -> int:
        places.note()
        return async_to_sync(inner)()

    assert await start(lambda: run(call)) == len(languages)
    assert await start(sync_to_async(call)) == len(languages)
    places.assert_one_request_thread(6)


async def test_from_thread_run_inside_a_call_may_use_the_orm(languages: list[str]) -> None:
    async def inner() -> tuple[int, str, str]:
        return await Language.objects.acount(), await sync_to_async(here)(), await run_in_threadpool(here)

    def call() -> tuple[int, str, str]:
        return anyio.from_thread.run(inner)

    count, *places = await start(lambda: run(call))
    assert count == len(languages)
    # The request's thread waits: these have threads of their own, which end.
    assert places == ["django_fastapi-astray"] * 2


async def test_a_task_started_from_the_thread_is_the_requests_as_any_other() -> None:
    places = Places()
    tasks: list[asyncio.Task[None]] = []
    has_returned = asyncio.Event()

    async def task() -> None:
        await has_returned.wait()
        await run(places.note)
        await sync_to_async(places.note)()

    async def start_task() -> None:
        tasks.append(asyncio.create_task(task()))

    async def request() -> None:
        await run(places.note)
        await run(lambda: anyio.from_thread.run(start_task))
        has_returned.set()
        await tasks[0]

    await start(request)
    places.assert_one_request_thread(3)


async def test_from_thread_run_below_sync_to_async_is_refused_as_on_asgirefs_threads() -> None:
    async def request() -> None:
        await run(here)
        with pytest.raises(RuntimeError, match="Not running inside an AnyIO worker thread"):
            await sync_to_async(anyio.from_thread.run)(asyncio.sleep, 0)

    await start(request)


async def test_an_event_loop_may_run_inside_a_call() -> None:
    def call() -> str:
        asyncio.run(asyncio.sleep(0))
        with anyio.from_thread.start_blocking_portal() as portal:
            portal.call(asyncio.sleep, 0)
        return here()

    assert (await start(lambda: run(call))).startswith(workers.THREAD_NAME)


def test_one_of_anyios_may_run_inside_a_call_of_another() -> None:
    async def serve() -> str:
        return await start(lambda: run(lambda: anyio.run(hello)))

    async def hello() -> str:
        return "hello"

    assert anyio.run(serve) == "hello"


# Cancellation


async def test_a_cancelled_request_keeps_its_thread_until_the_running_call_has_ended() -> None:
    gate = Gate()
    events: list[str] = []

    def slow() -> None:
        gate.wait()
        events.append("slow")

    for call in (lambda: run(slow), sync_to_async(slow)):
        gate = Gate()
        first = start(call)
        await gate.reached.wait()
        first.cancel()
        second = start(lambda: run(lambda: events.append("next")))
        await asyncio.sleep(0)
        assert not events
        gate.open()
        await asyncio.gather(first, second, return_exceptions=True)
        assert first.cancelled()
        assert events == ["slow", "next"]
        events.clear()


async def test_run_waits_for_the_end_of_its_call_however_often_it_is_cancelled() -> None:
    gate = Gate()
    task = start(lambda: run(gate.wait))
    await gate.reached.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_queued_call_that_is_cancelled_never_runs() -> None:
    gate = Gate()
    events: list[str] = []

    async def request() -> None:
        first = asyncio.create_task(run(gate.wait))
        await gate.reached.wait()
        calls = [
            asyncio.create_task(run(lambda: events.append("run"))),
            asyncio.create_task(sync_to_async(events.append)("sync_to_async")),
        ]
        await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        gate.open()
        await first
        await run(lambda: events.append("last"))

    await start(request)
    assert events == ["last"]


async def test_a_cancelled_wait_for_a_thread_leaves_nothing_behind(threads: Threads) -> None:
    gate = Gate()
    first = start(lambda: run(gate.wait))
    await gate.reached.wait()
    second = start(lambda: run(here))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.open()
    await first
    assert await start(lambda: run(here))
    assert threads.close()


class Manager:
    """A context manager that waits in its enter."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.places = Places()
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        self.places.note()
        self.gate.wait()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        self.places.note()
        self.error = error


async def test_a_dependency_cancelled_in_its_enter_is_exited_on_its_thread() -> None:
    manager = Manager(Gate())

    async def request() -> None:
        async with contextmanager_in_threadpool(manager):
            pytest.fail("it was cancelled")

    task = start(request)
    await manager.gate.reached.wait()
    task.cancel()
    manager.gate.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    manager.places.assert_one_request_thread(2)
    assert isinstance(manager.error, asyncio.CancelledError)


async def test_a_dependency_is_exited_even_if_its_exit_is_cancelled_before_its_turn() -> None:
    gate = Gate()
    manager = Manager(Gate())
    manager.gate.open()

    async def request() -> None:
        async with contextmanager_in_threadpool(manager):
            slow = asyncio.create_task(sync_to_async(gate.wait)())
            await gate.reached.wait()
        await slow

    task = start(request)
    await gate.reached.wait()
    await asyncio.sleep(0)  # the exit is queued behind the slow call
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    manager.places.assert_one_request_thread(2)


# Errors


async def test_an_exception_keeps_its_traceback() -> None:
    def this_function_fails() -> None:
        raise ValueError("failed")

    for call in (lambda: run(this_function_fails), sync_to_async(this_function_fails)):
        with pytest.raises(ValueError, match="failed") as failure:
            await start(call)
        assert "this_function_fails" in [frame.name for frame in traceback.extract_tb(failure.tb)]


async def test_stop_iteration_arrives_as_the_cause_of_an_error() -> None:
    with pytest.raises(RuntimeError, match="raised StopIteration") as failure:
        await start(lambda: run(lambda: next(iter([]))))
    assert isinstance(failure.value.__cause__, StopIteration)


async def test_a_base_exception_reaches_the_caller_and_the_thread_lives_on() -> None:
    class Stop(BaseException):
        pass

    def stop() -> None:
        raise Stop

    async def request() -> str:
        with pytest.raises(Stop):
            await run(stop)
        return await run(here)

    assert await start(request)


# Tasks that outlive the request


@pytest.mark.parametrize("call", [lambda: run(here), sync_to_async(here)], ids=["run", "sync_to_async"])
async def test_a_task_that_outlives_its_request_is_told_about_spawn(call: Request[str]) -> None:
    is_over = asyncio.Event()

    async def late() -> str:
        await is_over.wait()
        return await call()

    async def request() -> "asyncio.Task[str]":
        return asyncio.create_task(late())

    task = await start(request)
    is_over.set()
    with pytest.raises(RequestThreadGone, match=r"`django_fastapi.spawn\(...\)`, or use FastAPI's BackgroundTasks"):
        await task


async def test_a_spawned_task_outlives_its_request_with_its_context(languages: list[str]) -> None:
    is_over = asyncio.Event()

    async def late() -> tuple[str, int]:
        await is_over.wait()
        return variable.get(), await Language.objects.acount()

    async def request() -> "asyncio.Task[tuple[str, int]]":
        variable.set("of the request")
        return spawn(late(), name="late")

    task = await start(request)
    assert task.get_name() == "late"
    is_over.set()
    assert await task == ("of the request", len(languages))


@pytest.mark.parametrize(
    "on_the_loop", [lambda f: async_to_sync(f)(), anyio.from_thread.run], ids=["async_to_sync", "from_thread.run"]
)
async def test_a_task_spawned_from_inside_a_call_outlives_it(
    on_the_loop: Callable[[Callable[[], Coroutine[Any, Any, None]]], None], languages: list[str]
) -> None:
    is_over = asyncio.Event()
    tasks: list[asyncio.Task[tuple[int, str, str]]] = []

    async def late() -> tuple[int, str, str]:
        await is_over.wait()
        return await Language.objects.acount(), await sync_to_async(here)(), await run_in_threadpool(here)

    async def begin() -> None:
        tasks.append(spawn(late()))

    await start(lambda: run(lambda: on_the_loop(begin)))
    is_over.set()
    count, *places = await tasks[0]
    assert count == len(languages)
    assert places[0] == places[1]
    assert places[0].startswith(f"{workers.THREAD_NAME}-")
    assert places[0] != "django_fastapi-astray"


async def test_the_failure_of_a_spawned_task_is_logged_with_its_name(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("nobody awaits this")

    task = spawn(fail(), name="failing")
    await asyncio.wait({task})
    await asyncio.sleep(0)
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("django_fastapi.threads", "The task failing failed.")
    ]
    assert "nobody awaits this" in caplog.text


async def test_a_spawned_task_is_kept_alive_while_it_runs_and_a_cancelled_one_is_no_failure(
    threads: Threads, caplog: pytest.LogCaptureFixture
) -> None:
    task = spawn(asyncio.Event().wait())
    assert task in threads.tasks
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    await asyncio.sleep(0)
    assert not threads.tasks
    assert not caplog.records


async def test_outside_of_requests_each_call_has_a_thread_for_itself(threads: Threads, settings: Settings) -> None:
    settings.FASTAPI_THREADS = 2
    threads.close()
    both_run = threading.Barrier(2, timeout=60)
    context = contextvars.copy_context()
    context.run(enter, None)

    async def outside() -> None:
        assert current_lease() is None
        await asyncio.gather(run(both_run.wait), sync_to_async(both_run.wait)())

    await asyncio.get_running_loop().create_task(outside(), context=context)
    assert threads.pool().counts()["workers"] == 2
    assert threads.close()


# Connection state


async def test_hold_thread_keeps_the_thread_whoever_waits_and_closes_its_connections(
    api: FastAPI,
    build: Callable[[], ASGIApp],
    transactional_db: None,  # noqa: ARG001
) -> None:
    is_set, may_go_on = asyncio.Event(), asyncio.Event()

    def execute(sql: str) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()

    @api.get("/holds", dependencies=[Depends(hold_thread)])
    async def holds() -> int:
        await sync_to_async(execute)("PRAGMA cache_size = 1234")
        is_set.set()
        await may_go_on.wait()
        row = await sync_to_async(execute)("PRAGMA cache_size")
        return int(row[0])

    @api.get("/looks")
    def looks() -> int:
        return int(execute("PRAGMA cache_size")[0])

    connection_settings = connection.settings_dict
    before, connection_settings["CONN_MAX_AGE"] = connection_settings["CONN_MAX_AGE"], None
    try:
        async with asking(build()) as ask:
            assert (await ask("/looks")).status_code == 200
            first = ask("/holds")
            await is_set.wait()
            second = ask("/looks")
            await _until_one_waits()
            may_go_on.set()
            assert (await first).json() == 1234
            assert (await second).json() != 1234
    finally:
        connection_settings["CONN_MAX_AGE"] = before


async def _until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 (threads bring it about, and none of them knows this loop)
        await asyncio.sleep(0)


async def _until_one_waits() -> None:
    await _until(lambda: get_pool().counts()["waiting"] == 1)


async def test_hold_thread_is_nothing_where_there_is_no_lease() -> None:
    held = hold_thread()
    await anext(held)
    with pytest.raises(StopAsyncIteration):
        await anext(held)


async def test_a_leaked_atomic_block_is_rolled_back_and_reaches_nobody(languages: list[str]) -> None:
    async def leak() -> None:
        await sync_to_async(transaction.atomic().__enter__)()
        await Language.objects.acreate(code="leaked")

    async def look() -> int:
        assert not await sync_to_async(lambda: connection.in_atomic_block)()
        await Language.objects.acreate(code="mine")
        return await Language.objects.acount()

    await start(leak)
    assert await start(look) == len(languages) + 1
    assert not await start(Language.objects.filter(code="leaked").aexists)


async def test_a_transaction_keeps_its_thread_over_an_await_whoever_waits(languages: list[str]) -> None:
    is_open, may_go_on = asyncio.Event(), asyncio.Event()

    async def request() -> int:
        block = transaction.atomic()
        await sync_to_async(block.__enter__)()
        await Language.objects.acreate(code="inside")
        is_open.set()
        await may_go_on.wait()
        count = await Language.objects.acount()
        await sync_to_async(block.__exit__)(None, None, None)
        return count

    first = start(request)
    await is_open.wait()
    second = start(Language.objects.acount)
    await _until_one_waits()
    may_go_on.set()
    assert await first == len(languages) + 1
    assert await second == len(languages) + 1


# Waiting and lending


async def test_who_gets_no_thread_in_time_is_answered_503_with_retry_after(
    api: FastAPI,
    build: Callable[[], ASGIApp],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(workers, "_COMPLAIN_SECONDS", 0.0)
    monkeypatch.setattr(workers, "_SECONDS_BETWEEN_COMPLAINTS", 0.0)
    monkeypatch.setattr(concurrency, "_SWEEP_SECONDS", 0.01)
    gate = Gate()

    @api.get("/holds")
    def holds() -> str:
        gate.wait()
        return "held"

    @api.get("/sync")
    def endpoint() -> None:
        pytest.fail("there is no thread for it")

    @api.get("/async")
    async def async_endpoint() -> None:
        await Language.objects.acount()

    app = build()
    async with asking(app) as ask:
        first = ask("/holds")
        await gate.reached.wait()
        settings.FASTAPI_THREAD_WAIT = 0.05
        for path in ("/sync", "/async"):
            response = await ask(path)
            assert response.status_code == 503
            assert response.headers["Retry-After"] == "1"
        gate.open()
        assert (await first).json() == "held"
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert any(
        "1 wait for one of 1 request threads" in warning and "held by: GET /holds for" in warning
        for warning in warnings
    )


async def test_requests_that_wait_for_each_others_thread_and_limit_end_with_503(
    api: FastAPI, build: Callable[[], ASGIApp], settings: Settings
) -> None:
    """FastAPI's `max_concurrency` is held by one that waits for the thread of another, which waits for the limit."""
    settings.FASTAPI_THREAD_WAIT = 0.5
    has_limit, has_thread = asyncio.Event(), asyncio.Event()

    async def limited() -> AsyncIterator[None]:
        has_limit.set()
        yield

    async def thread_of_another() -> None:
        await has_thread.wait()

    async def limit_of_another() -> None:
        has_thread.set()
        await has_limit.wait()

    limit = Depends(limited, max_concurrency=1)

    @api.get("/limit-first", dependencies=[limit, Depends(thread_of_another)])
    def limit_first() -> None:
        """Need the thread."""

    @api.get("/thread-first", dependencies=[Depends(dependency_with_yield), Depends(limit_of_another), limit])
    def thread_first() -> None:
        """Have it."""

    async with asking(build()) as ask:
        answers = await asyncio.gather(ask("/limit-first"), ask("/thread-first"))
        assert [answer.status_code for answer in answers] == [503, 200]
        assert "retry-after" in answers[0].headers
        assert (await ask("/limit-first")).status_code == 200


async def test_thread_wait_timeout_is_an_ordinary_exception_outside_of_an_application(settings: Settings) -> None:
    gate = Gate()
    first = start(lambda: run(gate.wait))
    await gate.reached.wait()
    settings.FASTAPI_THREAD_WAIT = 0.01
    with pytest.raises(ThreadWaitTimeout):
        await start(lambda: run(here))
    gate.open()
    await first


async def test_requests_that_only_wait_do_not_keep_their_threads(
    api: FastAPI, build: Callable[[], ASGIApp], settings: Settings, threads: Threads, languages: list[str]
) -> None:
    settings.FASTAPI_THREADS = 4
    settings.FASTAPI_THREAD_WAIT = 60
    threads.close()
    waiting: list[int] = []
    has_news = asyncio.Event()

    @api.get("/news")
    async def news() -> int:
        waiting.append(await Language.objects.acount())
        await has_news.wait()
        return await Language.objects.acount()

    @api.get("/quick")
    def quick() -> int:
        return Language.objects.count()

    async with asking(build()) as ask:
        polls = [ask("/news") for _ in range(50)]
        await _until(lambda: len(waiting) == len(polls))
        assert (await ask("/quick")).json() == len(languages)
        has_news.set()
        assert [(await poll).json() for poll in polls] == [len(languages)] * 50
    assert threads.pool().counts()["workers"] <= 4


def dependency_with_yield() -> Iterator[None]:
    yield


async def test_a_synchronous_dependency_with_yield_keeps_the_thread_of_a_request(
    api: FastAPI, build: Callable[[], ASGIApp]
) -> None:
    is_inside, may_go_on = asyncio.Event(), asyncio.Event()
    places = Places()

    def dependency() -> Iterator[None]:
        places.note()
        yield
        places.note()

    @api.get("/holds")
    async def holds(_: Annotated[None, Depends(dependency)]) -> None:
        is_inside.set()
        await may_go_on.wait()

    @api.get("/waits")
    def waits() -> str:
        return here()

    async with asking(build()) as ask:
        first = ask("/holds")
        await is_inside.wait()
        second = ask("/waits")
        await _until_one_waits()
        may_go_on.set()
        assert (await first).status_code == (await second).status_code == 200
    places.assert_one_request_thread(2)


async def test_websockets_give_their_thread_back_between_calls(
    api: FastAPI, build: Callable[[], ASGIApp], threads: Threads, languages: list[str]
) -> None:
    @api.websocket("/count", dependencies=[Depends(dependency_with_yield)])
    async def count(socket: WebSocket) -> None:
        await socket.accept()
        async for _ in socket.iter_text():
            await socket.send_text(str(await Language.objects.acount()))

    app = build()
    sockets = [Socket(app, "/count") for _ in range(5)]
    for socket in sockets:
        assert (await socket.receive())["type"] == "websocket.accept"
    for _ in range(2):
        assert [await socket.ask("?") for socket in sockets] == [str(len(languages))] * 5
    await _until(lambda: _all_idle(threads))
    for socket in sockets:
        await socket.close()


def _all_idle(threads: Threads) -> bool:
    counts = threads.pool().counts()
    return counts["idle"] == counts["workers"]


async def test_streams_give_their_thread_back_between_calls(
    api: FastAPI, build: Callable[[], ASGIApp], threads: Threads, languages: list[str]
) -> None:
    news: list[asyncio.Queue[None]] = []

    async def pieces() -> AsyncIterator[str]:
        news.append(mine := asyncio.Queue())
        while True:
            yield f"{await Language.objects.acount()}"
            await mine.get()

    @api.get("/stream", dependencies=[Depends(dependency_with_yield)])
    async def stream() -> StreamingResponse:
        return StreamingResponse(pieces())

    app = build()
    clients = [Stream(app, "/stream") for _ in range(5)]
    for _ in range(2):
        assert [await client.chunk() for client in clients] == [str(len(languages)).encode()] * 5
        await _until(lambda: _all_idle(threads))
        for mine in news:
            mine.put_nowait(None)
    for client in clients:
        await client.leave()


async def test_streams_that_never_pause_take_turns(
    api: FastAPI, build: Callable[[], ASGIApp], languages: list[str]
) -> None:
    counts = [0] * 5

    async def pieces(number: int) -> AsyncIterator[str]:
        while min(counts) < 20:
            counts[number] += 1
            yield f"{await Language.objects.acount()}"

    @api.get("/stream/{number}")
    async def stream(number: int) -> StreamingResponse:
        return StreamingResponse(pieces(number))

    app = build()
    async with asking(app) as ask:
        answers = await asyncio.gather(*[ask(f"/stream/{number}") for number in range(5)])
    assert {answer.text.strip(str(len(languages))) for answer in answers} == {""}
    assert max(counts) < 5 * min(counts)


@pytest.mark.parametrize("is_stream", [False, True], ids=["request", "stream"])
async def test_a_cursor_that_is_read_in_chunks_gives_all_rows_whoever_waits(
    languages: list[str],
    is_stream: bool,  # noqa: FBT001 (pytest passes it by name)
) -> None:
    async def read() -> list[str]:
        return [one.code async for one in Language.objects.aiterator(chunk_size=1)]

    async def read_by_hand() -> list[str]:
        rows = await sync_to_async(lambda: Language.objects.iterator(chunk_size=1))()
        codes = []
        while (row := await sync_to_async(next)(rows, None)) is not None:
            codes.append(row.code)
        return codes

    tasks = [start(request, is_stream=is_stream) for request in (read, read_by_hand) * 3]
    others = [start(lambda: run(here)) for _ in range(10)]
    assert await asyncio.gather(*tasks) == [languages] * 6
    await asyncio.gather(*others)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its cursor is closed by then
async def test_an_iterator_that_is_kept_and_never_read_to_its_end_holds_nobody_up(languages: list[str]) -> None:
    kept: list[Any] = []
    has_asked, may_go_on = asyncio.Event(), asyncio.Event()

    async def leave_open() -> None:
        rows = await sync_to_async(lambda: Language.objects.iterator(chunk_size=1))()
        await sync_to_async(next)(rows)
        kept.append(rows)

    async def long_poll() -> None:
        await Language.objects.acount()
        has_asked.set()
        await may_go_on.wait()

    await start(leave_open)
    poll = start(long_poll)
    await has_asked.wait()
    assert await start(Language.objects.acount) == len(languages)
    may_go_on.set()
    await poll
    kept.clear()


@pytest.fixture
def two_streams(settings: Settings, languages: list[str]) -> None:  # noqa: ARG001
    settings.FASTAPI_THREADS = 2
    settings.FASTAPI_THREAD_WAIT = 0.1


async def stream_in_transaction(may_end: asyncio.Event) -> None:
    """Answer as a body does whose dependency has opened a transaction."""
    block = transaction.atomic()
    await run(block.__enter__)
    try:
        await become_stream()
        await may_end.wait()
    finally:
        await run(functools.partial(block.__exit__, None, None, None))


@pytest.mark.usefixtures("two_streams")
async def test_a_stream_with_a_transaction_waits_until_streams_leave_half_of_the_threads(settings: Settings) -> None:
    settings.FASTAPI_THREAD_WAIT = 60
    may_end = asyncio.Event()
    first, second = (start(lambda: stream_in_transaction(may_end)) for _ in range(2))
    await asyncio.sleep(0.1)
    assert not second.done()
    may_end.set()
    await asyncio.gather(first, second)


@pytest.mark.usefixtures("two_streams")
async def test_it_is_answered_503_if_they_do_not_and_rolls_back(languages: list[str]) -> None:
    may_end = asyncio.Event()
    first = start(lambda: stream_in_transaction(may_end))
    await asyncio.sleep(0.1)
    with pytest.raises(ThreadWaitTimeout):
        await start(lambda: stream_in_transaction(may_end))
    may_end.set()
    await first
    assert await start(Language.objects.acount) == len(languages)
