"""Stamps: digests by which a credential ends when the password or the name of its user changes."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

_SALT: Final = "django_fastapi.auth.stamps"
_LENGTH: Final = 32  # hexadecimal digits, which are 128 bits


def stamp_of(user: "AbstractBaseUser", *more: str) -> str:
    """Return the stamp of a user as they are now: a keyed digest of their session auth hash and their name.

    The session auth hash is what ends Django's sessions when a password changes.

    Args:
        user: The user.
        *more: What else ends the credential when it changes.
    """
    return next(_stamps(user, more))


def has_stamp(user: "AbstractBaseUser", stamp: str, *more: str) -> bool:
    """Return whether a stamp is still that of a user, under `SECRET_KEY` or one of `SECRET_KEY_FALLBACKS`."""
    return any(constant_time_compare(stamp, one) for one in _stamps(user, more))


def _stamps(user: "AbstractBaseUser", more: Sequence[str]) -> Iterator[str]:
    name = user.get_username()
    yield _stamp(settings.SECRET_KEY, user.get_session_auth_hash(), name, *more)
    fallbacks: Iterable[str] = user.get_session_auth_fallback_hash()
    for secret, session_hash in zip(settings.SECRET_KEY_FALLBACKS, fallbacks, strict=False):
        yield _stamp(secret, session_hash, name, *more)


@functools.lru_cache(maxsize=1024)
def _stamp(secret: str | bytes, *parts: str) -> str:
    text = "\0".join(parts)
    return salted_hmac(_SALT, text, secret=secret, algorithm="sha256").hexdigest()[:_LENGTH]
