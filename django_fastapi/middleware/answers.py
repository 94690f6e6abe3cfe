"""What an ASGI application answers as a Django response, and the other way round."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.cookies import CookieError, Morsel, SimpleCookie
from typing import Final, cast

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from django_fastapi.concurrency import run
from django_fastapi.responses import Headers
from django_fastapi.streaming import opened
from django_fastapi.types import Message, Send

_COOKIE: Final = b"set-cookie"
_WITHOUT_BODY: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


@dataclass(frozen=True, slots=True)
class Origin:
    """What the application has sent: whatever no middleware changes goes out byte for byte.

    Args:
        headers: The headers of its answer.
        content: The whole body; None if it comes piece by piece.
        coming: Cookies that are put on further outside, as far as they are known. A middleware sees them: a cache keeps
            no answer that gives a visitor a session.
    """

    headers: Headers = ()
    content: bytes | None = None
    coming: "SimpleCookie" = field(default_factory=SimpleCookie)
    fields: Mapping[str, str] = field(init=False)
    cookies: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Parse the headers."""
        object.__setattr__(self, "fields", _fields(self.headers))
        parsed = {name: morsel.OutputString() for name, morsel in _cookies(self.headers).items()}
        object.__setattr__(self, "cookies", parsed)

    def make_response(self, status: int, chunks: AsyncIterator[bytes]) -> HttpResponse | StreamingHttpResponse:
        """Return the answer as Django has it.

        Args:
            status: Its status.
            chunks: The body, if it is not there as a whole.
        """
        response: HttpResponse | StreamingHttpResponse = (
            StreamingHttpResponse(chunks, status=status)
            if self.content is None
            else HttpResponse(self.content, status=status)
        )
        del response.headers["Content-Type"]
        for name, value in self.fields.items():
            response.headers[name] = value
        response.cookies = _cookies(self.headers)
        for name, morsel in self.coming.items():
            response.cookies.setdefault(name, copy(morsel))
        return response

    def is_coming(self, morsel: "Morsel[str]") -> bool:
        """Return whether a cookie is put on further outside, and no middleware has given it another value."""
        foreseen = self.coming.get(morsel.key)
        return foreseen is not None and (not morsel.value or morsel == foreseen)


def may_be_whole(start: Message) -> bool:
    """Return whether the body of an answer may come as a whole: where nobody knows its length, it is a stream."""
    status: int = start["status"]
    has_length = any(name.lower() == b"content-length" for name, _ in start.get("headers", ()))
    return has_length or status < HTTPStatus.OK or status in _WITHOUT_BODY


async def send_response(response: HttpResponseBase, origin: Origin, send: Send) -> None:
    """Send a Django response.

    Args:
        response: Any, a file or another stream too.
        origin: What the application has sent, if it was asked.
        send: The ASGI callable.
    """
    content = b"" if response.streaming else cast("HttpResponse", response).content
    if not response.streaming:
        _set_length(response, content, origin)
    start = {"type": "http.response.start", "status": response.status_code, "headers": _headers(response, origin)}
    if response.streaming:
        try:
            async with opened(cast("StreamingHttpResponse", response)) as parts:
                await send(start)
                async for part in parts:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        finally:
            await _close(response)
    else:
        await send(start)
    await send({"type": "http.response.body", "body": content, "more_body": False})


def _set_length(response: HttpResponseBase, content: bytes, origin: Origin) -> None:
    """Have the length be that of a content which is not the application's; that of a HEAD stays as it is."""
    has_body = response.status_code >= HTTPStatus.OK and response.status_code not in _WITHOUT_BODY
    if has_body and (content != origin.content or "Content-Length" not in response.headers):
        response.headers["Content-Length"] = str(len(content))


async def _close(response: HttpResponseBase) -> None:
    """Close the file of a response.

    `response.close()` would send `request_finished` as well, in the midst of the request. So a private name is used
    here and nowhere else; `tests/middleware/test_answers.py` fails when it changes.
    """
    for closer in vars(response)["_resource_closers"]:
        await run(partial(closer))


def _headers(response: HttpResponseBase, origin: Origin) -> list[tuple[bytes, bytes]]:
    after = {name.lower(): value for name, value in response.items()}
    changed = {name: value for name, value in after.items() if origin.fields.get(name) != value}
    kept = [
        (name, value)
        for name, value in origin.headers
        if name.lower() != _COOKIE and (key := name.decode("latin-1").lower()) in after and key not in changed
    ]
    new = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in changed.items()]
    return [*kept, *new, *_cookie_headers(response, origin)]


def _cookie_headers(response: HttpResponseBase, origin: Origin) -> Iterable[tuple[bytes, bytes]]:
    cookies = {name: morsel.OutputString() for name, morsel in response.cookies.items()}
    kept = {name for name, text in cookies.items() if origin.cookies.get(name) == text}
    for raw_name, raw_value in origin.headers:
        if raw_name.lower() == _COOKIE and _cookie_name(raw_value.decode("latin-1")) in kept:
            yield raw_name, raw_value
    for name, text in cookies.items():
        if name not in kept and not origin.is_coming(response.cookies[name]):
            yield _COOKIE, text.encode("latin-1")


def _fields(headers: Headers) -> dict[str, str]:
    fields: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if raw_name.lower() != _COOKIE:  # the one header that cannot be joined (RFC 9110, section 5.3)
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def _cookies(headers: Headers) -> "SimpleCookie":
    """Return cookies as Python can have them: of one with attributes or characters that it does not know, the value."""
    cookies = SimpleCookie()
    for raw_name, raw_value in headers:
        if raw_name.lower() == _COOKIE:
            text = raw_value.decode("latin-1")
            name = _cookie_name(text)
            with suppress(CookieError):
                cookies.load(text)
                if name not in cookies:
                    cookies[name] = text.partition(";")[0].partition("=")[2]
    return cookies


def _cookie_name(text: str) -> str:
    return text.partition("=")[0].strip()
