"""A cache of sessions that is away is 503: nobody goes on as nobody, and nobody loses the cookie."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from django.contrib.auth import alogin, login, logout
from django.contrib.auth.models import User
from django.core.cache.backends.locmem import LocMemCache
from fastapi import FastAPI
from pytest_django import Settings

from django_fastapi import DjangoRequest
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp

Build = Callable[[], ASGIApp]

AWAY = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1"}
ENGINES = pytest.mark.parametrize("engine", ["cache", "cached_db"])
READERS = ["/who", "/async/who", "/session", "/async/session"]
WRITERS = ["/write", "/login", "/async/login", "/logout"]


class UnreliableCache(LocMemCache):
    """Fails when it is told to, and for keys that it cannot have."""

    failures: ClassVar[int] = 0

    def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        if type(self).failures:
            type(self).failures -= 1
            raise ConnectionResetError
        if "!" in key:
            raise ValueError("no such key")
        return super().get(key, *args, **kwargs)


def add_routes(api: FastAPI) -> None:
    @api.post("/who")
    def who(request: DjangoRequest) -> str:
        return request.user.get_username()

    @api.post("/async/who")
    async def async_who(request: DjangoRequest) -> str:
        return (await request.auser()).get_username()

    @api.post("/session")
    def session(request: DjangoRequest) -> bool:
        return "_auth_user_id" in request.session

    @api.post("/async/session")
    async def async_session(request: DjangoRequest) -> bool:
        return await request.session.ahas_key("_auth_user_id")

    @api.post("/write")
    def write(request: DjangoRequest) -> None:
        request.session["n"] = 1

    @api.post("/login")
    def log_in(request: DjangoRequest) -> None:
        login(request, User.objects.get())

    @api.post("/async/login")
    async def async_log_in(request: DjangoRequest) -> None:
        await alogin(request, await User.objects.aget())

    @api.post("/logout")
    def log_out(request: DjangoRequest) -> None:
        logout(request)


@pytest.fixture
def client(api: FastAPI, build: Build, settings: Settings, engine: str, user: User) -> Client:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    add_routes(api)
    client = Client(build(), raise_server_exceptions=False)
    client.force_login(user)
    return client


@pytest.fixture
def user(db: None) -> User:  # noqa: ARG001
    return User.objects.create_user("ada")


@ENGINES
@pytest.mark.parametrize("path", [*READERS, *WRITERS])
@pytest.mark.parametrize("saves_always", [False, True])
def test_a_cache_that_is_away_is_503_and_the_visitor_is_known_afterwards(
    client: Client, settings: Settings, caplog: pytest.LogCaptureFixture, path: str, *, saves_always: bool
) -> None:
    cache, settings.SESSION_SAVE_EVERY_REQUEST = settings.CACHES, saves_always
    settings.CACHES = {"default": AWAY}
    answer = client.post(path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), answer.text
    assert answer.headers.get_list("set-cookie") == []
    assert [record.name for record in caplog.records if record.levelname == "ERROR"] == ["django.request"]
    settings.CACHES = cache
    assert client.post("/who").json() == "ada"


@ENGINES
@pytest.mark.parametrize("path", ["/write", "/login", "/async/login"])
def test_so_it_is_for_who_has_no_session_yet(client: Client, settings: Settings, path: str) -> None:
    client.cookies.clear()
    settings.CACHES = {"default": AWAY}
    assert client.post(path).status_code == 503


@pytest.mark.parametrize("engine", ["cache"])
@pytest.mark.parametrize("path", READERS)
def test_one_failure_is_no_missing_session(client: Client, settings: Settings, path: str) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.UnreliableCache"}}
    client.force_login(User.objects.get())
    UnreliableCache.failures = 1
    assert client.post(path).status_code == 503
    assert client.post("/who").json() == "ada"


@ENGINES
@pytest.mark.parametrize("key", ["no-such-session", "!"])
def test_a_session_that_is_not_there_is_nobody_as_in_django(client: Client, settings: Settings, key: str) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.UnreliableCache"}}
    client.cookies.set("sessionid", key, domain="testserver.local")
    for path in ("/who", "/async/who"):
        assert client.post(path).json() == ""


@pytest.mark.parametrize("engine", ["cache"])
def test_the_docs_for_staff_are_503_as_well(
    api: FastAPI, build: Build, settings: Settings, user: User, engine: str
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.FASTAPI_DOCS_ACCESS = "staff"
    add_routes(api)
    client = Client(build(), raise_server_exceptions=False)
    client.force_login(user)
    settings.CACHES = {"default": AWAY}
    assert client.get("/docs").status_code == 503


def test_other_engines_and_errors_stay_what_they_are(
    api: FastAPI, build: Build, settings: Settings, user: User
) -> None:
    del user
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"

    @api.post("/odd")
    def odd(request: DjangoRequest) -> None:
        request.session["a"] = object()
        request.session.save()

    @api.post("/class")
    def name(request: DjangoRequest) -> str:
        return f"{type(request.session).__module__}.{type(request.session).__name__}"

    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    client = Client(build(), raise_server_exceptions=False)
    assert client.post("/class").json() == "django.contrib.sessions.backends.cache.SessionStore"
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    assert client.post("/odd").status_code == 500
