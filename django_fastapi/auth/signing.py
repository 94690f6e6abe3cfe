"""Tokens for a mail or an address bar: e-mail verification, magic links, WebSocket tickets; signed by itsdangerous.

Each is for one purpose, a limited time, and one use. It ends when the user's password, name or e-mail address changes.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from django.conf import settings
from django.utils import timezone
from itsdangerous import BadSignature, URLSafeTimedSerializer

from . import single_use
from .exceptions import BadCredential
from .stamps import has_stamp, stamp_of
from .users import find_user, identity_of, is_active

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

_SALT: Final = "django_fastapi.auth.signing"
_MAX_LENGTH: Final = 1024
_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a token is for; one that was made for another purpose is refused.

    Args:
        name: The name, which nobody else uses.
        max_age: How long it is taken.
        allows_inactive: Whether an inactive user may use it.
    """

    name: str
    max_age: timedelta
    allows_inactive: bool = False


EMAIL_VERIFICATION: Final = Purpose("email-verification", timedelta(days=3), allows_inactive=True)
MAGIC_LINK: Final = Purpose("magic-link", timedelta(minutes=15))
WEBSOCKET_TICKET: Final = Purpose("websocket-ticket", timedelta(seconds=30))


def sign(user: "AbstractBaseUser", purpose: Purpose) -> str:
    """Return a token by which a user can do this once."""
    parts = [identity_of(user), stamp_of(user, _email(user)), secrets.token_urlsafe(12)]
    return _serializer(purpose).dumps(parts)


def redeem(token: str, purpose: Purpose) -> "AbstractBaseUser":
    """Return the user of a token, which is used up by that.

    Answer to POST only: programs that look at mails follow the links in them.

    Raises:
        BadCredential: It is not for this, too old, used already, or its user is gone, inactive or has changed.
    """
    identity, stamp, token_id = _read(token, purpose)
    user = find_user(identity)
    if user is None or not (purpose.allows_inactive or is_active(user)):
        raise BadCredential("The user of the token is gone or inactive.")
    if not has_stamp(user, stamp, _email(user)):
        raise BadCredential("The user's password, name or e-mail address has changed since.")
    if not single_use.use(f"{purpose.name}:{token_id}", timezone.now() + purpose.max_age):
        raise BadCredential("The token was used before.")
    return user


def _read(token: str, purpose: Purpose) -> tuple[str, str, str]:
    if len(token) > _MAX_LENGTH or not token.isascii():
        raise BadCredential("The token is too long, or no token at all.")
    try:
        parts: Any = _serializer(purpose).loads(token, max_age=int(purpose.max_age.total_seconds()))
    except BadSignature as error:  # an expired one is a kind of it
        raise BadCredential(f"itsdangerous: {type(error).__name__}.") from None
    if not isinstance(parts, list) or [type(part) for part in cast("list[object]", parts)] != [str] * _PARTS:
        raise BadCredential("The token says something else than ours do.")
    identity, stamp, token_id = cast("list[str]", parts)
    return identity, stamp, token_id


def _serializer(purpose: Purpose) -> URLSafeTimedSerializer:
    # The last key signs.
    keys: Any = [*reversed(settings.SECRET_KEY_FALLBACKS), settings.SECRET_KEY]
    options = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    return URLSafeTimedSerializer(keys, salt=f"{_SALT}.{purpose.name}", signer_kwargs=options)


def _email(user: "AbstractBaseUser") -> str:
    return str(getattr(user, user.get_email_field_name(), None) or "")
