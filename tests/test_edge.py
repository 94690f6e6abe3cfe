import json
import logging
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any

import django
import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import path
from django.views.decorators.clickjacking import xframe_options_exempt
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from pytest_django import Settings
from starlette.testclient import TestClient
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from django_fastapi import DjangoRequest
from django_fastapi.registry import APIRegistry

from .asgi import Answer, Headers, aask, ask, make_scope
from .conftest import fetch

SECURITY = "django.middleware.security.SecurityMiddleware"
FRAMES = "django.middleware.clickjacking.XFrameOptionsMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"
HARDENED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}
EVIL = (b"host", b"evil.test")
FORGED = b"evil.test\x1b[2J\xe2\x80\xa8 ERROR forged"


class ByUsers(XFrameOptionsMiddleware):
    """Middleware that asks the database."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response.headers["X-Users"] = f"{User.objects.count()} at {request.get_full_path()}"
        return response


class Failing(SecurityMiddleware):
    """Middleware with a fault."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:  # noqa: ARG002
        raise RuntimeError("the middleware is broken")


class Closed(SecurityMiddleware):
    """Middleware that answers by itself."""

    def process_request(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002
        response = HttpResponse("closed", status=HTTPStatus.SERVICE_UNAVAILABLE)
        response.headers["Retry-After"] = "9"
        response.set_cookie("seen", "1")
        return response


class Stamping(SecurityMiddleware):
    """Middleware that leaves something on the request, and puts what became of it on the answer."""

    def process_request(self, request: HttpRequest) -> None:
        vars(request)["stamp"] = "stamped"

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response.headers["X-Stamp"] = vars(request)["stamp"]
        return response


class FailingFirst(Failing):
    """Middleware whose fault shows earlier, and again."""

    def process_request(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002
        raise RuntimeError("the middleware is broken")


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{request.scheme} {request.META['REMOTE_ADDR']} {request.META.get('HTTP_PROXY')}")


@pytest.fixture
def site(build: Callable[[], ASGIApp], registry: APIRegistry, bare_django: Callable[..., None]) -> ASGIApp:
    bare_django(
        path("page", page),
        path("framed", xframe_options_exempt(page)),
        middleware=(SECURITY, FRAMES),
    )
    api = registry.get_default()

    @api.get("/ping")
    def ping(request: Request) -> str:
        return str(request.url)

    @api.get("/own")
    def own(response: Response) -> None:
        response.headers["X-Frame-Options"] = "SAMEORIGIN"

    @api.get("/number/{number:int}")
    def number(number: int) -> int:
        return number

    @api.get("/crash")
    def crash() -> None:
        raise RuntimeError

    @api.websocket("/socket")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(str(websocket.url))

    return build()


def hardened(answer: Any) -> dict[str, str]:
    return {name: answer.headers[name] for name in HARDENED if name in answer.headers}


# Hosts


@pytest.mark.parametrize(
    "target",
    ["/ping", "/docs", "/redoc", "/openapi.json", "/docs/assets/swagger-ui.css", "/ping/", "/number/" + "7" * 5000],
)
def test_a_host_that_is_not_allowed_is_refused_on_everything_fastapi_answers(site: ASGIApp, target: str) -> None:
    assert fetch(site, target).status_code != 400
    answer = fetch(site, target, headers={"Host": "evil.test"})
    assert (answer.status_code, answer.json()) == (400, {"detail": "Bad Request"})


def test_so_it_is_on_what_it_does_not_know(site: ASGIApp, settings: Settings) -> None:
    settings.FASTAPI_DJANGO_FALLBACK = False
    assert fetch(site, "/unknown").status_code == 404
    assert fetch(site, "/unknown", headers={"Host": "evil.test"}).status_code == 400
    assert fetch(site, "/ping", "DELETE").status_code == 405
    assert fetch(site, "/ping", "DELETE", headers={"Host": "evil.test"}).status_code == 400


@pytest.mark.parametrize(
    "host",
    [b"evil.test", b"testserver.evil.test", b"testserver/x", b"testserver:x", b"[::1", b"\xff", b"", b"a b", FORGED],
)
def test_so_is_what_is_no_host(site: ASGIApp, host: bytes) -> None:
    assert ask(site, make_scope("/ping", headers=[(b"host", host)])).status == 400
    assert ask(site, make_scope("/ping", headers=[(b"host", b"testserver"), (b"host", host)])).status == 400


@pytest.mark.parametrize("host", ["testserver", "testserver:8000", "TestServer", "testserver."])
def test_an_allowed_host_is_not(site: ASGIApp, host: str) -> None:
    assert fetch(site, "/ping", headers={"Host": host}).status_code == 200


def test_a_host_that_was_allowed_is_asked_for_again_when_the_settings_change(site: ASGIApp, settings: Settings) -> None:
    for _ in range(2):
        assert fetch(site, "/ping", headers={"Host": "testserver"}).status_code == 200
    settings.ALLOWED_HOSTS = ["named.test"]
    assert fetch(site, "/ping", headers={"Host": "testserver"}).status_code == 400


def test_a_forwarded_host_is_checked_whatever_the_other_is(site: ASGIApp, settings: Settings) -> None:
    settings.USE_X_FORWARDED_HOST = True
    for forwarded, status in (("testserver", 200), ("evil.test", 400)):
        headers = {"Host": "testserver", "X-Forwarded-Host": forwarded}
        assert fetch(site, "/ping", headers=headers).status_code == status


def test_without_a_host_the_servers_name_has_to_be_allowed(site: ASGIApp, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["named.test"]
    for name, status in (("named.test", 200), ("other.test", 400)):
        scope = make_scope("/ping", server=(name, 80))
        scope["headers"] = []
        assert ask(site, scope).status == status


def test_a_refused_host_is_logged_once_as_django_does_and_cannot_forge_a_line(
    site: ASGIApp, caplog: pytest.LogCaptureFixture
) -> None:
    ask(site, make_scope("/ping", headers=[(b"host", FORGED + b"\t\x85")]))
    [record] = caplog.records
    assert (record.name, record.levelno) == ("django.security.DisallowedHost", logging.ERROR)
    assert record.status_code == 400  # type: ignore[attr-defined]
    assert record.request.path == "/ping"  # type: ignore[attr-defined]
    assert record.getMessage().isprintable()
    assert record.getMessage().startswith("Invalid HTTP_HOST header: 'evil.test\\x1b[2J")


def test_with_debug_the_answer_says_what_to_do(site: ASGIApp, settings: Settings) -> None:
    settings.DEBUG = True
    settings.ALLOWED_HOSTS = []
    assert fetch(site, "/ping", headers={"Host": "a.localhost:8000"}).status_code == 200
    answer = fetch(site, "/ping", headers={"Host": "evil.test"})
    assert "You may need to add 'evil.test' to ALLOWED_HOSTS" in answer.json()["detail"]


def test_what_is_djangos_is_checked_by_django_alone(
    site: ASGIApp, settings: Settings, build: Callable[[], ASGIApp], caplog: pytest.LogCaptureFixture
) -> None:
    assert fetch(site, "/page", headers={"Host": "evil.test"}).status_code == 200
    settings.MIDDLEWARE = [COMMON]
    answer = fetch(build(), "/page", headers={"Host": "evil.test"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert [record.name for record in caplog.records] == ["django.security.DisallowedHost"]


def test_the_handshake_of_a_websocket_is_refused(site: ASGIApp) -> None:
    scope = make_scope("/socket", type="websocket", headers=[EVIL])
    assert [message["type"] for message in ask(site, scope).messages] == ["websocket.close"]
    answer = ask(site, {**scope, "extensions": {"websocket.http.response": {}}})
    assert (answer.status, answer.header("x-frame-options")) == (400, "DENY")
    client = TestClient(site)
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/socket", headers={"Host": "evil.test"}):
        pass
    with client.websocket_connect("/socket") as session:
        assert session.receive_text() == "ws://testserver/socket"


# Headers


@pytest.mark.parametrize(
    ("target", "status"),
    [("/ping", 200), ("/redoc", 200), ("/openapi.json", 200), ("/unknown", 404), ("/number/x", 404), ("/crash", 500)],
)
def test_an_answer_has_the_headers_of_the_projects_middleware(site: ASGIApp, target: str, status: int) -> None:
    answer = fetch(site, target)
    assert answer.status_code == status
    assert hardened(answer) == {
        **HARDENED,
        **({"cross-origin-opener-policy": "same-origin-allow-popups"} if target == "/redoc" else {}),
    }


def test_a_refusal_has_them_too(site: ASGIApp) -> None:
    assert hardened(fetch(site, "/ping", headers={"Host": "evil.test"})) == HARDENED


def test_without_that_middleware_there_are_none(site: ASGIApp, settings: Settings) -> None:
    settings.MIDDLEWARE = []
    assert hardened(fetch(site, "/ping")) == {}
    settings.MIDDLEWARE = [FRAMES]
    assert hardened(fetch(site, "/ping")) == {"x-frame-options": "DENY"}


def test_a_header_of_the_endpoints_own_stays(site: ASGIApp) -> None:
    answer = fetch(site, "/own")
    assert answer.headers.get_list("x-frame-options") == ["SAMEORIGIN"]


def test_settings_are_followed_when_they_change(site: ASGIApp, settings: Settings) -> None:
    fetch(site, "/ping")
    settings.X_FRAME_OPTIONS = "SAMEORIGIN"
    settings.SECURE_HSTS_SECONDS = 60
    assert fetch(site, "/ping").headers["x-frame-options"] == "SAMEORIGIN"
    secure = ask(site, make_scope("/ping", scheme="https"))
    assert secure.header("strict-transport-security") == "max-age=60"


def test_djangos_answers_are_left_as_they_are(site: ASGIApp) -> None:
    assert hardened(fetch(site, "/page")) == HARDENED
    assert "x-frame-options" not in fetch(site, "/framed").headers


def test_the_docs_pages_keep_their_own_policy_and_can_be_handed_a_code(site: ASGIApp) -> None:
    docs, opened = fetch(site, "/docs"), fetch(site, "/docs/oauth2-redirect")
    assert docs.headers["content-security-policy"].startswith("img-src 'self'")
    assert docs.headers["cross-origin-opener-policy"] == "same-origin-allow-popups"
    assert opened.headers["cross-origin-opener-policy"] == "unsafe-none"
    assert "content-security-policy" in opened.headers


if django.VERSION >= (6, 0):

    def test_a_policy_of_the_project_is_for_what_has_none(site: ASGIApp, settings: Settings) -> None:
        settings.MIDDLEWARE = ["django.middleware.csp.ContentSecurityPolicyMiddleware"]
        settings.SECURE_CSP = {"default-src": ["'self'"]}
        assert fetch(site, "/ping").headers["content-security-policy"] == "default-src 'self'"
        for target in ("/docs", "/redoc", "/docs/oauth2-redirect"):
            assert fetch(site, target).headers["content-security-policy"].startswith("img-src 'self' data:")


@pytest.mark.django_db(transaction=True)
def test_a_subclass_runs_with_djangos_request_where_it_may_query(site: ASGIApp, settings: Settings) -> None:
    settings.MIDDLEWARE = [SECURITY, f"{__name__}.ByUsers"]
    answer = fetch(site, "/ping?a=b")
    assert answer.headers["x-users"] == "0 at /ping?a=b"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_subclass_may_answer_first(site: ASGIApp, settings: Settings) -> None:
    settings.MIDDLEWARE = [f"{__name__}.Closed"]
    answer = fetch(site, "/ping")
    assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (503, "closed", "9")
    assert answer.headers["set-cookie"] == "seen=1; Path=/"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["Failing", "FailingFirst"])
def test_middleware_that_fails_is_a_logged_500(
    site: ASGIApp, settings: Settings, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    settings.MIDDLEWARE = [f"{__name__}.{name}"]
    assert ask(site, make_scope("/ping")).status == 500  # nothing is raised into the server
    [record] = caplog.records
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "the middleware is broken"


def test_what_django_cannot_decode_is_refused_where_middleware_needs_djangos_request(
    site: ASGIApp, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.MIDDLEWARE = [f"{__name__}.Closed"]
    assert ask(site, make_scope("/ping", query_string=b"\xff")).status == 400
    assert [record.getMessage() for record in caplog.records] == ["Bad Request: /ping"]


# The redirect to HTTPS


def test_http_is_redirected_where_the_settings_say_so(site: ASGIApp, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = ["^own$"]
    answer = fetch(site, "/ping?a=b", "POST", content=b"1")
    assert (answer.status_code, answer.headers["location"]) == (301, "https://testserver/ping?a=b")
    assert fetch(site, "/docs").status_code == 301
    assert fetch(site, "/own").status_code == 200
    assert ask(site, make_scope("/ping", scheme="https")).status == 200
    assert fetch(site, "/ping", headers={"Host": "evil.test"}).status_code == 400
    settings.MIDDLEWARE = []
    assert fetch(site, "/ping").status_code == 200


def test_so_is_a_websocket(site: ASGIApp, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    scope = make_scope("/socket", type="websocket", scheme="ws", extensions={"websocket.http.response": {}})
    answer = ask(site, scope)
    assert (answer.status, answer.header("location")) == (301, "https://testserver/socket")
    assert [message["type"] for message in ask(site, {**scope, "extensions": {}}).messages] == ["websocket.close"]
    with TestClient(site).websocket_connect("wss://testserver/socket") as session:
        assert session.receive_text() == "wss://testserver/socket"


def test_behind_a_proxy_the_scheme_is_what_django_takes_for_it(
    site: ASGIApp, build: Callable[[], ASGIApp], settings: Settings
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    site = build()  # Django's own middleware reads that setting once
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    told = {"X-Forwarded-Proto": "https"}
    assert fetch(site, "/ping", headers=told).json() == "https://testserver/ping"
    assert fetch(site, "/page", headers=told).status_code == 200
    settings.FASTAPI_TRUSTED_PROXIES = ["10.0.0.1"]
    assert fetch(site, "/ping", headers=told).status_code == 301
    assert fetch(site, "/page", headers=told).status_code == 301


# What passes through


def test_django_and_fastapi_see_what_a_trusted_proxy_says(site: ASGIApp, settings: Settings) -> None:
    settings.FASTAPI_TRUSTED_PROXIES = ["127.0.0.1"]
    told = {"X-Forwarded-For": "203.0.113.1", "X-Forwarded-Proto": "https", "Proxy": "http://evil.test"}
    assert fetch(site, "/page", headers=told).text == "https 203.0.113.1 None"
    assert fetch(site, "/ping", headers=told).json() == "https://testserver/ping"


CONTROL = ((b"x-own", b"a\r\nX: b"),)
TWICE = ((b"content-type", b"text/plain"), (b"content-type", b"text/plain"))


@pytest.mark.parametrize("target", ["/ping", "/page"])
@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ([(b"x-own", b"a\0b")], "A header holds a control character."),
        (CONTROL, "A header holds a control character."),
        (TWICE, "There is more than one Content-Type."),
    ],
)
def test_headers_that_no_request_may_have_are_refused(
    site: ASGIApp, target: str, headers: Headers, detail: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = ask(site, make_scope(f"{target}\x1b\r\nforged", headers=headers))
    assert (answer.status, json.loads(answer.body)) == (400, {"detail": detail})
    assert {name: answer.header(name) for name in HARDENED} == HARDENED
    [record] = caplog.records
    assert (record.name, record.levelname, record.status_code) == ("django.request", "WARNING", 400)  # type: ignore[attr-defined]
    assert record.getMessage() == f"Bad Request: {target}\\x1b\\r\\nforged"


@pytest.mark.parametrize("extra", [{}, {"extensions": {"websocket.http.response": {}}}])
def test_so_is_a_websocket_with_such_headers(
    site: ASGIApp, extra: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    scope = make_scope("/socket", type="websocket", headers=CONTROL, **extra)
    del scope["scheme"], scope["method"]
    answer = ask(site, scope)
    expected = "websocket.http.response.start" if extra else "websocket.close"
    assert answer.messages[0]["type"] == expected
    assert [record.getMessage() for record in caplog.records] == ["Bad Request: /socket"]


@pytest.mark.parametrize(("name", "level"), [("Stamping", "ERROR"), ("Failing", "ERROR"), ("Closed", "WARNING")])
def test_so_they_are_where_the_projects_middleware_cannot_take_them(
    site: ASGIApp, settings: Settings, name: str, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings.MIDDLEWARE = [f"{__name__}.{name}"]
    assert ask(site, make_scope("/ping", headers=CONTROL)).status == 400
    [record] = caplog.records
    assert (record.levelname, record.status_code) == (level, 400)  # type: ignore[attr-defined]


@pytest.mark.anyio
async def test_a_stream_is_sent_on_chunk_by_chunk(
    build: Callable[[], ASGIApp], registry: APIRegistry, settings: Settings
) -> None:
    settings.MIDDLEWARE = [SECURITY]
    seen: list[int] = []
    answer = Answer()

    @registry.get_default().get("/stream")
    async def stream() -> StreamingResponse:
        async def lines() -> AsyncIterator[bytes]:
            for _ in range(3):
                seen.append(len(answer.messages))
                yield b"line"

        return StreamingResponse(lines())

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        answer.messages.append(message)

    await build()(make_scope("/stream"), receive, send)
    assert seen == [1, 2, 3]
    assert answer.header("x-content-type-options") == "nosniff"


@pytest.mark.anyio
async def test_the_servers_scope_is_not_changed(site: ASGIApp) -> None:
    scope = make_scope("/ping", headers=[(b"proxy", b"x")])
    before = {**scope, "headers": list(scope["headers"])}
    await aask(site, scope)
    assert scope == before


def test_middleware_and_endpoint_have_the_same_django_request(
    build: Callable[[], ASGIApp], registry: APIRegistry, settings: Settings
) -> None:
    settings.MIDDLEWARE = [f"{__name__}.Stamping"]

    @registry.get_default().get("/stamp")
    async def stamp(request: DjangoRequest) -> str:
        seen: str = vars(request)["stamp"]
        vars(request)["stamp"] = "and seen"
        return seen

    answer = fetch(build(), "/stamp")
    assert (answer.json(), answer.headers["x-stamp"]) == ("stamped", "and seen")
