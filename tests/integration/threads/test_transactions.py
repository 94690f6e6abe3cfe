"""As many rows as answers say, whatever fails beside them, and nothing left in a transaction."""

from itertools import cycle

import pytest

from .loads import (
    ATOMIC,
    ATOMIC_SQLITE,
    GUNICORN_WSGI,
    MAIN,
    SQLITE,
    UVICORN_WSGI,
    Loaded,
    all_threads_idle,
    at_once,
    begin,
    statuses,
    token,
    until,
)
from .marks import loaded_on

pytestmark = pytest.mark.anyio

_EACH = 50
_STATUS = {"commit": 201, "raise": 500, "http": 409, "deferred": 500}
_KINDS = ["def", "async"]


async def _write(loaded: Loaded, path: str, failures: list[str]) -> None:
    note, client = token(), loaded.client()
    failing = cycle(failures)
    outcomes = [outcome for _ in range(_EACH) for outcome in ("commit", next(failing))]
    answers = await at_once(
        client.post(path, params={"note": f"{note}-{outcome}", "outcome": outcome}) for outcome in outcomes
    )
    for outcome, answer in zip(outcomes, answers, strict=True):
        expected = 500 if outcome == "http" and path.startswith("/django/") else _STATUS[outcome]
        assert answer.status_code == expected, (outcome, answer.text)
    await all_threads_idle(client)
    assert loaded.rows(f"{note}-commit") == _EACH
    assert loaded.rows(f"{note}-%") == _EACH
    if loaded.database.is_postgres:
        with loaded.watch() as watch:
            assert watch.count_in_transaction() == 0


@loaded_on(MAIN, SQLITE, GUNICORN_WSGI, UVICORN_WSGI)
@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("way", ["atomic", "own-function"])
async def test_fifty_commit_beside_fifty_that_fail(loaded: Loaded, way: str, kind: str) -> None:
    await _write(loaded, f"/load/write/{way}/{kind}", ["raise", "http", "deferred"])


@loaded_on(MAIN, SQLITE)
@pytest.mark.parametrize("kind", _KINDS)
async def test_a_dependency_of_the_request_rolls_back_what_raises(loaded: Loaded, kind: str) -> None:
    # FastAPI leaves it after the response is sent: what fails at the commit is told to nobody.
    await _write(loaded, f"/load/write/own-request/{kind}", ["raise", "http"])


@loaded_on(ATOMIC, ATOMIC_SQLITE)
@pytest.mark.parametrize("path", ["/load/write/plain/def", "/load/write/plain/async", "/django/load/write"])
async def test_atomic_requests_cover_fastapi_and_django(loaded: Loaded, path: str) -> None:
    await _write(loaded, path, ["raise", "http", "deferred"])


@loaded_on(ATOMIC)
@pytest.mark.parametrize("kind", _KINDS)
async def test_atomic_inside_atomic_requests_is_a_savepoint(loaded: Loaded, kind: str) -> None:
    await _write(loaded, f"/load/write/atomic/{kind}", ["raise", "http", "deferred"])


@loaded_on(MAIN, ATOMIC)
@pytest.mark.parametrize("kind", _KINDS)
async def test_an_error_that_is_returned_commits_as_in_django(loaded: Loaded, kind: str) -> None:
    way = "plain" if loaded.name == ATOMIC.name else "atomic"
    note, client = token(), loaded.client()
    path = f"/load/write/{way}/{kind}"
    answers = await at_once(client.post(path, params={"note": note, "outcome": "refuse"}) for _ in range(_EACH))
    assert statuses(answers) == {400: _EACH}
    assert loaded.rows(note) == _EACH


@loaded_on(MAIN)
@pytest.mark.parametrize("kind", _KINDS)
async def test_more_open_transactions_than_threads_wait_their_turn(loaded: Loaded, kind: str) -> None:
    note, gate, client = token(), token(), loaded.client()
    path = f"/load/write/atomic/twice/{kind}"
    writing = begin(client.post(path, params={"note": note, "name": gate}) for _ in range(_EACH))

    async def have_all_threads() -> bool:
        with loaded.watch() as watch:
            return watch.count_in_transaction() == 12

    await until(have_all_threads)
    await client.post(f"/load/gates/{gate}")
    assert statuses(await writing) == {201: _EACH}
    assert loaded.rows(note) == 2 * _EACH
