from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from django.contrib import messages
from django.contrib.auth.models import Group
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.urls import path
from django.utils.cache import patch_vary_headers
from fastapi import Depends, FastAPI, HTTPException, Response, WebSocket
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, StreamingResponse
from pytest_django import DjangoAssertNumQueries, Settings

from django_fastapi import DjangoRequest, atomic
from django_fastapi.registry import APIRegistry
from django_fastapi.testing import AsyncClient, Client
from django_fastapi.types import ASGIApp

Build = Callable[[], ASGIApp]
SESSIONS = "django.contrib.sessions.backends"


@pytest.fixture
def api(registry: APIRegistry) -> FastAPI:
    return registry.get_default()


def add_sessions(api: FastAPI) -> None:
    """Add a counter in the session, of every colour."""

    @api.post("/def")
    def count(request: DjangoRequest) -> int:
        request.session["n"] = request.session.get("n", 0) + 1
        return int(request.session["n"])

    @api.post("/async")
    async def acount(request: DjangoRequest) -> int:
        await request.session.aset("n", await request.session.aget("n", 0) + 1)
        return int(await request.session.aget("n"))

    @api.post("/flush")
    def flush(request: DjangoRequest) -> None:
        request.session.flush()

    @api.get("/read")
    def read(request: DjangoRequest) -> int:
        return int(request.session.get("n", 0))

    @api.get("/untouched")
    def untouched(request: DjangoRequest) -> bool:
        return request.is_secure()


@pytest.mark.django_db
@pytest.mark.parametrize("engine", ["db", "cache", "cached_db", "signed_cookies"])
def test_a_session_lasts_and_ends(engine: str, api: FastAPI, build: Build, settings: Settings) -> None:
    settings.SESSION_ENGINE = f"{SESSIONS}.{engine}"
    add_sessions(api)
    client = Client(build())
    assert [client.post(path).json() for path in ("/def", "/async", "/def", "/async")] == [1, 2, 3, 4]
    assert client.get("/read").json() == 4
    answer = client.post("/flush")
    assert 'sessionid=""' in answer.headers["set-cookie"]
    assert "sessionid" not in client.cookies
    assert client.get("/read").json() == 0


@pytest.mark.anyio
@pytest.mark.django_db
async def test_a_session_lasts_in_an_async_test(api: FastAPI, build: Build) -> None:
    add_sessions(api)
    async with AsyncClient(build()) as client:
        assert [(await client.post(path)).json() for path in ("/def", "/async", "/def")] == [1, 2, 3]
        assert await Session.objects.acount() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    "case",
    [
        ("GET", "/untouched", True, False, False, None),
        ("GET", "/untouched", False, False, False, None),
        ("GET", "/untouched", True, True, True, "Cookie"),
        ("GET", "/untouched", False, True, False, None),
        ("GET", "/read", True, False, False, "Cookie"),
        ("GET", "/read", False, False, False, "Cookie"),
        ("POST", "/def", True, False, True, "Cookie"),
        ("POST", "/flush", True, False, True, "Cookie"),
        ("POST", "/flush", False, False, False, "Cookie"),
    ],
)
def test_cookie_and_vary_are_as_djangos_middleware_has_them(
    case: tuple[str, str, bool, bool, bool, str | None], api: FastAPI, build: Build, settings: Settings
) -> None:
    method, path, has_session, saves_every_request, sets_cookie, vary = case
    add_sessions(api)
    client = Client(build())
    if has_session:
        client.post("/def")
    settings.SESSION_SAVE_EVERY_REQUEST = saves_every_request
    answer = client.request(method, path)
    assert ("set-cookie" in answer.headers) is sets_cookie
    assert answer.headers.get("vary") == vary


@pytest.mark.django_db
def test_reading_a_session_saves_nothing(
    api: FastAPI, build: Build, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    add_sessions(api)
    client = Client(build())
    client.post("/def")
    with django_assert_num_queries(1):
        client.get("/read")
    with django_assert_num_queries(0):
        client.get("/untouched")


@pytest.mark.django_db
def test_the_cookie_has_the_attributes_of_the_settings(api: FastAPI, build: Build, settings: Settings) -> None:
    settings.SESSION_COOKIE_NAME = "s"
    settings.SESSION_COOKIE_SECURE = True
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    settings.SESSION_COOKIE_PATH = "/a"
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
    add_sessions(api)
    name, _, rest = Client(build()).post("/def").headers["set-cookie"].partition("=")
    assert name == "s"
    assert sorted(rest.split("; ")[1:]) == ["HttpOnly", "Path=/a", "SameSite=Strict", "Secure"]


def returned_without_a_body_of_its_own(api: FastAPI, **router_kwargs: Any) -> None:
    @api.get("/not-modified", **router_kwargs)
    def a_304() -> Response:
        return Response(status_code=304, headers={"etag": '"a"'})

    @api.get("/nothing", status_code=204, **router_kwargs)
    def a_204() -> None: ...

    @api.get("/file", **router_kwargs)
    def a_file() -> FileResponse:
        return FileResponse(__file__)


def returned(api: FastAPI) -> None:
    """Add endpoints that end in every way, each with something in the session, a CSRF token and a pending cookie."""

    def use(request: DjangoRequest) -> Iterator[None]:
        request.session["n"] = 1
        get_token(request)
        request.response.set_cookie("pending", "1")
        request.response.headers["X-Pending"] = "1"
        patch_vary_headers(request.response, ["X-Pending"])
        yield

    router_kwargs: Any = {"dependencies": [Depends(use)]}

    @api.get("/dict", **router_kwargs)
    def a_dict() -> dict[str, int]:
        return {"a": 1}

    @api.get("/response", **router_kwargs)
    async def a_response() -> Response:
        response = JSONResponse({"a": 1}, headers={"vary": "Origin", "x-own": "1"})
        response.set_cookie("own", "1")
        response.set_cookie("other", "1")
        return response

    @api.get("/redirect", **router_kwargs)
    def a_redirect() -> RedirectResponse:
        return RedirectResponse("/elsewhere")

    @api.get("/stream", **router_kwargs)
    def a_stream() -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            yield b"a"
            yield b"b"

        return StreamingResponse(body())

    returned_without_a_body_of_its_own(api, **router_kwargs)

    @api.get("/invalid", **router_kwargs)
    def a_422(number: int) -> int:
        return number

    @api.get("/refusal", **router_kwargs)
    def a_refusal() -> None:
        raise HTTPException(403, headers={"x-own": "1"})

    @api.get("/crash", **router_kwargs)
    def a_crash() -> None:
        raise RuntimeError


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/dict", 200),
        ("/response", 200),
        ("/stream", 200),
        ("/file", 200),
        ("/nothing", 204),
        ("/not-modified", 304),
        ("/redirect", 307),
        ("/refusal", 403),
        ("/invalid", 422),
        ("/crash", 500),
    ],
)
def test_the_effects_are_put_on_whatever_was_returned(path: str, status: int, api: FastAPI, build: Build) -> None:
    returned(api)
    answer = Client(build(), raise_server_exceptions=False).get(path)
    assert answer.status_code == status
    names = {line.partition("=")[0] for line in answer.headers.get_list("set-cookie")}
    own = {"own", "other"} if path == "/response" else set()
    # Django saves no session for a server error.
    assert names == {"csrftoken", "pending", *own, *(() if path == "/crash" else ["sessionid"])}
    assert answer.headers["x-pending"] == "1"
    assert {"Cookie", "X-Pending"} <= {part.strip() for part in answer.headers["vary"].split(",")}
    assert Session.objects.count() == (0 if path == "/crash" else 1)
    if path == "/response":
        assert answer.headers["vary"].startswith("Origin, ")
        assert answer.headers["x-own"] == "1"
    if path == "/stream":
        assert answer.text == "ab"


def test_headers_that_django_does_not_touch_stay_as_they_are(api: FastAPI, build: Build) -> None:
    @api.get("/")
    async def read(request: DjangoRequest) -> Response:
        request.response.headers["X-New"] = "1"
        response = Response()
        response.raw_headers += [(b"link", b"a"), (b"link", b"b"), (b"vary", b"A"), (b"vary", b"B"), (b"x", b"\xe9")]
        return response

    headers = Client(build()).get("/").headers
    assert [value for name, value in headers.raw if name == b"link"] == [b"a", b"b"]
    assert [value for name, value in headers.raw if name == b"vary"] == [b"A", b"B"]
    assert (b"x", b"\xe9") in headers.raw
    assert "content-type" not in headers
    assert headers["x-new"] == "1"


@pytest.mark.django_db
def test_a_socket_is_given_its_cookie_when_it_is_accepted(api: FastAPI, build: Build) -> None:
    sent: list[Any] = []

    @api.websocket("/socket")
    async def socket(websocket: WebSocket, request: DjangoRequest) -> None:
        await request.session.aset("n", 1)
        await websocket.accept(headers=[(b"x-own", b"1")])
        await websocket.send_text("hello")
        await websocket.close()

    app = build()

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        async def note(message: Any) -> None:
            if scope["type"] == "websocket":
                sent.append(message)
            await send(message)

        await app(scope, receive, note)

    with Client(noting).websocket_connect("/socket") as session:
        assert session.receive_text() == "hello"
    headers = sent[0]["headers"]
    assert headers[0] == (b"x-own", b"1")
    assert [name for name, _ in headers] == [b"x-own", b"vary", b"set-cookie"]
    assert Session.objects.count() == 1


@pytest.mark.django_db
def test_the_session_is_saved_after_the_commit_and_before_the_status_line(api: FastAPI, build: Build) -> None:
    order: list[str] = []

    class Watched(SessionStore):
        def create(self) -> None:
            order.append("saved")
            super().create()

    def watch(request: DjangoRequest) -> Iterator[None]:
        request.session = Watched()
        request.session["n"] = 1
        yield
        order.append("ended")

    @api.get("/", dependencies=[Depends(watch, scope="function"), atomic()])
    async def read() -> None: ...

    @api.get("/failing", dependencies=[Depends(watch, scope="function"), atomic()])
    def failing() -> None:
        Group.objects.create(name="rolled back")
        raise HTTPException(409)

    app = build()

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        async def note(message: Any) -> None:
            if scope["type"] == "http":
                order.append(message["type"])
            await send(message)

        await app(scope, receive, note)

    client = Client(noting)
    client.get("/")
    assert order[:3] == ["ended", "saved", "http.response.start"]
    order.clear()
    # What the transaction held is gone, and the session is there: as behind Django's middleware.
    assert client.get("/failing").status_code == 409
    assert order[:2] == ["saved", "http.response.start"]
    assert (Group.objects.count(), Session.objects.count()) == (0, 2)


@pytest.mark.django_db
def test_a_session_goes_from_fastapi_to_a_view_and_back(api: FastAPI, build: Build, settings: Settings) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        request.session["names"] = [*request.session.get("names", []), "view"]
        return HttpResponse(",".join(request.session["names"]))

    settings.ROOT_URLCONF = (path("view/", view),)

    @api.post("/api")
    def endpoint(request: DjangoRequest) -> str:
        request.session["names"] = [*request.session.get("names", []), "api"]
        return ",".join(request.session["names"])

    client = Client(build())
    assert client.post("/api").json() == "api"
    assert client.get("/view/").text == "api,view"
    assert client.post("/api").json() == "api,view,api"
    assert client.get("/view/").text == "api,view,api,view"


OPERATIONS: dict[str, Callable[[Any], object]] = {
    "nothing": lambda request: request.GET,
    "session read": lambda request: request.session.get("n"),
    "session written": lambda request: request.session.update({"n": 2}),
    "session emptied": lambda request: request.session.flush(),
    "session for an hour": lambda request: request.session.set_expiry(3600),
    "session of the browser": lambda request: request.session.set_expiry(0),
    "session cycled": lambda request: request.session.cycle_key(),
    "user": lambda request: request.user.is_authenticated,
    "token": get_token,
    "message": lambda request: messages.info(request, "hello"),
    "messages read": lambda request: list(messages.get_messages(request)),
    "all": lambda request: (get_token(request), messages.info(request, "hello"), request.session.update({"n": 2})),
}


# Django's middleware looks at every request, and removes a cookie that cannot be a session key; here it is not asked.
NO_SESSION = {"nothing", "token", "message", "messages read"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("operation", "cookie"),
    [
        (operation, cookie)
        for operation in OPERATIONS
        for cookie in (None, "begun", "unknown" * 5, "x")
        if cookie != "x" or operation not in NO_SESSION
    ],
)
@pytest.mark.parametrize("storage", ["session.SessionStorage", "cookie.CookieStorage"])
def test_cookies_and_vary_are_those_of_a_view(  # noqa: PLR0913 (three of them are fixtures)
    operation: str, cookie: str | None, storage: str, *, api: FastAPI, build: Build, settings: Settings
) -> None:
    """The same is done behind Django's middleware and in an endpoint."""

    def view(request: HttpRequest) -> HttpResponse:
        OPERATIONS[operation](request)
        return HttpResponse()

    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if any(name in one for name in ("contrib.", "csrf"))][:4]
    settings.MESSAGE_STORAGE = f"django.contrib.messages.storage.{storage}"
    settings.ROOT_URLCONF = (path("view/", view),)

    @api.get("/endpoint")
    def endpoint(request: DjangoRequest) -> None:
        OPERATIONS[operation](request)

    app = build()

    def told(path: str) -> list[Any]:
        key = cookie
        if key == "begun":
            store = SessionStore()
            store["n"] = 1
            store.create()
            key = store.session_key
        answer = Client(app, cookies={"sessionid": key} if key else {}).get(path)
        lines = [line.partition("=") for line in answer.headers.get_list("set-cookie")]
        attributes = {name: [part for part in rest.split("; ")[1:] if "expires" not in part] for name, _, rest in lines}
        return [answer.status_code, answer.headers.get("vary"), attributes]

    assert told("/endpoint") == told("/view/")
