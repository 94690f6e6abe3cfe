import asyncio
from typing import Annotated

import pytest
from django.contrib.auth.models import Group
from fastapi import Depends, WebSocket
from starlette.responses import JSONResponse
from starlette.websockets import WebSocketDisconnect

from django_fastapi.testing import Client, WebSocketDenied

from .conftest import GroupSite


@pytest.mark.django_db
def test_messages_go_both_ways_and_rows_are_shared(site: GroupSite) -> None:
    def count() -> int:
        return Group.objects.count()

    @site.api.websocket("/echo")
    async def echo(websocket: WebSocket, before: Annotated[int, Depends(count)], q: str) -> None:
        await websocket.accept(headers=[(b"x-before", str(before).encode())], subprotocol="two")
        await websocket.send_text(await websocket.receive_text())
        await websocket.send_bytes(await websocket.receive_bytes())
        await websocket.send_json([q, await websocket.receive_json()])
        await websocket.send_bytes(b'{"from": "bytes"}')
        await Group.objects.acreate(name="from the socket")
        await websocket.close(4000, "done")

    Group.objects.create(name="from the test")
    with Client(site.app).websocket_connect("/echo", ["one", "two"], params={"q": "1"}) as websocket:
        assert websocket.accepted_subprotocol == "two"
        assert websocket.headers["x-before"] == "1"
        websocket.send_text("text")
        websocket.send_bytes(b"bytes")
        websocket.send_json({"a": "ä"})
        assert websocket.receive_text() == "text"
        assert websocket.receive_bytes() == b"bytes"
        assert websocket.receive_json() == ["1", {"a": "ä"}]
        assert websocket.receive_json() == {"from": "bytes"}
        with pytest.raises(WebSocketDisconnect) as closed:
            websocket.receive()
        assert (closed.value.code, closed.value.reason) == (4000, "done")
    assert Group.objects.count() == 2


def test_leaving_the_block_closes_it(site: GroupSite) -> None:
    codes: list[int] = []

    @site.api.websocket("/wait")
    async def wait(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await websocket.receive_text()
        except WebSocketDisconnect as end:
            codes.append(end.code)

    client = Client(site.app)
    with client.websocket_connect("/wait"):
        pass
    with client.websocket_connect("/wait") as websocket:
        websocket.close(3000)
    assert codes == [1000, 3000]


def test_one_that_never_ends_is_cancelled(site: GroupSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_fastapi.testing.runs._GRACE_SECONDS", 0.05)
    ended: list[str] = []

    @site.api.websocket("/push")
    async def push(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_text("tick")
                await asyncio.sleep(0.001)
        finally:
            ended.append("push")

    with Client(site.app).websocket_connect("/push") as websocket:
        assert websocket.receive_text() == "tick"
    assert ended == ["push"]


def test_denial_is_raised(site: GroupSite) -> None:
    @site.api.websocket("/closed")
    async def closed(websocket: WebSocket) -> None:
        await websocket.close(4001, "not you")

    @site.api.websocket("/answered")
    async def answered(websocket: WebSocket) -> None:
        await websocket.send_denial_response(JSONResponse({"detail": "no"}, 401))

    client = Client(site.app)
    with pytest.raises(WebSocketDenied, match="403, code 4001") as denied, client.websocket_connect("/closed"):
        pass
    assert (denied.value.code, denied.value.response.status_code) == (4001, 403)
    with pytest.raises(WebSocketDenied) as denied, client.websocket_connect("/answered"):
        pass
    assert denied.value.response.status_code == 401
    assert denied.value.response.json() == {"detail": "no"}
    with pytest.raises(WebSocketDenied), client.websocket_connect("/nowhere"):
        pass


@pytest.mark.parametrize("accepts", [True, False])
def test_exceptions_are_raised(site: GroupSite, *, accepts: bool) -> None:
    @site.api.websocket("/crash")
    async def crash(websocket: WebSocket) -> None:
        if accepts:
            await websocket.accept()
        raise LookupError("nobody catches this")

    with (
        pytest.raises(LookupError, match="nobody"),
        Client(site.app).websocket_connect("/crash") as websocket,
    ):
        websocket.receive_text()
    expected = WebSocketDisconnect if accepts else WebSocketDenied
    client = Client(site.app, raise_server_exceptions=False)
    with pytest.raises(expected), client.websocket_connect("/crash") as websocket:
        websocket.receive_text()


def test_an_exception_of_the_test_is_not_hidden(site: GroupSite) -> None:
    @site.api.websocket("/wait")
    async def wait(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()

    with pytest.raises(ZeroDivisionError), Client(site.app).websocket_connect("/wait"):
        1 / 0  # noqa: B018
