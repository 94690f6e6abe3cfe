"""The request thread: where synchronous work of a request runs, and how to get there."""

import asyncio
import contextvars
import functools
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Executor, Future
from contextvars import ContextVar
from typing import Any, Final, Protocol, TypeVar, cast

import anyio
from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async

from . import connections
from .contexts import (
    call_outside_of_loop,
    enter_thread,
    forget_waiting_thread,
    leave_thread,
    loop_token,
    restore,
    waiting_thread,
)
from .exceptions import ThreadWaitTimeout
from .exits import without_exit
from .leases import Lease
from .settings import THREAD_WAIT
from .tasks import FutureTask, Task
from .threads import get_threads
from .waiting import leaned_on
from .workers import SPREAD_SECONDS, Pool

T = TypeVar("T")

_logger = logging.getLogger("django_fastapi.threads")

_SWEEP_SECONDS: Final = 0.25

_NOT_OURS: Final = object()

_lease: ContextVar[Lease | object | None] = ContextVar("django_fastapi.lease", default=_NOT_OURS)
_lent: ContextVar["LentThread | None"] = ContextVar("django_fastapi.lent", default=None)
_on_return: ContextVar[list[Callable[[], None]] | None] = ContextVar("django_fastapi.on_return", default=None)
_inside: ContextVar["_Call | None"] = ContextVar("django_fastapi.inside", default=None)


class LentThread(Protocol):
    """A thread that a test lends to the application, with its database connections."""

    def add(self, task: Task) -> object:
        """Run a task on the thread, after those that were added before."""
        ...


def is_ours() -> bool:
    """Return whether the current code runs for this package's application: a request, a lifespan, a task of these."""
    return _lease.get() is not _NOT_OURS


def current_lease() -> Lease | None:
    """Return the lease of the current request; None outside of requests and where a test lends its own thread."""
    lease = _lease.get()
    return lease if isinstance(lease, Lease) else None


def new_lease(label: str) -> Lease:
    """Return a lease of this process's pool, without a thread still."""
    threads = get_threads()
    return Lease(threads.pool(), label, get_wait_seconds=threads.wait_seconds)


def enter(lease: Lease | None) -> None:
    """Have the current task, and those it starts, do their synchronous work on the thread of `lease`.

    That goes for asgiref's thread-sensitive calls as well, and so for all of Django's async ORM. With None, each call
    has a thread of the pool for itself: for what runs outside of requests, such as a lifespan.
    """
    _lease.set(lease)
    SyncToAsync.thread_sensitive_context.set(_context)


def enter_borrowed() -> None:
    """Have the current task do its synchronous work on a thread of its caller's; see `is_borrowed`.

    So a test and the application it calls are on one thread, with one connection and one transaction.
    """
    if _lent.get() is not None:
        enter(None)
    _lease.set(None)
    _on_return.set([])


def on_return(function: Callable[[], None]) -> None:
    """Have `leave_borrowed` run a function on the borrowed thread; nothing happens where none is borrowed."""
    functions = _on_return.get()
    if functions is not None:
        functions.append(function)


async def leave_borrowed() -> None:
    """Give a borrowed thread back at the end of a request."""
    functions = _on_return.get()
    while functions:
        await run(functions.pop())


def is_borrowed() -> bool:
    """Return whether there is a thread to borrow: one that `lend` named, or one that waits in `async_to_sync`."""
    return _lent.get() is not None or waiting_thread() is not None


def lend(thread: LentThread) -> None:
    """Have what the current task calls do its synchronous work on `thread`, unless a lease says otherwise; for tests.

    The context may come from another thread: its `asgiref.local.Local`s are made visible here.
    """
    restore(contextvars.copy_context())
    forget_waiting_thread()
    _lent.set(thread)


def adopt(context: contextvars.Context) -> None:
    """Set the context variables that another part of the same request has, a language for example."""
    inside, thread = _inside.get(), leaned_on.get()
    restore(context)
    _inside.set(inside)
    leaned_on.set(thread)


async def run(function: Callable[[], T], *, must_run: bool = False) -> T:
    """Run a function on the request's thread, and return what it returns.

    It is to the function as if `sync_to_async` ran it: context variables go along and come back. When the current task
    is cancelled while the function runs, this waits for its end, since nothing can stop it.

    Args:
        function: What to run.
        must_run: Run it even if the current task is cancelled before its turn has come: it cleans up.

    Raises:
        ThreadWaitTimeout: No thread became free in time.
        RequestThreadGone: The request is over.
    """
    if waiting_thread() is not None:
        # Below `async_to_sync`: that thread is the request's, and it is waiting for this call.
        return await sync_to_async(function)()
    if _is_inside():
        return await asyncio.wrap_future(_run_astray(function))
    call = _Call(function, must_run=must_run)
    _add(call)
    try:
        return cast("T", await call.result())
    finally:
        restore(call.context)


def spawn(coroutine: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
    """Start a task that may outlive the request, or that belongs to none; to be called on the event loop.

    Its async ORM calls have a thread of the pool each. A plain `asyncio.create_task` uses its request's thread, and so
    has to end with it. An exception that ends the task is logged.

    Args:
        coroutine: What to run. Context variables are those of the caller.
        name: The name of the task.
    """
    context = contextvars.copy_context()
    context.run(_enter_spawned)
    task = asyncio.get_running_loop().create_task(coroutine, name=name, context=context)
    tasks = get_threads().tasks
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    task.add_done_callback(_log_failure)
    return task


def _enter_spawned() -> None:
    leaned_on.set(None)
    if _inside.get() is not None:
        # The caller runs below `async_to_sync` in a function on the request's thread, and that function ends.
        _inside.set(None)
        forget_waiting_thread()
    enter(None)


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _logger.error("The task %s failed.", task.get_name(), exc_info=error)


async def hold_thread() -> AsyncIterator[None]:
    """Keep the request's thread to the end of the request; a dependency.

    For code that sets state on its database connection (`SET ROLE`, `search_path`, temporary tables, advisory locks of
    the session) and goes on with it after an `await`. The connections are closed when the thread is given back, so that
    no other request meets that state.
    """
    lease = current_lease()
    if lease is None:
        yield
        return
    lease.hold_firmly(closes_connections=True)
    try:
        yield
    finally:
        lease.release_firm()


async def become_stream() -> None:
    """Note that the request's answer is sent piece by piece: it gives its thread back in between, if nothing is open.

    Streams have half of the threads at most. One with something open waits here until it may keep its thread.

    Raises:
        ThreadWaitTimeout: Too many streams keep theirs.
    """
    lease = current_lease()
    if lease is None or lease.become_stream():
        return
    seconds = THREAD_WAIT.get()
    try:
        async with asyncio.timeout(seconds):
            while not lease.become_stream():  # noqa: ASYNC110 (it is rare, and nothing tells when to look again)
                await asyncio.sleep(_SWEEP_SECONDS)
    except TimeoutError:
        raise ThreadWaitTimeout(seconds) from None


class _Call:
    """A function on its way to the thread, and its result on the way back."""

    __slots__ = (
        "_claim",
        "_function",
        "_is_delivered",
        "_loop",
        "_must_run",
        "_token",
        "_waiter",
        "context",
        "is_running",
    )

    def __init__(self, function: Callable[[], Any], *, must_run: bool) -> None:
        self._function = function
        self._must_run = must_run
        self._loop = asyncio.get_running_loop()
        self._token = loop_token(self._loop)
        self._waiter: asyncio.Future[Any] = self._loop.create_future()
        self._claim = threading.Lock()  # whoever has it decides: the thread to run, the event loop not to
        self._is_delivered = False
        self.is_running = False
        self.context = contextvars.copy_context()

    async def result(self) -> Any:
        try:
            return await self._waiter
        except asyncio.CancelledError:
            if self._must_run or not self._claim.acquire(blocking=False):
                with anyio.CancelScope(shield=True):
                    await self._end_of_function()
            raise

    async def _end_of_function(self) -> None:
        while not self._is_delivered:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            except asyncio.CancelledError:
                continue
            except BaseException:  # noqa: BLE001 (the task is cancelled: nobody is there for this exception)
                return

    def run(self) -> None:
        if not self._claim.acquire(blocking=False):
            return
        enter_thread(self._loop, self._token)
        try:
            result = self.context.run(self._run_inside)
        except BaseException as error:  # noqa: BLE001 (it is for whoever waits for the result)
            self._deliver_soon(None, without_exit(error))
        else:
            self._deliver_soon(result, None)
        finally:
            leave_thread()

    def fail(self, error: BaseException) -> None:
        self._deliver_soon(None, error)

    def _run_inside(self) -> Any:
        restore(self.context)
        token = _inside.set(self)
        self.is_running = True
        try:
            return call_outside_of_loop(self._function)
        finally:
            self.is_running = False
            _inside.reset(token)

    def _deliver_soon(self, result: Any, error: BaseException | None) -> None:
        if isinstance(error, StopIteration):
            # No future takes it.
            replacement = RuntimeError("A function on the request's thread raised StopIteration.")
            replacement.__cause__ = error
            error = replacement
        try:
            self._loop.call_soon_threadsafe(self._deliver, result, error)
        except RuntimeError:
            if not self._loop.is_closed():
                raise

    def _deliver(self, result: Any, error: BaseException | None) -> None:
        self._is_delivered = True
        if self._waiter.done():
            return
        if error is None:
            self._waiter.set_result(result)
        else:
            self._waiter.set_exception(error)


def _is_inside() -> bool:
    """Return whether a function on the request's thread waits for the current task; it may have ended by now."""
    call = _inside.get()
    return call is not None and call.is_running


class _Router(Executor):
    """The executor that asgiref is given: it finds the request's thread at each call."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        function = functools.partial(fn, *args, **kwargs)
        if _is_inside():
            return _run_astray(function)
        task = FutureTask(function)
        _add(task)
        return task.future


_context = ThreadSensitiveContext()
SyncToAsync.context_to_thread_executor[_context] = _Router()


def _add(task: Task) -> None:
    thread = leaned_on.get()
    if thread is not None and thread.add(task):
        return
    lease, lent = current_lease(), _lent.get()
    if lease is not None:
        has_worker = lease.add(task)
    elif lent is not None:
        lent.add(task)
        return
    else:
        lease = new_lease("a call outside of requests")
        has_worker = lease.add(task)
        lease.end()
    if not has_worker:
        loop = asyncio.get_running_loop()
        if lease.pool.begin_spreading(loop):
            loop.call_later(SPREAD_SECONDS, _spread, lease.pool, loop)
        if lease.pool.begin_sweeping(loop):
            loop.call_later(_SWEEP_SECONDS, _sweep, lease.pool, loop)


def _spread(pool: Pool, loop: asyncio.AbstractEventLoop) -> None:
    """Look whether more workers are needed, again and again while somebody waits for one."""
    if pool.spread():
        loop.call_later(SPREAD_SECONDS, _spread, pool, loop)


def _sweep(pool: Pool, loop: asyncio.AbstractEventLoop) -> None:
    """Look after those who wait for a worker, again and again until nobody does."""
    pool.complain()
    if pool.expire():
        loop.call_later(_SWEEP_SECONDS, _sweep, pool, loop)


def _run_astray(function: Callable[[], T]) -> "Future[T]":
    """Run a function while the request's thread waits for it: on a thread of its own, whose connections are closed."""
    task = FutureTask(function)

    def work() -> None:
        try:
            task.run()
        finally:
            connections.close_all()

    threading.Thread(target=work, name="django_fastapi-astray", daemon=True).start()
    return task.future
