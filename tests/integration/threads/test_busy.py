"""Who waits for a thread too long is told to come again: 503, and never an error of the database."""

import asyncio

import pytest

from .loads import BUSY, HEARD, Loaded, all_threads_idle, at_once, begin, get, held_threads, statuses, wait_for
from .marks import loaded_on

pytestmark = pytest.mark.anyio

_THREADS = 4
_PATHS = ["/load/bare-def", "/load/bare-async", "/load/def", "/load/async"]
_DJANGO = ["/django/load/def", "/django/load/async"]


async def _refused(loaded: Loaded, paths: list[str], holder: str = "/load/hold/{}") -> None:
    client = loaded.client()
    async with held_threads(client, _THREADS, holder) as held:
        answers = await at_once(client.get(path) for path in paths * 10)
        if f"GET {held} for" not in loaded.running.console():
            # The complaint is not repeated for two seconds, and another test has made it.
            await at_once(client.get(path) for path in paths)
        await get(client, "/load/threads")  # a route without a thread answers
    await all_threads_idle(client)
    after = await at_once(client.get(path) for path in paths * 10)
    assert statuses(after) == {200: len(paths) * 10}
    assert "too many clients" not in loaded.running.console()
    assert statuses(answers) == {503: len(paths) * 10}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    assert f"GET {held} for" in loaded.running.console()


@loaded_on(BUSY)
async def test_fastapi_answers_503_when_all_threads_are_busy(loaded: Loaded) -> None:
    await _refused(loaded, _PATHS)


@loaded_on(BUSY)
async def test_django_views_that_have_the_threads_are_named(loaded: Loaded) -> None:
    await _refused(loaded, _PATHS, holder="/django/load/hold/{}")


@loaded_on(BUSY)
async def test_django_answers_503_when_all_threads_are_busy(loaded: Loaded) -> None:
    await _refused(loaded, _DJANGO)


@loaded_on(HEARD)
async def test_a_listener_to_request_started_makes_no_500_of_the_503(loaded: Loaded) -> None:
    client = loaded.client()
    slow = begin(client.get("/load/slow", params={"seconds": 3}) for _ in range(2))
    with loaded.watch() as watch:
        await asyncio.to_thread(wait_for, lambda: len(watch.pids("query LIKE 'SELECT pg_sleep%%'")) == 2)
    answers = await at_once(client.get(path) for path in ["/load/pid", "/load/bare-def"] * 5)
    assert statuses(await slow) == {200: 2}
    assert statuses(answers) == {503: 10}
