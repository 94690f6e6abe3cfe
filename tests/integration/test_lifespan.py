"""The lifespan runs once in each process, whatever the server."""

import os
import signal
from collections import Counter

import pytest

from .marks import served_alone_by
from .servers import SERVERS, Running, wait_until


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
