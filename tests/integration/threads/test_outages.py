"""A database that is away is 503, from the start of the process on, and the process goes on by itself."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from tests.integration.servers import Running, running, wait_until

from .loads import Database, Load, Loaded, token
from .proxy import Proxy, closed_proxy

_AWAY = Load("away", {"CONN_MAX_AGE": "None"})
_PATHS = ["/load/bare-def", "/load/bare-async", "/load/def", "/load/async"]


@dataclass(frozen=True, slots=True)
class Outage:
    """A server that was started without its database."""

    loaded: Loaded
    proxy: Proxy

    @property
    def running(self) -> Running:
        return self.loaded.running

    def count_records(self, path: str) -> int:
        return len(re.findall(rf"Service Unavailable: [A-Z]+ {path} \(request ", self.running.console()))


@pytest.fixture
def outage(databases: Callable[[str], Database], tmp_path: Path) -> Iterator[Outage]:
    database = databases("postgres")
    with ExitStack() as stack:
        proxy = stack.enter_context(closed_proxy(database.url))
        server = _AWAY.server(replace(database, url=proxy.url))
        process = stack.enter_context(running(server, database.directory, tmp_path))
        yield Outage(Loaded(process, database), proxy)


def assert_away(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "127.0.0.1" not in answer.text


def test_the_site_starts_serves_and_recovers_without_a_restart(outage: Outage) -> None:
    note = token()
    with outage.running.client() as client:
        for times in (1, 2):
            for path in _PATHS:
                assert_away(client.get(path))
            assert_away(client.post("/load/write/atomic/def", params={"note": note}))
            assert client.get("/probe/only-get").status_code == 200
            assert [client.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 503]
            assert wait_until(lambda times=times: outage.count_records("/load/write/atomic/def") >= times)  # type: ignore[misc]
            assert {path: outage.count_records(path) for path in _PATHS} == dict.fromkeys(_PATHS, times)
            outage.proxy.open()
            for path in _PATHS:
                assert client.get(path).status_code == 200, path
            assert client.get("/readyz").status_code == 200
            assert client.post("/load/write/atomic/def", params={"note": note}).status_code == 201
            outage.proxy.cut()
    assert outage.running.process.poll() is None
    assert outage.loaded.rows(note) == 2


def test_a_statement_that_takes_too_long_is_another_matter(outage: Outage) -> None:
    outage.proxy.open()
    with outage.running.client() as client:
        answer = client.get("/load/timeout")
    assert (answer.status_code, answer.headers.get("retry-after")) == (500, None)
