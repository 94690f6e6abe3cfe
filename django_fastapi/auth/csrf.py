"""Django's CSRF check, for a request that a cookie has authenticated."""

from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CSRF_SECRET_LENGTH, CSRF_SESSION_KEY, CsrfViewMiddleware

from django_fastapi import visitors
from django_fastapi.auth.exceptions import CSRFRejected
from django_fastapi.requests import FastAPIRequest, make_django_request

_ANY_SECRET: Final = "0" * CSRF_SECRET_LENGTH


def check_csrf(request: FastAPIRequest) -> None:
    """Refuse a request that another site may have sent: token, `Origin` and `Referer`, all by Django's middleware.

    It is the project's own in `MIDDLEWARE`, or else Django's. Safe methods pass. Of a WebSocket, which brings no
    token, the `Origin` has to be right. It reads the form of a POST, so it belongs on the request's thread. Django logs
    the reason of a refusal on `django.security.csrf`.

    Args:
        request: Django's request.

    Raises:
        CSRFRejected: It does not pass.
    """
    checked = _with_right_token(request) if request.scope["type"] == "websocket" else request
    middleware: CsrfViewMiddleware = visitors.find(visitors.CSRF) or CsrfViewMiddleware(_no_response)
    # Without a view: Django only asks it whether it is exempt, and a cookie that has authenticated never is.
    if middleware.process_view(checked, None, (), {}) is not None:  # type: ignore[arg-type]
        raise CSRFRejected


def _with_right_token(request: FastAPIRequest) -> HttpRequest:
    """Return the opening request of a WebSocket as a POST whose token is right, so that the rest decides."""
    made: Any = make_django_request({**request.scope, "method": "POST", "query_string": b""})
    made.COOKIES = {settings.CSRF_COOKIE_NAME: _ANY_SECRET}
    made.session = {CSRF_SESSION_KEY: _ANY_SECRET}
    made.META[settings.CSRF_HEADER_NAME] = _ANY_SECRET
    made.META["CONTENT_TYPE"] = ""
    checked: HttpRequest = made
    return checked


def _no_response(_request: HttpRequest) -> HttpResponse:
    return HttpResponse()
