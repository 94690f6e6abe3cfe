"""Routes for Django's session: logging in and out, and the CSRF token."""

from http import HTTPStatus
from typing import Any

from django.contrib import auth
from django.middleware.csrf import get_token
from fastapi import APIRouter, Depends

from django_fastapi.auth.dependencies import current_user, public
from django_fastapi.auth.logins import verify_login
from django_fastapi.auth.schemas import CSRFTokenOut, LoginIn
from django_fastapi.requests import DjangoRequest

from .guards import csrf_checked, login_limits
from .options import Options
from .statuses import answers


def add_session_routes(router: APIRouter, options: Options) -> None:
    """Add `POST login`, `POST logout` and `GET csrf`."""

    @router.post(
        "/login",
        response_model=options.user_schema,
        dependencies=[Depends(public), Depends(csrf_checked), *login_limits()],
        responses=answers(401, 403, 429),
    )
    def login(credentials: LoginIn, request: DjangoRequest) -> Any:
        """Log in, and get Django's session cookie. A CSRF token is needed here too."""
        user = verify_login(request, credentials.username, credentials.password.get_secret_value())
        if user is None:
            raise current_user.refusal()
        auth.login(request, user)
        request.set_user(user)
        return user

    @router.post(
        "/logout",
        status_code=HTTPStatus.NO_CONTENT,
        dependencies=[Depends(public), Depends(csrf_checked)],
        responses=answers(403, has_body=False),
    )
    def logout(request: DjangoRequest) -> None:
        """End the session, if there is one."""
        auth.logout(request)

    @router.get("/csrf", dependencies=[Depends(public)])
    def csrf(request: DjangoRequest) -> CSRFTokenOut:
        """Return the token that unsafe requests with a session cookie have to send, and set its cookie."""
        return CSRFTokenOut(csrf_token=get_token(request))
