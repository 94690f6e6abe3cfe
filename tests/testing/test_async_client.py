"""The asynchronous client under AnyIO's pytest plugin, which runs the test on an event loop of the main thread."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, User
from django.core import mail
from django.db import connection
from fastapi import Depends, WebSocket
from fastapi.responses import StreamingResponse
from pytest_django import Settings
from starlette.types import ASGIApp

from django_fastapi import DjangoRequest
from django_fastapi.testing import AsyncClient, WebSocketDenied, acapture_queries

from .conftest import PATHS, GroupSite

each_path = pytest.mark.parametrize("path", PATHS)


async def see_each_other(app: ASGIApp, path: str) -> None:
    async with AsyncClient(app) as client:
        assert await Group.objects.acount() == 0
        await Group.objects.acreate(name="from the test")
        assert (await client.get(path)).json() == ["from the test"]
        await client.post(path, params={"name": "from the site"})
        assert {group.name async for group in Group.objects.all()} == {"from the site", "from the test"}


@pytest.mark.anyio
@pytest.mark.django_db
@each_path
async def test_test_and_endpoint_see_each_other_in_a_test_transaction(site: GroupSite, path: str) -> None:
    await see_each_other(site.app, path)


@pytest.mark.anyio
@pytest.mark.django_db(transaction=True)
@each_path
async def test_test_and_endpoint_see_each_other_without_a_test_transaction(site: GroupSite, path: str) -> None:
    await see_each_other(site.app, path)


@pytest.fixture
def group(db: None) -> Group:  # noqa: ARG001
    return Group.objects.create(name="from the fixture")


@pytest.mark.anyio
async def test_rows_of_synchronous_fixtures_are_seen_and_the_connection_is_theirs(
    site: GroupSite, group: Group
) -> None:
    async with AsyncClient(site.app) as client:
        assert (await client.get("/sync")).json() == [group.name]
        assert await sync_to_async(lambda: connection.in_atomic_block)()
    assert not await sync_to_async(lambda: connection.in_atomic_block)()


@pytest.mark.anyio
@pytest.mark.django_db
async def test_queries_of_test_and_endpoints_are_counted(site: GroupSite) -> None:
    async with AsyncClient(site.app) as client:
        async with acapture_queries() as queries:
            await client.get("/sync")
            await client.get("/async")
            await Group.objects.acount()
        assert len(queries) == 5
        assert all("auth_group" in query["sql"] for query in queries)


@pytest.mark.anyio
@pytest.mark.django_db
async def test_requests_at_once(site: GroupSite) -> None:
    async with AsyncClient(site.app) as client:
        answers = await asyncio.gather(
            *(client.post(PATHS[n % 2], params={"name": str(n)}) for n in range(8)), return_exceptions=True
        )
        assert len(answers) == 8
        assert await Group.objects.acount() >= 1


@pytest.mark.anyio
@pytest.mark.django_db
async def test_clients_overlap(site: GroupSite) -> None:
    first, second = AsyncClient(site.app), AsyncClient(site.app)
    await first.__aenter__()
    await second.__aenter__()
    await Group.objects.acreate(name="seen")
    await first.aclose()
    assert (await second.get("/sync")).json() == ["seen"]
    assert await Group.objects.acount() == 1
    await second.aclose()


@pytest.mark.anyio
@pytest.mark.django_db
async def test_login_and_logout(site: GroupSite) -> None:
    async with AsyncClient(site.app) as client:
        user = await User.objects.acreate_user("ada", password="secret")
        assert not await client.alogin(username="ada", password="wrong")
        assert await client.alogin(username="ada", password="secret")
        assert "sessionid" in client.cookies
        await client.alogout()
        assert not client.cookies
        await client.aforce_login(user)
        assert "sessionid" in client.cookies


@pytest.mark.anyio
@pytest.mark.django_db
async def test_a_login_outlasts_answers_that_set_the_sessions_cookie(site: GroupSite, settings: Settings) -> None:
    settings.SESSION_COOKIE_SECURE = True
    settings.SESSION_COOKIE_DOMAIN = ".example.org"
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]

    @site.api.get("/me")
    def me(request: DjangoRequest) -> str:
        request.session["saved"] = True
        request.session.cycle_key()
        return request.user.get_username()

    async with AsyncClient(site.app) as client:
        await client.aforce_login(await User.objects.acreate_user("ada"))
        assert [(await client.get("/me")).json() for _ in range(3)] == ["ada"] * 3


@pytest.mark.anyio
async def test_a_stream_is_read_as_it_comes(site: GroupSite) -> None:
    ended: list[bool] = []

    @site.api.get("/endless")
    async def endless() -> StreamingResponse:
        async def ticks() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"tick"
                    await asyncio.sleep(0)
            finally:
                ended.append(True)

        return StreamingResponse(ticks())

    async with AsyncClient(site.app) as client, client.stream("GET", "/endless") as response:
        chunks = response.aiter_raw()
        assert [await anext(chunks), await anext(chunks)] == [b"tick", b"tick"]
    assert ended == [True]


@pytest.mark.anyio
async def test_exceptions_are_raised_or_not(site: GroupSite) -> None:
    @site.api.get("/crash")
    def crash() -> None:
        raise LookupError("nobody catches this")

    async with AsyncClient(site.app) as client:
        with pytest.raises(LookupError, match="nobody"):
            await client.get("/crash")
    async with AsyncClient(site.app, raise_server_exceptions=False) as client:
        assert (await client.get("/crash")).status_code == 500


@pytest.mark.anyio
@pytest.mark.django_db
async def test_websocket(site: GroupSite) -> None:
    @site.api.websocket("/names")
    async def names(websocket: WebSocket) -> None:
        await websocket.accept()
        await Group.objects.acreate(name=await websocket.receive_text())
        await websocket.send_json([group.name async for group in Group.objects.order_by("name")])
        await websocket.close()

    @site.api.websocket("/denied")
    async def denied(websocket: WebSocket) -> None:
        await websocket.close(4001, "not you")

    async with AsyncClient(site.app) as client:
        await Group.objects.acreate(name="a")
        async with client.websocket_connect("/names") as websocket:
            await websocket.send_text("b")
            assert await websocket.receive_json() == ["a", "b"]
        assert await Group.objects.acount() == 2
        with pytest.raises(WebSocketDenied, match="not you"):
            async with client.websocket_connect("/denied"):
                pass


@pytest.mark.anyio
async def test_mail_and_overrides(site: GroupSite) -> None:
    def dependency() -> str:
        return "real"

    @site.api.post("/mail")
    def send(subject: str = Depends(dependency)) -> None:
        mail.send_mail(subject, "Hello", None, ["ada@example.org"])

    async with AsyncClient(site.app) as client:
        with client.override({dependency: lambda: "replaced"}):
            await client.post("/mail")
        await client.post("/mail")
    assert [message.subject for message in mail.outbox] == ["replaced", "real"]
