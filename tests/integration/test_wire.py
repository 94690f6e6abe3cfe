"""What a WSGI or ASGI server hands on of bodies that are chunked, short or wrong, and of clients that go away."""

import http.client
import json
from contextlib import suppress
from hashlib import sha256

import pytest

from .marks import served_by
from .raw import request, send
from .servers import SERVERS, Running, wait_until


def _is_well(server: Running) -> bool:
    return send(server, request("GET", "/probe/state", "Connection: close")).status == 200


def _chunked(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@served_by([server for server in SERVERS if server.takes_chunked])
def test_a_chunked_body_arrives_whole(server: Running) -> None:
    body = bytes(range(256)) * 1000
    head = request("POST", "/probe/echo", "Transfer-Encoding: chunked", "Connection: close")
    answer = send(server, head + _chunked(body, 4000))
    assert json.loads(answer.body) == {"size": len(body), "sha256": sha256(body).hexdigest()}


@served_by([server for server in SERVERS if server.takes_chunked])
@pytest.mark.parametrize("path", ["/django/upload/", "/probe/django-upload"])
def test_a_chunked_upload_arrives_whole_in_django(server: Running, path: str) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + b"a" * 100_000 + b"\r\n--x--\r\n"
    )
    headers = ("Transfer-Encoding: chunked", "Content-Type: multipart/form-data; boundary=x", "Connection: close")
    answer = send(server, request("POST", path, *headers) + _chunked(body, 4000))
    assert json.loads(answer.body) == {"name": "f", "size": 100_000, "sha256": sha256(b"a" * 100_000).hexdigest()}


@served_by([server for server in SERVERS if not server.takes_chunked])
@pytest.mark.parametrize("path", ["/probe/echo", "/django/upload/"])
def test_a_chunked_body_is_refused_where_its_end_cannot_be_seen(server: Running, path: str) -> None:
    answer = send(server, request("POST", path, "Transfer-Encoding: chunked") + _chunked(b"abc", 1))
    assert answer.status == 411
    assert _is_well(server)


@served_by(SERVERS)
@pytest.mark.parametrize(
    "length", ["abc", "-1", "1_0", "+3", "3, 4", "0x10", "9" * 30, "9" * 5000], ids=lambda length: length[:8]
)
@pytest.mark.parametrize("path", ["/probe/echo", "/django/upload/"])
def test_a_content_length_that_is_no_number_is_refused(server: Running, path: str, length: str) -> None:
    sent = request("POST", path, f"Content-Length: {length}", "Connection: close", body=b"abc")
    with suppress(http.client.RemoteDisconnected):  # the other way to refuse
        assert 400 <= send(server, sent, then_half_close=True).status < 500
    assert _is_well(server)


@served_by([server for server in SERVERS if server.interface == "wsgi" and server.tells_disconnects])
@pytest.mark.parametrize(
    "path", ["/probe/echo", "/probe/json", "/probe/django-upload", "/django/upload/", "/admin/login/"]
)
def test_a_body_that_breaks_off_is_refused(server: Running, path: str) -> None:
    headers = ("Content-Type: multipart/form-data; boundary=x", "Content-Length: 1000", "Connection: close")
    answer = send(server, request("POST", path, *headers, body=b"abc"), then_half_close=True)
    assert 400 <= answer.status < 500
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert _is_well(server)


@served_by(SERVERS)
def test_a_body_that_breaks_off_leaves_the_server_well(server: Running) -> None:
    for _ in range(8):
        with server.connect() as connection:
            connection.sendall(request("POST", "/probe/echo", "Content-Length: 1000", body=b"abc"))
    assert _is_well(server)


@served_by([server for server in SERVERS if server.tells_disconnects])
@pytest.mark.parametrize(
    ("path", "note"), [("/probe/endless", "endless ended"), ("/django/endless/", "Django's endless ended")]
)
def test_a_stream_ends_when_its_client_goes(server: Running, path: str, note: str) -> None:
    before = server.count_notes(note).total()
    with server.connect() as connection:
        connection.sendall(request("GET", path))
        assert connection.recv(65536)
    assert wait_until(lambda: server.count_notes(note).total() == before + 1)
    assert _is_well(server)
    assert "Task was destroyed" not in server.console()


@served_by(SERVERS)
def test_a_large_file_is_in_nobodys_memory(server: Running) -> None:
    before = server.resident_kilobytes()
    with server.client() as client, client.stream("GET", "/django/large-file/") as answer:
        chunks = answer.iter_raw()
        size = len(next(chunks))
        within = server.resident_kilobytes()
        size += sum(map(len, chunks))
    assert size == int(answer.headers["content-length"]) > 100 * 1024 * 1024
    assert within - before < 48 * 1024


@served_by(SERVERS)
@pytest.mark.parametrize("path", ["/django/stream/", "/nobody/", "/probe/state"])
def test_a_nul_character_in_a_header_is_refused(server: Running, path: str) -> None:
    with suppress(http.client.RemoteDisconnected):
        sent = request("GET", path, "Content-Type: text/plain; charset=\x00", "Connection: close")
        assert send(server, sent).status == 400
    assert _is_well(server)
