"""Pages for staff only, by Django's session and Django's rule for the admin."""

import functools
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpResponse
from django.urls import NoReverseMatch, reverse
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from .negotiation import prefers_json
from .problems import error_response
from .requests import make_bare_request
from .sessions import tell_outages

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

_ANONYMOUS = "anonymous"
_STAFF = "staff"
_OTHER = "other"


def staff_only(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint that answers an active staff user with a session, and turns everybody else away.

    A browser that is not logged in is sent to the admin's login page, as `staff_member_required` does; other clients
    get 401, and a user who is not staff 403. As with the admin's pages, no cache keeps any of these answers.
    """

    @functools.wraps(endpoint)
    async def guarded(request: Request) -> Response:
        response = await _refuse_unless_staff(request) or await endpoint(request)
        response.headers["Cache-Control"] = "no-store"
        response.headers.add_vary_header("Cookie")
        return response

    return guarded


async def _refuse_unless_staff(request: Request) -> Response | None:
    rank = await sync_to_async(_rank)(request)
    if rank == _STAFF:
        return None
    if rank == _OTHER:
        return error_response(request.scope, HTTPStatus.FORBIDDEN, "Staff only.")
    if prefers_json(request.scope):
        headers = {"WWW-Authenticate": "Session"}
        return error_response(request.scope, HTTPStatus.UNAUTHORIZED, "Not authenticated", headers=headers)
    return RedirectResponse(_login_url(request), HTTPStatus.FOUND)


def _rank(request: Request) -> str:
    django_request = make_bare_request(request.scope)
    SessionMiddleware(lambda _: HttpResponse()).process_request(django_request)
    tell_outages(django_request.session)
    user = get_user(django_request)
    if not user.is_authenticated:
        return _ANONYMOUS
    # A custom user model need not have `is_staff`; then nobody is.
    return _STAFF if user.is_active and getattr(user, "is_staff", False) else _OTHER


def _login_url(request: Request) -> str:
    try:
        login_url = reverse("admin:login")
    except NoReverseMatch:
        login_url = str(settings.LOGIN_URL)
    return f"{login_url}?{urlencode({'next': request.scope['path']})}"
