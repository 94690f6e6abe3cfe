"""The lifespan runs once in each process, whatever the server."""

import signal
from collections import Counter

import pytest

from .marks import served_alone_by, served_by
from .servers import GUNICORN, ROOT, SERVERS, WSGI, Running, Server, wait_until

_USED_BEFORE_FORK = Server(
    "gunicorn-used-before-fork",
    (*GUNICORN, "-w", "2", "--preload", "-c", str(ROOT / "tests/integration/gunicorn_used.py"), WSGI),
    "wsgi",
    processes=3,
)

_TIMES = 6  # each of several processes is asked
_EXITS = {
    "/probe/exit": "the sync endpoint wants to end the process",
    "/probe/async-exit": "the async endpoint wants to end the process",
    "/django/exit/": "the Django view wants to end the process",
}


def _ask_until_all_have_answered(server: Running) -> Counter[int]:
    def ask() -> bool:
        with server.client() as client:
            assert client.get("/probe/state").status_code == 200
        return len(server.count_notes("startup")) == server.server.processes

    assert wait_until(ask), server.notes()
    return server.count_notes("startup")


@served_alone_by(SERVERS)
def test_the_lifespan_starts_once_in_each_process_and_ends(own_server: Running) -> None:
    started = _ask_until_all_have_answered(own_server)
    assert set(started.values()) == {1}
    assert own_server.terminate() is not None
    assert own_server.count_notes("startup") == started
    assert own_server.count_notes("shutdown") == (started if own_server.server.ends_lifespan else Counter())


@served_alone_by([server for server in SERVERS if server.name == "runserver"])
def test_the_lifespan_ends_when_runserver_is_interrupted(own_server: Running) -> None:
    started = _ask_until_all_have_answered(own_server)
    own_server.process.send_signal(signal.SIGINT)
    own_server.process.wait(10)
    assert own_server.count_notes("shutdown") == started


@served_by(SERVERS)
@pytest.mark.parametrize("path", ["/probe/exit", "/probe/async-exit"])
def test_an_endpoint_does_not_end_the_process(server: Running, path: str) -> None:
    try_to_end(server, path)


@served_by(SERVERS)
def test_a_django_view_does_not_end_the_process(server: Running) -> None:
    try_to_end(server, "/django/exit/")


def try_to_end(server: Running, path: str) -> None:
    started = _ask_until_all_have_answered(server)
    with server.client() as client:
        assert [client.get(path).status_code for _ in range(_TIMES)] == [500] * _TIMES
    assert _ask_until_all_have_answered(server) == started
    assert wait_until(lambda: server.console().count(f"\nSystemExit: {_EXITS[path]}\n") >= _TIMES)


@served_alone_by([_USED_BEFORE_FORK])
def test_a_process_forked_after_use_has_a_lifespan_of_its_own(own_server: Running) -> None:
    with own_server.client() as client:
        assert client.get("/permissions").status_code == 200
    started = _ask_until_all_have_answered(own_server)
    assert set(started.values()) == {1}
    assert own_server.process.pid in started
    assert own_server.terminate() == 0
    assert own_server.count_notes("shutdown") == started
