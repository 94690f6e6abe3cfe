"""What stands before routes that anybody may call: Django's CSRF check, and limits to guessing."""

from typing import Any

from fastapi import Depends

from django_fastapi.auth.csrf import check_csrf
from django_fastapi.auth.logins import login_key
from django_fastapi.auth.schemas import LoginIn, MagicLinkIn, PasswordResetIn
from django_fastapi.auth.settings import get_auth_settings
from django_fastapi.auth.throttling import throttle
from django_fastapi.requests import DjangoRequest

from .parameters import SentParameters

_LOGIN = "login"
_PASSWORD = "password"  # noqa: S105 (the name of a counter)


def csrf_checked(request: DjangoRequest) -> None:
    """Refuse what another site may have sent, whoever is logged in: a dependency.

    Raises:
        CSRFRejected: It may.
    """
    check_csrf(request)


def login_limits() -> list[Any]:
    """Return the dependencies that limit logins: those to a name, and those from an address."""
    return _limits(_LOGIN, _name_of_login)


def token_limits() -> list[Any]:
    """Return the dependencies that limit logins by `POST token`; they share the counters of `POST login`."""
    return _limits(_LOGIN, _name_of_token)


def password_limits() -> list[Any]:
    """Return the dependencies that limit tries to guess a password that somebody else has left open."""
    rate = get_auth_settings().login_rate_username
    return [] if rate is None else [Depends(throttle(rate, name=_PASSWORD))]


def reset_limits() -> list[Any]:
    """Return the dependencies that limit e-mails: those to an address, and those asked for from one."""
    return _limits("password-reset", _address_of_reset)


def registration_limits() -> list[Any]:
    """Return the dependencies that limit registrations from an address."""
    rate = get_auth_settings().login_rate_address
    return [] if rate is None else [Depends(throttle(rate, by="ip", name="register"))]


def magic_link_limits() -> list[Any]:
    """Return the dependencies that limit e-mails to log in with."""
    return _limits("magic-link", _address_of_link)


def _limits(name: str, key: Any) -> list[Any]:
    found = get_auth_settings()
    limits: list[Any] = []
    if found.login_rate_address is not None:
        limits.append(Depends(throttle(found.login_rate_address, by="ip", name=name)))
    if found.login_rate_username is not None:
        limits.append(Depends(throttle(found.login_rate_username, by=key, name=name)))
    return limits


# The parameters are named as in the endpoints: FastAPI takes them for the same body then.


async def _name_of_login(credentials: LoginIn) -> str:
    return login_key(credentials.username)


async def _name_of_token(parameters: SentParameters) -> str | None:
    username = parameters.get("username")
    return None if username is None else login_key(username)


async def _address_of_link(link: MagicLinkIn) -> str:
    return login_key(link.email)


async def _address_of_reset(reset: PasswordResetIn) -> str:
    return login_key(reset.email)
