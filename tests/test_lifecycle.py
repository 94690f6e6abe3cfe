import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core import signals
from django.core.cache import cache, caches
from django.core.handlers.base import reset_urlconf
from django.core.handlers.wsgi import WSGIHandler
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import translation
from fastapi import BackgroundTasks, FastAPI, WebSocket
from fastapi.responses import StreamingResponse

from django_fastapi.lifecycle import RequestSignals, has_listeners
from django_fastapi.registry import APIRegistry
from django_fastapi.threads import Threads
from django_fastapi.types import ASGIApp

from .conftest import fetch
from .request_threads import Socket, Stream, own_threads


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threads]:
    with own_threads(monkeypatch) as threads:
        yield threads


@pytest.fixture
def api(registry: APIRegistry) -> FastAPI:
    return registry.get_default()


Events = list[tuple[str, str]]
"""What happened, and the name of the thread it happened on."""


@pytest.fixture
def events() -> Events:
    return []


@contextmanager
def listening(events: Events, *signals_: Signal) -> Iterator[None]:
    def on_started(**_: Any) -> None:
        note(events, "started")

    def on_finished(**_: Any) -> None:
        note(events, "finished")

    receivers = {signals.request_started: on_started, signals.request_finished: on_finished}
    for signal in signals_:
        signal.connect(receivers[signal])
    try:
        yield
    finally:
        for signal in signals_:
            signal.disconnect(receivers[signal])


def note(events: Events, what: str) -> None:
    events.append((what, threading.current_thread().name))


def names(events: Events) -> list[str]:
    assert len({thread for _, thread in events}) <= 1, events
    return [what for what, _ in events]


BOTH = (signals.request_started, signals.request_finished)


def add_routes(api: FastAPI, events: Events) -> None:
    @api.get("/sync")
    def endpoint(tasks: BackgroundTasks) -> None:
        tasks.add_task(note, events, "background")
        note(events, "endpoint")

    @api.get("/async")
    async def async_endpoint() -> None:
        for _ in range(2):
            await sync_to_async(note)(events, "endpoint")

    @api.get("/pure")
    async def pure() -> None:
        """Do nothing."""

    @api.get("/error")
    def error() -> None:
        note(events, "endpoint")
        raise ValueError


def test_the_signals_are_sent_once_a_request_on_its_thread(
    api: FastAPI, build: Callable[[], ASGIApp], threads: Threads, events: Events
) -> None:
    add_routes(api, events)
    app = build()
    between = {
        "/sync": ["endpoint", "background"],
        "/async": ["endpoint", "endpoint"],
        "/error": ["endpoint"],
        "/pure": [],
    }
    for url, expected in between.items():
        with listening(events, *BOTH):
            fetch(app, url)
            assert threads.close()
        assert names(events) == ["started", *expected, "finished"]
        events.clear()


@pytest.mark.parametrize("signal", BOTH)
def test_who_listens_to_one_signal_gets_that_one(
    api: FastAPI, build: Callable[[], ASGIApp], threads: Threads, events: Events, signal: Signal
) -> None:
    add_routes(api, events)
    app = build()
    with listening(events, signal):
        fetch(app, "/pure")
        assert threads.close()
    assert names(events) == ["started" if signal is signals.request_started else "finished"]


def test_the_sender_is_ours_and_the_scope_is_that_of_the_request(api: FastAPI, build: Callable[[], ASGIApp]) -> None:
    add_routes(api, [])
    received: list[tuple[object, Any]] = []

    def receiver(sender: object, scope: Any, **_: Any) -> None:
        received.append((sender, scope["path"]))

    signals.request_started.connect(receiver)
    try:
        fetch(build(), "/sync")
    finally:
        signals.request_started.disconnect(receiver)
    assert received == [(RequestSignals, "/sync")]


def test_a_request_without_synchronous_work_takes_no_thread_if_only_django_listens(
    api: FastAPI, build: Callable[[], ASGIApp], threads: Threads
) -> None:
    add_routes(api, [])
    app = build()
    fetch(app, "/sync")
    threads.close()

    @api.get("/counts")
    async def counts() -> dict[str, int]:
        return threads.pool().counts()

    threads.close()
    assert not has_listeners(signals.request_started)
    assert not has_listeners(signals.request_finished)
    # A new event loop, and so a new self-test of the seam: one thread, idle again.
    assert fetch(app, "/counts").json()["lendable"] == 0


def test_what_django_itself_does_at_the_end_is_done_though_nobody_else_listens(
    api: FastAPI, build: Callable[[], ASGIApp], threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    monkeypatch.setattr(
        type(caches["default"]), "close", lambda _self, **_: closed.append(threading.current_thread().name)
    )

    @api.get("/")
    def endpoint() -> str:
        cache.get("key")
        return threading.current_thread().name

    thread = fetch(build(), "/").json()
    assert threads.close()
    assert closed == [thread]


def test_a_receiver_of_the_end_that_fails_is_logged_and_costs_no_thread(
    api: FastAPI, build: Callable[[], ASGIApp], threads: Threads, caplog: pytest.LogCaptureFixture
) -> None:
    add_routes(api, [])

    def fail(**_: Any) -> None:
        raise ValueError("a receiver failed")

    app = build()
    signals.request_finished.connect(fail)
    try:
        assert fetch(app, "/sync").status_code == 200
        assert threads.close()
    finally:
        signals.request_finished.disconnect(fail)
    assert "a receiver failed" in caplog.text


def test_a_receiver_of_the_start_that_fails_fails_the_request_as_in_django(
    api: FastAPI, build: Callable[[], ASGIApp], threads: Threads
) -> None:
    add_routes(api, [])

    def fail(**_: Any) -> None:
        raise ValueError("a receiver failed")

    app = build()
    signals.request_started.connect(fail)
    try:
        assert fetch(app, "/sync").status_code == 500
    finally:
        signals.request_started.disconnect(fail)
    assert threads.close()


def test_receivers_see_the_context_of_the_request_and_what_the_first_sets_reaches_the_endpoint(
    api: FastAPI, build: Callable[[], ASGIApp], threads: Threads
) -> None:
    seen: list[str | None] = []

    def on_started(**_: Any) -> None:
        seen.append(translation.get_language())
        translation.activate("de")

    def on_finished(**_: Any) -> None:
        seen.append(translation.get_language())

    @api.get("/")
    async def endpoint() -> str | None:
        seen.append(translation.get_language())
        await sync_to_async(translation.activate)("fr")
        return None

    app = build()
    signals.request_started.connect(on_started)
    signals.request_finished.connect(on_finished)
    try:
        for _ in range(2):
            fetch(app, "/")
        assert threads.close()
    finally:
        signals.request_started.disconnect(on_started)
        signals.request_finished.disconnect(on_finished)
    assert seen == ["en-us", "de", "fr"] * 2


@pytest.mark.anyio
async def test_for_a_stream_the_end_is_after_the_last_byte(
    api: FastAPI, build: Callable[[], ASGIApp], threads: Threads, events: Events
) -> None:
    async def pieces() -> AsyncIterator[str]:
        for _ in range(2):
            await sync_to_async(note)(events, "piece")
            yield "piece"

    def lines() -> Iterator[str]:
        for _ in range(2):
            note(events, "piece")
            yield "piece"

    @api.get("/async")
    async def stream() -> StreamingResponse:
        return StreamingResponse(pieces())

    @api.get("/sync")
    def sync_stream() -> StreamingResponse:
        return StreamingResponse(lines())

    app = build()
    for url in ("/async", "/sync"):
        with listening(events, *BOTH):
            client = Stream(app, url)
            await client.task
            assert threads.close()
        # Not `names`: a stream has no thread of its own between its pieces.
        assert [what for what, _ in events] == ["started", "piece", "piece", "finished"]
        events.clear()


@pytest.mark.anyio
async def test_a_websocket_has_its_signals_too_as_in_channels_no_more_and_no_less(
    api: FastAPI, build: Callable[[], ASGIApp], threads: Threads, events: Events
) -> None:
    @api.websocket("/socket")
    async def socket_endpoint(socket: WebSocket) -> None:
        await socket.accept()
        await sync_to_async(note)(events, "endpoint")

    app = build()
    with listening(events, *BOTH):
        socket = Socket(app, "/socket")
        await socket.task
        assert threads.close()
    assert [what for what, _ in events] == ["started", "endpoint", "finished"]


def test_djangos_side_sends_its_own_once_on_the_same_thread(
    registry: APIRegistry,  # noqa: ARG001
    bare_django: Callable[..., None],
    build: Callable[[], ASGIApp],
    threads: Threads,
    events: Events,
) -> None:
    def view(_request: HttpRequest) -> HttpResponse:
        note(events, "view")
        return HttpResponse("from Django")

    async def async_view(_request: HttpRequest) -> HttpResponse:
        await sync_to_async(note)(events, "view")
        return HttpResponse("from Django")

    bare_django(path("sync", view), path("async", async_view))
    app = build()
    for url in ("/sync", "/async"):
        with listening(events, *BOTH):
            assert fetch(app, url).text == "from Django"
            assert threads.close()
        assert names(events) == ["started", "view", "finished"]
        events.clear()


def test_only_others_than_django_count_as_listeners(events: Events) -> None:
    for signal in BOTH:
        assert signal.receivers
        assert not has_listeners(signal)
        with listening(events, signal):
            assert has_listeners(signal)


@pytest.mark.parametrize(("sender", "is_heard"), [(None, True), (RequestSignals, True), (WSGIHandler, False)])
def test_who_listens_to_another_sender_does_not_count(sender: object, *, is_heard: bool) -> None:
    def receiver(**_: Any) -> None:
        """Do nothing."""

    for signal in BOTH:
        signal.connect(receiver, sender=sender)
        try:
            assert has_listeners(signal) == is_heard
        finally:
            signal.disconnect(receiver, sender=sender)


def test_a_receivers_entry_begins_with_a_key_of_the_ids_of_receiver_and_sender() -> None:
    """`Signal.receivers` is not documented: this fails when its form changes."""
    signal = Signal()
    signal.connect(reset_urlconf)
    signal.connect(reset_urlconf, sender=RequestSignals)
    assert [key for key, *_ in signal.receivers] == [
        (id(reset_urlconf), id(None)),
        (id(reset_urlconf), id(RequestSignals)),
    ]
