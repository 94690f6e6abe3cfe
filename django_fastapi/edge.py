"""The edge: what every request passes on its way in, and every answer that is not Django's on its way out.

`Edge` stands outside of everything, `Guard` before each application that is not Django's handler. Django's handler has
Django's middleware, so a request that it is given is checked there and nowhere else.
"""

import functools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Self

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import BadRequest as DjangoBadRequest, DisallowedHost
from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.utils.log import log_response
from starlette.requests import HTTPConnection
from starlette.responses import Response

from .addresses import AddressedRequest, Addressing
from .concurrency import run
from .exceptions import BadRequest
from .hardening import Hardening
from .problems import error_response
from .reports import note_logged, report, report_answer
from .requests import SLOT, RequestSlot, make_django_request
from .types import ASGIApp, Message, Receive, Scope, Send

_VISIT: Final = "django_fastapi.visit"
_REMEMBERED_HOSTS: Final = 1000
_SECURE_SCHEMES: Final = ("https", "wss")
_POLICY_VIOLATION: Final = 1008  # RFC 6455, section 7.4.1


class Visit:
    """One request at the edge.

    Args:
        sent: The headers of it that count here, as `META` has them.
        scope: Its scope.
        send: The server's `send`.
        rules: What the settings say.
    """

    __slots__ = ("_hardening", "_hosts", "_request", "_scope", "_send", "_whole_request", "is_djangos", "sent")

    def __init__(self, sent: dict[str, Any], scope: Scope, send: Send, rules: "_Rules") -> None:
        self.sent: dict[str, Any] = sent
        self._scope = scope
        self.is_djangos: bool = False
        self._send = send
        self._hardening: Hardening | None = rules.hardening
        self._hosts = rules.allowed_hosts
        self._request: AddressedRequest | None = None
        self._whole_request: HttpRequest | None = None

    @property
    def request(self) -> AddressedRequest:
        """Its addresses."""
        if self._request is None:
            self._request = AddressedRequest(self._scope, self.sent)
        return self._request

    @property
    def is_welcome(self) -> bool:
        """Whether the host is known to be allowed, and no middleware wants to be asked."""
        hardening = self._hardening
        return (hardening is None or not hardening.asks_first) and self._is_host_known

    def check_host(self) -> None:
        """See that the host is one of `ALLOWED_HOSTS`.

        Raises:
            DisallowedHost: It is not.
        """
        if self._is_host_known:
            return
        sent = self.sent
        self.request.get_host()
        host: str | None = sent.get("HTTP_HOST")
        if host is not None and len(self._hosts) < _REMEMBERED_HOSTS and "HTTP_X_FORWARDED_HOST" not in sent:
            self._hosts.add(host)

    @property
    def _is_host_known(self) -> bool:
        sent = self.sent
        return sent.get("HTTP_HOST") in self._hosts and "HTTP_X_FORWARDED_HOST" not in sent

    def send(self, message: Message) -> Awaitable[None]:
        """Pass a message on to the server, the start of an answer with the headers of the project's middleware."""
        hardening = self._hardening
        if hardening is None or self.is_djangos or not message["type"].endswith(".start"):
            return self._send(message)
        if hardening.needs_request:
            return self._send_processed(hardening, message)
        is_secure = self._scope["scheme"] in _SECURE_SCHEMES  # Django's settings have been heard about it
        return self._send(hardening.add_headers(message, is_secure=is_secure))

    async def _send_processed(self, hardening: Hardening, message: Message) -> None:
        self._hardening = None  # who fails is not asked about the answer to the failure
        if (request := self._get_whole_request(self._scope)) is not None:
            process = functools.partial(hardening.process_response, request, message)
            message = await run(process) if hardening.needs_thread else process()
        await self._send(message)

    async def ask(self, scope: Scope) -> HttpResponse | None:
        """Return the answer that the project's middleware has to the request before anybody sees it, if it has one.

        Args:
            scope: The scope that the application is called with.

        Raises:
            BadRequest: Django cannot make a request of it.
        """
        hardening = self._hardening
        if hardening is None or not hardening.asks_first:
            return None
        if not hardening.needs_request:
            return hardening.process_request(self.request)
        request = self._get_whole_request(scope)
        if request is None:
            raise BadRequest("Bad Request")
        self._hardening = None
        process = functools.partial(hardening.process_request, request)
        answer = await run(process) if hardening.needs_thread else process()
        self._hardening = hardening
        return answer

    def _get_whole_request(self, scope: Scope) -> HttpRequest | None:
        if self._whole_request is None:
            slot: object = scope.get(SLOT)
            # The one that the endpoint gets as well: a middleware may leave something on it, such as a nonce.
            make = functools.partial(slot.fill, HTTPConnection(scope)) if isinstance(slot, RequestSlot) else None
            self._whole_request = _make_whole_request(scope, make)
        return self._whole_request


@dataclass(frozen=True, slots=True)
class _Rules:
    """What the settings say, as long as none of them changes.

    Args:
        hardening: The project's security middleware.
        addressing: How addresses are found.
        allowed_hosts: Values of `Host` that Django has found to be allowed.
    """

    hardening: Hardening
    addressing: Addressing
    allowed_hosts: set[str]

    @classmethod
    def from_settings(cls) -> Self:
        return cls(Hardening.from_settings(), Addressing.from_settings(), set())


class Edge:
    """Make addresses of a request agree with the settings, and harden the answers that are not Django's.

    It does not read, hold back or buffer anything.

    Args:
        app: The application inside.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._rules: _Rules | None = _Rules.from_settings()
        setting_changed.connect(self._forget)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        rules = self._rules
        if rules is None:
            rules = self._rules = _Rules.from_settings()
        scope = dict(scope)
        try:
            sent = rules.addressing.address(scope)
        except BadRequest as problem:
            # What is wrong with the headers is for nobody to read again.
            bare: Scope = {"scheme": "http", **scope, "headers": []}
            await _turn_away(problem, bare, receive, Visit({}, bare, send, rules).send)
            return
        visit = scope[_VISIT] = Visit(sent, scope, send, rules)
        try:
            await self.app(scope, receive, visit.send)
        finally:
            del scope[_VISIT]  # it knows the scope, and a circle waits for the garbage collector

    def _forget(self, **_: Any) -> None:
        self._rules = None


class Guard:
    """Let a request pass to an application if its host is allowed and nothing asks for HTTPS first.

    Args:
        app: The application inside.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request or WebSocket."""
        visit: Visit = scope[_VISIT]
        if visit.is_welcome:
            return self.app(scope, receive, send)
        return self._look_at(visit, scope, receive, send)

    async def _look_at(self, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            visit.check_host()
        except DisallowedHost as error:
            await sync_to_async(_report, thread_sensitive=False)(error, scope)
            detail = str(error) if settings.DEBUG else "Bad Request"
            await refuse(scope, receive, send, HTTPStatus.BAD_REQUEST, detail)
            return
        try:
            first = await visit.ask(scope)
        except BadRequest as problem:
            await refuse(scope, receive, send, problem.status, str(problem))
            return
        if first is None:
            await self.app(scope, receive, send)
        else:
            await _answer(scope, receive, send, _from_django(first))


async def _turn_away(problem: BadRequest, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse and log a request that nobody inside hears of."""
    try:
        await refuse(scope, receive, send, problem.status, str(problem))
    except Exception as error:  # noqa: BLE001 (of the project's middleware, which is asked once)
        await sync_to_async(report, thread_sensitive=False)(error, scope, problem.status)
        await refuse(scope, receive, send, problem.status, str(problem))
    else:
        await sync_to_async(report_answer, thread_sensitive=False)(problem.status, scope)


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, detail: str) -> None:
    """Answer a request, or the handshake of a WebSocket, that no application is given.

    Args:
        scope: The scope of the request.
        receive: Its `receive`.
        send: Its `send`.
        status: The status to answer with.
        detail: Words for the client.
    """
    await _answer(scope, receive, send, error_response(scope, status, detail))


async def _answer(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        # Before the handshake is through, the server answers it with 403.
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
    else:
        await response(scope, receive, send)


def _from_django(django_response: HttpResponse) -> Response:
    response = Response(django_response.content, django_response.status_code, dict(django_response.headers))
    for morsel in django_response.cookies.values():
        response.headers.append("set-cookie", morsel.OutputString())
    return response


def get_sent(scope: Scope) -> dict[str, Any]:
    """Return the headers that count for a request's way in, as `META` has them, of one that came through the edge."""
    visit: Visit = scope[_VISIT]
    return visit.sent


def leave_to_django(scope: Scope) -> None:
    """Say that the answer which follows is Django's: its own middleware has seen it."""
    visit: Visit = scope[_VISIT]
    visit.is_djangos = True


def _make_whole_request(scope: Scope, make: Callable[[], HttpRequest] | None = None) -> HttpRequest | None:
    """Return Django's request, or None if the client sent what Django cannot decode."""
    try:
        return make() if make is not None else make_django_request(scope)
    except (ValueError, DjangoBadRequest):
        return None


def _report(error: DisallowedHost, scope: Scope) -> None:
    """Log a refused host as Django does."""
    note_logged(scope, HTTPStatus.BAD_REQUEST)
    log_response(
        str(error),
        exception=error,
        request=_make_whole_request(scope),
        response=HttpResponseBadRequest(),
        level="error",
        logger=logging.getLogger(f"django.security.{type(error).__name__}"),
    )
