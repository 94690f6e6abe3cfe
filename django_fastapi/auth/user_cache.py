"""Users in Django's cache, for tokens that shall cost no query."""

import hashlib
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.contrib import auth
from django.core.cache import cache
from django.db import transaction

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
    try:
        user = _read(identity, field)
    except Exception:
        _logger.warning("The cache of users does not answer: the database is asked.", exc_info=True)
        return find_user(identity, field)
    if user is None:
        user = find_user(identity, field)
        if user is not None:
            _keep(user, identity, field)
    return user


def drop_cached_user(*, instance: Any, using: str | None = None, **_: object) -> None:
    """Forget a user, now and when the transaction is committed; a receiver of `post_save` and `post_delete`.

    It is to hear of the user model's proxies and children, too: their rows are users.
    """
    model: Any = auth.get_user_model()
    # A child may have another primary key.
    entry = _entry(identity_of(instance, model._meta.pk.attname))
    _drop(entry)
    if transaction.get_connection(using).in_atomic_block:
        # Until the commit others read, and may keep, what was there before.
        transaction.on_commit(partial(_drop, entry), using=using)


def _read(identity: str, field: str) -> "AbstractBaseUser | None":
    """Return the user who is kept under their primary key; a name is another's as soon as they have a new one."""
    key: str | None = identity if _is_key(field) else cache.get(_entry(identity, field))
    user: AbstractBaseUser | None = None if key is None else cache.get(_entry(key))
    return user if user is not None and identity_of(user, field) == identity else None


def _keep(user: "AbstractBaseUser", identity: str, field: str) -> None:
    try:
        cache.set(_entry(identity_of(user)), user, MAX_AGE)
        if not _is_key(field):
            cache.set(_entry(identity, field), identity_of(user), MAX_AGE)
    except Exception:
        # It may be full, and the user may be none that can be pickled.
        _logger.warning("The cache of users does not take one: the database is asked.", exc_info=True)


def _is_key(field: str) -> bool:
    model: Any = auth.get_user_model()
    return field in ("pk", model._meta.pk.name)


def _drop(entry: str) -> None:
    try:
        cache.delete(entry)
    except Exception:
        # That is no reason to refuse the change; the entry does not live for long.
        _logger.warning("The cache of users does not answer: it may be behind for %s s.", MAX_AGE, exc_info=True)


def _entry(identity: str, field: str = "pk") -> str:
    # A digest, since the keys of some caches are short.
    return f"{_PREFIX}.{field}.{hashlib.sha256(identity.encode()).hexdigest()}"
