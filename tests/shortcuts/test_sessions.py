from collections.abc import Callable
from typing import Annotated

import pytest
from django.contrib.sessions.models import Session as StoredSession
from fastapi import Depends, FastAPI, WebSocket
from fastapi.responses import JSONResponse
from pytest_django import Settings

from django_fastapi.exceptions import ConfigurationError
from django_fastapi.shortcuts import Session
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp

Build = Callable[[], ASGIApp]

COLOURS = pytest.mark.parametrize("colour", ["def", "async"])


async def visits(session: Session) -> int:
    """Be a dependency that has the session, too."""
    return await session.aget("visits", 0)  # type: ignore[no-any-return]


def add_routes(api: FastAPI) -> None:
    @api.get("/def")
    def count(session: Session) -> int:
        session["visits"] = session.get("visits", 0) + 1
        return int(session["visits"])

    @api.get("/async")
    async def acount(session: Session, before: Annotated[int, Depends(visits)]) -> JSONResponse:
        await session.aset("visits", before + 1)
        return JSONResponse(before + 1)

    @api.get("/nested/def")
    def nested(session: Session) -> None:
        session.setdefault("basket", []).append("book")
        session.modified = True

    @api.get("/untouched")
    async def untouched(session: Session) -> bool:
        return session.accessed

    @api.get("/flush/def")
    def flush(session: Session) -> None:
        session.flush()

    @api.get("/flush/async")
    async def aflush(session: Session) -> None:
        await session.aflush()


@pytest.mark.django_db
@COLOURS
def test_what_is_written_is_saved_and_the_cookie_set_as_django_does(
    api: FastAPI, build: Build, settings: Settings, colour: str
) -> None:
    settings.SESSION_COOKIE_AGE, settings.SESSION_COOKIE_SAMESITE, settings.SESSION_COOKIE_SECURE = 60, "Strict", False
    add_routes(api)
    client = Client(build())
    answer = client.get(f"/{colour}")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("sessionid=")
    assert {"HttpOnly", "Max-Age=60", "Path=/", "SameSite=Strict"} <= set(cookie.split("; "))
    assert "Cookie" in answer.headers["vary"]
    assert [client.get(f"/{colour}").json() for _ in range(2)] == [2, 3]
    assert StoredSession.objects.get().get_decoded() == {"visits": 3}


@pytest.mark.django_db
def test_one_that_nobody_touches_costs_nothing(
    api: FastAPI, build: Build, django_assert_num_queries: Callable[..., object]
) -> None:
    add_routes(api)
    client = Client(build())
    client.get("/def")
    with django_assert_num_queries(0):  # type: ignore[attr-defined]
        answer = client.get("/untouched")
    assert answer.json() is False
    assert not {"set-cookie", "vary"} & set(answer.headers)


@pytest.mark.django_db
@COLOURS
def test_one_that_is_flushed_loses_its_cookie(api: FastAPI, build: Build, colour: str) -> None:
    add_routes(api)
    client = Client(build())
    client.get("/def")
    answer = client.get(f"/flush/{colour}")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert not StoredSession.objects.exists()


@pytest.mark.django_db
def test_a_websocket_saves_by_itself(api: FastAPI, build: Build) -> None:
    add_routes(api)

    @api.websocket("/socket")
    async def socket(websocket: WebSocket, session: Session) -> None:
        await websocket.accept()
        await session.aset("visits", 10)
        await session.asave()
        await websocket.close()

    client = Client(build())
    client.get("/def")
    with client.websocket_connect("/socket"):
        pass
    assert client.get("/def").json() == 11


def test_without_the_middleware_it_is_said_what_is_missing(api: FastAPI, build: Build, settings: Settings) -> None:
    settings.MIDDLEWARE = []
    add_routes(api)
    with pytest.raises(ConfigurationError, match=r"sessions\.middleware\.SessionMiddleware"):
        Client(build()).get("/def")
