"""The outermost layer: what no application caught is answered and logged, once."""

import logging
from contextvars import ContextVar
from http import HTTPStatus
from typing import Final

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from starlette.responses import JSONResponse, Response
from starlette.status import HTTP_413_CONTENT_TOO_LARGE

from .concurrency import become_stream
from .debug import make_close_reason, make_epilogue
from .exceptions import IncompleteResponse
from .exits import refuse_exit
from .problems import error_response
from .refusals import CORS, answer_unhandled, problem_of
from .reports import LOGGED, report, report_answer, report_suspicion, report_task
from .request_ids import prepare
from .requests import forget_known
from .types import ASGIApp, Message, Receive, Scope, Send

ON_EXCEPTION: Final = "django_fastapi.on_exception"
"""The key in a scope of a callable that is told of an unhandled exception, before it is answered; tests raise it."""

_BEGINNINGS: Final = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
_ENDS: Final = frozenset({"http.response.body", "websocket.close", "websocket.http.response.body"})
_CLOSE_CODES: Final = {HTTPStatus.SERVICE_UNAVAILABLE: 1013}  # "try again later" (IANA's registry for RFC 6455)
_INTERNAL_ERROR: Final = 1011  # RFC 6455, section 7.4.1
_BROKEN_OFF: Final = "The answer broke off half-way; the exception that ended it is logged on django.request."
_FIRST_ERROR: Final = 400
_TOO_LARGE: Final = b"Content Too Large"

_logger: Final = logging.getLogger("django.request")

_current: ContextVar[Scope | None] = ContextVar("django_fastapi.scope", default=None)


class Boundary:
    """Run an application so that its unhandled exceptions end here.

    Starlette answers an exception and raises it again, for the server to log; servers differ in what they do with it,
    and most close a connection that was fine. Here it is logged, and the server sees an ordinary answer. Only where one
    broke off half-way, `IncompleteResponse` is raised: the server has to cut the connection, or the client takes it for
    whole.

    Args:
        app: The application inside.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        answer = _Answer(scope, send)
        prepare(scope)
        logged: list[int] = []
        scope[LOGGED] = logged
        token = _current.set(scope)
        try:
            try:
                await self.app(scope, receive, answer)
            except (SystemExit, KeyboardInterrupt, BaseExceptionGroup) as error:
                refuse_exit(error)
        except Exception as error:  # noqa: BLE001 (all of them end here)
            try:
                await _end(error, scope, receive, answer)
            finally:
                forget_known(scope)
        finally:
            _current.reset(token)
        if answer.error_status and answer.error_status not in logged:
            await _log_answer(answer.error_status, scope)


class _Answer:
    """`send`, remembering how far the answer went.

    What FastAPI says of a body beyond its `max_body_size` is given the form of the other errors: it is plain text, sent
    from outside of all handlers and in the place of what they answer.
    """

    __slots__ = ("_held", "_scope", "_send", "_stream", "error_status", "is_complete", "is_started")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._held: Message | None = None
        self._stream: Message | None = None  # its start
        self.error_status = 0
        self.is_started = False
        self.is_complete = False

    async def __call__(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            if message["status"] >= _FIRST_ERROR and self._note_error(message):
                return
            if not _has_length(message):
                self._stream = message
                await become_stream()
        elif self._held is not None:
            start, self._held = self._held, None
            if message.get("body") == _TOO_LARGE:
                start, message = _in_form(self._scope, start)
            await self._send(start)
        await self._send(message)
        if kind in _ENDS:
            self.is_complete = not message.get("more_body", False)
        if kind in _BEGINNINGS or self.is_complete:
            self.is_started = True

    def _note_error(self, start: Message) -> bool:
        """Return whether to hold the start of an answer that is an error, until its body is seen."""
        self.error_status = start["status"]
        if self.error_status != HTTP_413_CONTENT_TOO_LARGE:
            return False
        self._held = start
        self.is_started = True
        return True

    async def break_off(self, error: Exception) -> None:
        """With `DEBUG`, tell at the end of a stream what has ended it."""
        if self._stream is None or not settings.DEBUG:
            return
        if body := make_epilogue(error, self._scope, self._stream.get("headers", ())):
            await self._send({"type": "http.response.body", "body": body, "more_body": True})


def _has_length(message: Message) -> bool:
    for name, _ in message.get("headers", ()):  # noqa: SIM110 (`any` takes three times as long)
        if name == b"content-length":
            return True
    return False


def _in_form(scope: Scope, start: Message) -> tuple[Message, Message]:
    """Return the messages of an answer in the one form, with those headers that middleware has put on it."""
    response = error_response(scope, start["status"])
    kept = [(name, value) for name, value in start.get("headers", ()) if not name.startswith(b"content-")]
    headers = [*kept, *response.raw_headers]
    return {**start, "headers": headers}, {"type": "http.response.body", "body": response.body}


async def fail_task(error: Exception) -> None:
    """Log the exception that ended a background task of the current request, in the place of raising it.

    Raises:
        Exception: `error`, outside of requests.
    """
    scope = _current.get()
    if scope is None:
        raise error
    if (tell := scope.get(ON_EXCEPTION)) is not None:
        tell(error)
    await sync_to_async(report_task, thread_sensitive=False)(error, scope)


async def _end(error: Exception, scope: Scope, receive: Receive, answer: _Answer) -> None:
    """Log an exception, and answer if that can still be done.

    Raises:
        IncompleteResponse: The answer broke off half-way.
    """
    is_broken_off = answer.is_started and not answer.is_complete
    await log_error(error, scope, is_broken_off=is_broken_off)
    if scope["type"] == "websocket" and not answer.is_complete:
        await _end_websocket(error, scope, receive, answer)
    elif is_broken_off:
        await answer.break_off(error)
        # Not the exception itself: the server would print its traceback once more.
        raise IncompleteResponse(_BROKEN_OFF) from None
    elif not answer.is_complete:
        response = await _make_answer(error, scope)
        response.raw_headers.extend(scope.get(CORS, ()))
        await response(scope, receive, answer)


async def _make_answer(error: Exception, scope: Scope) -> Response:
    """Return the answer to an exception: one in words that are always the same if no other can be made."""
    try:
        return await answer_unhandled(scope, error)
    except Exception:
        _logger.exception("The answer to an exception could not be made; the exception itself is logged before.")
        phrase = HTTPStatus.INTERNAL_SERVER_ERROR.phrase
        return JSONResponse({"detail": phrase}, HTTPStatus.INTERNAL_SERVER_ERROR)


async def _log_answer(status: int, scope: Scope) -> None:
    """Log an answer that is an error; that this fails is no affair of the client, who has it."""
    try:
        await sync_to_async(report_answer, thread_sensitive=False)(status, scope)
    except Exception:
        _logger.exception("An answer with the status %s could not be logged.", status)


async def log_error(error: Exception, scope: Scope, *, is_broken_off: bool = False) -> None:
    """Log an exception that nobody handled, unless it is the client's fault.

    Args:
        error: The exception.
        scope: The request it belongs to.
        is_broken_off: Whether the answer had begun.
    """
    # Not on the request's thread: a handler that is slow, such as one for mail, would hold it.
    problem = problem_of(error)
    if problem.is_logged or is_broken_off:
        if (tell := scope.get(ON_EXCEPTION)) is not None:
            tell(error)
        status = HTTPStatus(problem.status) if problem.is_logged else HTTPStatus.INTERNAL_SERVER_ERROR
        await sync_to_async(report, thread_sensitive=False)(error, scope, status)
    elif isinstance(error, SuspiciousOperation):
        await sync_to_async(report_suspicion, thread_sensitive=False)(error, scope)


async def _end_websocket(error: Exception, scope: Scope, receive: Receive, answer: _Answer) -> None:
    if not answer.is_started and "websocket.http.response" in scope.get("extensions", {}):
        await (await _make_answer(error, scope))(scope, receive, answer)
        return
    code = _CLOSE_CODES.get(HTTPStatus(problem_of(error).status), _INTERNAL_ERROR)
    reason = make_close_reason(error, scope) if settings.DEBUG else ""
    await answer({"type": "websocket.close", "code": code, **({"reason": reason} if reason else {})})
