"""A client that goes, a request that is cancelled: all or nothing is stored, thread and connection are free again."""

import asyncio

import pytest

from .loads import MAIN, Loaded, all_threads_idle, arrival, at_once, begin, get, held_threads, statuses, token, until
from .marks import loaded_on

pytestmark = pytest.mark.anyio

_KINDS = ["def", "async"]
_COUNT = 8


async def _is_all_free(loaded: Loaded) -> None:
    client = loaded.client()
    await all_threads_idle(client)
    answers = await at_once(client.get("/load/def") for _ in range(60))
    assert statuses(answers) == {200: 60}
    with loaded.watch() as watch:
        assert watch.count_in_transaction() == 0
        assert watch.count() <= 12


@loaded_on(MAIN)
@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("way", ["atomic", "own-function", "own-request"])
async def test_a_client_that_goes_leaves_all_or_nothing(loaded: Loaded, way: str, kind: str) -> None:
    gate, client = token(), loaded.client()
    notes = [token() for _ in range(_COUNT)]
    path = f"/load/write/{way}/twice/{kind}"
    going = [asyncio.create_task(client.post(path, params={"note": note, "name": gate})) for note in notes]
    await arrival(client, gate, _COUNT)
    for one in going:
        one.cancel()
    await asyncio.gather(*going, return_exceptions=True)
    await client.post(f"/load/gates/{gate}")
    await _is_all_free(loaded)
    assert {loaded.rows(note) for note in notes} <= {0, 2}


@loaded_on(MAIN)
@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("way", ["atomic", "own-function", "own-request"])
async def test_a_cancelled_request_is_rolled_back(loaded: Loaded, way: str, kind: str) -> None:
    gate, client = token(), loaded.client()
    notes = [token() for _ in range(_COUNT)]
    path = f"/load/write/{way}/twice/{kind}"
    calls = begin(client.post(path, params={"note": note, "name": gate}, headers={"x-cancel": note}) for note in notes)
    await arrival(client, gate, _COUNT)
    for note in notes:
        assert (await client.post(f"/cancel/{note}")).status_code == 200
    # A function that runs cannot be stopped; its transaction ends after it.
    await client.post(f"/load/gates/{gate}")
    assert statuses(await calls) == {504: _COUNT}
    await _is_all_free(loaded)
    assert {loaded.rows(note) for note in notes} == {0}


@loaded_on(MAIN)
@pytest.mark.parametrize("place", ["enter", "endpoint"])
async def test_a_dependency_of_a_cancelled_request_is_left_on_its_thread(loaded: Loaded, place: str) -> None:
    name, client = token(), loaded.client()
    call = asyncio.create_task(client.post(f"/load/write/noted/{name}", headers={"x-cancel": name}))
    await arrival(client, f"{name}-enter")
    if place == "endpoint":
        await client.post(f"/load/gates/{name}-enter")
        await arrival(client, name)
    assert (await client.post(f"/cancel/{name}")).status_code == 200
    await client.post(f"/load/gates/{name}-enter")
    assert (await call).status_code == 504
    await _is_all_free(loaded)
    assert await get(client, f"/load/write/exits/{name}") == [f"{name} True"]
    assert loaded.rows(name) == 0


@loaded_on(MAIN)
async def test_a_request_cancelled_while_it_waits_for_a_thread_never_runs(loaded: Loaded) -> None:
    client = loaded.client()
    notes = [token() for _ in range(_COUNT)]

    async def all_wait() -> bool:
        return bool((await get(client, "/load/threads"))["waiting"] >= _COUNT)

    async with held_threads(client, 12):
        calls = begin(
            client.post("/load/write/atomic/def", params={"note": note}, headers={"x-cancel": note}) for note in notes
        )
        await until(all_wait)
        for note in notes:
            assert (await client.post(f"/cancel/{note}")).status_code == 200
        assert statuses(await calls) == {504: _COUNT}
    await _is_all_free(loaded)
    assert {loaded.rows(note) for note in notes} == {0}
