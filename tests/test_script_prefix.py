import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest
from django.conf import settings as django_settings
from django.http import HttpRequest, JsonResponse
from django.test.utils import override_script_prefix
from django.urls import get_script_prefix, path
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, WebSocket
from fastapi.responses import RedirectResponse
from pytest_django import Settings

from django_fastapi.script_prefix import enter_script_prefix
from django_fastapi.shortcuts import redirect, reverse
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp

from .asgi import aask, make_scope
from .request_threads import own_threads

Build = Callable[[], ASGIApp]

PAGES = ["/page", "/def", "/async"]


def look() -> list[str]:
    return [reverse("page"), reverse("api:endpoint"), str(django_settings.STATIC_URL)]


def seen_under(prefix: str) -> list[str]:
    return [f"{prefix}/page", f"{prefix}/def", f"{prefix}/static/"]


def page(_request: HttpRequest) -> JsonResponse:
    return JsonResponse([look()], safe=False)


@pytest.fixture(autouse=True)
def site(bare_django: Callable[..., None], settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    bare_django(path("page", page, name="page"))
    settings.STATIC_URL = "static/"  # read anew
    with override_script_prefix("/"), own_threads(monkeypatch):
        yield


@pytest.fixture
def seen_later(api: FastAPI) -> list[list[str]]:
    """Give what background tasks see, and the API its routes."""
    seen: list[list[str]] = []

    async def adependency() -> list[str]:
        return look()

    @api.get("/def")
    def endpoint(first: Annotated[list[str], Depends(look)], tasks: BackgroundTasks) -> list[list[str]]:
        tasks.add_task(lambda: seen.append(look()))
        return [first, look()]

    @api.get("/async")
    async def async_endpoint(first: Annotated[list[str], Depends(adependency)]) -> list[list[str]]:
        return [first, look()]

    @api.get("/redirect")
    async def go() -> RedirectResponse:
        return redirect("page")

    return seen


async def aask_below(site: ASGIApp, root_path: str, target: str) -> Any:
    return await aask(site, make_scope(f"{root_path}{target}", root_path=root_path))


@pytest.mark.anyio
@pytest.mark.parametrize("told", [("", None), ("/app", None), ("/app", ""), ("", "/app"), ("/app", "/app")])
@pytest.mark.parametrize("target", PAGES)
async def test_whatever_runs_for_a_request_sees_its_prefix(
    build: Build, settings: Settings, seen_later: list[list[str]], told: tuple[str, str | None], target: str
) -> None:
    root_path, settings.FORCE_SCRIPT_NAME = told
    site, prefix = build(), settings.FORCE_SCRIPT_NAME or root_path
    answer = await aask_below(site, root_path, target)
    assert [one for one in json.loads(answer.body) if one != seen_under(prefix)] == []
    assert seen_later == ([seen_under(prefix)] if target == "/def" else [])
    assert (await aask_below(site, root_path, "/redirect")).header("location") == f"{prefix}/page"


@pytest.mark.anyio
@pytest.mark.usefixtures("seen_later")
async def test_no_other_request_sees_it(build: Build) -> None:
    site = build()

    async def ask(root_path: str, target: str) -> None:
        answer = await aask_below(site, root_path, target)
        assert json.loads(answer.body)[-1][0] == f"{root_path}/page"

    for root_path in ("/app", "", "/other"):
        for target in PAGES:
            await ask(root_path, target)
    await asyncio.gather(*(ask(root_path, target) for root_path in ("/app", "", "/other") for target in PAGES))


@pytest.mark.anyio
async def test_a_root_path_of_the_settings_is_none_of_it(
    build: Build, settings: Settings, seen_later: list[list[str]]
) -> None:
    settings.FASTAPI_ROOT_PATH = "/site"
    await aask_below(build(), "", "/def")
    assert seen_later == [["/page", "/site/def", "/static/"]]


def test_a_websocket_and_a_lifespan_see_what_is_forced(build: Build, settings: Settings, api: FastAPI) -> None:
    settings.FORCE_SCRIPT_NAME = "/app"
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        seen.append(reverse("page"))
        yield

    router = APIRouter(lifespan=lifespan)

    @router.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(reverse("page"))

    api.include_router(router)
    with Client(build()) as client, client.websocket_connect("/socket") as websocket:
        seen.append(websocket.receive_text())
    assert seen == ["/app/page", "/app/page"]


@pytest.mark.parametrize("before", ["/", "/app", "/other"])
@pytest.mark.parametrize(("root_path", "prefix"), [("", "/"), ("/app", "/app/"), ("/app/", "/app/")])
def test_what_was_in_force_does_not_count(before: str, root_path: str, prefix: str) -> None:
    with override_script_prefix(before):
        enter_script_prefix({"root_path": root_path})
        assert get_script_prefix() == prefix
