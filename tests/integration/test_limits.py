"""What the servers do by themselves, shown with an application that does nothing.

When one of these tests fails, a server has become better, and what is said of it in `servers` can be corrected.
"""

import pytest

from .marks import served_alone_by
from .raw import request, send_anything
from .servers import GUNICORN, UVICORN, Running, Server, wait_until
from .trivial import TICKS

_TRIVIAL = "tests.integration.trivial:wsgi"
_UVICORN = Server("uvicorn-wsgi", (*UVICORN, "--interface", "wsgi", _TRIVIAL), "wsgi")
_GUNICORN = Server("gunicorn", (*GUNICORN, _TRIVIAL), "wsgi")


def _ticks_for_a_client_that_goes(server: Running) -> int:
    with server.connect() as connection:
        connection.sendall(request("GET", "/ticks"))
        assert connection.recv(65536)
    assert wait_until(server.notes)
    return int(server.notes()[0].split(" ")[2])


@served_alone_by([_UVICORN])
def test_uvicorn_does_not_tell_a_wsgi_application_that_the_client_has_gone(own_server: Running) -> None:
    assert _ticks_for_a_client_that_goes(own_server) == TICKS


@served_alone_by([_GUNICORN])
def test_gunicorn_ends_an_answer_when_the_client_has_gone(own_server: Running) -> None:
    assert _ticks_for_a_client_that_goes(own_server) < TICKS


@served_alone_by([_GUNICORN])
@pytest.mark.parametrize("coding", ["gzip2", "identity, x"])
def test_gunicorn_answers_501_for_a_transfer_coding_it_does_not_know(own_server: Running, coding: str) -> None:
    assert send_anything(own_server, request("GET", "/", f"Transfer-Encoding: {coding}")) == 501
