"""Users in Django's cache, for tokens that shall cost no query."""

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.core.cache import cache
from django.db import transaction

from .settings import get_auth_settings
from .users import find_user, identity_of

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

_logger = logging.getLogger("django_fastapi.auth")

MAX_AGE: Final = 60
"""For how many seconds a user is kept: so long a change may go unseen that sends no signal, or not to this cache."""

_PREFIX: Final = "django_fastapi.auth.user"


def find_cached_user(identity: str, field: str = "pk") -> "AbstractBaseUser | None":
    """Return the user whom a text names, as they were at most `MAX_AGE` seconds ago; see `users.find_user`.

    A cache that does not answer is left out.
    """
    entry = _entry(identity)
    try:
        user: Any = cache.get(entry)
    except Exception:
        _logger.warning("The cache of users does not answer: the database is asked.", exc_info=True)
        return find_user(identity, field)
    if user is None:
        user = find_user(identity, field)
        if user is not None:
            cache.set(entry, user, MAX_AGE)
    found: AbstractBaseUser | None = user
    return found


def drop_cached_user(*, instance: "AbstractBaseUser", using: str | None = None, **_: object) -> None:
    """Forget a user, now and when the transaction is committed; a receiver of `post_save` and `post_delete`."""
    entry = _entry(identity_of(instance, get_auth_settings().jwt.user_id_field))
    _drop(entry)
    if transaction.get_connection(using).in_atomic_block:
        # Until the commit others read, and may keep, what was there before.
        transaction.on_commit(partial(_drop, entry), using=using)


def _drop(entry: str) -> None:
    try:
        cache.delete(entry)
    except Exception:
        # That is no reason to refuse the change; the entry does not live for long.
        _logger.warning("The cache of users does not answer: it may be behind for %s s.", MAX_AGE, exc_info=True)


def _entry(identity: str) -> str:
    return f"{_PREFIX}.{identity.encode().hex()}"
