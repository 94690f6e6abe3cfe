"""What `auth_router` is asked for."""

from dataclasses import dataclass
from typing import TypedDict

from pydantic import BaseModel

from django_fastapi.auth.schemas import RegisterIn, UserOut


class RouterOptions(TypedDict, total=False):
    """The arguments of `auth_router`, as `Options` explains them."""

    session: bool
    jwt: bool
    api_keys: bool
    register: bool
    magic_link: bool
    user_schema: type[BaseModel]
    register_schema: type[BaseModel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `auth_router` is asked for.

    Args:
        session: `login`, `logout` and `csrf`.
        jwt: `token`, `token/refresh`, `token/verify` and `token/revoke`.
        api_keys: `api-keys`.
        register: `register` and `email/verify`.
        magic_link: `magic-link` and `magic-link/redeem`.
        user_schema: What `me` and `login` say of a user: a Pydantic model, read from the attributes of the instance.
        register_schema: What `register` takes: a Pydantic model with fields of the user model, and `password`, a
            `SecretStr`. What it does not name, nobody can set.
    """

    session: bool = True
    jwt: bool = False
    api_keys: bool = False
    register: bool = False
    magic_link: bool = False
    user_schema: type[BaseModel] = UserOut
    register_schema: type[BaseModel] = RegisterIn
