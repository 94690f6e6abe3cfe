"""An exception in an endpoint or a view reaches the console once, and the server goes on."""

import secrets

import pytest

from .marks import served_by
from .raw import read_answer, request
from .servers import SERVERS, Running, wait_until

_TIMES = 3  # a second print of one would come before the last of all
_CRASHES = {
    "/probe/crash": "RuntimeError: the sync endpoint broke",
    "/probe/async-crash": "RuntimeError: the async endpoint broke",
    "/django/crash/": "RuntimeError: the Django view broke",
}


@served_by(SERVERS)
@pytest.mark.parametrize("path", ["/probe/crash", "/probe/async-crash"])
def test_the_traceback_of_an_endpoint_is_printed_once(server: Running, path: str) -> None:
    crash_and_count(server, path)


# Without DEBUG Django's own logging sends what a view raises to the admins, and nothing to the console.
@served_by([server for server in SERVERS if server.debug])
def test_the_traceback_of_a_django_view_is_printed_once(server: Running) -> None:
    crash_and_count(server, "/django/crash/")


def crash_and_count(server: Running, path: str) -> None:
    word = secrets.token_hex(8)  # what another test has caused may come later than its answer
    line = f"{_CRASHES[path]} {word}"
    with server.client() as client:
        for _ in range(_TIMES):
            assert client.get(path, params={"word": word}).status_code == 500
        assert client.get("/probe/state").status_code == 200
    wait_until(lambda: server.console().count(line) >= _TIMES)
    assert server.console().count(line) == _TIMES


@served_by([server for server in SERVERS if not server.debug])
@pytest.mark.parametrize("path", _CRASHES)
def test_nothing_of_the_exception_is_told_without_debug(server: Running, path: str) -> None:
    with server.client() as client:
        body = client.get(path).text
    assert "broke" not in body
    assert "Traceback" not in body


@served_by([server for server in SERVERS if server.keeps_alive])
@pytest.mark.parametrize("path", _CRASHES)
def test_the_connection_survives_an_exception(server: Running, path: str) -> None:
    with server.connect() as connection:
        connection.sendall(request("GET", path))
        assert read_answer(connection).status == 500
        connection.sendall(request("GET", "/probe/state"))
        assert read_answer(connection).status == 200
