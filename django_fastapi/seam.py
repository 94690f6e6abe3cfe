"""The one place that reaches into FastAPI and Starlette: their hops to threads go to the request's thread.

Every hop of theirs ends in `anyio.to_thread.run_sync`, looked up as an attribute of `anyio` in two modules. These two
are given an `anyio` of ours; that covers plain routers, dependency overrides, generators, background tasks, streams
and WebSocket dependencies alike, which no public hook does. Outside of our application's requests it is AnyIO's own.
`fastapi.routing.serialize_response` is replaced as well: what comes out of the ORM is validated and dumped on the
thread, where lazy relations may be followed.
"""

import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final, TypeGuard, TypeVar, cast

import anyio
import anyio.to_thread
import fastapi
import fastapi.concurrency
import fastapi.routing
import starlette
import starlette.concurrency
from anyio import CapacityLimiter
from django.db.models import Manager, Model, QuerySet

from .concurrency import current_lease, enter, is_ours, new_lease, run
from .contexts import forget_waiting_thread
from .exceptions import ConfigurationError
from .types import Message, Scope
from .workers import THREAD_NAME

T = TypeVar("T")

_ORM: Final = (Model, QuerySet, Manager)
_DEPTH: Final = 3
_VERIFIED_CALLS: Final = 3
_next: Final[Callable[..., Any]] = starlette.concurrency.__dict__["_next"]
_serialize: Final = fastapi.routing.serialize_response


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
        if func is _next:
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
        return await run(function)
    except Exception:
        if lease is not None:
            lease.release_iterator(iterator)
        raise


def _unwrap(func: Callable[..., Any]) -> Any:
    while isinstance(func, functools.partial):
        func = func.func
    return func


def _method_of_context_manager(func: Callable[..., Any]) -> str | None:
    method = _unwrap(func)
    name: str = getattr(method, "__name__", "")
    return name if name in ("__enter__", "__exit__") and hasattr(method, "__self__") else None


async def _serialize_response(*, response_content: Any, **options: Any) -> Any:
    if not is_ours() or not _holds_orm(response_content, _DEPTH):
        return await _serialize(response_content=response_content, **options)
    # With `is_coroutine` it awaits nothing, so a thread can run it to its end.
    options["is_coroutine"] = True
    return await run(functools.partial(_finish, response_content, options))


def _finish(response_content: Any, options: dict[str, Any]) -> Any:
    if isinstance(response_content, Manager):
        response_content = cast("Manager[Model]", response_content).all()
    try:
        _serialize(response_content=response_content, **options).send(None)
    except StopIteration as end:
        return end.value
    raise ConfigurationError(f"FastAPI {fastapi.__version__} serializes responses in a way this version cannot follow.")


def _holds_orm(value: object, depth: int) -> bool:
    if isinstance(value, _ORM):
        return True
    if depth == 0:
        return False
    items: Iterable[object] = ()
    if _is_mapping(value):
        items = value.values()
    elif _is_collection(value):
        items = value
    return any(_holds_orm(item, depth - 1) for item in items)


def _is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, Mapping)


def _is_collection(value: object) -> TypeGuard[Collection[object]]:
    return isinstance(value, list | tuple | set | frozenset)


def install() -> None:
    """Put the seam in place; calling it again changes nothing."""
    starlette_names, fastapi_names = starlette.concurrency.__dict__, fastapi.concurrency.__dict__
    if not isinstance(starlette_names["anyio"], _AnyIO):
        starlette_names["anyio"] = fastapi_names["anyio"] = _AnyIO()
        fastapi.routing.serialize_response = _serialize_response


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
