"""The way of Django's request through an ASGI application: a place for it on the way in, its effects on the way out."""

import functools
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Final

from asgiref.sync import sync_to_async
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpResponseBadRequest
from django.utils.log import log_response

from .problems import error_response
from .refusals import CORS
from .reports import note_logged
from .requests import SLOT, FastAPIRequest, RequestSlot, keep_known
from .responses import Headers, with_effects, with_vary
from .types import ASGIApp, Message, Receive, Scope, Send

_STARTS: Final = frozenset({"http.response.start", "websocket.http.response.start", "websocket.accept"})
_SWITCHING: Final = int(HTTPStatus.SWITCHING_PROTOCOLS)  # what the server answers when a WebSocket is accepted
_HIGHEST: Final = 599  # a status that Django has a response for
_POLICY_VIOLATION: Final = 1008  # RFC 6455, section 7.4.1
_CORS: Final = b"access-control-"


class Bridge:
    """Run an application in which `django_request` works.

    A request that never asks for Django's passes through it as it is.

    Args:
        app: The application inside.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        is_websocket = scope["type"] == "websocket"
        slot = RequestSlot(scope, None if is_websocket else receive)
        answer = _Answer(slot, send)
        try:
            try:
                await self.app({**scope, SLOT: slot}, receive if is_websocket else slot.body.receive, answer)
            except Exception:
                if slot.request is not None:
                    keep_known(scope, slot.request)
                if not answer.has_failed:
                    raise
            if answer.has_failed:
                await answer.refuse(scope, receive)
        finally:
            slot.close()


class _Answer:
    """`send`, with the effects of Django's request on what begins the answer.

    Nothing of an answer is sent whose effects failed: the client would take it that its session was saved. The failure
    is raised where the answer comes from, to end that, and is kept, since it may be another exception that comes out.
    """

    __slots__ = ("_cors", "_failure", "_is_started", "_send", "_slot")

    def __init__(self, slot: RequestSlot, send: Send) -> None:
        self._slot = slot
        self._send = send
        self._is_started = False
        self._failure: Exception | None = None
        self._cors: Headers = ()

    def __call__(self, message: Message) -> Awaitable[None]:
        if self._is_started or message["type"] not in _STARTS:
            return self._send(message)
        if self._slot.request is None and not self._slot.varies_on:
            self._is_started = True
            return self._send(message)
        return self._begin(message)

    async def _begin(self, message: Message) -> None:
        if self._slot.request is not None and self._failure is None:
            message = await self._with_effects(self._slot.request, message)
        if self._slot.varies_on:
            message = {**message, "headers": with_vary(message.get("headers", ()), self._slot.varies_on)}
        self._is_started = True
        await self._send(message)

    @property
    def has_failed(self) -> bool:
        """Whether the effects failed, and nothing else has been answered instead."""
        return self._failure is not None and not self._is_started

    async def refuse(self, scope: Scope, receive: Receive) -> None:
        """Answer instead, as Django does where its own session middleware refuses.

        Raises:
            Exception: The failure is another one, and for the layer outside.
        """
        request, failure = self._slot.request, self._failure
        assert request is not None  # or nothing would have failed
        assert failure is not None  # the caller has looked
        if not isinstance(failure, SessionInterrupted):
            scope[CORS] = self._cors
            raise failure
        django_response = HttpResponseBadRequest()
        log = functools.partial(log_response, "%s: %s", str(failure), request.path)
        note_logged(scope, django_response.status_code)
        await sync_to_async(log, thread_sensitive=False)(response=django_response, request=request, exception=failure)
        if scope["type"] == "websocket":
            await self._send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        response = error_response(scope, HTTPStatus.BAD_REQUEST, str(failure))
        response.raw_headers.extend(self._cors)
        await response(scope, receive, self._send)

    async def _with_effects(self, request: FastAPIRequest, message: Message) -> Message:
        headers: Headers = list(message.get("headers", ()))
        try:
            headers = await with_effects(request, min(message.get("status", _SWITCHING), _HIGHEST), headers)
        except Exception as error:
            self._failure = error
            self._cors = [(name, value) for name, value in headers if name.lower().startswith(_CORS)]
            raise
        return {**message, "headers": headers}
