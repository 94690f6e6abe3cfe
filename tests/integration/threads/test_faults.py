"""A database that goes away costs one failure for each broken connection at most, and never a restart of the server."""

import asyncio

import pytest
from websockets.asyncio.client import ClientConnection

from .loads import (
    SECONDS,
    Load,
    Loaded,
    all_threads_idle,
    arrival,
    at_once,
    begin,
    held_threads,
    statuses,
    token,
    until,
)
from .marks import loaded_on

pytestmark = pytest.mark.anyio

_THREADS = 12
_REQUESTS = 120
KEPT = Load("kept", {"CONN_MAX_AGE": "None"})
CHECKED = Load("checked", {"CONN_MAX_AGE": "None", "HEALTH_CHECKS": "1"})
_SOCKETS = 40
_FINDERS = ["/load/bare-def", "/load/async", "/django/load/def"]
_PATHS = ["/load/bare-def", "/load/bare-async", "/load/def", "/load/async", "/django/load/def", "/django/load/async"]


async def _open_all_connections(loaded: Loaded) -> None:
    client = loaded.client()
    async with held_threads(client, _THREADS):
        pass
    await all_threads_idle(client)
    with loaded.watch() as watch:
        assert watch.count() == _THREADS


@loaded_on(KEPT)
@pytest.mark.parametrize("path", _FINDERS)
async def test_one_request_finds_out_that_all_connections_are_dead(loaded: Loaded, path: str) -> None:
    await _open_all_connections(loaded)
    with loaded.watch() as watch:
        assert len(watch.kill()) == _THREADS
    client = loaded.client()
    found = [(await client.get(path)).status_code for _ in range(20)]
    # The next request may come before it has been seen that the first one failed.
    assert found.count(500) + found.count(503) <= 2
    assert found[2:] == [200] * 18
    answers = await at_once(client.get(path) for _ in range(_REQUESTS))
    assert statuses(answers) == {200: _REQUESTS}


@loaded_on(KEPT)
@pytest.mark.parametrize(("way", "kind"), [("atomic", "def"), ("atomic", "async"), ("own-function", "def")])
async def test_one_transaction_finds_out_that_all_connections_are_dead(loaded: Loaded, way: str, kind: str) -> None:
    await _open_all_connections(loaded)
    with loaded.watch() as watch:
        watch.kill()
    note, client = token(), loaded.client()
    path = f"/load/write/{way}/{kind}"
    found = [(await client.post(path, params={"note": note})).status_code for _ in range(20)]
    assert found.count(500) + found.count(503) <= 2
    assert found[2:] == [201] * 18
    answers = await at_once(client.post(path, params={"note": note}) for _ in range(_REQUESTS))
    assert statuses(answers) == {201: _REQUESTS}
    assert loaded.rows(note) == _REQUESTS + found.count(201)


@loaded_on(KEPT)
async def test_open_sockets_go_on_after_one_request_has_found_out(loaded: Loaded) -> None:
    await _open_all_connections(loaded)
    client, name = loaded.client(), token()
    async with loaded.sockets(f"/load/socket/{name}", _SOCKETS) as sockets:
        await arrival(client, name, _SOCKETS)
        for socket in sockets:
            assert await socket.recv() == "true"
        with loaded.watch() as watch:
            watch.kill()
        await client.get("/load/bare-def")
        await all_threads_idle(client)

        async def ask(socket: ClientConnection) -> str:
            await socket.send("nobody")
            return str(await socket.recv())

        assert await asyncio.gather(*map(ask, sockets)) == ["0"] * _SOCKETS


@loaded_on(KEPT)
async def test_a_transaction_that_is_killed_under_way_fails_and_the_next_do_not(loaded: Loaded) -> None:
    note, gate, client = token(), token(), loaded.client()
    path = "/load/write/atomic/twice/def"
    writing = begin(client.post(path, params={"note": note, "name": gate}) for _ in range(_THREADS))
    await arrival(client, gate, _THREADS)
    with loaded.watch() as watch:
        assert len(watch.kill()) == _THREADS
    await client.post(f"/load/gates/{gate}")
    assert statuses(await writing) == {503: _THREADS}
    assert loaded.rows(note) == 0
    await all_threads_idle(client)
    answers = await at_once(client.post("/load/write/atomic/def", params={"note": note}) for _ in range(_REQUESTS))
    assert statuses(answers) == {201: _REQUESTS}


@loaded_on(KEPT, CHECKED)
async def test_backends_killed_in_mid_run_cost_one_failure_each_at_most(loaded: Loaded) -> None:
    await _open_all_connections(loaded)
    note, client = token(), loaded.client()
    paths = [*_PATHS, "/load/slow", "/load/aslow"]
    done = 0
    is_killed = False
    found: list[tuple[bool, int, str]] = []

    async def work(number: int) -> None:
        nonlocal done
        async with client.one() as one:
            for step in range(10):
                if (number + step) % 2:
                    answer = await one.post("/load/write/atomic/def", params={"note": note})
                else:
                    answer = await one.get(paths[(number + step) // 2 % len(paths)], timeout=SECONDS)
                found.append((is_killed, answer.status_code, str(answer.url)))
                done += 1

    work_of_all = asyncio.gather(*(work(number) for number in range(60)))
    await until(lambda: done >= 200)
    with loaded.watch() as watch:
        killed = await asyncio.to_thread(watch.kill)
    is_killed = True
    await work_of_all
    assert len(found) == 600
    failures = [(status, url) for _, status, url in found if status >= 400]
    assert len(failures) <= len(killed), failures
    assert sum(status == 201 for _, status, url in found if "write" in url) == loaded.rows(note)
    await all_threads_idle(client)
    answers = await at_once(client.get(path) for path in _PATHS * 20)
    assert statuses(answers) == {200: len(_PATHS) * 20}
    with loaded.watch() as watch:
        assert watch.count_in_transaction() == 0
        assert watch.count() <= _THREADS


@loaded_on(CHECKED)
async def test_with_health_checks_nobody_notices(loaded: Loaded) -> None:
    await _open_all_connections(loaded)
    with loaded.watch() as watch:
        assert len(watch.kill()) == _THREADS
    client = loaded.client()
    answers = await at_once(client.get(path) for path in _PATHS * 20)
    assert statuses(answers) == {200: len(_PATHS) * 20}
