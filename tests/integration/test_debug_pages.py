"""With `DEBUG`, an exception is shown in the same way under every server."""

from contextlib import suppress

import httpx
import pytest

from .marks import served_by
from .servers import SERVERS, Running, wait_until

NAMES = ("runserver", "runserver-daphne", "uvicorn", "uvicorn-wsgi")
DEBUGGING = [server for server in SERVERS if server.name in NAMES]
CRASHES = {
    "/probe/crash": "the sync endpoint broke",
    "/probe/async-crash": "the async endpoint broke",
}


@served_by(DEBUGGING)
@pytest.mark.parametrize("path", CRASHES)
def test_a_browser_an_api_client_and_a_terminal_are_shown_what_happened(server: Running, path: str) -> None:
    with server.client() as client:
        page = client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
        told = client.get(path, headers={"Accept": "*/*"})
        text = client.get(path, headers={"Accept": "text/plain"})
    assert {page.status_code, told.status_code, text.status_code} == {500}
    for expected in ("<h1>RuntimeError", CRASHES[path], '<div id="fastapi">', f"GET {server.url}{path}", "Server time"):
        assert expected in page.text
    [frame] = told.json()["exception"]["frames"]
    assert frame["file"].endswith("tests/project/probe/api.py")
    assert told.json()["exception"]["message"].strip() == CRASHES[path]
    assert text.text.rstrip().endswith(f"RuntimeError: {CRASHES[path]}")
    assert page.headers["x-content-type-options"] == "nosniff"


@served_by(DEBUGGING)
def test_the_console_has_the_traceback_once_with_the_request_line(server: Running) -> None:
    with server.client() as client:
        answer = client.get("/probe/crash", headers={"X-Request-ID": "console-1"})
    assert answer.json()["request_id"] == "console-1"
    line = "Internal Server Error: GET /probe/crash (request console-1)"
    assert wait_until(lambda: line in server.console())
    with server.client() as client:  # what would be printed twice has been printed by the time of the next answer
        assert client.get("/probe/crash", headers={"X-Request-ID": "console-2"}).status_code == 500
    assert wait_until(lambda: "(request console-2)" in server.console())
    printed = server.console().split("(request console-1)")[1].split("(request console-2)")[0]
    assert server.console().count(line) == 1
    assert printed.count("RuntimeError: the sync endpoint broke") == 1


# daphne leaves a connection open whose answer broke off, until its own `--http-timeout`.
@served_by([server for server in DEBUGGING if server.name != "runserver-daphne"])
def test_a_stream_says_what_has_ended_it_and_the_console_has_that_once(server: Running) -> None:
    body = b""
    # Servers differ in how they cut the connection; the client has what was sent before.
    with (
        server.client() as client,
        suppress(httpx.RemoteProtocolError),
        client.stream("GET", "/probe/broken-stream") as answer,
    ):
        for chunk in answer.iter_raw():
            body += chunk
    assert body.startswith(b"the first half\n")
    assert body.rstrip().endswith(b"RuntimeError: the stream broke")
    with server.client() as client:  # what would be printed twice has been printed by the time of the next answer
        assert client.get("/probe/state").status_code == 200
    assert server.console().count("RuntimeError: the stream broke") == 1


@served_by(DEBUGGING)
def test_a_browser_is_shown_the_routes_where_there_is_nothing(server: Running) -> None:
    with server.client() as client:
        answer = client.get("/nowhere", headers={"Accept": "text/html"})
        only_method = client.get("/probe/echo", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "<td>/probe/only-get</td>" in answer.text
    assert only_method.status_code == 405
    assert "Only the method is wrong: /probe/echo takes POST, not GET." in only_method.text


@served_by(DEBUGGING)
def test_answers_tell_how_often_the_database_was_asked(server: Running) -> None:
    with server.client() as client:
        assert 'desc="queries=1, repeated=0"' in client.get("/permissions").headers["server-timing"]
        assert 'desc="queries=1, repeated=0"' in client.get("/async/permissions").headers["server-timing"]


@served_by([server for server in SERVERS if not server.debug and server.name.startswith("uvicorn")])
def test_nothing_of_that_without_debug(server: Running) -> None:
    with server.client() as client:
        for path in ("/probe/crash", "/nowhere", "/permissions"):
            answer = client.get(path, headers={"Accept": "text/html"})
            assert "server-timing" not in answer.headers
            assert "/probe/only-get" not in answer.text
            assert "broke" not in answer.text
