import asyncio
import threading
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from django.http import RawPostDataException, UnreadablePostError
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response

from django_fastapi.bodies import Body, already_read
from django_fastapi.exceptions import BodyNotRead
from django_fastapi.types import Message

FORM = {"content-type": "multipart/form-data; boundary=x"}


class Server:
    """The server's side: messages one by one, then a client that goes away."""

    def __init__(self, *chunks: bytes, is_cut: bool = False) -> None:
        last = len(chunks) - 1
        self.messages: list[Message] = [
            {"type": "http.request", "body": chunk, "more_body": is_cut or number != last}
            for number, chunk in enumerate(chunks)
        ]
        self.messages.append({"type": "http.disconnect"})
        self.given = 0
        self._is_asked = False

    async def receive(self) -> Message:
        assert not self._is_asked, "`receive` is for one at a time"
        self._is_asked = True
        await asyncio.sleep(0)
        self._is_asked = False
        self.given += 1
        return self.messages[self.given - 1]


def starlette_request(body: Body, **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": raw}, body.receive)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


async def in_thread(function: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(function)


def test_what_only_starlette_reads_is_not_kept() -> None:
    async def test() -> None:
        server = Server(b"one", b"two")
        body = Body(server.receive)
        first, second = await body.receive(), await body.receive()
        assert (first, second) == tuple(server.messages[:2])
        assert first is server.messages[0]
        assert body.is_taken
        assert await body.receive() == {"type": "http.disconnect"}

    run(test)


def test_what_django_has_read_is_there_for_starlette() -> None:
    async def test() -> None:
        body = Body(Server(b"one", b"two").receive)
        await body.load()
        with body.open() as file:
            assert file.read() == b"onetwo"
        assert not body.is_taken
        request = starlette_request(body)
        assert await request.body() == b"onetwo"
        assert await body.receive() == {"type": "http.disconnect"}
        body.close()

    run(test)


def test_a_thread_reads_piece_by_piece_and_starlette_the_whole_of_it() -> None:
    async def test() -> None:
        server = Server(b"a" * 10, b"b" * 10, b"c" * 10)
        body = Body(server.receive)
        file = body.open()
        assert await in_thread(lambda: file.raw.read(4)) == b"aaaa"
        assert server.given == 1
        assert await starlette_request(body).body() == b"a" * 10 + b"b" * 10 + b"c" * 10
        assert await in_thread(file.read) == b"a" * 6 + b"b" * 10 + b"c" * 10
        body.close()

    run(test)


def test_the_end_can_be_sought_and_the_beginning_again() -> None:
    async def test() -> None:
        body = Body(Server(b"one", b"two").receive)
        file = body.open()
        assert await in_thread(lambda: file.seek(0, 2)) == 6
        assert (file.seek(1), file.read(2), file.seek(1, 1), file.read()) == (1, b"ne", 4, b"wo")
        body.close()

    run(test)


def test_the_event_loop_is_not_stopped_to_wait_for_a_body() -> None:
    async def test() -> None:
        body = Body(Server(b"one").receive)
        with pytest.raises(BodyNotRead, match=r"await django_request\.aload_body\(\)"):
            body.open().read()
        await body.load()
        assert body.open().read() == b"one"
        body.close()

    run(test)


def test_a_thread_with_an_event_loop_of_its_own_may_wait() -> None:
    async def test() -> None:
        body = Body(Server(b"one").receive)

        async def read() -> bytes:
            return body.open().read()

        assert await in_thread(lambda: asyncio.run(read())) == b"one"
        body.close()

    run(test)


def test_a_client_that_goes_away_is_an_unreadable_body_for_both() -> None:
    async def test() -> None:
        server = Server(b"one", is_cut=True)
        body = Body(server.receive)
        file = body.open()
        with pytest.raises(UnreadablePostError, match="went away"):
            await in_thread(file.read)
        assert (await body.receive())["body"] == b"one"
        assert await body.receive() == {"type": "http.disconnect"}
        with pytest.raises(UnreadablePostError):
            await body.load()
        assert server.given == 2
        body.close()

    run(test)


def test_a_websocket_has_an_empty_body() -> None:
    async def test() -> None:
        body = Body(None)
        await body.load()
        assert body.open().read() == b""
        body.close()

    run(test)


def test_an_empty_body_that_starlette_has_read_is_empty_for_django() -> None:
    async def test() -> None:
        body = Body(Server(b"").receive)
        assert await starlette_request(body).body() == b""
        assert not body.is_taken
        assert body.open().read() == b""
        body.close()

    run(test)


def test_a_large_body_is_not_kept_in_memory() -> None:
    megabyte, count = 2**20, 30

    async def test() -> None:
        async def messages() -> AsyncIterator[Message]:
            for number in range(count):
                yield {"type": "http.request", "body": bytes(megabyte), "more_body": number < count - 1}

        source = messages()
        body = Body(lambda: anext(source))
        tracemalloc.start()
        try:
            await body.load()
            file, size = body.open(), 0
            while chunk := file.read(megabyte):
                size += len(chunk)
            async for chunk in starlette_request(body).stream():
                size += len(chunk)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert size == 2 * count * megabyte
        assert peak < 10 * megabyte
        body.close()

    run(test)


def test_readers_do_not_disturb_each_other() -> None:
    async def test() -> None:
        body = Body(Server(*[bytes([number]) * 1000 for number in range(100)]).receive)
        expected = b"".join(bytes([number]) * 1000 for number in range(100))
        read: list[bytes] = []
        threads = [threading.Thread(target=lambda: read.append(body.open().read())) for _ in range(4)]
        for thread in threads:
            thread.start()
        read.append(await starlette_request(body).body())
        for thread in threads:
            await in_thread(thread.join)
        assert read == [expected] * 5
        body.close()

    run(test)


def test_what_starlette_keeps_is_found() -> None:
    """Pins the two private names of Starlette's request that tell."""

    async def test() -> None:
        body = Body(Server(b"one").receive)
        request = starlette_request(body)
        assert already_read(request) is None
        await request.body()
        assert already_read(request) == b"one"
        upload = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'
        request = starlette_request(Body(Server(upload).receive), **FORM)
        form = await request.form()
        assert already_read(request) is form

    run(test)


@pytest.mark.parametrize("chunks", [(b"one",), (b"one", b"two")])
def test_a_body_that_nobody_has_kept_is_an_error_and_no_endless_wait(chunks: tuple[bytes, ...]) -> None:
    async def test() -> None:
        body = Body(Server(*chunks).receive)
        async for _ in starlette_request(body).stream():
            pass
        with pytest.raises(RawPostDataException, match="nobody has kept it"):
            await asyncio.wait_for(body.aask_starlette(starlette_request(body)), 5)

    run(test)


def test_a_body_that_a_middleware_has_read_and_repeats_is_found() -> None:
    async def test() -> None:
        body = Body(Server(b"one", b"two").receive)
        found: list[bytes] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert body.is_taken
            request = Request(scope, receive, send)
            found.append(await in_thread(lambda: body.ask_starlette(request)))
            await Response()(scope, receive, send)

        async def read_first(request: Request, call_next: Any) -> Any:
            await request.body()
            return await call_next(request)

        async def send(_message: Message) -> None: ...

        await BaseHTTPMiddleware(app, read_first)(starlette_request(body).scope, body.receive, send)
        assert found == [b"onetwo"]

    run(test)


def test_chunks_reach_starlette_while_they_come() -> None:
    """A stream of FastAPI's is none the less one after Django has read a piece."""

    async def test() -> None:
        gate = asyncio.Event()

        async def messages() -> AsyncIterator[Message]:
            yield {"type": "http.request", "body": b"one", "more_body": True}
            await gate.wait()
            yield {"type": "http.request", "body": b"two", "more_body": False}

        source = messages()
        body = Body(lambda: anext(source))
        await in_thread(lambda: body.open().raw.read(1))
        stream = starlette_request(body).stream()
        assert await asyncio.wait_for(anext(stream), 5) == b"one"
        gate.set()
        assert [chunk async for chunk in stream] == [b"two", b""]
        body.close()

    run(test)
