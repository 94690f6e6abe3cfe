import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from fastapi import APIRouter, FastAPI, Request
from pytest_django import DjangoDbBlocker, Settings
from starlette.types import ASGIApp, Message, Receive, Send

from django_fastapi.exceptions import LifespanFailed
from django_fastapi.lifespan import Lifespan, SiteLifespan
from django_fastapi.registry import APIRegistry

from .conftest import fetch
from .test_health import database

pytestmark = pytest.mark.anyio


def recording(events: list[str], name: str, *, fails: str = "") -> FastAPI:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, str]]:
        if fails == "startup":
            raise RuntimeError(f"{name} could not start")
        events.append(f"{name} started")
        try:
            yield {"name": name}
        finally:
            events.append(f"{name} ended")
        if fails == "shutdown":
            raise RuntimeError(f"{name} could not end")

    return FastAPI(lifespan=lifespan)


def site(*apps: FastAPI) -> SiteLifespan:
    return SiteLifespan([Lifespan(app) for app in apps])


async def test_state_of_the_startup_is_kept_for_the_requests() -> None:
    lifespan = Lifespan(recording([], "one"))
    await lifespan.startup()
    assert lifespan.is_running
    assert lifespan.state == {"name": "one"}
    await lifespan.shutdown()
    assert not lifespan.is_running


async def test_all_start_in_order_and_end_in_reverse() -> None:
    events: list[str] = []
    all_of_them = site(recording(events, "a"), recording(events, "b"))
    await all_of_them.startup()
    await all_of_them.shutdown()
    assert events == ["a started", "b started", "b ended", "a ended"]


async def test_when_one_cannot_start_those_before_it_end_again() -> None:
    events: list[str] = []
    all_of_them = site(recording(events, "a"), recording(events, "b", fails="startup"), recording(events, "c"))
    with pytest.raises(LifespanFailed, match="b could not start"):
        await all_of_them.startup()
    assert events == ["a started", "a ended"]


async def test_when_one_cannot_end_the_others_still_do() -> None:
    events: list[str] = []
    all_of_them = site(recording(events, "a"), recording(events, "b", fails="shutdown"))
    await all_of_them.startup()
    with pytest.raises(LifespanFailed, match="b could not end"):
        await all_of_them.shutdown()
    assert events == ["a started", "b started", "b ended", "a ended"]


@pytest.mark.parametrize("answers", [False, True])
async def test_an_application_without_a_lifespan_is_let_alone(*, answers: bool) -> None:
    async def app(_scope: object, _receive: object, _send: object) -> None:
        if not answers:
            raise ValueError("no lifespan here")

    lifespan = Lifespan(app)  # type: ignore[arg-type]
    await lifespan.startup()
    await lifespan.shutdown()
    assert not lifespan.is_running


async def serve(lifespan: SiteLifespan) -> list[Message]:
    incoming: list[Message] = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]
    sent: list[Message] = []

    async def receive() -> Message:
        return incoming.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    await lifespan.serve(receive, send)
    return sent


async def test_a_server_that_knows_the_protocol_drives_it() -> None:
    events: list[str] = []
    sent = await serve(site(recording(events, "a")))
    assert sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]
    assert events == ["a started", "a ended"]


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
async def test_a_failure_is_told_to_the_server_with_its_traceback(phase: str) -> None:
    *_, last = await serve(site(recording([], "a", fails=phase)))
    assert last["type"] == f"lifespan.{phase}.failed"
    assert "RuntimeError: a could not" in last["message"]


async def test_under_another_server_it_starts_once_with_the_first_requests() -> None:
    events: list[str] = []
    lifespan = site(recording(events, "a"))
    await asyncio.gather(*(lifespan.ensure_started() for _ in range(20)))
    await lifespan.ensure_started()
    assert events == ["a started"]
    await lifespan.shutdown()


async def test_a_first_request_that_is_cancelled_does_not_stop_it() -> None:
    events: list[str] = []
    lifespan = site(recording(events, "a"))
    first = asyncio.create_task(lifespan.ensure_started())
    await asyncio.sleep(0)
    first.cancel()
    await lifespan.ensure_started()
    assert events == ["a started"]
    await lifespan.shutdown()


async def test_a_server_that_drives_it_is_not_forestalled() -> None:
    events: list[str] = []
    lifespan = site(recording(events, "a"))
    await serve(lifespan)
    await lifespan.ensure_started()
    assert events == ["a started", "a ended"]


def test_it_ends_with_the_event_loop_and_starts_again_in_the_next() -> None:
    events: list[str] = []
    lifespan = site(recording(events, "a"))
    for _ in range(2):
        asyncio.run(lifespan.ensure_started())
    assert events == ["a started", "a ended"] * 2


def test_a_start_that_fails_is_tried_again_with_the_next_request() -> None:
    lifespan = site(recording([], "a", fails="startup"))
    for _ in range(2):
        with pytest.raises(LifespanFailed):
            asyncio.run(lifespan.ensure_started())


async def test_what_kept_it_from_starting_is_the_cause() -> None:
    with pytest.raises(LifespanFailed) as caught:
        await site(recording([], "a"), recording([], "b", fails="startup")).startup()
    assert isinstance(caught.value.__cause__, RuntimeError)


async def test_one_that_is_cancelled_while_it_fails_has_failed() -> None:
    async def app(_scope: object, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "not today"})
        raise asyncio.CancelledError

    with pytest.raises(LifespanFailed, match="not today"):
        await Lifespan(app).startup()


@pytest.mark.parametrize("answers", [True, False])
async def test_one_that_wants_to_end_the_process_has_failed(*, answers: bool) -> None:
    async def app(_scope: object, receive: Receive, send: Send) -> None:
        await receive()
        if answers:
            await send({"type": "lifespan.startup.failed", "message": "Traceback"})
        sys.exit("no config")

    with pytest.raises(LifespanFailed, match="no config") as caught:
        await Lifespan(app).startup()
    assert caught.value.__cause__ is not None
    assert isinstance(caught.value.__cause__.__cause__, SystemExit)
    told = await serve(SiteLifespan([Lifespan(app)]))
    assert [message["type"] for message in told] == ["lifespan.startup.failed"]
    assert "\nSystemExit: no config\n" in told[0]["message"]


async def test_a_request_that_comes_after_a_server_was_told_of_a_failure_hears_of_it_too() -> None:
    failing = [True]

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        if failing:
            raise RuntimeError("no index")
        yield

    all_of_them = site(FastAPI(lifespan=lifespan))
    await serve(all_of_them)
    for _ in range(2):
        with pytest.raises(LifespanFailed, match="no index") as caught:
            await all_of_them.ensure_started()
        assert isinstance(caught.value.__cause__, RuntimeError)
    failing.clear()
    await serve(all_of_them)
    await all_of_them.ensure_started()


def test_a_database_that_is_away_when_it_starts_is_503_until_it_is_back(
    build: Callable[[], ASGIApp],
    api: FastAPI,
    django_db_blocker: DjangoDbBlocker,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        await sync_to_async(connect)()
        yield

    def connect() -> None:
        connections["gone"].ensure_connection()

    api.include_router(APIRouter(lifespan=lifespan))
    api.get("/page")(lambda: "served")
    app = build()
    file = tmp_path / "gone" / "db"
    with django_db_blocker.unblock(), database("gone", ENGINE="django.db.backends.sqlite3", NAME=file):
        for path in ("/page", "/unknown"):
            answer = fetch(app, path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert answer.json()["request_id"] == answer.headers["x-request-id"]
            assert str(tmp_path) not in answer.text
        assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [
            "Service Unavailable: GET /page",
            "Service Unavailable: GET /unknown",
        ]
        file.parent.mkdir()
        assert fetch(app, "/page").json() == "served"


def test_each_api_sees_the_state_of_its_own_lifespan(
    build: Callable[[], ASGIApp], registry: APIRegistry, settings: Settings
) -> None:
    settings.FASTAPI_DJANGO_FALLBACK = False

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[dict[str, str]]:
        yield {"name": "first"}

    second = recording([], "second")
    registry.get_default().include_router(APIRouter(lifespan=lifespan))
    registry.register(second, "second", "/second")

    @registry.get_default().get("/state")
    @second.get("/state")
    def state(request: Request) -> list[str]:
        names = [request.state.name]
        request.state.name = "changed by a request"
        return names

    app = build()
    for _ in range(2):
        assert fetch(app, "/state").json() == ["first"]
        assert fetch(app, "/second/state").json() == ["second"]
