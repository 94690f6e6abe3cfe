"""What Django code has set for the client, put on the answer of an ASGI application."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import TypeAlias

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from . import visitors
from .concurrency import run
from .visitors import has_news, needs_thread, take_leave

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

_SET_COOKIE = b"set-cookie"
_VARY = b"vary"


async def with_effects(request: HttpRequest, status: int, headers: Headers) -> Headers:
    """Return the headers of an answer with what Django's middleware and code have for it.

    The session is saved here, on the thread of the request.

    Args:
        request: Django's request.
        status: Of the answer.
        headers: Of the answer, as ASGI has them.

    Raises:
        django.contrib.sessions.exceptions.SessionInterrupted: The session was deleted in the meantime.
    """
    pending: HttpResponse | None = vars(request).get("response")
    if pending is None and not has_news(request):
        return headers
    response = _as_django(status, headers)
    before = dict(response.items())
    if pending is not None:
        _add_headers(pending, response)
        response.cookies.update(pending.cookies)
    if has_news(request):
        leave = functools.partial(take_leave, request, response)
        if needs_thread(request):
            await run(leave)
        else:
            leave()
    return _merged(headers, before, response)


def as_foreseen(request: HttpRequest, headers: Headers, varies_on: Iterable[str]) -> Headers:
    """Return the headers of an answer as they will be, but for cookies, for a middleware that it passes before that.

    A cache, for one, is to know what an answer depends on.

    Args:
        request: Django's request.
        headers: Of the answer, as ASGI has them.
        varies_on: Request headers that the answer depends on besides.
    """
    pending: HttpResponse | None = vars(request).get("response")
    if pending is not None:
        response = _as_django(HTTPStatus.OK, headers)
        before = dict(response.items())
        _add_headers(pending, response)
        headers = _merged(headers, before, response)
    names = visitors.varies_on(request).union(varies_on)
    return with_vary(headers, names) if names else headers


def foreseen_cookies(request: HttpRequest) -> "SimpleCookie":
    """Return the cookies that `with_effects` is going to set, or may; those of middleware have no value yet."""
    cookies = SimpleCookie(dict.fromkeys(visitors.coming_cookies(request), ""))
    pending: HttpResponse | None = vars(request).get("response")
    if pending is not None:
        cookies.update({name: copy(morsel) for name, morsel in pending.cookies.items()})
    return cookies


def with_vary(headers: Headers, names: Iterable[str]) -> Headers:
    """Return the headers of an answer with names of request headers added to its `Vary`."""
    values = [value.decode("latin-1") for name, value in headers if name.lower() == _VARY]
    if not values:
        return [*headers, (_VARY, ", ".join(sorted(names)).encode("latin-1"))]
    named = [part.strip() for value in values for part in value.split(",") if part.strip()]
    if "*" in named:  # RFC 9110, section 12.5.5: it says more than any name
        return headers
    known = {name.lower() for name in named}
    vary = ", ".join([*named, *sorted(name for name in names if name.lower() not in known)])
    return [*((name, value) for name, value in headers if name.lower() != _VARY), (_VARY, vary.encode("latin-1"))]


def _as_django(status: int, headers: Headers) -> HttpResponse:
    response = HttpResponse(status=status)
    del response.headers["Content-Type"]
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if raw_name.lower() != _SET_COOKIE:  # the one header that cannot be joined (RFC 9110, section 5.3)
            response.headers[name] = f"{response.headers[name]}, {value}" if name in response.headers else value
    return response


def _add_headers(pending: HttpResponse, response: HttpResponse) -> None:
    """Add the headers of one response to another."""
    for name, value in pending.items():
        if name.lower() == "vary":
            patch_vary_headers(response, [part.strip() for part in value.split(",")])
        else:
            response.headers[name] = value


def _merged(headers: Headers, before: Mapping[str, str], response: HttpResponse) -> Headers:
    """Return `headers` with what has become different on the response; what has not stays byte for byte."""
    after = dict(response.items())
    changed = {name: value for name, value in after.items() if before.get(name) != value}
    replaced = {name.lower().encode() for name in (*changed, *(before.keys() - after.keys()))}
    kept = [(name, value) for name, value in headers if name.lower() not in replaced]
    new = [(name.lower().encode(), value.encode("latin-1")) for name, value in changed.items()]
    cookies = [(_SET_COOKIE, morsel.OutputString().encode("ascii")) for morsel in response.cookies.values()]
    return [*kept, *new, *cookies]
