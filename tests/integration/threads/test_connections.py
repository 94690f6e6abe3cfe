"""`CONN_MAX_AGE`, `CONN_HEALTH_CHECKS` and psycopg's pool work as Django documents them."""

import pytest

from .loads import Load, Loaded, all_threads_idle, at_once, held_threads, statuses, token, wait_for
from .marks import loaded_on

pytestmark = pytest.mark.anyio

_THREADS = 12
_PATHS = ["/load/def", "/load/async", "/load/bare-def", "/load/bare-async", "/django/load/def", "/django/load/async"]
AGED_0 = Load("age-0", {"CONN_MAX_AGE": "0"})
AGED_60 = Load("age-60", {"CONN_MAX_AGE": "60", "HEALTH_CHECKS": "1"})
AGED_NONE = Load("age-none", {"CONN_MAX_AGE": "None"})
POOL = Load("pool", {"CONN_MAX_AGE": "0", "POOL": "1"})
_POOL_SIZE = 4  # psycopg's default


async def _traffic(loaded: Loaded) -> None:
    client, note = loaded.client(), token()
    answers = await at_once(client.get(path) for path in _PATHS * 25)
    assert statuses(answers) == {200: len(_PATHS) * 25}
    answers = await at_once(client.post("/load/write/atomic/async", params={"note": note}) for _ in range(50))
    assert statuses(answers) == {201: 50}
    assert loaded.rows(note) == 50
    await all_threads_idle(client)
    with loaded.watch() as watch:
        assert watch.count_in_transaction() == 0


@loaded_on(AGED_0)
async def test_without_an_age_no_connection_outlives_its_request(loaded: Loaded) -> None:
    await _traffic(loaded)
    with loaded.watch() as watch:
        wait_for(lambda: watch.count() == 0)


@loaded_on(AGED_60, AGED_NONE)
async def test_with_an_age_connections_are_kept(loaded: Loaded) -> None:
    async with held_threads(loaded.client(), _THREADS):
        pass
    with loaded.watch() as watch:
        before = watch.pids()
        assert len(before) == _THREADS
        await _traffic(loaded)
        assert watch.pids() == before


@loaded_on(POOL)
async def test_psycopgs_pool_bounds_the_connections(loaded: Loaded) -> None:
    await _traffic(loaded)
    with loaded.watch() as watch:
        assert 1 <= watch.count() <= _POOL_SIZE


@loaded_on(POOL)
async def test_psycopgs_pool_recovers(loaded: Loaded) -> None:
    await _traffic(loaded)
    client = loaded.client()
    with loaded.watch() as watch:
        killed = watch.kill()
    failures = 0
    for _ in range(40):
        failures += (await client.get("/load/bare-def")).status_code != 200
    assert failures <= len(killed)
    await _traffic(loaded)
