"""Well-known middleware from the package index, unmodified."""

from collections.abc import Callable
from pathlib import Path

import pytest
from csp.constants import NONCE, SELF
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse
from pytest_django import Settings

from django_fastapi import DjangoRequest
from django_fastapi.middleware import DjangoMiddleware
from django_fastapi.shortcuts import render
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp

Build = Callable[[], ASGIApp]


@pytest.fixture(autouse=True)
def no_middleware_in_the_settings(settings: Settings) -> None:
    settings.MIDDLEWARE = []


def put(api: FastAPI, place: str, middleware: str) -> APIRouter | FastAPI:
    if place == "api":
        api.add_middleware(DjangoMiddleware, middleware=middleware)
        return api
    return APIRouter(route_class=DjangoMiddleware.route_class(middleware))


def finish(api: FastAPI, routes: APIRouter | FastAPI) -> None:
    if isinstance(routes, APIRouter):
        api.include_router(routes)


BOTH_PLACES = pytest.mark.parametrize("place", ["api", "router"])


@BOTH_PLACES
def test_django_csp(api: FastAPI, build: Build, settings: Settings, tmp_path: Path, place: str) -> None:
    """It gives the template a nonce, and the header the same one."""
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"script-src": [SELF, NONCE]}}
    (tmp_path / "page.html").write_text("{{ request.csp_nonce }}")
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [tmp_path],
            "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
        }
    ]
    routes = put(api, place, "csp.middleware.CSPMiddleware")

    @routes.get("/")
    def page(request: Request) -> HTMLResponse:
        return render(request, "page.html")

    finish(api, routes)
    answer = Client(build()).get("/")
    assert answer.text
    policy = set(answer.headers["content-security-policy"].split("; "))
    assert policy == {"default-src 'self'", f"script-src 'self' 'nonce-{answer.text}'"}


@BOTH_PLACES
def test_django_htmx(api: FastAPI, build: Build, place: str) -> None:
    routes = put(api, place, "django_htmx.middleware.HtmxMiddleware")

    @routes.get("/def")
    def sync(request: DjangoRequest) -> list[str | bool | None]:
        return [bool(request.htmx), request.htmx.target]

    @routes.get("/async")
    async def asynchronous(request: DjangoRequest) -> list[str | bool | None]:
        return [bool(request.htmx), request.htmx.target]

    finish(api, routes)
    client = Client(build())
    for path in ("/def", "/async"):
        assert client.get(path).json() == [False, None]
        assert client.get(path, headers={"HX-Request": "true", "HX-Target": "list"}).json() == [True, "list"]


@BOTH_PLACES
def test_whitenoise(api: FastAPI, build: Build, settings: Settings, tmp_path: Path, place: str) -> None:
    """It serves files in the place of the endpoint, and knows when the client has them already."""
    (tmp_path / "robots.txt").write_text("User-agent: *\n" * 1000)
    settings.WHITENOISE_ROOT, settings.STATIC_ROOT = str(tmp_path), None
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = False
    routes = put(api, place, "whitenoise.middleware.WhiteNoiseMiddleware")

    @routes.get("/{name}")
    async def endpoint(name: str) -> str:
        return name

    finish(api, routes)
    client = Client(build())
    answer = client.get("/robots.txt")
    assert answer.text == "User-agent: *\n" * 1000
    assert answer.headers["content-type"].startswith("text/plain")
    unchanged = client.get("/robots.txt", headers={"if-modified-since": answer.headers["last-modified"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    part = client.get("/robots.txt", headers={"range": "bytes=0-9"})
    assert (part.status_code, part.text) == (206, "User-agent")
    assert client.get("/other").json() == "other"
