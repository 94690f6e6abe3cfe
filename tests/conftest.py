"""What all tests share: an API registry of their own, a site to build, and the ban on skipped tests in CI."""

import asyncio
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing

import httpx
import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.db import connections, transaction
from django.urls import URLPattern, URLResolver, clear_url_caches
from django.utils import timezone, translation
from fastapi import FastAPI
from pytest_django import DjangoDbBlocker, Settings

from django_fastapi.factory import apply_settings, make_default_api
from django_fastapi.registry import APIRegistry
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp

from .databases import VENDORS, archive_on

NO_SKIPS = "TEST_NO_SKIPS"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get(NO_SKIPS) and terminalreporter.stats.get("skipped"):
        terminalreporter.write_line(f"{NO_SKIPS} is set and tests were skipped: that is a failure.", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get(NO_SKIPS) and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape lone surrogates in what a test has logged: pytest-xdist cannot send them from process to process."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode("utf-8")) for name, text in report.sections
    ]
    return report


@pytest.fixture(autouse=True)
def default_language_and_time_zone() -> None:
    """Begin with those of the settings: Django's test client leaves what `LocaleMiddleware` activated."""
    translation.deactivate()
    timezone.deactivate()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[APIRegistry]:
    """Give an empty registry that `get_registry` finds, discovered already: nothing of the example is in it."""
    registry = APIRegistry(make_default_api)
    registry.is_discovered = True
    monkeypatch.setattr(apps.get_app_config("django_fastapi"), "registry", registry)
    # Django keeps the patterns, in which are the API's routes: those of another registry must not be found here, nor
    # these by later tests.
    names = (str(django_settings.ROOT_URLCONF), "fastapi_bridge_test.urls")
    before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    clear_url_caches()
    yield registry
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(before)
    clear_url_caches()


@pytest.fixture
def bare_django(settings: Settings) -> Callable[..., None]:
    """Give a function that leaves Django with these URL patterns, and no middleware but these."""

    def leave(*patterns: URLPattern | URLResolver, middleware: tuple[str, ...] = ()) -> None:
        settings.ROOT_URLCONF = patterns
        settings.MIDDLEWARE = list(middleware)

    return leave


@pytest.fixture
def build(registry: APIRegistry) -> Callable[[], ASGIApp]:
    """Give a function that builds the site from the registry and the settings of this moment."""
    from django_fastapi.application import SiteApplication  # noqa: PLC0415 (imports models: not before Django is set up)

    def build_site() -> ASGIApp:
        apply_settings(registry)
        return SiteApplication(registry)

    return build_site


@pytest.fixture
def api(registry: APIRegistry) -> FastAPI:
    """Give the default API, without routes still."""
    return registry.get_default()


@pytest.fixture
def site_client(build: Callable[[], ASGIApp], bare_django: Callable[..., None]) -> Iterator[Client]:
    """Give a client of the site, whose lifespan begins with the first request: when the routes are there."""
    bare_django()
    with closing(Client(build())) as client:
        yield client


@pytest.fixture(scope="module", params=VENDORS)
def archive(request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Give the alias of a database with the tables of the archive: SQLite, PostgreSQL and MariaDB in turn."""
    del django_db_setup
    with django_db_blocker.unblock(), archive_on(request.param) as alias:
        yield alias


@pytest.fixture
def alias(archive: str) -> Iterator[str]:
    """Give the alias of the archive's database, in a transaction that is rolled back."""
    with transaction.atomic(using=archive):
        yield archive
        connections[archive].set_rollback(True)


def fetch(app: ASGIApp, path: str, method: str = "GET", **options: object) -> httpx.Response:
    """Ask an ASGI application over HTTP, in an event loop of its own."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.request(method, path, **options)  # type: ignore[arg-type]

    return asyncio.run(ask())
