"""The end of a server, and its forks: never a 201 without its row, and each process has connections of its own."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import httpx
import pytest

from tests.integration.servers import ASGI, GUNICORN, UVICORN, WSGI

from .loads import GTHREAD, Load, Loaded, at_once, statuses, token, until, wait_for
from .marks import loaded_alone_on, loaded_on

pytestmark = pytest.mark.anyio

_WRITERS = 40
_ENDED = (
    Load("sigterm-uvicorn", command=(*UVICORN, ASGI)),
    Load("sigterm-gunicorn-uvicorn", command=(*GUNICORN, "-k", "uvicorn_worker.UvicornWorker", "-w", "2", ASGI)),
    Load("sigterm-gunicorn-gthread", command=(*GTHREAD, WSGI), interface="wsgi"),
    Load("sigterm-uvicorn-wsgi", command=(*UVICORN, "--interface", "wsgi", WSGI), interface="wsgi"),
)
_GRACE = (
    Load("grace-uvicorn", command=(*UVICORN, "--timeout-graceful-shutdown", "1", ASGI)),
    Load("grace-gunicorn-gthread", command=(*GTHREAD, "--graceful-timeout", "1", WSGI), interface="wsgi"),
)


async def _write_until_it_ends(loaded: Loaded, end: Callable[[], object]) -> None:
    """Write without a pause, end the server in the middle, and see that what it has told is stored."""
    note, client = token(), loaded.client()
    told: list[str] = []

    async def write_on(number: int) -> None:
        with suppress(httpx.TransportError):
            async with client.one() as one:
                for step in range(1000):
                    key = f"{note}-{number}-{step}"
                    kind = "async" if (number + step) % 2 else "def"
                    answer = await one.post(f"/load/write/atomic/{kind}", params={"note": key})
                    if answer.status_code == 201:
                        told.append(key)

    writing = asyncio.gather(*(write_on(number) for number in range(_WRITERS)))
    await until(lambda: len(told) >= 2 * _WRITERS)
    await asyncio.to_thread(end)
    await writing
    with loaded.watch() as watch:
        wait_for(lambda: watch.count() == 0)
        stored = watch.notes(f"{note}-%")
    assert set(told) <= stored
    # Each writer had at most one request under way whose answer it did not get.
    assert len(stored - set(told)) <= _WRITERS


@loaded_alone_on(*_ENDED)
async def test_sigterm_with_work_in_flight_tells_no_lies(own_loaded: Loaded) -> None:
    await _write_until_it_ends(own_loaded, own_loaded.running.terminate)
    assert own_loaded.running.process.poll() is not None


@loaded_alone_on(Load("sigkill"))
async def test_sigkill_with_work_in_flight_tells_no_lies(own_loaded: Loaded) -> None:
    await _write_until_it_ends(own_loaded, own_loaded.running.process.kill)


@loaded_alone_on(*_GRACE)
async def test_a_transaction_is_all_or_nothing_when_the_grace_is_over(own_loaded: Loaded) -> None:
    client = own_loaded.client()
    notes = [token() for _ in range(8)]
    calls = [asyncio.create_task(client.post("/load/write/atomic/slowly", params={"note": note})) for note in notes]
    with own_loaded.watch() as watch:
        await asyncio.to_thread(wait_for, lambda: len(watch.pids("query LIKE 'SELECT pg_sleep%%'")) == len(notes))
        await asyncio.to_thread(own_loaded.running.terminate)
        assert own_loaded.running.process.poll() is not None
        answers = await asyncio.gather(*calls, return_exceptions=True)
        wait_for(lambda: watch.count() == 0)
        for note, answer in zip(notes, answers, strict=True):
            is_told = isinstance(answer, httpx.Response) and answer.status_code == 201
            assert watch.rows(note) in ({2} if is_told else {0, 2})


_PRELOADING = (
    *GUNICORN,
    "-k",
    "gthread",
    "-w",
    "2",
    "--threads",
    "8",
    "--preload",
    "-c",
    "python:tests.integration.threads.gunicorn_used",
    WSGI,
)
_FORKED = Load("forked-after-use", {"CONN_MAX_AGE": "None"}, _PRELOADING, interface="wsgi")
_FORKED_POOL = Load("forked-pool", {"CONN_MAX_AGE": "0", "POOL": "1"}, _PRELOADING, interface="wsgi")


@loaded_on(_FORKED, _FORKED_POOL)
async def test_a_fork_after_use_has_connections_of_its_own(loaded: Loaded) -> None:
    client = loaded.client()
    with loaded.watch() as watch:
        parents = watch.pids()  # nobody has asked the children for anything yet
        assert parents, "the parent has used the database before the fork"
        answers = await at_once(client.get(path) for path in ["/load/def", "/load/async", "/django/load/def"] * 60)
        assert statuses(answers) == {200: 180}
        backends = {answer.json()[0] for answer in await at_once(client.get("/load/backend") for _ in range(100))}
        assert not backends & parents
        pids: set[int] = set()
        for _ in range(50):  # one child may take all connections, for as long as it is the quicker one
            pids |= {answer.json() for answer in await at_once(client.get("/load/pid") for _ in range(40))}
            if len(pids) == 2:
                break
        assert len(pids) == 2
        note = token()
        answers = await at_once(client.post("/load/write/atomic/def", params={"note": note}) for _ in range(100))
        assert statuses(answers) == {201: 100}
        assert watch.rows(note) == 100
        assert watch.count_in_transaction() == 0
        assert parents <= watch.pids(), "a child has closed what is the parent's"
