import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core.cache.backends.locmem import LocMemCache
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path
from fastapi import FastAPI
from pytest_django import DjangoDbBlocker, Settings

from django_fastapi.application import SiteApplication
from django_fastapi.exceptions import LifespanFailed
from django_fastapi.factory import apply_settings
from django_fastapi.health import Health
from django_fastapi.registry import APIRegistry
from django_fastapi.types import ASGIApp, Receive, Scope, Send

from .asgi import Answer, aask, ask, make_scope
from .request_threads import own_threads

BOTH = pytest.mark.parametrize("target", ["/healthz", "/readyz"])
EVIL = [(b"host", b"evil.test"), (b"x-forwarded-host", b"evil.test")]


@pytest.fixture
def databases(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let every thread open connections, to databases that were named later too."""
    del django_db_setup
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def site(build: Callable[[], ASGIApp], bare_django: Callable[..., None]) -> ASGIApp:
    bare_django(middleware=("django.middleware.security.SecurityMiddleware",))
    return build()


@contextmanager
def database(alias: str, **config: Any) -> Iterator[None]:
    configured = connections.configure_settings({"default": {}, alias: config})
    connections.settings[alias] = configured[alias]
    try:
        yield
    finally:
        del connections.settings[alias]


class BrokenCache(LocMemCache):
    def get(self, *_: Any, **__: Any) -> Any:
        raise ConnectionError("nobody listens")


class SlowCache(LocMemCache):
    gate: ClassVar = threading.Event()
    asked: ClassVar[list[str]] = []

    def get(self, key: str, *_: Any, **__: Any) -> Any:
        self.asked.append(key)
        self.gate.wait(60)


@BOTH
@pytest.mark.usefixtures("databases")
def test_both_answer_whatever_the_host_is_without_https(site: ASGIApp, settings: Settings, target: str) -> None:
    settings.ALLOWED_HOSTS = ["site.test"]
    settings.SECURE_SSL_REDIRECT = True
    answer = ask(site, make_scope(target, headers=EVIL))
    assert (answer.status, answer.body) == (200, b'{"status":"ok"}')
    assert answer.header("cache-control") == "no-store"
    assert b"evil" not in repr(answer.messages).encode()
    assert ask(site, make_scope("/", headers=EVIL)).status == 400


@BOTH
@pytest.mark.usefixtures("databases")
@pytest.mark.parametrize("root_path", ["", "/root"])
def test_they_are_there_below_the_root_path(site: ASGIApp, target: str, root_path: str) -> None:
    assert ask(site, make_scope(f"{root_path}{target}", root_path=root_path)).status == 200
    assert ask(site, make_scope(target, "HEAD")).status == 200


@BOTH
def test_other_methods_and_paths_are_the_sites(site: ASGIApp, target: str) -> None:
    assert ask(site, make_scope(target, "POST")).status == 404
    assert ask(site, make_scope(f"/a{target}")).status == 404


def test_a_process_that_lives_says_so_whatever_is_away(site: ASGIApp, settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.BrokenCache"}}
    with database("gone", ENGINE="django.db.backends.sqlite3", NAME="/nowhere/db"):
        assert ask(site, make_scope("/healthz")).status == 200


@pytest.mark.usefixtures("databases")
def test_a_database_that_is_away_is_not_ready(site: ASGIApp, caplog: pytest.LogCaptureFixture) -> None:
    with database("gone", ENGINE="django.db.backends.sqlite3", NAME="/nowhere/db"):
        answer = ask(site, make_scope("/readyz", headers=EVIL))
    assert (answer.status, answer.header("retry-after")) == (503, "5")
    assert answer.body == b'{"detail":"Service Unavailable"}'
    assert 'database "gone": OperationalError' in caplog.text
    assert "evil" not in caplog.text
    assert ask(site, make_scope("/readyz")).status == 200


@pytest.mark.usefixtures("databases")
def test_a_cache_that_is_away_is_not_ready(site: ASGIApp, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        "sessions": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1"},
    }
    assert ask(site, make_scope("/readyz")).status == 503
    assert 'cache "sessions": ConnectionError' in caplog.text


@pytest.mark.usefixtures("databases")
def test_a_project_without_a_database_has_none_that_is_away(site: ASGIApp) -> None:
    with database("none", ENGINE="django.db.backends.dummy"):
        assert ask(site, make_scope("/readyz")).status == 200


@pytest.mark.usefixtures("databases")
def test_a_pool_that_is_used_up_does_not_count(tmp_path: Path) -> None:
    """As with psycopg's `pool`, of which no other database has an option."""
    with database("pooled", ENGINE="django.db.backends.sqlite3", NAME=tmp_path / "db", OPTIONS={"pool": True}):
        with pytest.raises(TypeError):
            connections["pooled"].connect()
        answer = ask(Health(_nobody, [], _started), make_scope("/readyz"))
        del connections["pooled"]
    assert answer.status == 200


@pytest.mark.usefixtures("databases")
def test_what_does_not_answer_is_asked_once_and_waited_for_so_long(settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.SlowCache"}}
    settings.FASTAPI_DJANGO_FALLBACK = False
    site = Health(_nobody, [], _started, seconds=0.2)

    async def probe() -> list[Answer]:
        return list(await asyncio.gather(*(aask(site, make_scope("/readyz")) for _ in range(5))))

    try:
        assert {answer.status for answer in asyncio.run(probe())} == {503}
        assert {answer.status for answer in asyncio.run(probe())} == {503}
        assert len(SlowCache.asked) == 1
        assert [one.name for one in threading.enumerate()].count("django_fastapi-readyz") == 1
    finally:
        SlowCache.gate.set()
        SlowCache.asked.clear()


@pytest.mark.anyio
@pytest.mark.usefixtures("databases")
async def test_busy_request_threads_do_not_matter(
    registry: APIRegistry, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FASTAPI_THREADS = 1
    gate, is_busy = threading.Event(), threading.Event()

    def wait() -> None:
        is_busy.set()
        gate.wait(60)

    registry.get_default().add_api_route("/wait", wait)
    apply_settings(registry)
    site = SiteApplication(registry)
    with own_threads(monkeypatch):
        waiting = asyncio.create_task(aask(site, make_scope("/wait")))
        await asyncio.to_thread(is_busy.wait, 60)
        assert (await aask(site, make_scope("/readyz"))).status == 200
        gate.set()
        assert (await waiting).status == 200


@BOTH
@pytest.mark.usefixtures("databases")
def test_a_route_of_the_projects_own_wins(
    api: FastAPI, registry: APIRegistry, build: Callable[[], ASGIApp], bare_django: Callable[..., None], target: str
) -> None:
    @api.get(target)
    def own() -> str:
        return "mine"

    bare_django()
    registry.register(FastAPI(), "v2", "/v2")
    assert ask(build(), make_scope(target)).body == b'"mine"'


@pytest.mark.usefixtures("databases")
@pytest.mark.parametrize(
    ("pattern", "status"),
    [
        (path("healthz", lambda _: HttpResponse("mine")), 200),
        (re_path("^healthz/?$", lambda _: HttpResponse("mine")), 200),
        (path("healthz/", lambda _: HttpResponse("mine")), 301),
    ],
)
def test_so_does_a_view(
    build: Callable[[], ASGIApp], bare_django: Callable[..., None], settings: Settings, pattern: Any, status: int
) -> None:
    bare_django(pattern, middleware=("django.middleware.common.CommonMiddleware",))
    answer = ask(build(), make_scope("/healthz"))
    assert (answer.status, answer.body) == (status, b"mine" if status == 200 else b"")
    settings.FASTAPI_DJANGO_FALLBACK = False
    assert ask(build(), make_scope("/healthz")).body == b'{"status":"ok"}'


def _page(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("the page for everything")


@BOTH
@pytest.mark.usefixtures("databases")
def test_a_view_for_everything_does_not(
    build: Callable[[], ASGIApp], bare_django: Callable[..., None], target: str
) -> None:
    bare_django(re_path("", _page))
    assert ask(build(), make_scope(target)).body == b'{"status":"ok"}'


@BOTH
@pytest.mark.usefixtures("databases")
def test_views_that_cannot_be_imported_do_not_matter(
    site: ASGIApp, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    (tmp_path / "broken_urls.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(tmp_path)
    settings.ROOT_URLCONF = "broken_urls"
    assert ask(site, make_scope(target)).body == b'{"status":"ok"}'


@pytest.mark.usefixtures("databases")
def test_a_site_that_cannot_start_is_not_ready(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise LifespanFailed("the search index is missing")

    site = Health(_nobody, [], fail)
    assert ask(site, make_scope("/readyz")).status == 503
    assert "the search index is missing" in caplog.text
    assert ask(site, make_scope("/healthz")).status == 200


async def _nobody(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("nobody is asked")


async def _started() -> None:
    pass
