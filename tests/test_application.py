import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from django.test.utils import override_script_prefix
from django.urls import get_script_prefix
from fastapi import Depends, FastAPI
from pytest_django import Settings
from starlette.types import ASGIApp, Message

import django_fastapi
from django_fastapi import auth, get_asgi_application, get_wsgi_application
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.gateway import WSGIGateway
from django_fastapi.registry import APIRegistry

from .conftest import fetch


def test_the_modules_that_servers_name_hold_the_applications() -> None:
    from django_fastapi import asgi, wsgi  # noqa: PLC0415 (they build the site when they are imported)

    assert callable(asgi.application)
    assert isinstance(wsgi.application, WSGIGateway)


def test_every_call_builds_a_new_application_from_the_settings_of_that_moment(
    registry: APIRegistry, settings: Settings
) -> None:
    settings.FASTAPI_DJANGO_FALLBACK = False
    first = get_asgi_application()
    settings.FASTAPI_TITLE = "New"
    second = get_asgi_application()
    assert first is not second
    assert fetch(second, "/openapi.json").json()["info"]["title"] == "New"
    assert registry.get_default().title == "New"


def test_a_wrong_setting_stops_it(registry: APIRegistry, settings: Settings) -> None:  # noqa: ARG001
    settings.FASTAPI_CORS_ENABLED = "yes"
    with pytest.raises(ConfigurationError, match="FASTAPI_CORS_ENABLED"):
        get_wsgi_application()


def test_a_plain_application_of_the_project_can_be_the_default(
    build: Callable[[], ASGIApp], registry: APIRegistry, settings: Settings
) -> None:
    settings.FASTAPI_DJANGO_FALLBACK = False
    mine = FastAPI()

    @mine.get("/mine")
    def route() -> str:
        return "mine"

    django_fastapi.set_default_api(mine)
    assert registry.get_default() is mine
    assert fetch(build(), "/mine").json() == "mine"


def test_the_api_modules_see_a_script_name_that_is_forced(registry: APIRegistry, settings: Settings) -> None:  # noqa: ARG001
    settings.FORCE_SCRIPT_NAME = "/app"
    with override_script_prefix("/"):
        get_asgi_application()
        assert get_script_prefix() == "/app/"


@pytest.mark.django_db
def test_the_document_of_a_mounted_application_tells_who_is_needed(
    build: Callable[[], ASGIApp], api: FastAPI, settings: Settings
) -> None:
    settings.FASTAPI_AUTH = {"REQUIRED": True}
    mounted = FastAPI()
    mounted.get("/inside")(lambda: "closed")
    mounted.get("/marked", dependencies=[Depends(auth.public)])(lambda: "open")
    api.mount("/sub", mounted)
    site = build()
    paths = fetch(site, "/sub/openapi.json").json()["paths"]
    assert set(paths["/inside"]["get"]["responses"]) == {"200", "401", "403"}
    assert paths["/inside"]["get"]["security"] == [{"JWTAuth": []}, {"SessionAuth": []}]
    assert "security" not in paths["/marked"]["get"]
    assert [fetch(site, f"/sub{path}").status_code for path in paths] == [401, 200]


def test_routes_added_later_are_served(build: Callable[[], ASGIApp], registry: APIRegistry, settings: Settings) -> None:
    settings.FASTAPI_DJANGO_FALLBACK = False
    site = build()
    router = django_fastapi.APIRouter()
    registry.get_default().include_router(router)

    @router.get("/later")
    def later() -> str:
        return "later"

    assert fetch(site, "/later").json() == "later"


def unusable(_get_response: object) -> None:
    raise AssertionError("Django's handler was made.")


def test_what_a_lifespan_mounts_follows_the_settings_too(
    build: Callable[[], ASGIApp], registry: APIRegistry, settings: Settings
) -> None:
    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        late = FastAPI()
        late.get("/page")(lambda: "served")
        api.mount("/late", late)
        yield

    settings.FASTAPI_DOCS_ACCESS = "off"
    registry.set_default(FastAPI(lifespan=lifespan))
    site = build()
    paths = ("/late/page", "/late/docs", "/late/openapi.json")
    assert [fetch(site, path).status_code for path in paths] == [200, 404, 404]


def test_djangos_handler_is_made_when_the_fallback_is_switched_on_later(
    build: Callable[[], ASGIApp], settings: Settings, bare_django: Callable[..., None]
) -> None:
    bare_django(middleware=("tests.test_application.unusable",))
    settings.FASTAPI_DJANGO_FALLBACK = False
    site = build()
    assert fetch(site, "/").status_code == 404
    bare_django()
    settings.FASTAPI_DJANGO_FALLBACK = True
    assert fetch(site, "/", headers={"Accept": "text/html"}).headers["content-type"].startswith("text/html")


@pytest.mark.anyio
async def test_a_connection_of_an_unknown_kind_is_an_error(build: Callable[[], ASGIApp], settings: Settings) -> None:
    settings.FASTAPI_DJANGO_FALLBACK = False

    async def receive() -> Message:
        return {}

    async def send(_message: Message) -> None: ...

    with pytest.raises(ValueError, match="'webtransport'"):
        await build()({"type": "webtransport"}, receive, send)


@pytest.mark.anyio
async def test_requests_leave_nothing_in_circles_for_the_garbage_collector(
    build: Callable[[], ASGIApp], registry: APIRegistry
) -> None:
    @registry.get_default().get("/def")
    def endpoint() -> str:
        return "on a thread"

    @registry.get_default().get("/async")
    async def aendpoint() -> str:
        return "on the event loop"

    site = build()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        """Drop the answer."""

    async def ask(times: int) -> None:
        for path in ("/def", "/async") * times:
            scope = {
                "type": "http",
                "method": "GET",
                "path": path,
                "query_string": b"",
                "headers": [(b"host", b"localhost")],
            }
            await site(scope, receive, send)

    await ask(5)
    gc.collect()
    gc.disable()
    try:
        await ask(20)
        assert gc.collect() < 20
    finally:
        gc.enable()
