"""The router with all routes of auth."""

from typing import Unpack

from fastapi import APIRouter, Depends

from django_fastapi.requests import DjangoRequest

from .accounts import add_account_routes
from .api_keys import add_api_key_routes
from .options import Options, RouterOptions
from .passwords import add_password_routes
from .registration import add_magic_link_routes, add_registration_routes
from .sessions import add_session_routes
from .tokens import add_token_routes


def auth_router(**options: Unpack[RouterOptions]) -> APIRouter:
    """Return a router with ready-made routes for users.

    ::

        api.include_router(auth_router(session=True, jwt=True), prefix="/auth")

    `GET me`, `POST logout/all`, `password/change`, `password/reset` and `password/reset/confirm` are always there. No
    answer of theirs is kept by a cache.

    Args:
        **options: `session=True` adds `POST login`, `POST logout` and `GET csrf`; `jwt=True` adds `POST token`,
            `token/refresh`, `token/verify` and `token/revoke`; `api_keys=True` adds `GET` and `POST api-keys` and
            `DELETE api-keys/{id}`; `register=True` adds `POST register` and `email/verify`; `magic_link=True` adds
            `POST magic-link` and `magic-link/redeem`. `user_schema=` is what `me` and `login` say of a user, and
            `register_schema=` what `register` takes.
    """
    chosen = Options(**options)
    router = APIRouter(tags=["auth"], dependencies=[Depends(_store_nowhere)])
    if chosen.session:
        add_session_routes(router, chosen)
    if chosen.jwt:
        add_token_routes(router)
    if chosen.api_keys:
        add_api_key_routes(router)
    if chosen.register:
        add_registration_routes(router, chosen)
    if chosen.magic_link:
        add_magic_link_routes(router, chosen)
    add_account_routes(router, chosen)
    add_password_routes(router)
    return router


async def _store_nowhere(request: DjangoRequest) -> None:
    request.response.headers["Cache-Control"] = "no-store"
