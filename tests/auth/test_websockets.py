import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from django.core.cache import cache
from fastapi import Depends, FastAPI, WebSocket
from fastapi.sse import EventSourceResponse
from pytest_django import Settings
from starlette.websockets import WebSocketDisconnect

from django_fastapi.auth import (
    BasicAuth,
    CurrentUser,
    NotPermitted,
    OptionalUser,
    current_user,
    current_user_by,
    permission_required,
    user_passes_test,
    ws_auth,
)
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.testing import Client
from django_fastapi.testing.websockets import WebSocketDenied, WebSocketSession
from django_fastapi.types import ASGIApp, Message, Receive, Scope, Send

from .conftest import PASSWORD, MakeUser

if TYPE_CHECKING:
    from django.contrib.auth.models import User

DELETE = "auth.delete_group"
ORIGIN = {"Origin": "http://testserver"}


@pytest.fixture
def sockets(api: FastAPI) -> FastAPI:
    """Add WebSockets that greet their user, in every way of asking for one."""

    async def greet(websocket: WebSocket, user: Any) -> None:
        await websocket.accept()
        await websocket.send_text(user.get_username() if user else "nobody")
        await websocket.close()

    @api.websocket("/user")
    async def with_user(websocket: WebSocket, user: CurrentUser) -> None:
        await greet(websocket, user)

    @api.websocket("/maybe")
    async def with_or_without(websocket: WebSocket, user: OptionalUser) -> None:
        await greet(websocket, user)

    @api.websocket("/deleter")
    async def with_permission(websocket: WebSocket, user: Annotated[Any, Depends(permission_required(DELETE))]) -> None:
        await greet(websocket, user)

    @api.websocket("/auth")
    async def with_ws_auth(websocket: WebSocket, user: Annotated[Any, Depends(ws_auth())]) -> None:
        await greet(websocket, user)

    return api


def hello(client: Client, path: str, **headers: str) -> str:
    with client.websocket_connect(path, headers={**ORIGIN, **headers}) as websocket:
        return websocket.receive_text()


def denied(client: Client, path: str, **headers: str) -> int:
    with pytest.raises(WebSocketDenied) as caught, client.websocket_connect(path, headers={**ORIGIN, **headers}):
        pass
    return caught.value.response.status_code


@pytest.mark.usefixtures("sockets")
def test_dependencies_work_and_deny_before_they_accept(client: Client, make_user: MakeUser) -> None:
    for path in ("/user", "/deleter", "/auth"):
        assert denied(client, path) == 401
    assert hello(client, "/maybe") == "nobody"
    client.force_login(make_user("ada"))
    assert [hello(client, path) for path in ("/user", "/maybe", "/auth")] == ["ada"] * 3
    assert denied(client, "/deleter") == 403
    client.force_login(make_user("deleter", DELETE))
    assert hello(client, "/deleter") == "deleter"


RIGHT = ["http://testserver", "https://friend.test", "https://a.wild.test"]
WRONG = ["https://testserver", "http://evil.test", "http://testserver:81", "null", "", "https://wild.test.evil"]


@pytest.mark.usefixtures("sockets")
@pytest.mark.parametrize("in_session", [True, False])
def test_the_origin_is_checked_as_django_does(
    client: Client,
    ada: "User",
    settings: Settings,
    in_session: bool,  # noqa: FBT001
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://friend.test", "https://*.wild.test"]
    settings.CSRF_USE_SESSIONS = in_session
    client.force_login(ada)
    assert {hello(client, "/user", Origin=origin) for origin in RIGHT} == {"ada"}
    assert {denied(client, path, Origin=origin) for origin in WRONG for path in ("/user", "/maybe")} == {403}


@pytest.mark.usefixtures("sockets")
def test_a_secure_websocket_needs_an_origin_or_a_referer(client: Client, ada: "User") -> None:
    client.force_login(ada)
    client.base_url = "https://testserver"  # type: ignore[assignment]
    assert hello(client, "/user", Origin="https://testserver") == "ada"
    with pytest.raises(WebSocketDenied), client.websocket_connect("/user"):
        pass


@pytest.mark.usefixtures("sockets")
def test_an_override_is_one_here_too(client: Client, ada: "User") -> None:
    with client.override({current_user: lambda: ada}):
        assert hello(client, "/user") == "ada"
        assert hello(client, "/auth") == "ada"


def close_code(client: Client, path: str, **headers: str) -> int:
    with client.websocket_connect(path, headers={**ORIGIN, **headers}) as websocket:
        with pytest.raises(WebSocketDisconnect) as caught:
            websocket.receive_text()
        return caught.value.code


def test_one_that_accepts_first_says_by_its_code_why_it_closes(
    client: Client, api: FastAPI, make_user: MakeUser
) -> None:
    @api.websocket("/accepts")
    async def accepts(
        websocket: WebSocket, user: Annotated[Any, Depends(ws_auth(permission_required(DELETE), accept=True))]
    ) -> None:
        await websocket.send_text(user.get_username())

    assert close_code(client, "/accepts") == 4401
    client.force_login(make_user("ada"))
    assert close_code(client, "/accepts") == 4403
    client.force_login(make_user("deleter", DELETE))
    assert close_code(client, "/accepts", Origin="http://evil.test") == 4403
    assert hello(client, "/accepts") == "deleter"


def receive_all(websocket: WebSocketSession) -> None:
    while True:
        websocket.receive_text()


def log_out(user: "User") -> None:
    from django.contrib.sessions.models import Session  # noqa: PLC0415 (Django is not set up before)

    del user
    Session.objects.all().delete()


def deactivate(user: "User") -> None:
    type(user).objects.filter(pk=user.pk).update(is_active=False)


def take_permission(user: "User") -> None:
    user.user_permissions.clear()


@pytest.mark.parametrize("change", [(log_out, 4401), (deactivate, 4401), (take_permission, 4403)])
@pytest.mark.parametrize("style", ["receives", "sends", "waits"])
def test_an_open_one_is_closed_when_the_user_may_not_any_more(
    client: Client, api: FastAPI, make_user: MakeUser, change: tuple[Callable[["User"], None], int], style: str
) -> None:
    function, code = change
    ended: list[str] = []

    @api.websocket("/watched")
    async def watched(
        websocket: WebSocket,
        user: Annotated[Any, Depends(ws_auth(permission_required(DELETE), accept=True, recheck=0.01))],
    ) -> None:
        await websocket.send_text(user.get_username())
        try:
            while True:
                if style == "receives":
                    await websocket.receive_text()
                elif style == "sends":
                    await websocket.send_text("tick")
                    await asyncio.sleep(0.01)
                else:
                    await asyncio.Event().wait()
        finally:
            ended.append(style)

    user = make_user("ada", DELETE)
    client.force_login(user)
    with client.websocket_connect("/watched", headers=ORIGIN) as websocket:
        assert websocket.receive_text() == "ada"
        function(user)
        with pytest.raises(WebSocketDisconnect) as caught:
            receive_all(websocket)
    assert caught.value.code == code
    assert ended == [style]


def test_an_open_one_goes_on_while_the_user_may(client: Client, api: FastAPI, ada: "User") -> None:
    asked: list[object] = []

    def note(user: Any) -> bool:
        asked.append(user)
        return True

    @api.websocket("/watched")
    async def watched(
        websocket: WebSocket, user: Annotated[Any, Depends(ws_auth(user_passes_test(note), accept=True, recheck=0.01))]
    ) -> None:
        async for number in websocket.iter_text():
            await websocket.send_text(f"{user.get_username()} {number}")

    client.force_login(ada)
    with client.websocket_connect("/watched", headers=ORIGIN) as websocket:
        while len(asked) < 4:
            websocket.send_text("1")
            assert websocket.receive_text() == "ada 1"
    assert len({id(user) for user in asked}) >= 4


def test_nobody_is_looked_after_in_the_place_of_an_override(client: Client, api: FastAPI) -> None:
    required = permission_required(DELETE)

    @api.websocket("/watched")
    async def watched(
        websocket: WebSocket, user: Annotated[Any, Depends(ws_auth(required, accept=True, recheck=0.01))]
    ) -> None:
        await asyncio.sleep(0.1)
        await websocket.send_text(user)

    with client.override({required: lambda: "somebody"}):
        assert hello(client, "/watched") == "somebody"


@pytest.mark.usefixtures("ada")
def test_looking_again_is_no_try_at_a_password(client: Client, api: FastAPI) -> None:
    cache.clear()
    looks: list[object] = []
    required = user_passes_test(lambda user: looks.append(user) is None, user=current_user_by(BasicAuth(rate="2/day")))

    @api.websocket("/watched")
    async def watched(
        websocket: WebSocket, user: Annotated[Any, Depends(ws_auth(required, accept=True, recheck=0.01))]
    ) -> None:
        while len(looks) < 5:  # noqa: ASYNC110 (they are made on another thread)
            await asyncio.sleep(0.01)
        await websocket.send_text(user.get_username())

    password = b64encode(f"ada:{PASSWORD}".encode()).decode()
    assert hello(client, "/watched", Authorization=f"Basic {password}") == "ada"
    assert hello(client, "/watched", Authorization=f"Basic {password}") == "ada"
    assert close_code(client, "/watched", Authorization=f"Basic {password}") == 1008


def test_the_endpoint_does_not_go_on_until_the_client_hears_of_it(client: Client, api: FastAPI, ada: "User") -> None:
    ended = asyncio.Event()
    in_time: list[bool] = []

    def slow(app: ASGIApp) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_slowly(message: Message) -> None:
                if message["type"] == "websocket.close":
                    with suppress(TimeoutError):
                        await asyncio.wait_for(ended.wait(), 1)
                    in_time.append(ended.is_set())
                await send(message)

            await app(scope, receive, send_slowly)

        return serve

    api.add_middleware(slow)

    @api.websocket("/watched")
    async def watched(websocket: WebSocket, user: Annotated[Any, Depends(ws_auth(accept=True, recheck=0.01))]) -> None:
        await websocket.send_text(user.get_username())
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    client.force_login(ada)
    with client.websocket_connect("/watched", headers=ORIGIN) as websocket:
        websocket.receive_text()
        log_out(ada)
        with pytest.raises(WebSocketDisconnect) as caught:
            websocket.receive_text()
    assert (caught.value.code, in_time) == (4401, [True])


def test_one_whose_user_nobody_can_ask_about_is_closed(
    client: Client, api: FastAPI, ada: "User", caplog: pytest.LogCaptureFixture
) -> None:
    answers: Iterator[bool] = iter([True])

    @api.websocket("/watched")
    async def watched(
        websocket: WebSocket,
        user: Annotated[Any, Depends(ws_auth(user_passes_test(lambda _: next(answers)), accept=True, recheck=0.01))],
    ) -> None:
        await websocket.send_text(user.get_username())
        await websocket.receive_text()

    client.force_login(ada)
    with client.websocket_connect("/watched", headers=ORIGIN) as websocket:
        websocket.receive_text()
        with pytest.raises(WebSocketDisconnect) as caught:
            websocket.receive_text()
    assert caught.value.code == 1011
    assert "It cannot be told whether the user of a WebSocket may go on" in caplog.text


def test_what_cannot_be_asked_again_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="a number of seconds greater than 0"):
        ws_auth(recheck=0)
    with pytest.raises(ConfigurationError, match="a user that comes from `current_user`"):
        ws_auth(permission_required(DELETE, user=lambda: None), recheck=1)
    assert ws_auth() == ws_auth()
    assert NotPermitted.close_code == 4403
    with pytest.raises(ConfigurationError):
        current_user_by()


def test_events_are_for_those_who_may(client: Client, api: FastAPI, make_user: MakeUser) -> None:
    @api.get("/events", response_class=EventSourceResponse)
    async def events(user: CurrentUser) -> AsyncIterator[str]:
        yield user.get_username()

    @api.get("/sync-events", response_class=EventSourceResponse)
    def sync_events(user: Annotated[Any, Depends(permission_required(DELETE))]) -> Iterator[str]:
        yield user.get_username()

    assert client.get("/events").status_code == 401
    client.force_login(make_user("ada"))
    assert 'data: "ada"' in client.get("/events").text
    assert client.get("/sync-events").status_code == 403
    client.force_login(make_user("deleter", DELETE))
    assert 'data: "deleter"' in client.get("/sync-events").text
