"""A site with `DEBUG`, and what browsers, API clients and terminals are shown of it."""

from collections.abc import Callable

import httpx
import pytest
from pytest_django import Settings

from django_fastapi.types import ASGIApp
from tests.conftest import fetch

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
TERMINAL = "text/plain"
CLIENT = "application/json"

Show = Callable[..., httpx.Response]


@pytest.fixture
def show(build: Callable[[], ASGIApp], bare_django: Callable[..., None], settings: Settings) -> Show:
    """Give a function that asks the site, built with `DEBUG` when it is first called."""
    bare_django()
    settings.DEBUG = True
    built: list[ASGIApp] = []

    def ask(path: str, accept: str = BROWSER, method: str = "GET", **options: object) -> httpx.Response:
        site = built[0] if built else build()
        built[:] = [site]
        headers = {"Accept": accept, **options.pop("headers", {})}  # type: ignore[dict-item]
        return fetch(site, path, method, headers=headers, **options)

    return ask
