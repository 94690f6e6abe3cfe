"""Tokens that other packages have handed out, for as long as a project moves away from them.

`FASTAPI_AUTH["JWT"]["ACCEPT"]` names the packages: simplejwt and ninja-jwt, whose settings `SIMPLE_JWT` and `NINJA_JWT`
say what their tokens look like, and Django REST framework's `authtoken`.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.conf import settings
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from . import single_use
from .exceptions import BadCredential
from .keys import get_keys
from .settings import DRF_TOKEN, NINJA_JWT, SIMPLEJWT, get_auth_settings
from .tokens import ACCESS, REFRESH, decode, key_id
from .users import find_user, is_active, owner_of, with_users

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

_ALGORITHMS: Final = frozenset(f"{family}{bits}" for family in ("HS", "RS", "ES", "PS") for bits in (256, 384, 512))
_OPTIONS: Final = {"require": ["exp"], "enforce_minimum_key_length": True}
_DRF: Final[str] = "authtoken.Token"
_BLACKLIST: Final[str] = "token_blacklist.BlacklistedToken"
_MAX_LENGTH: Final = 128  # of a key of REST framework's, which has 40 characters


@dataclass(frozen=True, slots=True)
class _Issuer:
    """A package that signed tokens, as the project has set it up."""

    options: Mapping[str, Any]

    def get(self, name: str, default: Any) -> Any:
        return self.options.get(name, default)

    @property
    def algorithm(self) -> str:
        return str(self.get("ALGORITHM", "HS256"))

    @property
    def keys(self) -> list[Any]:
        if not self.algorithm.startswith("HS"):
            return [self.get("VERIFYING_KEY", "")]
        own = self.options.get("SIGNING_KEY")
        return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS] if own is None else [own]

    def read(self, token: str) -> dict[str, Any]:
        if self.algorithm not in _ALGORITHMS:
            raise BadCredential("The algorithm of the other package is none that can be trusted.")
        error = BadCredential("There is no key.")
        for key in self.keys:
            try:
                return decode(
                    token,
                    key,
                    [self.algorithm],
                    issuer=self.get("ISSUER", None),
                    audience=self.get("AUDIENCE", None),
                    options=_OPTIONS,
                )
            except BadCredential as refusal:
                error = refusal
        raise error


def is_foreign(token: str) -> bool:
    """Return whether a token may be one of another package: it names no key of ours, and theirs are accepted.

    Raises:
        BadCredential: It is no token.
    """
    return any(_issuers()) and key_id(token) not in get_keys().keys


def user_of_access_token(token: str) -> "AbstractBaseUser":
    """Return the active user of another package's access token.

    Raises:
        BadCredential: It does not hold.
    """
    issuer, claims = _read(token, ACCESS)
    return _user_of(issuer, claims)


def user_of_refresh_token(token: str) -> "AbstractBaseUser":
    """Return the active user of another package's refresh token, which is used up by that: ours take its place.

    Raises:
        BadCredential: It does not hold, was used before, or stands on the package's own blacklist.
    """
    issuer, claims = _read(token, REFRESH)
    user = _user_of(issuer, claims)
    token_id: object = claims.get(issuer.get("JTI_CLAIM", "jti"))
    if not isinstance(token_id, str) or _is_blacklisted(token_id):
        raise BadCredential("The token has no id, or stands on the blacklist.")
    if not single_use.use(f"foreign:{token_id}", _end_of(claims)):
        raise BadCredential("The token was used before.")
    return user


def user_of_drf_token(key: str) -> "AbstractBaseUser":
    """Return the active user of a token of Django REST framework's.

    Raises:
        BadCredential: There is no such token.
        LookupError: "rest_framework.authtoken" is not in `INSTALLED_APPS`; a check says so.
    """
    model: Any = apps.get_model(_DRF)
    token: Any = None
    user: AbstractBaseUser | None = None
    if len(key) <= _MAX_LENGTH and key.isalnum() and key.isascii():
        token = with_users(model._default_manager.filter(key=key)).first()
    # Some collations take one letter for another.
    if token is not None and token.key == key:
        user = owner_of(token)
    if user is None or not is_active(user):
        raise BadCredential("There is no such token, or its user is not active.")
    return user


def complaints() -> Iterator[str]:
    """Yield a sentence for each package in `ACCEPT` whose tokens could never be taken."""
    accepted = get_auth_settings().jwt.accept
    if DRF_TOKEN in accepted and not apps.is_installed("rest_framework.authtoken"):
        yield (
            f"FASTAPI_AUTH['JWT']['ACCEPT'] names {DRF_TOKEN!r}, and \"rest_framework.authtoken\" is not in "
            "INSTALLED_APPS, where its table is."
        )
    for issuer in _issuers():
        if issuer.algorithm not in _ALGORITHMS:
            yield f"FASTAPI_AUTH['JWT']['ACCEPT']: the algorithm {issuer.algorithm!r} cannot be trusted."


def _issuers() -> Iterator[_Issuer]:
    accepted = get_auth_settings().jwt.accept
    if SIMPLEJWT in accepted:
        yield _Issuer(_options("SIMPLE_JWT"))
    if NINJA_JWT in accepted:  # it prefers the settings of its model, too
        yield _Issuer(_options("SIMPLE_JWT", "NINJA_JWT"))


def _options(*names: str) -> Mapping[str, Any]:
    """Return the first of these settings that says anything."""
    for name in names:
        if chosen := getattr(settings, name, None):
            options: Mapping[str, Any] = chosen
            return options
    return {}


def _read(token: str, kind: str) -> tuple[_Issuer, dict[str, Any]]:
    error = BadCredential("No other package's tokens are accepted.")
    for issuer in _issuers():
        try:
            claims = issuer.read(token)
        except BadCredential as refusal:
            error = refusal
            continue
        if claims.get(issuer.get("TOKEN_TYPE_CLAIM", "token_type")) != kind:
            raise BadCredential("The token is of another type.")
        return issuer, claims
    raise error


def _user_of(issuer: _Issuer, claims: Mapping[str, Any]) -> "AbstractBaseUser":
    identity: object = claims.get(issuer.get("USER_ID_CLAIM", "user_id"))
    # Older releases wrote the number as it is.
    if type(identity) not in (str, int):
        raise BadCredential("The token names no user.")
    user = find_user(str(identity), issuer.get("USER_ID_FIELD", "id"))
    if user is None or not is_active(user):
        raise BadCredential("The user of the token is gone or inactive.")
    if issuer.get("CHECK_REVOKE_TOKEN", False):
        digest = hashlib.md5(user.password.encode(), usedforsecurity=False).hexdigest().upper()
        claimed: object = claims.get(issuer.get("REVOKE_TOKEN_CLAIM", "hash_password"))
        if not isinstance(claimed, str) or not constant_time_compare(claimed, digest):
            raise BadCredential("The user's password has changed since.")
    return user


def _is_blacklisted(token_id: str) -> bool:
    # Both packages have an app of this label.
    if "token_blacklist" not in apps.app_configs:
        return False
    model: Any = apps.get_model(_BLACKLIST)
    return bool(model._default_manager.filter(token__jti=token_id).exists())


def _end_of(claims: Mapping[str, Any]) -> datetime:
    """Return until when a token is taken, by what PyJWT has verified and may have read from text."""
    leeway = get_auth_settings().jwt.leeway
    zone = timezone.get_default_timezone() if settings.USE_TZ else None
    try:
        expires_at = datetime.fromtimestamp(int(claims["exp"]), zone)
        return expires_at + (leeway if isinstance(leeway, timedelta) else timedelta(seconds=leeway))
    except (ValueError, OverflowError, OSError):
        raise BadCredential("The token never expires.") from None
