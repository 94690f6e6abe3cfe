"""The one module here that imports what loads Django's models, when it is needed: apps are ready by then."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.contrib.auth.forms import PasswordChangeForm, PasswordResetForm, SetPasswordForm


def password_change_form(user: Any, old_password: str, new_password: str) -> "PasswordChangeForm":
    """Return Django's form for a new password, filled in."""
    from django.contrib.auth.forms import PasswordChangeForm  # noqa: PLC0415

    data = {"old_password": old_password, "new_password1": new_password, "new_password2": new_password}
    return PasswordChangeForm(user, data)


def set_password_form(user: Any, new_password: str) -> "SetPasswordForm[Any]":
    """Return Django's form for a first or forgotten password, filled in."""
    from django.contrib.auth.forms import SetPasswordForm  # noqa: PLC0415

    return SetPasswordForm(user, {"new_password1": new_password, "new_password2": new_password})


def password_reset_form(email: str) -> "PasswordResetForm":
    """Return Django's form for a forgotten password, filled in."""
    from django.contrib.auth.forms import PasswordResetForm  # noqa: PLC0415

    return PasswordResetForm({"email": email})
