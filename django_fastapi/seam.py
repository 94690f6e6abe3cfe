"""What of FastAPI and Starlette is replaced, so that their hops to threads go to the request's thread.

Every hop of theirs ends in `anyio.to_thread.run_sync`, looked up as an attribute of `anyio` in two modules. These two
are given an `anyio` of ours; that covers plain routers, dependency overrides, generators, background tasks, streams
and WebSocket dependencies alike, which no public hook does. Outside of our application's requests it is AnyIO's own.
`fastapi.routing.serialize_response` is replaced as well: what comes out of the ORM is validated and dumped on the
thread, where lazy relations may be followed; what a synchronous body yields is validated there. And so is the loop of
`BackgroundTasks`, Starlette's and FastAPI's: a task that fails is logged, and the ones after it run. And
`solve_dependencies`, by its name in two modules: functions that take nothing of the request but itself, and what other
such functions return, are called without taking the request apart for each.
"""

import asyncio
import contextvars
import copy
import functools
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Final, Protocol, TypeVar, cast

import anyio
import anyio.to_thread
import fastapi
import fastapi.concurrency
import fastapi.dependencies.utils
import fastapi.routing
import starlette
import starlette.concurrency
from anyio import CapacityLimiter
from django.db.models import Manager, Model
from fastapi.background import BackgroundTasks
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import SolvedDependency
from starlette.background import BackgroundTasks as StarletteBackgroundTasks
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from .boundary import fail_task
from .concurrency import current_lease, enter, is_ours, new_lease, run
from .contents import PlainFields, holds_orm, is_small_and_plain
from .contexts import forget_waiting_thread
from .exceptions import ConfigurationError
from .exits import refuse_exit
from .internals import next_item
from .requests import load_body
from .solving import analyse
from .types import Message, Scope
from .workers import THREAD_NAME

T = TypeVar("T")

_VERIFIED_CALLS: Final = 3
_serialize: Final = fastapi.routing.serialize_response
_solve: Final[Callable[..., Awaitable[SolvedDependency]]] = fastapi.dependencies.utils.solve_dependencies
_plain_fields: Final = PlainFields()
_api_scope: ContextVar[Scope | None] = ContextVar("django_fastapi.api_scope", default=None)


class _ToThread:
    """`anyio.to_thread`, with a `run_sync` that knows the request's thread."""

    def __getattr__(self, name: str) -> Any:
        return getattr(anyio.to_thread, name)

    async def run_sync(
        self,
        func: Callable[..., T],
        *args: Any,
        abandon_on_cancel: bool = False,
        limiter: CapacityLimiter | None = None,
    ) -> T:
        if not is_ours():
            return await anyio.to_thread.run_sync(func, *args, abandon_on_cancel=abandon_on_cancel, limiter=limiter)
        function = functools.partial(func, *args) if args else func
        if func is next_item:
            return await _advance(function, args[0])
        manager_method = _method_of_context_manager(func)
        if manager_method == "__enter__":
            return await _enter(function, func)
        try:
            return await run(function, must_run=manager_method == "__exit__")
        finally:
            if manager_method == "__exit__" and (lease := current_lease()) is not None:
                lease.release()


class _AnyIO:
    """`anyio`, with a `to_thread` of ours."""

    to_thread = _ToThread()

    def __getattr__(self, name: str) -> Any:
        return getattr(anyio, name)


async def _enter(function: Callable[[], T], func: Callable[..., Any]) -> T:
    """Enter a synchronous context manager, and hold the thread until its exit.

    FastAPI does not exit a manager whose enter was cancelled, though it may have opened a transaction by then.
    """
    lease = current_lease()
    has_entered = False

    def enter() -> T:
        nonlocal has_entered
        value = function()
        has_entered = True
        return value

    if lease is not None:
        lease.hold()
    try:
        return await run(enter)
    except BaseException as error:
        if has_entered:
            leave = functools.partial(_unwrap(func).__self__.__exit__, type(error), error, error.__traceback__)
            with anyio.CancelScope(shield=True):
                await run(leave, must_run=True)
        if lease is not None:
            lease.release()
        raise


async def _advance(function: Callable[[], T], iterator: Iterator[Any]) -> T:
    """Take the next item of a synchronous body, and hold the thread while there are more."""
    lease = current_lease()
    if lease is not None:
        lease.hold_iterator(iterator)
    try:
        return await run(functools.partial(_take_item, function))
    except Exception:
        if lease is not None:
            lease.release_iterator(iterator)
        raise


def _take_item(take: Callable[[], T]) -> T:
    """Take an item of a body, validated if it came out of the ORM: FastAPI does that on the event loop.

    It validates what it gets again, which asks nothing more of the database, and says what is wrong with it.
    """
    item = take()
    scope = _api_scope.get()
    field: Any = None if scope is None else getattr(scope.get("route"), "stream_item_field", None)
    serialize: Any = fastapi.routing.serialize_response
    if field is None or not isinstance(serialize, _SerializeResponse) or not holds_orm(item):
        return item
    value, errors = field.validate(serialize.prepare(item, {"field": field}), {}, loc=("response",))
    return item if errors else value


def _unwrap(func: Callable[..., Any]) -> Any:
    while isinstance(func, functools.partial):
        func = func.func
    return func


def _method_of_context_manager(func: Callable[..., Any]) -> str | None:
    method = _unwrap(func)
    name: str = getattr(method, "__name__", "")
    return name if name in ("__enter__", "__exit__") and hasattr(method, "__self__") else None


class ResultWriter(Protocol):
    """What makes a response of querysets and instances, on the request's thread; `application` gives the ORM's.

    The options are those of `fastapi.routing.serialize_response`.
    """

    def prepare_loaded(self, content: Any, options: Mapping[str, Any]) -> Any | None:
        """Return the content as FastAPI can validate it on the event loop; None if that is for the thread."""
        ...

    def write(self, content: Any, options: Mapping[str, Any]) -> bytes | None:
        """Return the finished JSON; None if FastAPI has to validate and serialize what `prepare` returns."""
        ...

    def prepare(self, content: Any, options: Mapping[str, Any]) -> Any:
        """Return the content as FastAPI can validate it."""
        ...


class _SerializeResponse:
    """`fastapi.routing.serialize_response`, on the request's thread for what came out of the ORM."""

    def __init__(self, writer: ResultWriter | None) -> None:
        self._writer = writer

    def __call__(self, **options: Any) -> Coroutine[Any, Any, Any]:
        content = options["response_content"]
        if not is_ours():
            return _serialize(**options)
        if is_small_and_plain(content):
            # Whatever the endpoint is, a thread has nothing to do that would be worth the way.
            options["is_coroutine"] = options["is_coroutine"] or options["field"] in _plain_fields
            return _serialize(**options)
        if not holds_orm(content):
            return _serialize(**options)
        # With `is_coroutine` it awaits nothing, so a thread can run it to its end.
        options["is_coroutine"] = True
        if self._writer is not None and (loaded := self._writer.prepare_loaded(content, options)) is not None:
            return _serialize(**{**options, "response_content": loaded})
        del options["response_content"]
        return run(functools.partial(self._write, content, options))

    def prepare(self, content: Any, options: Mapping[str, Any]) -> Any:
        return content if self._writer is None else self._writer.prepare(content, options)

    def _write(self, content: Any, options: dict[str, Any]) -> Any:
        body = None if self._writer is None else self._writer.write(content, options)
        return _finish(self.prepare(content, options), options) if body is None else body


def _finish(response_content: Any, options: dict[str, Any]) -> Any:
    if isinstance(response_content, Manager):
        response_content = cast("Manager[Model]", response_content).all()
    try:
        _serialize(response_content=response_content, **options).send(None)
    except StopIteration as end:
        return end.value
    raise ConfigurationError(f"FastAPI {fastapi.__version__} serializes responses in a way this version cannot follow.")


class _NoResponse(Response):
    """What FastAPI has for endpoints to set status and headers on, for one that does not ask for it."""

    def __init__(self) -> None:
        # Not Starlette's `__init__`, which works out headers that FastAPI takes away again.
        self.status_code = None  # type: ignore[assignment]  # FastAPI's sign that nobody has set it
        self.background = None
        self.body = b""
        self.raw_headers = []


async def _solve_dependencies(  # noqa: PLR0913 (FastAPI's signature)
    *,
    request: Request | WebSocket,
    dependant: Dependant,
    background_tasks: StarletteBackgroundTasks | None = None,
    response: Response | None = None,
    dependency_overrides_provider: Any | None = None,
    dependency_cache: dict[Any, Any] | None = None,
    **options: Any,
) -> SolvedDependency:
    """`fastapi.dependencies.utils.solve_dependencies`, in a fraction of its time where there is little to solve.

    FastAPI parses query, headers and cookies for each function that it calls, also for one without any parameter.
    """
    analysis = analyse(dependant) if is_ours() else None
    if analysis is not None and analysis.reads_on_thread:
        await load_body(request)
    plan = None if analysis is None else analysis.plan
    if plan is None or getattr(dependency_overrides_provider, "dependency_overrides", None):
        return await _solve(
            request=request,
            dependant=dependant,
            background_tasks=background_tasks,
            response=response,
            dependency_overrides_provider=dependency_overrides_provider,
            dependency_cache=dependency_cache,
            **options,
        )
    cache = {} if dependency_cache is None else dependency_cache
    values = await plan.solve(request, cache) if plan.steps else plan.begin(request)
    return SolvedDependency(values, [], background_tasks, _NoResponse() if response is None else response, cache)


def _one_by_one(run_all: Callable[[Any], Awaitable[None]]) -> Callable[[StarletteBackgroundTasks], Awaitable[None]]:
    """Return a loop over background tasks, each run as `run_all` runs it, that goes on after one that fails.

    Outside of our requests it does not go on: `fail_task` raises there.
    """

    async def run_each(tasks: StarletteBackgroundTasks) -> None:
        for task in tasks.tasks:
            alone = copy.copy(tasks)
            alone.tasks = [task]
            try:
                try:
                    await run_all(alone)
                except (SystemExit, KeyboardInterrupt, BaseExceptionGroup) as error:
                    refuse_exit(error)
            except Exception as error:  # noqa: BLE001 (whatever it is, the next task is not to blame)
                await fail_task(error)

    return run_each


def enter_api(scope: Scope) -> None:
    """Note the scope that the current task calls an API with: FastAPI leaves in it which route it has found."""
    _api_scope.set(scope)


def install(writer: ResultWriter | None = None) -> None:
    """Put the seam in place; calling it again changes nothing but the writer, if one is given."""
    _pin_wsgi()
    starlette_names, fastapi_names = starlette.concurrency.__dict__, fastapi.concurrency.__dict__
    if not isinstance(starlette_names["anyio"], _AnyIO):
        starlette_names["anyio"] = fastapi_names["anyio"] = _AnyIO()
        fastapi.routing.serialize_response = _SerializeResponse(writer)
        for module in (fastapi.routing, fastapi.dependencies.utils):
            vars(module)["solve_dependencies"] = _solve_dependencies
        for kind in (StarletteBackgroundTasks, BackgroundTasks):
            type.__setattr__(kind, "__call__", _one_by_one(kind.__call__))
    elif writer is not None:
        fastapi.routing.serialize_response = _SerializeResponse(writer)


def _pin_wsgi() -> None:
    """Have Starlette's WSGI middleware use the thread too, if the project has it; to import it is to be warned."""
    if (module := sys.modules.get("starlette.middleware.wsgi")) is not None:
        vars(module)["anyio"] = _AnyIO()


async def verify() -> None:
    """Send a request through a plain FastAPI application and see that it runs on the request's thread.

    Raises:
        ConfigurationError: It does not: this version of FastAPI works in another way.
    """
    threads: list[str] = []
    app, router = fastapi.FastAPI(), fastapi.APIRouter()

    def dependency() -> Iterator[None]:
        threads.append(threading.current_thread().name)
        yield
        threads.append(threading.current_thread().name)

    @router.get("/", dependencies=[fastapi.Depends(dependency)])
    def endpoint() -> None:
        threads.append(threading.current_thread().name)

    app.include_router(router)
    lease = new_lease("the test of the seam")
    context = contextvars.copy_context()
    context.run(forget_waiting_thread)
    context.run(enter, lease)
    failure: Exception | None = None
    try:
        await asyncio.create_task(_request(app), context=context)
    except Exception as error:  # noqa: BLE001 (whatever it is, synchronous code did not run as it should)
        failure = error
    finally:
        lease.end()
    if failure or len(threads) != _VERIFIED_CALLS or len(set(threads)) != 1 or not threads[0].startswith(THREAD_NAME):
        raise ConfigurationError(
            f"FastAPI {fastapi.__version__} with Starlette {starlette.__version__} does not run synchronous code where "
            f"this version of django-fastapi-bridge expects it: {threads}. Install one that supports them."
        ) from failure


async def _request(app: fastapi.FastAPI) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        """Drop the answer."""

    scope: Scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    await app(scope, receive, send)
