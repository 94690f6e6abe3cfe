"""Routes for the API keys of the user who is logged in."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import Http404
from fastapi import APIRouter, Depends
from starlette.requests import Request

from django_fastapi.auth.api_keys import create_key, revoke_key
from django_fastapi.auth.dependencies import CurrentUser, authentications_of
from django_fastapi.auth.exceptions import NotPermitted
from django_fastapi.auth.models import APIKey, require_store
from django_fastapi.auth.schemas import APIKeyIn, APIKeyOut, NewAPIKeyOut
from django_fastapi.auth.schemes.api_key import APIKeyAuth

from .statuses import answers


def add_api_key_routes(router: APIRouter) -> None:
    """Add `GET` and `POST api-keys`, and `DELETE api-keys/{id}`.

    Raises:
        ConfigurationError: There is no table for them.
    """
    require_store("`auth_router(api_keys=True)`")
    guarded = [Depends(_refuse_api_keys)]

    @router.get("/api-keys", response_model=list[APIKeyOut], dependencies=guarded)
    def list_api_keys(user: CurrentUser) -> Any:
        """List the API keys of the user that were not revoked."""
        return list(_keys_of(user))

    @router.post(
        "/api-keys",
        status_code=HTTPStatus.CREATED,
        response_model=NewAPIKeyOut,
        dependencies=guarded,
        responses=answers(),
    )
    def create_api_key(wanted: APIKeyIn, user: CurrentUser) -> Any:
        """Make an API key. The answer has the key; nobody can read it again."""
        row, key = create_key(user, wanted.name, wanted.expires_at)
        return NewAPIKeyOut(**APIKeyOut.model_validate(row).model_dump(), key=key)

    @router.delete(
        "/api-keys/{id}",
        status_code=HTTPStatus.NO_CONTENT,
        dependencies=guarded,
        responses=answers(404, has_body=False),
    )
    def revoke_api_key(id: str, user: CurrentUser) -> None:  # noqa: A002 (the path's name for it)
        """Have an API key refused from now on."""
        row = _keys_of(user).filter(pk=_key(id)).first()
        if row is None:
            raise Http404("There is no such API key.")
        revoke_key(row)


def _keys_of(user: Any) -> Any:
    return APIKey.objects.filter(user_id=user.pk, revoked_at=None)


def _key(text: str) -> UUID | None:
    try:
        key = UUID(text)
    except ValueError:
        return None
    return key if str(key) == text else None


async def _refuse_api_keys(request: Request, user: CurrentUser) -> None:
    """Refuse users who are known by an API key: one that has leaked could give itself another life."""
    del user  # it has been found out who that is
    if any(isinstance(one.scheme, APIKeyAuth) for one in authentications_of(request)):
        raise NotPermitted("An API key cannot manage API keys.")
