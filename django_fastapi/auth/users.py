"""The users of requests: loaded instances of the project's model, active at this request."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib import auth
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, ProhibitNullCharactersValidator
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from django_fastapi.exceptions import ConfigurationError, UnfitValue
from django_fastapi.lookups import LookupPath, check_text, fit, resolve_lookup

from .prepared import find_row, has_stock_manager

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


_MAX_EMAIL: Final = 320  # RFC 3696, section 3: 64 characters, an `@`, and 255 more
_PASSWORD_VALIDATORS: Final = (ProhibitNullCharactersValidator(), MaxLengthValidator(4096))


def check_password(password: str) -> None:
    """Refuse what is no password, new or old: no hasher is given it.

    Raises:
        ValidationError: It is too long, or holds what no text should.
    """
    for validate in _PASSWORD_VALIDATORS:
        validate(password)
    try:
        check_text(password)
    except UnfitValue as error:
        raise ValidationError(str(error), "invalid") from None


def is_active(user: Any) -> bool:
    """Return whether a user may do anything at all: whatever the backend says, an inactive one may not."""
    return bool(getattr(user, "is_active", False))


def find_by_email(email: str) -> Any:
    """Return the active users with an e-mail address, in any case of letters: a queryset.

    Write to the address that the user has, and not to this one: what a database takes for equal need not be the same.
    """
    model: Any = auth.get_user_model()
    try:
        check_text(email)
    except UnfitValue:
        return model._default_manager.none()
    if len(email) > _MAX_EMAIL:
        # Longer ones are too much for some databases to compare.
        return model._default_manager.none()
    return model._default_manager.filter(**{f"{model.get_email_field_name()}__iexact": email, "is_active": True})


def encode_key(user: Any) -> str:
    """Return the primary key of a user as a link has it."""
    return urlsafe_base64_encode(user._meta.pk.value_to_string(user).encode())


def find_by_encoded_key(key: str) -> Any | None:
    """Return the active user with a primary key as a link has it; None if there is none."""
    model: Any = auth.get_user_model()
    try:
        value = fit(model._meta.pk, urlsafe_base64_decode(key).decode(), model._default_manager.db)
        user = model._default_manager.get(pk=value)
    except (ValueError, model.DoesNotExist):
        return None
    return user if is_active(user) else None


def find_user(identity: str, field: str = "pk") -> "AbstractBaseUser | None":
    """Return the user whom a text names; None if there is none.

    Args:
        identity: The value of the field in the spelling of the API: `1` and not `01`, a UUID in lower case.
        field: A unique field of the user model.

    Raises:
        ConfigurationError: There is no such field.
    """
    model: Any = auth.get_user_model()
    try:
        name, value = _lookup(model, field).condition(identity, model._default_manager.db)
        user: Any = _get(model, name, value)
    except (UnfitValue, model.DoesNotExist):
        return None
    # Some collations take `ada` for `Ada`.
    return user if identity_of(user, field) == identity else None


@functools.lru_cache(maxsize=16)
def _lookup(model: type[Model], field: str) -> LookupPath:
    return resolve_lookup(model, field)


def _get(model: Any, name: str, value: Any) -> Any:
    if name != "pk" or not has_stock_manager(model):
        return model._default_manager.get(**{name: value})
    user = find_row(model._default_manager, **{model._meta.pk.name: value})
    if user is None:
        raise model.DoesNotExist
    return user


def with_users(rows: Any) -> Any:
    """Return a queryset of rows that have a `user`, with whom they come by one query if a join gives the right one."""
    return rows.select_related("user") if has_stock_manager(auth.get_user_model()) else rows


def owner_of(row: Any) -> "AbstractBaseUser | None":
    """Return the `user` of a row out of `with_users`; None if the default manager of the user model hides them."""
    model: Any = auth.get_user_model()
    if not has_stock_manager(model):
        # A foreign key asks no manager.
        using: str = row._state.db  # noqa: SLF001 (Django documents it)
        found = model._default_manager.using(using).filter(pk=row.user_id).first()
        if found is None:
            return None
        row.user = found
    user: AbstractBaseUser = row.user
    return user


def identity_of(user: "AbstractBaseUser", field: str = "pk") -> str:
    """Return the text by which `find_user` finds a user."""
    return str(getattr(user, field))


@dataclass(frozen=True, slots=True)
class ClaimedUser:
    """A user of whom nobody has looked whether they exist: a token says so.

    It is no model, and so nothing that is required of users holds for it. Its class attributes are those that Django
    code looks at.

    Args:
        pk: The primary key, of the type that the user model has.
    """

    pk: Any

    is_authenticated: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False
    is_active: ClassVar[bool] = True
    is_staff: ClassVar[bool] = False
    is_superuser: ClassVar[bool] = False

    @property
    def id(self) -> Any:
        """The primary key."""
        return self.pk

    def has_perm(self, perm: str, obj: object = None) -> bool:  # noqa: ARG002 (Django's signature)
        """Return False."""
        return False

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:  # noqa: ARG002 (the same)
        """Return False."""
        return False

    def has_module_perms(self, app_label: str) -> bool:  # noqa: ARG002 (the same)
        """Return False."""
        return False


def user_from_claims(identity: str, field: str = "pk") -> ClaimedUser:
    """Return the user whom a text names, without a query.

    Raises:
        UnfitValue: No user can have this primary key.
        ConfigurationError: The text is no primary key but that of another field.
    """
    model = auth.get_user_model()
    if field not in ("pk", model._meta.pk.name):
        raise ConfigurationError(
            f"FASTAPI_AUTH['JWT']['USER_ID_FIELD'] is {field!r}, and `JWTAuth(user=\"claims\")` knows no user by that: "
            'take "pk", or `JWTAuth(user="cached")`.'
        )
    return ClaimedUser(fit(model._meta.pk, identity, DEFAULT_DB_ALIAS))
