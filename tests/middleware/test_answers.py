import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseNotModified
from fastapi import FastAPI
from fastapi.responses import FileResponse as StarletteFileResponse, Response

from django_fastapi.middleware import DjangoMiddleware
from django_fastapi.middleware.answers import Origin, may_be_whole, send_response
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp, Message

Build = Callable[[], ASGIApp]

HEADERS = [
    (b"X-Odd-Case", b"\xe9"),
    (b"x-twice", b"1"),
    (b"x-twice", b"2"),
    (b"set-cookie", b"a=1; Path=/; SameSite=lax; Partitioned"),
    (b"set-cookie", b'j={"a": [1]}; Path=/'),
    (b"set-cookie", b"b=2; expires=Thu, 01 Jan 2037 00:00:00 GMT"),
    (b"content-length", b"2"),
]


async def nothing() -> AsyncIterator[bytes]:
    for part in ():
        yield part


def sent(response: Any, origin: Origin) -> list[Message]:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    asyncio.run(send_response(response, origin, send))
    return messages


def test_what_nobody_changes_goes_out_byte_for_byte() -> None:
    origin = Origin(HEADERS, b"hi")
    start, body = sent(origin.make_response(201, nothing()), origin)
    assert start["status"] == 201
    assert sorted(start["headers"]) == sorted(HEADERS)
    assert body == {"type": "http.response.body", "body": b"hi", "more_body": False}


def test_what_is_changed_goes_out_as_it_is_then() -> None:
    origin = Origin(HEADERS, b"hi")
    response = origin.make_response(200, nothing())
    assert isinstance(response, HttpResponse)
    assert response.headers["X-Twice"] == "1, 2"
    response.headers["X-Twice"] = "3"
    del response.headers["X-Odd-Case"]
    response.cookies["a"] = "changed"
    response.set_cookie("c", "3")
    response.content = b"longer"
    start, body = sent(response, origin)
    headers = [header for header in start["headers"] if header[0] != b"set-cookie"]
    assert sorted(headers) == [(b"content-length", b"6"), (b"x-twice", b"3")]
    cookies = sorted(value.partition(b";")[0] for name, value in start["headers"] if name == b"set-cookie")
    assert cookies == [b"a=changed", b"b=2", b"c=3", b'j={"a": [1]}']
    assert body["body"] == b"longer"


def test_another_response_has_nothing_of_the_first() -> None:
    [start, _] = sent(HttpResponseNotModified(), Origin(HEADERS, b"hi"))
    assert (start["status"], start["headers"]) == (304, [])


def test_the_length_of_a_head_is_left_alone() -> None:
    origin = Origin([(b"content-length", b"120")], b"")
    [start, _] = sent(origin.make_response(200, nothing()), origin)
    assert start["headers"] == [(b"content-length", b"120")]


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (200, [(b"Content-Length", b"1")], True),
        (200, [(b"content-type", b"text/plain")], False),
        (204, [], True),
        (304, [], True),
    ],
)
def test_a_body_of_unknown_length_is_a_stream(status: int, headers: Any, *, expected: bool) -> None:
    assert may_be_whole({"type": "http.response.start", "status": status, "headers": headers}) is expected


def test_a_file_of_djangos_is_sent_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(b"x" * 10_000)
    response = FileResponse(path.open("rb"))
    start, *bodies = sent(response, Origin())
    assert dict(start["headers"])[b"content-length"] == b"10000"
    assert b"".join(message["body"] for message in bodies) == b"x" * 10_000
    assert [message["more_body"] for message in bodies][-1] is False
    assert response.file_to_stream is not None
    assert response.file_to_stream.closed


def test_a_file_of_starlettes_passes(api: FastAPI, build: Build, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"x" * 200_000)

    def middleware(get_response: Any) -> Any:
        def call(request: HttpRequest) -> Any:
            response = get_response(request)
            response.headers["X-Streaming"] = str(response.streaming)
            return response

        return call

    api.add_middleware(DjangoMiddleware, middleware=middleware)
    api.get("/file")(lambda: StarletteFileResponse(path))
    api.get("/none", status_code=204)(lambda: Response(status_code=204))
    client = Client(build())
    answer = client.get("/file")
    assert (len(answer.content), answer.headers["x-streaming"]) == (200_000, "True")
    answer = client.get("/none")
    assert (answer.status_code, answer.headers["x-streaming"]) == (204, "False")
