"""System checks: what is wrong with keys, lifetimes and tables of tokens, and the cure."""

from collections.abc import Iterator
from typing import Any

from django.contrib import auth
from django.core.checks import CheckMessage, Error, Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured

from django_fastapi import settings as core_settings
from django_fastapi.discovery import discover
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.lookups import resolve_lookup
from django_fastapi.registry import get_registry

from . import foreign, keys, tokens
from .locations import token_url
from .models import APP, has_store
from .schemes.jwt import JWTAuth
from .schemes.loading import load_schemes
from .settings import get_auth_settings


def check_tokens(**_: Any) -> list[CheckMessage]:
    """Return what is wrong with the tokens, if the project uses any: a route, `JWTAuth` or `FASTAPI_AUTH["JWT"]`."""
    if not _uses_tokens():
        return []
    found = [*tokens.complaints(), *_lifetimes(), *_user_id_field(), *foreign.complaints()]
    return [*(Error(message, id="django_fastapi.E021") for message in found), *_missing_store()]


def check_token_deployment(**_: Any) -> list[CheckMessage]:
    """Return what is risky about the keys of tokens in production."""
    if not _uses_tokens() or not keys.is_shared():
        return []
    return [
        CheckWarning(
            "The key that signs tokens is SECRET_KEY, or derived from it.",
            hint="Give the tokens a key of their own in FASTAPI_AUTH['JWT']['KEYS']: then each can be changed alone.",
            id="django_fastapi.W020",
        )
    ]


def _uses_tokens() -> bool:
    """Return whether there are tokens to check; settings that cannot be read are `django_fastapi.E020`.

    That the default of `FASTAPI_AUTH["SCHEMES"]` takes tokens does not mean that anybody hands them out.
    """
    try:
        schemes = load_schemes()
    except ConfigurationError:
        return False
    chosen = core_settings.AUTH.get()
    is_named = "SCHEMES" in chosen and any(isinstance(scheme, JWTAuth) for scheme in schemes)
    return is_named or "JWT" in chosen or _has_token_route()


def _has_token_route() -> bool:
    try:
        discover(get_registry())
        return token_url() is not None
    except Exception:  # noqa: BLE001 (an api.py module may raise anything; `django_fastapi.W003` says so)
        return False


def _lifetimes() -> Iterator[str]:
    chosen = get_auth_settings().jwt
    if chosen.refresh_lifetime is None:
        return
    if chosen.refresh_lifetime <= chosen.access_lifetime:
        yield "FASTAPI_AUTH['JWT']['REFRESH_LIFETIME'] must be longer than ACCESS_LIFETIME, or None: no refresh tokens."
    if chosen.session_lifetime < chosen.refresh_lifetime:
        yield "FASTAPI_AUTH['JWT']['SESSION_LIFETIME'] must be at least as long as REFRESH_LIFETIME."


def _user_id_field() -> Iterator[str]:
    name = get_auth_settings().jwt.user_id_field
    try:
        path = resolve_lookup(auth.get_user_model(), name)
    except ImproperlyConfigured as error:  # one of ours is one, too
        yield f"FASTAPI_AUTH['JWT']['USER_ID_FIELD']: {error}"
        return
    if path.lookup is not None or not path.is_key:
        yield f"FASTAPI_AUTH['JWT']['USER_ID_FIELD']: {name!r} is no unique field of the user model."


def _missing_store() -> list[CheckMessage]:
    if has_store() or get_auth_settings().jwt.refresh_lifetime is None:
        return []
    return [
        Error(
            "Refresh tokens need a table, and there is none.",
            hint=f'Add "{APP}" to INSTALLED_APPS and run `manage.py migrate`, or set '
            "FASTAPI_AUTH['JWT']['REFRESH_LIFETIME'] to None: access tokens only.",
            id="django_fastapi.E022",
        )
    ]
