"""What is written to the log of exceptions and of answers that are errors, on Django's loggers."""

import logging
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import SuspiciousOperation
from django.core.signals import got_request_exception
from django.http import HttpResponse, HttpResponseBadRequest
from django.utils.log import log_response

from .connections import close_all
from .request_ids import request_id, request_line
from .requests import known_request
from .types import Scope

_logger: Final = logging.getLogger("django.request")

LOGGED: Final = "django_fastapi.logged_statuses"
"""The key in a scope of the statuses that the log has a record of, so that there is no other one."""


def note_logged(scope: Scope, status: int) -> None:
    """Note that the log has a record of an answer with a status."""
    if (logged := scope.get(LOGGED)) is not None:
        logged.append(status)


def report(error: Exception, scope: Scope, status: HTTPStatus = HTTPStatus.INTERNAL_SERVER_ERROR) -> None:
    """Log an unhandled exception on `django.request`, and see to it that the console has it.

    Before that, `got_request_exception` is sent. The record has the method, the path and the id of the request in its
    message, the id also as `request_id`, and what Django's own records have: `request` and `status_code`.

    Args:
        error: The exception.
        scope: The request it belongs to.
        status: What the request is answered with.
    """
    note_logged(scope, status.value)
    _write(f"{status.phrase}: %s (request %s)", error, scope, status_code=status.value)


def report_task(error: Exception, scope: Scope) -> None:
    """Log on `django.request` that a background task of a request has failed.

    Args:
        error: The exception that ended it.
        scope: The request, which has been answered.
    """
    _write("A background task failed: %s (request %s)", error, scope)


def report_suspicion(error: SuspiciousOperation, scope: Scope) -> None:
    """Log a suspicious request as Django does: on `django.security` and the name of the exception's class."""
    logger = logging.getLogger(f"django.security.{type(error).__name__}")
    response = HttpResponseBadRequest()
    note_logged(scope, response.status_code)
    request = known_request(scope)
    # As an argument, so that Django escapes it: the message may repeat what the client sent.
    log_response("%s", str(error), response=response, request=request, logger=logger, level="error", exception=error)


def report_answer(status: int, scope: Scope) -> None:
    """Log an answer that is an error, on `django.request` and as Django does: 4xx as a warning, 5xx as an error.

    503 is a warning: the administrators of a busy site need no mail for each request.

    Args:
        status: The status.
        scope: The request.
    """
    response = HttpResponse()
    response.status_code = status  # the constructor refuses what an ASGI application may send
    level = logging.getLevelName(_level(status)).lower()
    log_response(
        "%s: %s", response.reason_phrase, scope["path"], response=response, request=known_request(scope), level=level
    )


def _level(status: int) -> int:
    is_warning = status < HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.SERVICE_UNAVAILABLE
    return logging.WARNING if is_warning else logging.ERROR


def _write(message: str, error: Exception, scope: Scope, **extra: Any) -> None:
    request = known_request(scope)
    try:
        # As in Django its receivers find the exception in `sys.exc_info()`: `sync_to_async` brings it along.
        got_request_exception.send_robust(sender=None, request=request)
        # `log_response` would do, were there a way to hand it the id.
        args = (request_line(scope), request_id(scope))
        _logger.error(message, *args, exc_info=error, extra={**extra, "request": request, "request_id": args[1]})
        if not _has_console() and logging.lastResort is not None:
            exc_info = (type(error), error, error.__traceback__)
            record = _logger.makeRecord(_logger.name, logging.ERROR, __file__, 0, message, args, exc_info)
            logging.lastResort.handle(record)
    finally:
        close_all()  # a handler may have asked for the user, on this thread that belongs to nobody


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
