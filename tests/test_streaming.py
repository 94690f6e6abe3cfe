import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.http import FileResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from django.utils import translation
from pytest_django import Settings

from django_fastapi.exceptions import IncompleteResponse
from django_fastapi.threads import Threads
from django_fastapi.types import ASGIApp
from django_fastapi.workers import THREAD_NAME

from .request_threads import Places, Stream, asking, own_threads

pytestmark = pytest.mark.anyio

Serve = Callable[..., ASGIApp]


@pytest.fixture
def places() -> Places:
    return Places()


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[Threads]:
    settings.FASTAPI_THREADS = 4
    with own_threads(monkeypatch) as threads:
        yield threads


@pytest.fixture
def serve(build: Callable[[], ASGIApp], bare_django: Callable[..., None]) -> Serve:
    """Give a function that builds a site whose view `/stream` returns what a function returns."""

    def serve_response(respond: Callable[[], HttpResponseBase], *middleware: str) -> ASGIApp:
        bare_django(path("stream", lambda _: respond()), middleware=middleware)
        return build()

    return serve_response


class Endless:
    """Parts without an end, each made when it is asked for, on a thread that is noted."""

    def __init__(self, places: Places, seconds: float = 0.0) -> None:
        self.is_closed = threading.Event()
        self._places = places
        self._seconds = seconds

    def parts(self) -> Iterator[str]:
        try:
            for number in itertools.count():
                self._places.note()
                yield f"part {number}\n"
                time.sleep(self._seconds)
        finally:
            self._places.note()
            self.is_closed.set()


def take_slowly(client: Stream) -> None:
    """Have the application wait while there are two messages that the client has not taken."""
    client.messages = asyncio.Queue(2)


@pytest.mark.parametrize("seconds", [0.0, 0.05])
async def test_a_stream_is_sent_while_it_is_made_and_closed_on_its_thread(
    serve: Serve, places: Places, threads: Threads, seconds: float
) -> None:
    endless = Endless(places, seconds)
    client = Stream(serve(lambda: StreamingHttpResponse(endless.parts())), "/stream")
    assert (await client.chunk()).startswith(b"part 0\n")
    assert b"part" in await client.chunk()
    await client.leave()
    assert threads.close()
    assert endless.is_closed.is_set()
    places.assert_one_request_thread(len(places))


async def test_no_part_waits_for_the_next(serve: Serve) -> None:
    is_taken = threading.Event()

    def parts() -> Iterator[str]:
        yield from "abc"
        assert is_taken.wait(10)
        yield "d"

    client = Stream(serve(lambda: StreamingHttpResponse(parts())), "/stream")
    taken = b""
    while taken != b"abc":
        taken += await client.chunk()
    is_taken.set()
    assert await client.chunk() == b"d"
    assert await client.chunk() == b""
    await client.task


async def test_many_small_parts_are_sent_together(serve: Serve) -> None:
    site = serve(lambda: StreamingHttpResponse(f"{number}\n" for number in range(100_000)))
    client = Stream(site, "/stream")
    chunks = [await client.chunk()]
    while chunks[-1]:
        chunks.append(await client.chunk())
    assert b"".join(chunks) == b"".join(b"%d\n" % number for number in range(100_000))
    assert len(chunks) < 5000
    await client.task


async def test_no_more_than_a_block_is_read_ahead(serve: Serve) -> None:
    count = 0

    def parts() -> Iterator[bytes]:
        nonlocal count
        while True:
            count += 1
            yield b"x" * 1000

    client = Stream(serve(lambda: StreamingHttpResponse(parts())), "/stream")
    take_slowly(client)
    await client.chunk()
    await asyncio.sleep(0.3)
    assert count * 1000 < 5 * 2**17
    await client.leave()


async def test_a_stream_has_its_context_to_its_end(serve: Serve) -> None:
    def parts() -> Iterator[str]:
        with translation.override("de"):
            for _ in range(3):
                yield translation.get_language() + "x" * 2**16

    async with asking(serve(lambda: StreamingHttpResponse(parts()))) as ask:
        answer = await ask("/stream")
    assert answer.text.replace("x", "") == "dedede"


@pytest.mark.parametrize("end", ["whole", "failed", "left", "cancelled"])
async def test_a_response_is_closed_once_however_it_ends(serve: Serve, threads: Threads, end: str) -> None:
    closed: list[str] = []

    class Response(StreamingHttpResponse):
        def close(self) -> None:
            closed.append(threading.current_thread().name)
            super().close()

    def parts() -> Iterator[str]:
        yield "first"
        if end == "failed":
            raise RuntimeError(end)
        while end != "whole":
            yield "more"

    client = Stream(serve(lambda: Response(parts())), "/stream")
    take_slowly(client)
    assert (await client.chunk()).startswith(b"first")
    if end == "left":
        await client.leave()
    elif end == "cancelled":
        client.task.cancel()
    await asyncio.wait({client.task})
    assert threads.close()
    assert len(closed) == 1
    assert closed[0].startswith(THREAD_NAME)
    assert client.task.cancelled() is (end == "cancelled")
    assert client.task.cancelled() or isinstance(client.task.exception(), IncompleteResponse) is (end == "failed")


async def test_what_fails_before_the_first_part_is_an_ordinary_500(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def parts() -> Iterator[str]:
        raise RuntimeError("at once")
        yield ""

    async with asking(serve(lambda: StreamingHttpResponse(parts()))) as ask:
        assert (await ask("/stream")).status_code == 500
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["at once"]


async def test_what_fails_half_way_is_logged_once(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def parts() -> Iterator[str]:
        yield "first"
        raise RuntimeError("half-way")

    client = Stream(serve(lambda: StreamingHttpResponse(parts())), "/stream")
    assert await client.chunk() == b"first"
    with pytest.raises(IncompleteResponse):
        await client.task
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["half-way"]


async def test_a_compressed_stream_is_sent_whole(serve: Serve) -> None:
    text = "".join(f"line {number}\n" for number in range(50_000))
    site = serve(
        lambda: StreamingHttpResponse(text.splitlines(keepends=True)),
        "django.middleware.http.ConditionalGetMiddleware",
        "django.middleware.gzip.GZipMiddleware",
    )
    async with asking(site) as ask:
        answer = await ask("/stream", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text == text


async def test_slow_downloads_hold_no_thread(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 2**22)
    site = serve(lambda: FileResponse((tmp_path / "file").open("rb")))
    clients = [Stream(site, "/stream") for _ in range(8)]
    for client in clients:
        take_slowly(client)
    for client in clients:
        assert await client.chunk() == b"x" * 2**16
    async with asking(site) as ask:
        assert (await asyncio.wait_for(ask("/stream"), 10)).content == b"x" * 2**22
    for client in clients:
        await client.leave()
