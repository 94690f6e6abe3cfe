"""Families of refresh tokens: begun at a login, rotated at each use, and ended."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import router, transaction
from django.db.models import QuerySet
from django.utils import timezone

from . import foreign
from .exceptions import BadCredential
from .models import RefreshFamily, UsedToken, require_store
from .settings import get_auth_settings
from .stamps import has_stamp, stamp_of
from .tokens import ACCESS, REFRESH, Claims, mint, now, seconds, verify
from .users import identity_of, is_active, owner_of, with_users

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


@dataclass(frozen=True, slots=True)
class Grant:
    """What a client is given at a login or for a refresh token.

    Args:
        user: Who has logged in.
        access_token: The access token.
        expires_in: For how many seconds the access token is taken.
        refresh_token: The refresh token, unless the project has switched them off.
        refresh_expires_in: For how many seconds that is taken.
    """

    user: "AbstractBaseUser"
    access_token: str = field(repr=False)
    expires_in: int
    refresh_token: str | None = field(default=None, repr=False)
    refresh_expires_in: int = 0


def has_refresh_tokens() -> bool:
    """Return whether the project hands out refresh tokens."""
    return get_auth_settings().jwt.refresh_lifetime is not None


def grant(user: "AbstractBaseUser") -> Grant:
    """Return tokens for a user who has just shown who they are; a family of refresh tokens begins.

    Raises:
        ConfigurationError: There is no table for it.
    """
    if not has_refresh_tokens():
        return _grant_access(user)
    require_store("A refresh token")
    moment = timezone.now()
    family = RefreshFamily(
        user_id=user.pk,
        current=_new_id(),
        created_at=moment,
        rotated_at=moment,
        expires_at=_expiry(moment, int(moment.timestamp())),
    )
    family.save(using=_alias(), force_insert=True)
    return _grant(user, family, int(moment.timestamp()))


def rotate(token: str) -> Grant:
    """Return new tokens for a refresh token, which is used up by that.

    Of several at once one succeeds. A token that was used before ends its family, unless it is the one before the
    current and the grace is not over: then the answer is the successor that there is.

    To be called outside of transactions, or in one that is committed whatever this raises: else the family would live.

    Raises:
        BadCredential: It does not hold.
        ConfigurationError: There is no table for it.
    """
    if not has_refresh_tokens():
        raise BadCredential("There are no refresh tokens in this project.")
    require_store("A refresh token")
    if foreign.is_foreign(token):
        return grant(foreign.user_of_refresh_token(token))
    claims = verify(token, REFRESH)
    families = _families(claims)
    with transaction.atomic(using=_alias()):
        outcome = _rotate(claims, families)
    if isinstance(outcome, BadCredential):
        raise outcome
    return outcome


def end(token: str) -> None:
    """End the family of a refresh token, or of an access token; other tokens are left alone (RFC 7009, section 2.2)."""
    if foreign.is_foreign(token):
        foreign.user_of_refresh_token(token)
        return
    try:
        claims = verify(token, REFRESH)
    except BadCredential:
        claims = verify(token, ACCESS)
    if claims.family is not None:
        _end(_families(claims))


def end_all(user: "AbstractBaseUser") -> int:
    """End all families of a user, and return how many there were."""
    return _end(_all().filter(user_id=user.pk))


def purge() -> dict[str, int]:
    """Delete what nobody can use any more, and return how many rows of which table."""
    moment = timezone.now()
    models: list[Any] = [RefreshFamily, UsedToken]
    return {
        str(model._meta.verbose_name_plural): model.objects.using(router.db_for_write(model))
        .filter(expires_at__lt=moment)
        .delete()[0]
        for model in models
    }


def access_claims(user: "AbstractBaseUser", family: str | None = None) -> Claims:
    """Return what an access token for a user says now."""
    chosen = get_auth_settings().jwt
    moment = now()
    return Claims(
        kind=ACCESS,
        user_id=identity_of(user, chosen.user_id_field),
        stamp=stamp_of(user),
        token_id=_new_id(),
        issued_at=moment,
        expires_at=moment + seconds(chosen.access_lifetime),
        family=family,
    )


def _rotate(claims: Claims, families: QuerySet[RefreshFamily]) -> Grant | BadCredential:
    """Return new tokens, or why there are none: an exception would take back that the family has ended."""
    moment, authenticated_at = timezone.now(), claims.authenticated_at or claims.issued_at
    expires_at = _expiry(moment, authenticated_at)
    if expires_at <= moment:
        return BadCredential("The login is too long ago.")
    # First of all: SQLite would not let a transaction write that has read what another one has changed since.
    is_rotated = families.filter(current=claims.token_id, ended_at=None, expires_at__gt=moment).update(
        current=_new_id(), previous=claims.token_id, rotated_at=moment, expires_at=expires_at
    )
    family: RefreshFamily | None = with_users(families).first()
    if family is None or family.ended_at is not None:
        return BadCredential("The family of the token has ended.")
    if not is_rotated and not _is_retry(family, claims, moment):
        if family.current != claims.token_id:
            _end(families)
        return BadCredential("The token was used before, or has expired.")
    user = owner_of(family)
    if user is None or not _is_still(user, claims):
        _end(families)
        return BadCredential("The user is not active, or their password or name has changed since.")
    return _grant(user, family, authenticated_at)


def _is_still(user: "AbstractBaseUser", claims: Claims) -> bool:
    """Return whether a user is the one whom the token is about, active and unchanged."""
    is_named = identity_of(user, get_auth_settings().jwt.user_id_field) == claims.user_id
    return is_named and is_active(user) and has_stamp(user, claims.stamp)


def _is_retry(family: RefreshFamily, claims: Claims, moment: datetime) -> bool:
    """Return whether a client asks once more with the token before, having missed the answer."""
    grace = timedelta(seconds=seconds(get_auth_settings().jwt.refresh_grace))
    return family.previous == claims.token_id and bool(grace) and family.rotated_at > moment - grace


def _grant(user: "AbstractBaseUser", family: RefreshFamily, authenticated_at: int) -> Grant:
    """Return tokens of a family; for the same state of it the refresh token says the same."""
    expires_at = int(family.expires_at.timestamp())
    refresh = Claims(
        kind=REFRESH,
        user_id=identity_of(user, get_auth_settings().jwt.user_id_field),
        stamp=stamp_of(user),
        token_id=family.current,
        issued_at=int(family.rotated_at.timestamp()),
        expires_at=expires_at,
        family=family.id.hex,
        authenticated_at=authenticated_at,
    )
    access = access_claims(user, family.id.hex)
    return Grant(user, mint(access), access.expires_at - access.issued_at, mint(refresh), expires_at - now())


def _grant_access(user: "AbstractBaseUser") -> Grant:
    access = access_claims(user)
    return Grant(user, mint(access), access.expires_at - access.issued_at)


def _expiry(moment: datetime, authenticated_at: int) -> datetime:
    """Return when a refresh token of this moment expires: with the login at the latest."""
    chosen = get_auth_settings().jwt
    login_ends = authenticated_at + seconds(chosen.session_lifetime)
    left = timedelta(seconds=login_ends - moment.timestamp())
    return moment + min(chosen.refresh_lifetime or timedelta(), left)


def _families(claims: Claims) -> QuerySet[RefreshFamily]:
    try:
        key = uuid.UUID(claims.family or "")
    except ValueError:
        raise BadCredential("The token names no family.") from None
    return _all().filter(pk=key)


def _end(families: QuerySet[RefreshFamily]) -> int:
    return families.filter(ended_at=None).update(ended_at=timezone.now())


def _all() -> QuerySet[RefreshFamily]:
    return RefreshFamily.objects.using(_alias())


def _alias() -> str:
    return router.db_for_write(RefreshFamily)


def _new_id() -> str:
    return uuid.uuid4().hex
