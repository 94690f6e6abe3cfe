"""Security headers and the redirect to HTTPS: the project's own Django middleware, for answers that are not Django's.

Only what `MIDDLEWARE` lists is applied: Django's `SecurityMiddleware`, `XFrameOptionsMiddleware` and (from Django 6 on)
`ContentSecurityPolicyMiddleware`, and subclasses of theirs. Their code runs, none of it is repeated here.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Final, Self, cast

import django
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.deprecation import MiddlewareMixin
from django.utils.module_loading import import_string

from .addresses import AddressedRequest
from .types import Message

Header = tuple[bytes, bytes]

_POLICY: Final[type[MiddlewareMixin] | None] = (
    import_string("django.middleware.csp.ContentSecurityPolicyMiddleware") if django.VERSION >= (6, 0) else None
)
_OWN: Final[tuple[type[MiddlewareMixin], ...]] = (
    SecurityMiddleware,
    XFrameOptionsMiddleware,
    *([_POLICY] if _POLICY is not None else ()),
)

_answer: ContextVar[HttpResponse] = ContextVar("django_fastapi.answer")


class Hardening:
    """The project's security middleware.

    Django's own classes set headers that an answer lacks, and what they set depends on nothing but the settings and
    whether the request is secure: it is worked out once. A subclass may look at anything and do what middleware may do,
    such as queries: its code runs for each request, and wants the request's thread.

    Args:
        middleware: In the order of `MIDDLEWARE`.
    """

    def __init__(self, middleware: Sequence[MiddlewareMixin]) -> None:
        self._middleware = middleware
        self._additions: dict[tuple[bool, int], tuple[list[Header], set[bytes]]] = {}
        self.needs_thread: bool = any(type(one) not in _OWN for one in middleware)
        # A nonce is in Django's request, where a template has found it.
        self.needs_request: bool = self.needs_thread or _puts_nonce(middleware)
        self.asks_first: bool = self.needs_request or bool(settings.SECURE_SSL_REDIRECT)

    @classmethod
    def from_settings(cls) -> Self:
        """Return the security middleware that `MIDDLEWARE` lists at this moment.

        Raises:
            ImportError: A path in `MIDDLEWARE` cannot be imported.
        """
        return cls([one for path in settings.MIDDLEWARE if (one := _make(import_string(path))) is not None])

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Have each middleware look at a request; return the answer of the first that has one, a redirect to HTTPS."""
        for one in self._middleware:
            process = getattr(one, "process_request", None)
            answer: HttpResponse | None = process(request) if process is not None else None
            if answer is not None:
                return answer
        return None

    def process_response(self, request: HttpRequest, message: Message) -> Message:
        """Return the start of an answer as the middleware leave it.

        Args:
            request: Django's request, as `process_request` saw it.
            message: An ASGI message of the type `http.response.start`.
        """
        headers = _process_response(self._middleware, request, message["status"], message.get("headers", []))
        return {**message, "headers": headers}

    def add_headers(self, message: Message, *, is_secure: bool) -> Message:
        """Return the same as `process_response`, where no middleware needs the request, in a fraction of its time.

        Args:
            message: An ASGI message of the type `http.response.start`.
            is_secure: Whether the request came by HTTPS.
        """
        status: int = message["status"]
        additions = self._additions.get((is_secure, status))
        if additions is None:
            request = AddressedRequest({"path": "/", "scheme": "https" if is_secure else "http"}, {})
            put = _process_response(self._middleware, request, status, [])
            additions = self._additions[is_secure, status] = put, {name for name, _ in put}
        put, names = additions
        headers: list[Header] = message.get("headers", [])
        given = [name.lower() for name, _ in headers]
        if not names.isdisjoint(given):
            put = [header for header in put if header[0] not in given]
        return {**message, "headers": [*headers, *put]}


def _make(middleware: object) -> MiddlewareMixin | None:
    if not (isinstance(middleware, type) and issubclass(middleware, _OWN)):
        return None
    try:
        return middleware(_get_answer)
    except MiddlewareNotUsed:
        return None


def _get_answer(_request: HttpRequest) -> HttpResponse:
    """Be what stands inside of a middleware: give it the answer that there is."""
    return _answer.get()


def _puts_nonce(middleware: Sequence[MiddlewareMixin]) -> bool:
    policies = [one for one in middleware if type(one) is _POLICY]
    if not policies:
        return False
    request = AddressedRequest({"path": "/"}, {})
    for policy in policies:
        cast("Any", policy).process_request(request)
    nonce = str(import_string("django.middleware.csp.get_nonce")(request)).encode()
    return any(nonce in value for _, value in _process_response(policies, request, 200, []))


def _process_response(
    middleware: Sequence[MiddlewareMixin], request: HttpRequest, status: int, headers: Sequence[Header]
) -> list[Header]:
    """Return the headers as the middleware leave them: those they do not touch stay, byte by byte."""
    response = _make_response(status, headers)
    before = dict(response.headers)
    for one in reversed(middleware):
        response = _run(one, request, response)
    after = dict(response.headers)
    changed = {_encode(name) for name in {*before, *after} if before.get(name) != after.get(name)}
    kept = [header for header in headers if header[0].lower() not in changed]
    put = [(_encode(name), value.encode("latin-1")) for name, value in after.items() if _encode(name) in changed]
    cookies = [(b"set-cookie", morsel.OutputString().encode("latin-1")) for morsel in response.cookies.values()]
    return [*kept, *put, *cookies]


def _make_response(status: int, headers: Sequence[Header]) -> HttpResponse:
    response = HttpResponse()
    response.status_code = status  # the constructor refuses what an ASGI application may send
    del response.headers["Content-Type"]
    for name, value in headers:
        if name.lower() != b"set-cookie":
            response.headers[name.decode("latin-1")] = value.decode("latin-1")
    return response


def _run(one: MiddlewareMixin, request: HttpRequest, response: HttpResponse) -> HttpResponse:
    if type(one).__call__ is MiddlewareMixin.__call__:
        processed: HttpResponse = cast("Any", one).process_response(request, response)
        return processed
    token = _answer.set(response)
    try:
        one(request)
    finally:
        _answer.reset(token)
    # An answer of its own would come too late; `process_request` is the place for one.
    return response


def _encode(name: str) -> bytes:
    return name.lower().encode("latin-1")
