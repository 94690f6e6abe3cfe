"""Routes for the user who is logged in."""

from http import HTTPStatus
from typing import Annotated, Any

from django.contrib import auth
from fastapi import APIRouter, Depends

from django_fastapi.auth.models import has_store
from django_fastapi.auth.requirements import LoggedIn
from django_fastapi.auth.revocation import end_all
from django_fastapi.auth.sessions import end_sessions, is_in_session
from django_fastapi.requests import DjangoRequest

from .options import Options


def add_account_routes(router: APIRouter, options: Options) -> None:
    """Add `GET me` and `POST logout/all`."""

    @router.get("/me", response_model=options.user_schema)
    def me(user: Annotated[Any, Depends(LoggedIn())]) -> Any:
        """Return the user who is logged in."""
        return user

    @router.post("/logout/all", status_code=HTTPStatus.NO_CONTENT)
    def logout_everywhere(user: Annotated[Any, Depends(LoggedIn())], request: DjangoRequest) -> None:
        """End all sessions of the user that the server can find, this one, and all families of refresh tokens."""
        end_sessions(user)
        if has_store():
            end_all(user)
        if is_in_session(user, request):
            auth.logout(request)
