import asyncio
import contextvars
import os
import threading

import anyio.from_thread
import anyio.to_thread
import pytest
from anyio import NoEventLoopError
from asgiref.local import Local
from asgiref.sync import AsyncToSync, SyncToAsync, async_to_sync

from django_fastapi import contexts

pytestmark = pytest.mark.anyio


def test_restore_sets_the_variables_of_a_context_and_brings_locals_to_this_thread() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    local = Local()
    elsewhere: list[contextvars.Context] = []

    def change() -> None:
        variable.set("changed")
        local.value = "changed"
        elsewhere.append(contextvars.copy_context())

    thread = threading.Thread(target=change)
    thread.start()
    thread.join()

    def look() -> tuple[str, str | None]:
        return variable.get(), getattr(local, "value", None)

    def look_after_restoring() -> tuple[str, str | None]:
        contexts.restore(elsewhere[0])
        return look()

    assert elsewhere[0].run(look) == ("changed", None)
    assert contextvars.copy_context().run(look_after_restoring) == ("changed", "changed")
    assert look() == ("unset", None)


async def test_on_a_thread_that_was_entered_both_ways_back_lead_to_the_loop() -> None:
    loop, token = asyncio.get_running_loop(), contexts.loop_token(asyncio.get_running_loop())

    async def current_loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def work() -> list[asyncio.AbstractEventLoop]:
        contexts.enter_thread(loop, token)
        return [async_to_sync(current_loop)(), anyio.from_thread.run(current_loop)]

    assert await asyncio.to_thread(work) == [loop, loop]


async def test_a_thread_that_was_left_cannot_call_the_loop_through_anyio() -> None:
    loop, token = asyncio.get_running_loop(), contexts.loop_token(asyncio.get_running_loop())

    def work() -> None:
        contexts.enter_thread(loop, token)
        anyio.from_thread.check_cancelled()
        contexts.leave_thread()
        contexts.leave_thread()
        anyio.from_thread.run(asyncio.sleep, 0)

    with pytest.raises(NoEventLoopError):
        await asyncio.to_thread(work)


async def test_the_waiting_thread_is_found_below_async_to_sync_and_can_be_forgotten() -> None:
    async def look() -> tuple[bool, bool]:
        before = contexts.waiting_thread() is not None
        contexts.forget_waiting_thread()
        return before, contexts.waiting_thread() is not None

    assert contexts.waiting_thread() is None
    assert await asyncio.to_thread(async_to_sync(look)) == (True, False)
    assert contexts.waiting_thread() is None


# The private names themselves: each test fails when one goes or means something else.


def test_private_name_restore_context_of_asgiref() -> None:
    from asgiref import sync  # noqa: PLC0415 (the module, whose private name is the point)

    assert contexts.restore is sync._restore_context  # noqa: SLF001


async def test_private_names_of_asgirefs_thread_locals() -> None:
    """`sync_to_async` itself sets these three, and `async_to_sync` reads them."""
    seen: dict[str, object] = {}

    def look() -> None:
        seen.update(vars(SyncToAsync.threadlocal))

    await SyncToAsync(look, thread_sensitive=False)()
    assert seen["main_event_loop"] is asyncio.get_running_loop()
    assert seen["main_event_loop_pid"] == os.getpid()
    assert seen["task_context"] == []
    assert seen.keys() == {"main_event_loop", "main_event_loop_pid", "task_context"}


async def test_private_names_of_anyios_thread_locals() -> None:
    """AnyIO's own worker threads have these two while they run something."""
    seen: dict[str, object] = {}

    def look() -> None:
        seen.update(vars(contexts.threadlocals))

    await anyio.to_thread.run_sync(look)
    assert seen["current_token"] == contexts.loop_token(asyncio.get_running_loop())
    assert seen.keys() == {"current_token", "current_cancel_scope"}


async def test_private_name_executors_of_asgirefs_async_to_sync() -> None:
    executors: list[object] = []

    async def look() -> None:
        executors.append(AsyncToSync.executors.current)

    await asyncio.to_thread(async_to_sync(look))
    assert type(executors[0]).__name__ == "CurrentThreadExecutor"
