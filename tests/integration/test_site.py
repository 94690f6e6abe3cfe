"""The whole site answers under every server."""

import random
from hashlib import sha256

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from .marks import served_alone_by, served_by
from .servers import ASGI, SERVERS, UVICORN, WSGI, Running, Server

_MEGABYTES = 5
_ASGI = [server for server in SERVERS if server.interface == "asgi"]
_WSGI = [server for server in SERVERS if server.interface == "wsgi"]
_BELOW = (*UVICORN, "--root-path", "/app")
_BELOW_A_PATH = [
    Server("uvicorn-root-path", (*_BELOW, ASGI)),
    Server("uvicorn-wsgi-root-path", (*_BELOW, "--interface", "wsgi", WSGI), "wsgi"),
]


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(1).randbytes(_MEGABYTES * 1024 * 1024)  # noqa: S311 (any bytes will do)


@served_by(SERVERS)
def test_api_routes_answer(server: Running) -> None:
    with server.client() as client:
        assert client.get("/probe/state").json() == {"greeting": "from the lifespan"}
        names = [item["name"] for item in client.get("/permissions").json()["items"]]
        assert "Can add user" in names
        assert client.get("/async/permissions").json() == client.get("/permissions").json()


@served_by(SERVERS)
def test_the_admin_answers(server: Running) -> None:
    with server.client() as client:
        answer = client.get("/admin/login/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "csrfmiddlewaretoken" in answer.text
    assert "csrftoken" in answer.cookies


@served_by(SERVERS)
def test_static_files_are_served(server: Running) -> None:
    with server.client() as client:
        answer = client.get("/static/admin/css/base.css")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert "--primary" in answer.text


@served_by(SERVERS)
def test_the_docs_answer_with_local_assets(server: Running) -> None:
    with server.client() as client:
        page = client.get("/docs")
        paths = client.get("/openapi.json").json()["paths"]
    assert page.status_code == 200
    assert "SwaggerUIBundle" in page.text
    assert "cdn.jsdelivr.net" not in page.text
    assert "/probe/state" in paths


@served_by(SERVERS)
@pytest.mark.parametrize("path", ["/probe/stream", "/django/stream/"])
def test_streams_arrive_whole(server: Running, path: str) -> None:
    with server.client() as client:
        assert client.get(path).text == "".join(f"line {number}\n" for number in range(5))


@served_by(SERVERS)
@pytest.mark.parametrize("path", ["/probe/upload", "/probe/django-upload", "/django/upload/"])
def test_uploads_arrive_whole(server: Running, path: str, content: bytes) -> None:
    with server.client() as client:
        answer = client.post(path, files={"file": ("random.bin", content)})
    expected = {"name": "random.bin", "size": len(content), "sha256": sha256(content).hexdigest()}
    assert answer.json() == expected


@served_by(SERVERS)
def test_an_endpoint_has_djangos_session(server: Running) -> None:
    with server.client() as client:
        assert [client.get("/probe/visits").json() for _ in range(3)] == [1, 2, 3]


@served_by(SERVERS)
def test_a_forgotten_slash_is_added(server: Running) -> None:
    with server.client() as client:
        answer = client.get("/django/stream?page=2")
    assert (answer.status_code, answer.headers["location"]) == (301, "/django/stream/?page=2")


@served_by(SERVERS)
def test_the_language_is_put_into_the_path(server: Running) -> None:
    with server.client(headers={"accept-language": "de"}) as client:
        answer = client.get("/local/")
        assert (answer.status_code, answer.headers["location"]) == (302, "/de/local/")
        assert client.get("/de/local/").text == "de"


@served_by(SERVERS)
def test_what_nobody_knows_is_404_in_the_form_the_client_prefers(server: Running) -> None:
    with server.client() as client:
        for_program = client.get("/nobody/knows", headers={"accept": "application/json"})
        for_browser = client.get("/nobody/knows", headers={"accept": "text/html,*/*;q=0.8"})
    assert (for_program.status_code, for_browser.status_code) == (404, 404)
    assert for_program.json() == {"detail": "Not Found"}
    assert for_browser.headers["content-type"].startswith("text/html")


@served_by(SERVERS)
def test_another_method_is_405(server: Running) -> None:
    with server.client() as client:
        answer = client.post("/probe/only-get")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
        assert client.post("/probe/shared").text == "Django took POST"


@served_by(SERVERS)
def test_an_api_under_a_prefix_answers(server: Running) -> None:
    with server.client() as client:
        assert client.get("/second/who").json() == "second"
        assert client.get("/second/openapi.json").json()["info"]["title"] == "The second API"


@served_by(SERVERS)
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_answered_whatever_the_host_is(server: Running, path: str) -> None:
    with server.client(headers={"host": "10.0.0.9:8000"}) as client:
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert client.head(path).content == b""
        assert client.get("/probe/state").status_code == 400


@served_by(SERVERS)
def test_a_head_request_gets_no_body(server: Running) -> None:
    with server.client() as client:
        answer = client.head("/admin/login/")
        assert (answer.status_code, answer.content) == (200, b"")
        assert client.get("/probe/state").status_code == 200


@served_by(_ASGI)
def test_a_websocket_is_served(server: Running) -> None:
    with connect(f"ws://127.0.0.1:{server.port}/probe/socket", proxy=None) as websocket:
        websocket.send("grüezi")
        assert websocket.recv(timeout=10) == "grüezi"


@served_by(_ASGI)
def test_a_websocket_nobody_serves_is_refused(server: Running) -> None:
    with pytest.raises(InvalidStatus) as refusal, connect(f"ws://127.0.0.1:{server.port}/admin/", proxy=None):
        pass
    assert 400 <= refusal.value.response.status_code < 500
    with server.client() as client:
        assert client.get("/probe/state").status_code == 200


@served_by(_WSGI)
def test_a_websocket_is_refused_by_a_wsgi_server(server: Running) -> None:
    with pytest.raises(InvalidStatus) as refusal, connect(f"ws://127.0.0.1:{server.port}/probe/socket", proxy=None):
        pass
    assert 400 <= refusal.value.response.status_code < 500
    with server.client() as client:
        assert client.get("/probe/state").status_code == 200


@served_by(SERVERS)
def test_a_page_has_its_form_checked_by_djangos_middleware(server: Running) -> None:
    with server.client() as client:
        assert "Nothing here." in client.get("/pages/cities").text
        client.get("/admin/login/")
        secret = client.cookies["csrftoken"]
        answers = [client.post("/pages/cities/1/keep", data={"csrfmiddlewaretoken": one}) for one in ("x" * 64, secret)]
    # There is no such city.
    assert [answer.status_code for answer in answers] == [403, 404]


@served_alone_by(_BELOW_A_PATH)
def test_what_leads_back_to_the_site_begins_where_a_proxy_has_put_it(own_server: Running) -> None:
    with own_server.client() as client:
        page = client.get("/pages/cities").text
        answer = client.get("/admin/")
    assert [link in page for link in ('"/app/"', '"/app/pages/cities"')] == [True, True]
    assert answer.headers["location"] == "/app/admin/login/?next=/app/admin/"
