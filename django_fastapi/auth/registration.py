"""New users: made from what a client sent, by the rules of the project's model and validators."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.contrib import auth
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, router, transaction
from django.utils.translation import gettext_lazy as _

from django_fastapi.exceptions import Conflict, Fault, InvalidInput

from .users import check_password

_UNIQUE: Final = frozenset({"unique", "unique_together"})
_PASSWORD: Final = "password"  # noqa: S105 (the name of a field)
_INVALID: Final = _("Enter a valid value.")


def create_inactive_user(values: Mapping[str, Any], password: str) -> Any:
    """Create a user who cannot do anything before somebody makes them active.

    Args:
        values: The fields of the user, but for the password.
        password: The password.

    Raises:
        InvalidInput: A validator of the model or of AUTH_PASSWORD_VALIDATORS refuses a value, or the database cannot
            hold it.
        Conflict: There is such a user already.
    """
    model: Any = auth.get_user_model()
    user = model(**values, is_active=False)
    # Django's `clean` does so too, when the validators have seen the name.
    setattr(user, model.USERNAME_FIELD, model.normalize_username(user.get_username()))
    faults = [*_faults(user), *_password_faults(password, user)]
    if faults:
        raise Conflict(faults) if all(fault.kind in _UNIQUE for fault in faults) else InvalidInput(faults)
    user.set_password(password)
    try:
        with transaction.atomic(using=router.db_for_write(model, instance=user)):
            user.save()
    except IntegrityError:
        # Another request was faster: the validators find its row now.
        raise Conflict(_faults(user)) from None
    except DataError:
        raise InvalidInput([Fault(("body",), _INVALID)]) from None
    return user


def activate(user: Any) -> None:
    """Make a user active who has never logged in; one whom somebody has deactivated later stays so.

    Of one who never has, nothing tells whether `is_active` was turned off: to block them, end the token as well, by
    another password or none (`set_unusable_password()`).
    """
    if not user.is_active and user.last_login is None:
        user.is_active = True
        user.save(update_fields=["is_active"])


def _faults(user: Any) -> Iterator[Fault]:
    try:
        user.full_clean(exclude=[_PASSWORD])
    except ValidationError as error:
        for name, errors in error.error_dict.items():
            yield from (_fault(name, one) for one in errors)


def _password_faults(password: str, user: Any) -> Iterator[Fault]:
    try:
        check_password(password)
        validate_password(password, user)
    except ValidationError as error:
        yield from (_fault(_PASSWORD, one) for one in error.error_list)


def _fault(name: str, error: ValidationError) -> Fault:
    return Fault(("body", name), error.message, error.code or "invalid", error.params)
