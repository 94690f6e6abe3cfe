"""What a body reads from a cursor arrives whole, whoever else wants a thread."""

import asyncio

import pytest

from .loads import (
    BUSY,
    GUNICORN_WSGI,
    MAIN,
    UVICORN_WSGI,
    Loaded,
    all_threads_idle,
    at_once,
    begin,
    small_buffers,
    statuses,
    token,
    until,
)
from .marks import loaded_on

pytestmark = pytest.mark.anyio

_ROWS = 300
_FAT_ROWS = 2000
_READERS = 32
_BUSY_THREADS = 4
_BODIES = ["/load/rows/aiterator", "/load/rows/iterator", "/load/rows/iterator-def", "/django/load/rows"]


@loaded_on(MAIN, GUNICORN_WSGI, UVICORN_WSGI)
async def test_all_rows_arrive_under_load(loaded: Loaded) -> None:
    note, client = token(), loaded.client()
    with loaded.watch() as watch:
        keys = watch.add_rows(note, _ROWS)
    streams = [client.get(_BODIES[number % 4], params={"note": note}) for number in range(_READERS)]
    traffic = begin(client.get("/load/bare-def") for _ in range(100))
    answers = await at_once(streams)
    assert statuses(answers) == {200: _READERS}
    for answer in answers:
        assert [int(line) for line in answer.text.splitlines()] == keys
    assert statuses(await traffic) == {200: 100}
    await all_threads_idle(client)
    with loaded.watch() as watch:
        assert watch.count() <= 12
        assert watch.count_in_transaction() == 0


@loaded_on(MAIN, GUNICORN_WSGI)
@pytest.mark.parametrize("body", ["fat-iterator", "fat-aiterator"])
async def test_readers_who_leave_free_their_threads(loaded: Loaded, body: str) -> None:
    note, client = token(), loaded.client()
    with loaded.watch() as watch:
        watch.add_rows(note, _FAT_ROWS)

    async def read_a_little() -> None:
        async with client.one() as one, one.stream("GET", f"/load/rows/{body}", params={"note": note}) as answer:
            assert answer.status_code == 200
            async for _ in answer.aiter_bytes():
                break

    for _ in range(2):
        await asyncio.gather(*(read_a_little() for _ in range(12)))
    await all_threads_idle(client)
    answers = await at_once(client.get("/load/def") for _ in range(100))
    assert statuses(answers) == {200: 100}
    with loaded.watch() as watch:
        assert watch.count_in_transaction() == 0


@loaded_on(BUSY)
@pytest.mark.parametrize("body", ["fat-iterator", "fat-aiterator"])
async def test_slow_readers_leave_half_of_the_threads_to_others(loaded: Loaded, body: str) -> None:
    note, client = token(), loaded.client()
    with loaded.watch() as watch:
        watch.add_rows(note, _FAT_ROWS)
    has_enough = asyncio.Event()
    begun = 0

    async def read_slowly() -> None:
        nonlocal begun
        async with (
            client.one(transport=small_buffers()) as one,
            one.stream("GET", f"/load/rows/{body}", params={"note": note}) as answer,
        ):
            assert answer.status_code == 200
            begun += 1
            await has_enough.wait()

    readers = [asyncio.create_task(read_slowly()) for _ in range(_BUSY_THREADS)]

    async def all_have_begun() -> bool:
        return begun == _BUSY_THREADS

    try:
        await until(all_have_begun)
        answers = await at_once(client.get("/load/bare-def") for _ in range(20))
    finally:
        has_enough.set()
        await asyncio.gather(*readers)
    await all_threads_idle(client)
    assert statuses(answers) == {200: 20}
