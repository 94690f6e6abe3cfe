"""While the body of a request is still on its way, no thread waits for it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import pytest
from django.conf import settings as django_settings
from django.middleware.csrf import CSRF_SECRET_LENGTH
from fastapi import APIRouter, Depends, FastAPI, Request
from pytest_django import Settings

from django_fastapi import DjangoRequest
from django_fastapi.middleware import DjangoMiddleware
from django_fastapi.types import ASGIApp

from .auth.conftest import MIDDLEWARE
from .auth.test_tokens import access_token
from .request_threads import asking, own_threads

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Build = Callable[[], ASGIApp]
Receive = Callable[..., httpx.Response]

TOKEN = "t" * CSRF_SECRET_LENGTH


@pytest.fixture
def ask_slowly(
    api: FastAPI, build: Build, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., httpx.Response]]:
    """Give a function that posts a body slowly, and sees another request answered meanwhile by the only thread."""
    settings.FASTAPI_THREADS = 1
    settings.FASTAPI_THREAD_WAIT = 1

    @api.get("/other")
    def other() -> str:
        return "answered"

    def ask_slowly(path: str, *parts: bytes, **options: Any) -> httpx.Response:
        async def test() -> httpx.Response:
            is_begun, may_end = asyncio.Event(), asyncio.Event()

            async def body() -> AsyncIterator[bytes]:
                yield parts[0]
                is_begun.set()
                await may_end.wait()
                for part in parts[1:]:
                    yield part

            async with asking(build()) as ask:
                slow = ask(path, "POST", content=body(), **options)
                await is_begun.wait()
                assert (await ask("/other")).json() == "answered"
                may_end.set()
                return await slow

        return asyncio.run(test())

    with own_threads(monkeypatch):
        yield ask_slowly


def held() -> Iterator[None]:
    """A dependency that keeps the thread of its request."""
    yield


def sum_of_body(request: DjangoRequest) -> int:
    return sum(json.loads(request.body))


def generated_sum(request: DjangoRequest) -> Iterator[int]:
    yield sum_of_body(request)


class Summing:
    def __call__(self, request: DjangoRequest) -> int:
        return sum_of_body(request)


def passed_on(total: Annotated[int, Depends(sum_of_body)]) -> int:
    return total


@pytest.mark.parametrize("dependency", [sum_of_body, generated_sum, Summing(), passed_on])
@pytest.mark.parametrize("holding", [[], [Depends(held)]])
def test_for_a_dependency_on_the_thread(
    api: FastAPI, ask_slowly: Receive, dependency: Callable[..., Any], holding: list[Any]
) -> None:
    @api.post("/sum", dependencies=holding)
    async def take_sum(total: Annotated[int, Depends(dependency)]) -> int:
        return total

    assert ask_slowly("/sum", b"[1", b",2]").json() == 3


@pytest.mark.parametrize("holding", [[], [Depends(held)]])
def test_for_an_endpoint_on_the_thread(api: FastAPI, ask_slowly: Receive, holding: list[Any]) -> None:
    router = APIRouter()
    router.post("/sum", dependencies=holding)(sum_of_body)
    api.include_router(router)
    assert ask_slowly("/sum", b"[1", b",2]").json() == 3


@pytest.mark.parametrize("make", ["OldStyle", "NewStyle", "Async"])
def test_for_what_stands_inside_of_a_django_middleware(api: FastAPI, ask_slowly: Receive, make: str) -> None:
    router = APIRouter(route_class=DjangoMiddleware.route_class(f"tests.middleware.makes.{make}"))

    @router.post("/sum")
    async def take_sum(request: Request) -> int:
        return sum(await request.json())

    api.include_router(router)
    assert ask_slowly("/sum", b"[1", b",2]").json() == 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scheme", ["session", "token"])
def test_for_the_csrf_token_in_a_form(
    api: FastAPI, ask_slowly: Receive, settings: Settings, django_user_model: "type[User]", scheme: str
) -> None:
    from django.test import Client as DjangoClient  # noqa: PLC0415 (Django is not set up before)

    from django_fastapi.auth import CurrentUser  # noqa: PLC0415 (imports models)

    settings.MIDDLEWARE = MIDDLEWARE
    settings.FASTAPI_AUTH = {"JWT": {"COOKIE": "access"}}
    ada = django_user_model.objects.create_user("ada")
    if scheme == "session":
        djangos = DjangoClient()
        djangos.force_login(ada)
        cookie = f"{django_settings.SESSION_COOKIE_NAME}={djangos.cookies[django_settings.SESSION_COOKIE_NAME].value}"
    else:
        cookie = f"access={access_token(ada)}"

    @api.post("/who")
    async def who(user: CurrentUser) -> str:
        return user.get_username()

    headers = {
        "Cookie": f"{cookie}; {django_settings.CSRF_COOKIE_NAME}={TOKEN}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    field = f"csrfmiddlewaretoken={TOKEN}".encode()
    assert ask_slowly("/who", field[:9], field[9:], headers=headers).json() == "ada"
    assert ask_slowly("/who", field[:9], headers=headers).status_code == 403
