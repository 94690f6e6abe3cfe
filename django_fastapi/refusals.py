"""Which exceptions are answered with which status, and the handlers by which an API does so."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import Any, Final, TypeAlias

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import (
    BadRequest as DjangoBadRequest,
    ObjectDoesNotExist,
    PermissionDenied,
    SuspiciousOperation,
)
from django.http import Http404, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils.functional import Promise
from fastapi import FastAPI
from fastapi.exception_handlers import (
    http_exception_handler,
    request_validation_exception_handler,
    websocket_request_validation_exception_handler,
)
from fastapi.exceptions import HTTPException, RequestValidationError, WebSocketRequestValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.status import HTTP_422_UNPROCESSABLE_CONTENT, WS_1008_POLICY_VIOLATION
from starlette.websockets import WebSocket, WebSocketState

from .debug import aexplain
from .exceptions import (
    BadRequest,
    Conflict,
    Fault,
    LifespanFailed,
    PreconditionFailed,
    PreconditionRequired,
    SessionsUnavailable,
    ThreadWaitTimeout,
    WriteRefused,
)
from .languages import language_of, speaking
from .mounts import mounted_apps
from .outages import is_away
from .problems import Problem, respond
from .reports import report_suspicion
from .settings import DOES_NOT_EXIST_404
from .types import Scope
from .validation import list_errors

Handler: TypeAlias = Callable[[Any, Any], Any]

_TALKING: Final[Mapping[type[Exception], HTTPStatus]] = {
    Http404: HTTPStatus.NOT_FOUND,
    PermissionDenied: HTTPStatus.FORBIDDEN,
    DjangoBadRequest: HTTPStatus.BAD_REQUEST,
}
_PRECONDITIONS: Final[Mapping[type[Exception], Problem]] = {
    PreconditionFailed: Problem(HTTPStatus.PRECONDITION_FAILED, "This has been changed since it was read."),
    PreconditionRequired: Problem(
        HTTPStatus.PRECONDITION_REQUIRED, "Say with If-Match which version of this is to be changed."
    ),
}
_SILENT: Final = (SuspiciousOperation, MultiPartParserError, ObjectDoesNotExist)
_AWAY: Final = Problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The service is not available. Try again later.",
    {"Retry-After": "5"},  # seconds; each request tries to connect
    is_logged=True,
)
_UNHANDLED: Final = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, is_logged=True)
_DENIAL: Final = "websocket.http.response"
_LONGEST_REASON: Final = 123  # bytes (RFC 6455, section 5.5, less the two of the code)

PROCESS_EXCEPTION: Final = "django_fastapi.process_exception"
"""The key in a scope of a coroutine function that is shown an exception first; it may return a response."""

CORS: Final = "django_fastapi.cors"
"""The key in a scope of the CORS headers of an answer that could not be sent, for the one in its place."""

_logger: Final = logging.getLogger("django_fastapi.debug")


def problem_of(error: Exception) -> Problem:
    """Return what a client is told of an exception; that of an unknown one is a bare 500.

    Django's exceptions have the status that Django gives them, and their text is repeated only where it is meant for
    the user: that of `Http404`, `PermissionDenied` and `BadRequest`. A client that went away before the end of its body
    is told 400, though it does not hear it. A database, or a cache of sessions, that is away is 503, also where it kept
    a lifespan from starting.
    """
    cause = error.__cause__ if isinstance(error, LifespanFailed) and error.__cause__ is not None else error
    return _refusal(error) or (_AWAY if isinstance(cause, SessionsUnavailable) or is_away(cause) else _UNHANDLED)


def install_handlers(api: FastAPI) -> None:
    """Have an API, and those mounted on it, answer all errors in the one form, and Django's exceptions as Django does.

    FastAPI's stock handlers are replaced. Handlers of the project's own stay, and one for `HTTPException` or a status
    gets Django's exceptions as well, as the `HTTPException` they stand for; one for `Exception` is not asked while
    `DEBUG` is on. `FastAPI(debug=True)` is switched off: Django's `DEBUG` says who sees tracebacks.

    Args:
        api: The application. If it was called before, its middleware is built anew.
    """
    _install_handlers(api)
    for _, app in mounted_apps(api.routes):
        if isinstance(app, FastAPI):
            _install_handlers(app)
        else:
            _install_last_handler(app)


def _install_handlers(api: FastAPI) -> None:
    handlers: dict[Any, Any] = api.exception_handlers
    before = dict(handlers)
    for kind, (stock, ours) in _REPLACED.items():
        if handlers.get(kind) is stock:
            handlers[kind] = ours
    for kind in (*_TALKING, *_SILENT):
        handlers.setdefault(kind, _refuse)
    handlers.setdefault(WriteRefused, _answer_refused_write)
    for kind in _PRECONDITIONS:
        handlers.setdefault(kind, _answer_precondition)
    _install_last_handler(api)
    if handlers != before:
        api.middleware_stack = None


async def answer_unhandled(scope: Scope, error: Exception) -> Response:
    """Return the answer to an exception that nobody has handled; with `DEBUG` it tells of the exception.

    Args:
        scope: The scope of the request or WebSocket, of as far inside as it is known.
        error: The exception.
    """
    problem = problem_of(error)
    if not (problem.is_logged and settings.DEBUG):
        return respond(scope, problem)
    try:
        explained = await aexplain(error, scope, problem.status)
    except Exception:
        _logger.exception("The page of this error could not be made; the error itself is logged on django.request.")
        return respond(scope, problem)
    if explained.page is None:
        headers = {**(problem.headers or {}), "X-Content-Type-Options": "nosniff"}
        return respond(scope, replace(problem, headers=headers, extensions=explained.members))
    explained.page.headers.update(problem.headers or {})
    return explained.page


def _install_last_handler(app: Starlette) -> None:
    """Have an application answer what no other of its handlers takes as `_LastHandler` does."""
    handlers: dict[Any, Any] = app.exception_handlers
    kinds = [kind for kind in (Exception, HTTPStatus.INTERNAL_SERVER_ERROR) if kind in handlers] or [Exception]
    for kind in kinds:
        own = handlers.get(kind)
        if not isinstance(own, _LastHandler):
            handlers[kind] = _LastHandler(own)
            app.middleware_stack = None
    if app.debug:
        app.debug = False
        app.middleware_stack = None


class _LastHandler:
    """The handler of `Exception`: the project's own, if there is one, as long as `DEBUG` is off and a client listens.

    Args:
        own: The project's.
    """

    def __init__(self, own: Handler | None) -> None:
        self._own = own

    async def __call__(self, request: Request, error: Exception) -> Response:
        """Return the answer to an exception."""
        if self._own is None or settings.DEBUG or _is_cut_off(error):
            return await answer_unhandled(request.scope, error)
        response: Response = await _call(self._own, request, error)
        return response


def _refusal(error: Exception) -> Problem | None:
    """Return what a client is told of an exception that is no fault of the site."""
    if isinstance(error, ThreadWaitTimeout):
        return Problem(error.status_code, error.detail, error.headers)
    if isinstance(error, BadRequest):
        return Problem(error.status, str(error))
    for kind, status in _TALKING.items():
        if isinstance(error, kind):
            return Problem(status, _words(error))
    if isinstance(error, SuspiciousOperation | MultiPartParserError) or _is_cut_off(error):
        return Problem(HTTPStatus.BAD_REQUEST)
    if isinstance(error, ObjectDoesNotExist) and DOES_NOT_EXIST_404.get():
        return Problem(HTTPStatus.NOT_FOUND)
    return None


def _is_cut_off(error: BaseException) -> bool:
    """Return whether an exception says that the client went away before the end of its body.

    Django's also stands for an error of the operating system, such as a disk that is full, and has it as its cause.
    There is no handler for these: Starlette raises its own as well where an answer breaks off, which stays as it is.
    """
    if isinstance(error, UnreadablePostError):
        return error.__cause__ is None or _is_cut_off(error.__cause__)
    return isinstance(error, ClientDisconnect)


def _words(error: Exception) -> str | Promise | None:
    """Return the text that an exception was raised with; that of an unresolved URL is a list of patterns."""
    text = error.args[0] if error.args else None
    return text if isinstance(text, str | Promise) and text else None


async def _answer_http_exception(connection: Request | WebSocket, error: StarletteHTTPException) -> Response | None:
    close_code = getattr(error, "close_code", WS_1008_POLICY_VIOLATION)
    return await _answer(connection, Problem(error.status_code, error.detail, error.headers), close_code)


async def _answer(
    connection: Request | WebSocket, problem: Problem, close_code: int = WS_1008_POLICY_VIOLATION, reason: str = ""
) -> Response | None:
    """Return the answer to a request, or to the handshake of a WebSocket; one that has been accepted is closed.

    Args:
        connection: The request or WebSocket.
        problem: The error.
        close_code: What a WebSocket is closed with.
        reason: Words for that, of which there may be too many.
    """
    response = respond(connection.scope, problem)
    if isinstance(connection, Request):
        return response
    if connection.application_state is WebSocketState.CONNECTING and _DENIAL in connection.scope.get("extensions", {}):
        return response
    if connection.application_state is not WebSocketState.DISCONNECTED:
        cut = reason.encode("utf-8", "replace")[:_LONGEST_REASON].decode("utf-8", "ignore")
        await connection.close(close_code, cut)
    return None


async def _answer_invalid_request(request: Request, error: RequestValidationError) -> Response:
    errors = list_errors(error, request)
    return respond(request.scope, Problem(HTTP_422_UNPROCESSABLE_CONTENT, errors=errors))


async def _answer_refused_write(connection: Request | WebSocket, error: WriteRefused) -> Response | None:
    status = HTTPStatus.CONFLICT if isinstance(error, Conflict) else HTTP_422_UNPROCESSABLE_CONTENT
    with speaking(language_of(connection.scope)):
        errors = [_told(fault) for fault in error.faults]
    return await _answer(connection, Problem(status, errors=errors))


def _told(fault: Fault) -> dict[str, Any]:
    """Return a fault as FastAPI lists it; what the client sent is not repeated, it may be a secret."""
    context = {"ctx": dict(fault.context)} if fault.context else {}
    return {"type": fault.kind, "loc": list(fault.loc), "msg": str(fault), **context}


async def _answer_precondition(connection: Request | WebSocket, error: Exception) -> Response | None:
    problem = next(problem for kind, problem in _PRECONDITIONS.items() if isinstance(error, kind))
    return await _answer(connection, problem)


async def _answer_invalid_websocket(websocket: WebSocket, error: WebSocketRequestValidationError) -> Response | None:
    errors = list_errors(error, websocket)
    reason = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in errors)
    return await _answer(websocket, Problem(HTTP_422_UNPROCESSABLE_CONTENT, errors=errors), reason=reason)


async def _refuse(connection: Request | WebSocket, error: Exception) -> Any:
    """Answer one of Django's exceptions by way of the handlers for `HTTPException`."""
    problem = problem_of(error)
    if problem.is_logged:
        raise error
    process = connection.scope.get(PROCESS_EXCEPTION)
    if process is not None and (answer := await process(error)) is not None:
        return answer
    if isinstance(error, SuspiciousOperation):
        await sync_to_async(report_suspicion, thread_sensitive=False)(error, connection.scope)
    headers = None if problem.headers is None else dict(problem.headers)
    refusal = HTTPException(problem.status, problem.detail, headers)
    handlers: Mapping[Any, Handler] = connection.app.exception_handlers
    kinds: list[Any] = [problem.status, *type(refusal).__mro__]
    return await _call(next(handlers[kind] for kind in kinds if kind in handlers), connection, refusal)


async def _call(handler: Handler, connection: Request | WebSocket, error: Exception) -> Any:
    if iscoroutinefunction(handler):
        return await handler(connection, error)
    return await run_in_threadpool(handler, connection, error)


_REPLACED: Final[Mapping[Any, tuple[Handler, Handler]]] = {
    StarletteHTTPException: (http_exception_handler, _answer_http_exception),
    RequestValidationError: (request_validation_exception_handler, _answer_invalid_request),
    WebSocketRequestValidationError: (websocket_request_validation_exception_handler, _answer_invalid_websocket),
}
