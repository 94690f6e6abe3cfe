"""The edge under real servers: what they pass on differs, what comes of it does not."""

from contextlib import ExitStack
from dataclasses import replace

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from .marks import served_by
from .raw import read_answer, request, send
from .servers import SERVERS, Running, wait_until

_BY_NAME = {server.name: server for server in SERVERS}
_ASGI = _BY_NAME["uvicorn-production"]
_UVICORN_WSGI = _BY_NAME["uvicorn-wsgi"]
_GUNICORN = _BY_NAME["gunicorn-production"]
_ALL = [_BY_NAME["runserver"], _ASGI, _UVICORN_WSGI, _GUNICORN]

# Without these options the servers believe 127.0.0.1 by themselves.
_UVICORN_DOUBTS = ("--no-proxy-headers",)
_GUNICORN_DOUBTS = ("--forwarded-allow-ips", "192.0.2.1")
_DOUBTING = [
    replace(_ASGI, name="uvicorn-doubting", command=(*_ASGI.command, *_UVICORN_DOUBTS)),
    replace(_UVICORN_WSGI, name="uvicorn-wsgi-doubting", command=(*_UVICORN_WSGI.command, *_UVICORN_DOUBTS)),
    replace(_GUNICORN, name="gunicorn-doubting", command=(*_GUNICORN.command, *_GUNICORN_DOUBTS)),
]
_TRUSTING = [
    replace(
        server, name=server.name.replace("doubting", "trusting"), environment={"PROBE_TRUSTED_PROXIES": "127.0.0.1"}
    )
    for server in _DOUBTING
]

_MEGABYTE = b"x" * 1024 * 1024
_THREADS = 16
_FLAT_KILOBYTES = 24 * 1024


@served_by(_ALL)
@pytest.mark.parametrize("target", ["/probe/state", "/docs", "/openapi.json", "/second/who"])
def test_a_host_that_is_not_allowed_is_refused(server: Running, target: str) -> None:
    for host in ("evil.test", "127.0.0.1/evil", "127.0.0.1:x", "127.0.0.1, evil.test"):
        data = request("GET", target, "Connection: close").replace(b"Host: 127.0.0.1", f"Host: {host}".encode())
        answer = send(server, data)
        assert (answer.status, answer.headers["x-frame-options"]) == (400, "DENY"), host
        assert server.server.debug or b"evil" not in answer.body


@served_by([_ASGI])
def test_so_is_a_websocket(server: Running) -> None:
    with (
        server.connect() as connection,
        pytest.raises(InvalidStatus) as refusal,
        connect("ws://evil.test/probe/socket", sock=connection, proxy=None),
    ):
        pass
    assert refusal.value.response.status_code == 400
    with connect(f"ws://127.0.0.1:{server.port}/probe/socket", proxy=None) as websocket:
        websocket.send("through")
        assert websocket.recv(timeout=10) == "through"


@served_by(_ALL)
@pytest.mark.parametrize("target", ["/probe/state", "/docs", "/nobody", "/admin/login/", "/probe/crash"])
def test_security_headers_are_there_once(server: Running, target: str) -> None:
    with server.client() as client:
        answer = client.get(target)
    for name in ("x-frame-options", "x-content-type-options", "referrer-policy", "cross-origin-opener-policy"):
        assert len(answer.headers.get_list(name)) == 1, name


# uvicorn's WSGI side gives a request to the application when the whole of it is there.
@served_by([_ASGI, _GUNICORN])
def test_a_body_that_announces_to_be_too_long_is_refused_before_it_comes(server: Running) -> None:
    with server.connect() as connection:
        connection.sendall(request("POST", "/probe/json", "Content-Length: 99999999"))
        assert read_answer(connection).status == 413


@served_by([_ASGI, _GUNICORN])
@pytest.mark.parametrize("target", ["/probe/json", "/probe/echo"])
def test_a_body_that_becomes_too_long_is_refused(server: Running, target: str) -> None:
    before = server.resident_kilobytes()
    with server.connect() as connection:
        connection.sendall(request("POST", target, "Transfer-Encoding: chunked"))
        chunk = b"%x\r\n%b\r\n" % (len(_MEGABYTE), _MEGABYTE)
        try:
            for _ in range(64):
                connection.sendall(chunk)
            connection.sendall(b"0\r\n\r\n")
        except ConnectionError:
            pass  # the answer was there before
        else:
            assert read_answer(connection).status == 413
    assert server.resident_kilobytes() - before < _FLAT_KILOBYTES
    with server.client() as client:
        assert client.get("/probe/state").status_code == 200


@served_by(_ALL)
def test_a_form_with_too_much_in_its_fields_is_refused(server: Running) -> None:
    field = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n%b\r\n' % (b"x" * 100_000)
    with server.client(headers={"Content-Type": "multipart/form-data; boundary=b"}) as client:
        assert client.post("/probe/upload", content=field * 27 + b"--b--\r\n").status_code == 413
    with server.client() as client:  # a server may close a connection whose request it has not read to its end
        many = client.post("/probe/upload", data={f"a{number}": "" for number in range(1001)}, files={"file": b"x"})
    assert (many.status_code, many.json()["detail"]) == (400, "Too many fields. Maximum number of fields is 1000.")


@served_by(_ALL)
@pytest.mark.parametrize("second", ["z", "multipart/form-data; boundary=b"])
def test_a_second_content_type_does_not_help_it(server: Running, second: str) -> None:
    field = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n%b\r\n' % (b"x" * 100_000)
    types = [("Content-Type", "multipart/form-data; boundary=b"), ("Content-Type", second)]
    with server.client(headers=types) as client:
        answer = client.post("/probe/upload", content=field * 27 + b"--b--\r\n")
    # A WSGI server refuses the second line as well, or passes on the first or both in one, which may be no form.
    assert answer.status_code in ((400,) if server.server.interface == "asgi" else (400, 413))


@served_by([_ASGI])
@pytest.mark.parametrize("target", ["/probe/json", "/probe/django-json", "/django/json/"])
def test_bodies_that_come_slowly_hold_no_thread(server: Running, target: str) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(server.connect()) for _ in range(_THREADS + 4)]
        for connection in slow:
            connection.sendall(request("POST", target, "Content-Type: application/json", "Content-Length: 5"))
            connection.sendall(b"[1")
        with server.client() as client:
            assert client.get("/probe/only-get").status_code == 200
        for connection in slow:
            connection.sendall(b",2]")
            assert read_answer(connection).body == b"3"


@served_by(_DOUBTING)
def test_what_nobody_trusts_does_not_count(server: Running) -> None:
    made_up = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "localhost"}
    with server.client(headers={**made_up, "Proxy": "http://evil.test", "X_Forwarded_Proto": "https"}) as client:
        seen = client.get("/probe/seen").json()
    assert seen["client"] == "127.0.0.1"
    assert seen["url"] == f"{server.url}/probe/seen"
    assert "proxy" not in seen["headers"]
    if server.server.interface == "wsgi":
        assert not [name for name in seen["headers"] if name.startswith("x-forwarded")]


@served_by(_TRUSTING)
def test_what_a_trusted_proxy_says_counts(server: Running) -> None:
    with server.client(headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.1", "X-Forwarded-Proto": "https"}) as client:
        seen = client.get("/probe/seen").json()
    assert seen["client"] == "203.0.113.1"
    assert seen["url"] == f"https://127.0.0.1:{server.port}/probe/seen"


@served_by([_BY_NAME["uvicorn"], _BY_NAME["gunicorn-preload"]])
def test_a_refused_host_cannot_forge_a_line_of_the_log(server: Running) -> None:
    data = request("GET", "/probe/state", "Connection: close").replace(
        b"Host: 127", b"Host: \x85\xe2\x80\xa8forged-line"
    )
    assert send(server, data).status == 400
    assert wait_until(lambda: "forged-line" in server.console())
    lines = [line for line in server.console().splitlines() if "forged-line" in line]
    assert all(line.isprintable() and not line.startswith("forged-line") for line in lines)
