from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.contrib.messages import MessageFailure
from django.contrib.messages.storage.base import Message
from django.utils.translation import gettext_lazy
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse
from pytest_django import Settings

from django_fastapi import DjangoRequest
from django_fastapi.exceptions import AwaitForgotten
from django_fastapi.shortcuts import localize, messages, redirect
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp

Build = Callable[[], ASGIApp]

COLOURS = pytest.mark.parametrize("colour", ["def", "async"])
STORAGES = pytest.mark.parametrize(
    "storage", ["cookie.CookieStorage", "session.SessionStorage", "fallback.FallbackStorage"]
)


def told(found: Iterable[Message]) -> list[str]:
    return [f"{message.tags}: {message.message}" for message in found]


def add_routes(api: FastAPI) -> None:
    @api.post("/def")
    def write(request: Request) -> RedirectResponse:
        messages.success(request, "Saved.", "big")
        return redirect("/def")

    @api.post("/async")
    async def awrite(request: DjangoRequest) -> RedirectResponse:
        messages.success(request, "Saved.", "big")
        return redirect("/async")

    @api.get("/def")
    def read(request: Request) -> list[str]:
        return told(messages.get_messages(request))

    @api.get("/async")
    async def aread(request: DjangoRequest) -> list[str]:
        return told(await messages.aget_messages(request))


@pytest.mark.django_db
@COLOURS
@STORAGES
def test_a_message_is_there_after_the_redirect_and_once(
    api: FastAPI, build: Build, settings: Settings, colour: str, storage: str
) -> None:
    settings.MESSAGE_STORAGE = f"django.contrib.messages.storage.{storage}"
    add_routes(api)
    client = Client(build(), follow_redirects=False)
    assert client.post(f"/{colour}").status_code == 302
    assert client.get(f"/{colour}").json() == ["big success: Saved."]
    assert client.get(f"/{colour}").json() == []


def test_each_level_has_its_function(api: FastAPI, build: Build) -> None:
    @api.get("/")
    async def page(request: Request) -> list[str]:
        assert messages.get_level(request) == messages.INFO
        assert messages.set_level(request, messages.DEBUG)
        for add in (messages.debug, messages.info, messages.success, messages.warning, messages.error):
            add(request, "x")
        messages.add_message(request, 35, "y", "own")
        messages.add_message(request, 5, "below the level")
        return told(await messages.aget_messages(request))

    answer = Client(build()).get("/")
    assert answer.json() == ["debug: x", "info: x", "success: x", "warning: x", "error: x", "own: y"]


def test_a_lazy_translation_is_made_in_the_language_of_the_request(api: FastAPI, build: Build) -> None:
    @api.post("/", dependencies=[localize()])
    async def write(request: Request) -> None:
        messages.info(request, gettext_lazy("Yes"))

    add_routes(api)
    client = Client(build())
    client.post("/", headers={"Accept-Language": "de"})
    assert client.get("/def").json() == ["info: Ja"]


def test_whoever_forgets_to_await_is_told(api: FastAPI, build: Build) -> None:
    @api.get("/")
    async def read(request: Request) -> int:
        found: Any = messages.get_messages(request)
        with pytest.raises(AwaitForgotten, match=r"await get_messages\(request\)"):
            list(found)
        return len(await found)

    assert Client(build()).get("/").json() == 0


def test_without_the_middleware_it_is_djangos_error(api: FastAPI, build: Build, settings: Settings) -> None:
    settings.MIDDLEWARE = []

    @api.get("/")
    async def write(request: Request) -> int:
        messages.info(request, "x", fail_silently=True)
        assert not messages.set_level(request, messages.DEBUG)
        messages.info(request, "x")
        return 0

    with pytest.raises(MessageFailure):
        Client(build()).get("/")
