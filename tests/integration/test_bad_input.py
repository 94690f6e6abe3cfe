"""Whatever bytes come, no server answers with a fault of its own, and none of its processes dies."""

import os

import pytest
from hypothesis import HealthCheck, example, given, settings

from .marks import served_by
from .odd_requests import message, odd_bodies, odd_headers, odd_lines, odd_targets
from .raw import request, send, send_anything
from .servers import SERVERS, Running, wait_until

# The code that runs under the reloader is that of the other runserver.
_TARGETS = [server for server in SERVERS if server.name != "runserver-reload"]
_ONE_OF_EACH_KIND = [server for server in SERVERS if server.name in ("runserver", "uvicorn-production")]

_PATIENCE = 10.0
_SHORT_PATIENCE = 0.5  # for what the server may take for the beginning of a request

_UNKNOWN_CODING = 501  # RFC 9112, section 6.1; `test_limits` shows that the application has no part in it

_fuzz = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _processes(server: Running) -> set[int]:
    """Return the processes that have answered requests, once all of them have."""

    def ask() -> bool:
        answer = send(server, request("GET", "/probe/state", "Connection: close"))
        assert answer.status == 200
        return len(server.count_notes("startup")) >= server.server.processes

    assert wait_until(ask), server.notes()
    return set(server.count_notes("startup"))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _assert_no_fault(server: Running, data: bytes, patience: float) -> None:
    status = send_anything(server, data, patience=patience)
    assert status is None or status < 500 or status == _UNKNOWN_CODING


def _assert_unharmed(server: Running, before: set[int]) -> None:
    assert _processes(server) == before
    assert all(map(_is_alive, before))
    assert server.process.poll() is None


@served_by(_TARGETS)
def test_odd_targets(server: Running) -> None:
    before = _processes(server)

    @_fuzz
    @given(odd_targets)
    @example(message(b"GET", b"/probe/number/" + b"9" * 5000))
    @example(message(b"GET", b"/api/atlas/cities/" + b"9" * 5000))
    @example(message(b"GET", b"/api/atlas/cities/" + b"9" * 30))
    @example(message(b"GET", b"/api/atlas/countries/%00"))
    @example(message(b"GET", b"/admin/login/?next=%ff%00"))
    @example(message(b"GET", b"/admin/\xff?\xff"))
    @example(message(b"GET", b"/" + b"a" * 100_000))
    def holds(data: bytes) -> None:
        _assert_no_fault(server, data, _PATIENCE)

    holds()
    _assert_unharmed(server, before)


@served_by(_TARGETS)
def test_odd_headers(server: Running) -> None:
    before = _processes(server)

    @_fuzz
    @given(odd_headers())
    @example(message(b"GET", b"/", b"Cookie: sessionid=\xff\x01; csrftoken=\xff\r\n"))
    @example(message(b"GET", b"/nobody/", b"Accept: \xff;q=\xff\r\n"))
    @example(message(b"GET", b"/static/admin/css/base.css", b"Range: bytes=\xff\r\nIf-Modified-Since: \xff\r\n"))
    @example(message(b"GET", b"/static/admin/css/base.css", b"If-Modified-Since: Thu, 01 Jan 99999 00:00:00 GMT\r\n"))
    @example(message(b"GET", b"/static/admin/css/base.css", b"Range: bytes=" + b"9" * 5000 + b"-\r\n"))
    @example(message(b"GET", b"/probe/state", host=b"[::1"))
    @example(message(b"GET", b"/admin/login/", host=b"\xff:\xff"))
    @example(message(b"GET", b"/probe/state", b"X: " + b"a" * 100_000 + b"\r\n"))
    def holds(data: bytes) -> None:
        _assert_no_fault(server, data, _SHORT_PATIENCE)

    holds()
    _assert_unharmed(server, before)


@served_by(_TARGETS)
def test_odd_bodies(server: Running) -> None:
    before = _processes(server)

    @_fuzz
    @given(odd_bodies())
    def holds(data: bytes) -> None:
        _assert_no_fault(server, data, _PATIENCE)

    holds()
    _assert_unharmed(server, before)


@served_by(_TARGETS)
def test_bytes_that_are_hardly_http(server: Running) -> None:
    before = _processes(server)

    @settings(_fuzz, max_examples=20)
    @given(odd_lines())
    @example(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n folded: x\r\n\r\n")
    @example(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    @example(b"GET / HTTP/1.1\r\n\r\n")
    @example(b"GET http:///probe/state HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    @example(b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    @example(b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    @example(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    @example(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    @example(b"POST /probe/echo HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n")
    @example(b"POST /probe/echo HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n0\r\n\r\n")
    @example(
        b"POST /probe/echo HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n"
    )
    @example(
        b"POST /probe/echo HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"
        b"1\r\na\r\n0\r\n\r\n"
    )
    def holds(data: bytes) -> None:
        _assert_no_fault(server, data, _SHORT_PATIENCE)

    holds()
    _assert_unharmed(server, before)


@served_by(_ONE_OF_EACH_KIND)
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", b"\xff"),
        ("text/plain", b"\xff"),
        ("multipart/form-data; boundary=x", b"\xff"),
        ("application/json", b"\xff"),
        ("application/json", b'["\xff"]'),
        ("application/json", b'["\\ud800"]'),
        ("application/json", b"[NaN]"),
        ("application/json", b"[1e400]"),
        ("application/json", b"[" + b"9" * 5000 + b"]"),
        ("application/json", b"[" * 5000),
    ],
)
def test_a_body_that_is_no_list_of_numbers_is_refused(server: Running, content_type: str, body: bytes) -> None:
    headers = (f"Content-Type: {content_type}", f"Content-Length: {len(body)}", "Connection: close")
    assert 400 <= send(server, request("POST", "/probe/json", *headers, body=body)).status < 500


@served_by(_ONE_OF_EACH_KIND)
@pytest.mark.parametrize("charset", ["utf-16", "rot13", "idna"])
@pytest.mark.parametrize("path", ["/", "/admin/login/", "/django/upload/"])
def test_a_form_in_another_charset_is_refused(server: Running, path: str, charset: str) -> None:
    headers = (
        f"Content-Type: application/x-www-form-urlencoded; charset={charset}",
        "Content-Length: 3",
        f"Cookie: csrftoken={'a' * 32}",
        "Connection: close",
    )
    assert 400 <= send(server, request("POST", path, *headers, body=b"a=b")).status < 500


@served_by(SERVERS)
@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../",
        "../../x",
        "..%2f..%2fx",
        "%2e%2e/%2e%2e/x",
        "%252e%252e%252fx",
        "..%2fadmin/css/base.css",
        "admin/../../x",
        "admin/css/base.css/../../../../x",
        "..%2f%00",
        "..%2f" + "a" * 300,
        "..%5c..%5cx",
        "..\\..\\x",
        "..%2f%5c..%5cx",
        "/etc/passwd",
        "//etc/passwd",
        "%2f..%2f..%2fetc%2fpasswd",
        "C:%5cx",
        "..%2fC:%5cx",
        "%00",
        "a" * 300,
        "a/" * 1900,
        "admin/css/base.css/x",
    ],
)
def test_a_path_that_leaves_the_static_files_is_not_found(server: Running, name: str) -> None:
    assert send(server, request("GET", f"/static/{name}", "Connection: close")).status == 404


@served_by(SERVERS)
@pytest.mark.parametrize("name", ["%ff%fe", "%ed%a0%80", "..%2f%ff", "..%2f%ed%a0%80"])
def test_a_static_file_whose_name_is_not_utf_8_is_refused(server: Running, name: str) -> None:
    assert send(server, request("GET", f"/static/{name}", "Connection: close")).status in (400, 404)


@served_by(SERVERS)
@pytest.mark.parametrize("host", [b"unknown.test", b"a b", b"\xff", b"", b"[", b"127.0.0.1:x"])
def test_a_static_file_that_is_missing_is_no_error_of_the_server_for_any_host(server: Running, host: bytes) -> None:
    target = b"GET /static/missing HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"
    assert send(server, target).status in (400, 404)


@served_by([server for server in SERVERS if server.debug])
@pytest.mark.parametrize("name", ["css/base.css", "../admin/css/base.css", "css/%62ase.css"])
def test_a_path_that_stays_among_the_static_files_is_served(server: Running, name: str) -> None:
    answer = send(server, request("GET", f"/static/admin/{name}", "Connection: close"))
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/css")
