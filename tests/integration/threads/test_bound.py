"""The number of connections is at most that of the threads, whatever arrives at once."""

import asyncio
from contextlib import suppress

import pytest

from .loads import GUNICORN_WSGI, MAIN, SQLITE, UVICORN_WSGI, Loaded, all_threads_idle, at_once, held_threads, statuses
from .marks import loaded_on

pytestmark = pytest.mark.anyio

_REQUESTS = 200
_THREADS = 12
_PATHS = {
    "def": ["/load/def"],
    "async": ["/load/async"],
    "bare": ["/load/bare-def", "/load/bare-async"],
    "django": ["/django/load/def", "/django/load/async"],
    "mix": ["/load/def", "/load/async", "/load/bare-def", "/load/bare-async", "/django/load/def", "/django/load/async"],
}


@loaded_on(SQLITE, GUNICORN_WSGI, UVICORN_WSGI)
async def test_no_server_and_database_has_more_connections_than_threads(loaded: Loaded) -> None:
    await _load(loaded, _PATHS["mix"])


@loaded_on(MAIN)
@pytest.mark.parametrize("paths", _PATHS.values(), ids=_PATHS)
async def test_two_hundred_requests_share_twelve_connections(loaded: Loaded, paths: list[str]) -> None:
    await _load(loaded, paths)


async def _load(loaded: Loaded, paths: list[str]) -> None:
    most = 0

    async def look() -> None:
        nonlocal most
        with loaded.watch() as watch:
            while True:
                most = max(most, watch.count())
                await asyncio.sleep(0.05)

    client = loaded.client()
    looking = asyncio.create_task(look()) if loaded.database.is_postgres else None
    answers = await at_once(client.get(paths[number % len(paths)]) for number in range(_REQUESTS))
    assert statuses(answers) == {200: _REQUESTS}
    for answer in answers:
        assert len(set(answer.json())) <= 1, "one request, one thread"
    await all_threads_idle(client)
    if looking is not None:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        with loaded.watch() as watch:
            assert 1 <= max(most, watch.count()) <= _THREADS
            assert watch.count_in_transaction() == 0


@loaded_on(MAIN)
async def test_the_connections_are_used_again(loaded: Loaded) -> None:
    client = loaded.client()
    # Twelve that wait for each other have twelve threads.
    async with held_threads(client, _THREADS):
        pass
    with loaded.watch() as watch:
        before = watch.pids()
        assert len(before) == _THREADS
        answers = await at_once(client.get("/load/backend") for _ in range(_REQUESTS))
        assert {answer.json()[0] for answer in answers} <= before
        assert watch.pids() == before
