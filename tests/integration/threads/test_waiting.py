"""Long-polls, WebSockets and event streams that wait have no thread, and hold up nobody."""

import asyncio
import json

import pytest
from websockets.asyncio.client import ClientConnection

from .loads import STREAMS, Load, Loaded, all_threads_idle, arrival, at_once, begin, get, statuses, token, until
from .marks import loaded_on

pytestmark = pytest.mark.anyio

_THREADS = 16
_POLLS = 200
_SOCKETS = 200
_STREAMS = 50
_TRAFFIC = ["/load/def", "/load/async", "/load/bare-def", "/load/bare-async", "/django/load/def", "/django/load/async"]


async def _normal_traffic(loaded: Loaded) -> None:
    client = loaded.client()
    answers = await at_once(client.get(path) for path in _TRAFFIC * 30)
    assert statuses(answers) == {200: len(_TRAFFIC) * 30}


@loaded_on(STREAMS)
async def test_sixteen_threads_serve_beside_hundreds_who_wait(loaded: Loaded) -> None:
    polls, events, talks, client = token(), token(), token(), loaded.client()
    polling = begin(client.get(f"/load/{kind}/{polls}") for kind in ["poll", "poll-with-user"] * (_POLLS // 2))
    streaming = begin(client.get(f"/load/events/{events}") for _ in range(_STREAMS))
    async with (
        loaded.sockets(f"/load/socket/{talks}", _SOCKETS // 2) as some,
        loaded.sockets(f"/load/socket-with-user/{talks}", _SOCKETS // 2) as others,
    ):
        sockets = [*some, *others]
        for gate, count in ((polls, _POLLS), (events, _STREAMS), (talks, _SOCKETS)):
            await arrival(client, gate, count)
        for socket in sockets:
            assert json.loads(await socket.recv()) is True

        await _normal_traffic(loaded)

        async def ask(socket: ClientConnection) -> int:
            await socket.send("nobody")
            return int(await socket.recv())

        traffic = asyncio.create_task(_normal_traffic(loaded))
        assert await asyncio.gather(*map(ask, sockets)) == [0] * _SOCKETS
        await traffic
        with loaded.watch() as watch:
            assert watch.count() <= _THREADS
    for gate in (polls, events):
        await client.post(f"/load/gates/{gate}")
    assert statuses(await polling) == {200: _POLLS}
    answers = await streaming
    assert statuses(answers) == {200: _STREAMS}
    assert {answer.text for answer in answers} == {"data: 0\n\n" * 2}

    async def have_left() -> bool:
        return int((await get(client, f"/load/gates/{talks}"))["left"]) == _SOCKETS

    await until(have_left)
    await all_threads_idle(client)
    with loaded.watch() as watch:
        assert watch.count() <= _THREADS
        assert watch.count_in_transaction() == 0


@loaded_on(Load("one-thread", {"THREADS": "1"}))
async def test_one_thread_is_enough_for_those_who_wait(loaded: Loaded) -> None:
    polls, client = token(), loaded.client()
    polling = begin(client.get(f"/load/poll/{polls}") for _ in range(50))
    await arrival(client, polls, 50)
    await _normal_traffic(loaded)
    await client.post(f"/load/gates/{polls}")
    assert statuses(await polling) == {200: 50}
