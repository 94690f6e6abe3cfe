"""API keys: made, found, and taken back."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from .exceptions import BadCredential
from .models import APIKey
from .stamps import has_stamp, stamp_of
from .users import is_active, owner_of, with_users

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

MARK: Final = "dfa"
"""What every key begins with, so that programs which look for leaked secrets know one."""

_PREFIX_BYTES: Final = 6
_SECRET_BYTES: Final = 32
_MAX_LENGTH: Final = 128
_PARTS: Final = 3
_PRECISION: Final = timedelta(minutes=1)  # of the last use: a row that is written at every request is a bottleneck


def create_key(user: "AbstractBaseUser", name: str, expires_at: datetime | None = None) -> tuple[APIKey, str]:
    """Return a new key of a user, as its row and as the text that nobody can read again.

    Args:
        user: For whom it acts. It ends when their password or name changes.
        name: What it is for.
        expires_at: When it ends by itself.
    """
    prefix, secret = secrets.token_hex(_PREFIX_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    row = APIKey(
        user_id=user.pk,
        name=name,
        prefix=prefix,
        digest=_digest(secret),
        stamp=stamp_of(user),
        created_at=timezone.now(),
        expires_at=expires_at,
    )
    row.save(force_insert=True)
    return row, f"{MARK}_{prefix}_{secret}"


def find_key(text: str) -> APIKey:
    """Return the row of a key, with its active user; that it was used is noted once a minute.

    Raises:
        BadCredential: There is none, it has expired or was revoked, or its user is inactive or has changed.
    """
    parts = text.split("_", _PARTS - 1) if len(text) <= _MAX_LENGTH and text.isascii() else []
    if len(parts) != _PARTS or parts[0] != MARK or not parts[1].isalnum():
        raise BadCredential("It does not look like an API key.")
    row: APIKey | None = with_users(APIKey.objects.filter(prefix=parts[1])).first()
    if row is None or not constant_time_compare(row.digest, _digest(parts[2])):
        raise BadCredential("There is no such API key.")
    moment = timezone.now()
    if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= moment):
        raise BadCredential("The API key was revoked or has expired.")
    user = owner_of(row)
    if user is None or not is_active(user) or not has_stamp(user, row.stamp):
        raise BadCredential("The user is not active, or their password or name has changed since.")
    _note_use(row, moment)
    return row


def revoke_key(row: APIKey) -> None:
    """Have a key refused from now on."""
    APIKey.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=timezone.now())


def _note_use(row: APIKey, moment: datetime) -> None:
    """Note the last use, and renew a stamp by a secret of `SECRET_KEY_FALLBACKS`, which will not be there for ever."""
    unused = Q(last_used_at=None) | Q(last_used_at__lt=moment - _PRECISION)
    if row.last_used_at is None or row.last_used_at < moment - _PRECISION:
        APIKey.objects.filter(unused, pk=row.pk).update(last_used_at=moment, stamp=stamp_of(row.user))


def _digest(secret: str) -> str:
    # Of 256 random bits: a hash without salt and stretching is enough.
    return hashlib.sha256(secret.encode()).hexdigest()
