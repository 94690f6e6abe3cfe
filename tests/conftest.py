"""What all tests share: an API registry of their own, a site to build, and the ban on skipped tests in CI."""

import asyncio
import os
from collections.abc import Callable

import httpx
import pytest
from django.apps import apps
from django.urls import URLPattern, URLResolver
from django.utils import timezone, translation
from pytest_django import Settings

from django_fastapi.factory import apply_settings, make_default_api
from django_fastapi.registry import APIRegistry
from django_fastapi.types import ASGIApp

NO_SKIPS = "TEST_NO_SKIPS"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get(NO_SKIPS) and terminalreporter.stats.get("skipped"):
        terminalreporter.write_line(f"{NO_SKIPS} is set and tests were skipped: that is a failure.", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get(NO_SKIPS) and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def default_language_and_time_zone() -> None:
    """Begin with those of the settings: Django's test client leaves what `LocaleMiddleware` activated."""
    translation.deactivate()
    timezone.deactivate()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> APIRegistry:
    """Give an empty registry that `get_registry` finds, discovered already: nothing of the example is in it."""
    registry = APIRegistry(make_default_api)
    registry.is_discovered = True
    monkeypatch.setattr(apps.get_app_config("django_fastapi"), "registry", registry)
    return registry


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


def fetch(app: ASGIApp, path: str, method: str = "GET", **options: object) -> httpx.Response:
    """Ask an ASGI application over HTTP, in an event loop of its own."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.request(method, path, **options)  # type: ignore[arg-type]

    return asyncio.run(ask())
