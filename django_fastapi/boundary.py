"""The outermost layer: what no application caught is answered and logged, once."""

import logging
from http import HTTPStatus

from asgiref.sync import sync_to_async
from django.http import HttpResponseServerError
from django.utils.log import log_response
from starlette.responses import JSONResponse

from .concurrency import current_lease
from .exceptions import ThreadWaitTimeout
from .requests import make_django_request
from .types import ASGIApp, Message, Receive, Scope, Send

_logger = logging.getLogger("django.request")

ON_EXCEPTION = "django_fastapi.on_exception"
"""The key in a scope of a callable that is told of an unhandled exception, before it is answered; tests raise it."""

_INTERNAL_ERROR = int(HTTPStatus.INTERNAL_SERVER_ERROR)
_WEBSOCKET_INTERNAL_ERROR = 1011  # RFC 6455, section 7.4.1


class Boundary:
    """Run an application so that its unhandled exceptions end here.

    Starlette answers an exception and raises it again, for the server to log; servers differ in what they do with it,
    and most close a connection that was fine. Here it is logged, and the server sees an ordinary answer. Only an answer
    that broke off half-way is raised: then the server has to cut the connection, or the client takes it for whole.

    Args:
        app: The application inside.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        answer = _Answer(send)
        try:
            await self.app(scope, receive, answer)
        except Exception as error:
            if isinstance(error, ThreadWaitTimeout) and scope["type"] == "http" and not answer.is_started:
                # Out of reach of the APIs' exception handlers: from Django's handler, or a listener to a signal.
                refusal = JSONResponse({"detail": error.detail}, error.status_code, error.headers)
                await refusal(scope, receive, send)
                return
            if (tell := scope.get(ON_EXCEPTION)) is not None:
                tell(error)
            await sync_to_async(report, thread_sensitive=False)(error, scope)
            if answer.is_complete:
                return
            if scope["type"] == "websocket":
                await _close_websocket(scope, send, is_accepted=answer.is_started)
            elif answer.is_started:
                raise
            else:
                await _send_internal_error(send, "http")


class _Answer:
    """`send`, remembering how far the answer went."""

    __slots__ = ("_send", "is_complete", "is_started")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_started = False
        self.is_complete = False

    async def __call__(self, message: Message) -> None:
        await self._send(message)
        kind = message["type"]
        if kind.endswith((".start", ".accept")):
            self.is_started = True
        elif kind == "websocket.close" or (kind.endswith(".body") and not message.get("more_body", False)):
            self.is_started = self.is_complete = True
        elif (lease := current_lease()) is not None:
            lease.become_stream()


def report(error: Exception, scope: Scope) -> None:
    """Log an unhandled exception on `django.request`, and see to it that the console has it.

    Args:
        error: The exception.
        scope: The request it belongs to.
    """
    try:
        request = make_django_request(scope)
    except UnicodeDecodeError:
        request = None
    response = HttpResponseServerError()
    path = scope.get("path", "")
    log_response("%s: %s", response.reason_phrase, path, response=response, request=request, exception=error)
    if not _has_console():
        _print_to_console(error)


def _has_console() -> bool:
    """Return whether an error logged on `django.request` is written to a stream or file.

    Django's default logging writes to the console with `DEBUG` only, and otherwise sends a mail at best.
    """
    record = _logger.makeRecord(_logger.name, logging.ERROR, __file__, 0, "", (), None)
    current: logging.Logger | None = _logger
    while current is not None:
        for handler in current.handlers:
            if isinstance(handler, logging.StreamHandler) and handler.level <= logging.ERROR and handler.filter(record):
                return True
        current = current.parent if current.propagate else None
    return False


def _print_to_console(error: Exception) -> None:
    if logging.lastResort is not None:
        exc_info = (type(error), error, error.__traceback__)
        record = _logger.makeRecord(_logger.name, logging.ERROR, __file__, 0, "Internal Server Error", (), exc_info)
        logging.lastResort.handle(record)


async def _close_websocket(scope: Scope, send: Send, *, is_accepted: bool) -> None:
    if not is_accepted and "websocket.http.response" in scope.get("extensions", {}):
        await _send_internal_error(send, "websocket.http")
    else:
        await send({"type": "websocket.close", "code": _WEBSOCKET_INTERNAL_ERROR})


async def _send_internal_error(send: Send, kind: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": f"{kind}.response.start", "status": _INTERNAL_ERROR, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": b"Internal Server Error"})
