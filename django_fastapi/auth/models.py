"""What auth keeps in the database: families of refresh tokens, API keys, and which single-use tokens were used.

`app_label` is named, so that this module can be imported where "django_fastapi.auth" is not in `INSTALLED_APPS`; there
are no tables then, and what needs them says so at start-up.
"""

import uuid
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.apps import apps
from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_fastapi.exceptions import ConfigurationError

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.base_user import AbstractBaseUser

APP: Final = "django_fastapi.auth"
_LABEL: Final = "django_fastapi_auth"


def has_store() -> bool:
    """Return whether the tables of this module belong to the project."""
    return apps.is_installed(APP)


def require_store(what: str) -> None:
    """Refuse to go on without the tables of this module.

    Args:
        what: What needs them, to begin a sentence with.

    Raises:
        ConfigurationError: They are not there.
    """
    if not has_store():
        raise ConfigurationError(f'{what} needs a table: add "{APP}" to INSTALLED_APPS and run `manage.py migrate`.')


class RefreshFamily(models.Model):
    """All refresh tokens that came of one login, of which the last one counts."""

    id: "models.UUIDField[uuid.UUID, uuid.UUID]" = models.UUIDField(
        primary_key=True, default=uuid.uuid4, editable=False
    )
    user: "models.ForeignKey[AbstractBaseUser, AbstractBaseUser]" = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("user")
    )
    current: "models.CharField[str, str]" = models.CharField(
        _("current token"), max_length=32, help_text=_("The id of the token that counts.")
    )
    previous: "models.CharField[str, str]" = models.CharField(
        _("previous token"), max_length=32, blank=True, help_text=_("The id of the token that counted before it.")
    )
    created_at: "models.DateTimeField[datetime, datetime]" = models.DateTimeField(_("created at"), default=timezone.now)
    rotated_at: "models.DateTimeField[datetime, datetime]" = models.DateTimeField(_("rotated at"), default=timezone.now)
    expires_at: "models.DateTimeField[datetime, datetime]" = models.DateTimeField(_("expires at"), db_index=True)
    ended_at: "models.DateTimeField[datetime | None, datetime | None]" = models.DateTimeField(
        _("ended at"), null=True, blank=True
    )

    objects: ClassVar["models.Manager[RefreshFamily]"] = models.Manager()

    class Meta:
        """The label of the app, and names for the admin."""

        app_label = _LABEL
        verbose_name: ClassVar[Any] = _("family of refresh tokens")
        verbose_name_plural: ClassVar[Any] = _("families of refresh tokens")
        ordering: ClassVar[list[str]] = ["-rotated_at"]

    def __str__(self) -> str:
        """Return the id."""
        return str(self.id)


class APIKey(models.Model):
    """A key by which a program acts for a user; only a digest of it is kept."""

    id: "models.UUIDField[uuid.UUID, uuid.UUID]" = models.UUIDField(
        primary_key=True, default=uuid.uuid4, editable=False
    )
    user: "models.ForeignKey[AbstractBaseUser, AbstractBaseUser]" = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("user")
    )
    name: "models.CharField[str, str]" = models.CharField(
        _("name"), max_length=100, help_text=_("What the key is for.")
    )
    prefix: "models.CharField[str, str]" = models.CharField(_("prefix"), max_length=16, unique=True, editable=False)
    digest: "models.CharField[str, str]" = models.CharField(_("digest"), max_length=64, editable=False)
    stamp: "models.CharField[str, str]" = models.CharField(_("stamp"), max_length=32, editable=False)
    created_at: "models.DateTimeField[datetime, datetime]" = models.DateTimeField(_("created at"), default=timezone.now)
    expires_at: "models.DateTimeField[datetime | None, datetime | None]" = models.DateTimeField(
        _("expires at"), null=True, blank=True
    )
    revoked_at: "models.DateTimeField[datetime | None, datetime | None]" = models.DateTimeField(
        _("revoked at"), null=True, blank=True
    )
    last_used_at: "models.DateTimeField[datetime | None, datetime | None]" = models.DateTimeField(
        _("last used at"), null=True, blank=True
    )

    objects: ClassVar["models.Manager[APIKey]"] = models.Manager()

    class Meta:
        """The label of the app, and names for the admin."""

        app_label = _LABEL
        verbose_name: ClassVar[Any] = _("API key")
        verbose_name_plural: ClassVar[Any] = _("API keys")
        ordering: ClassVar[list[str]] = ["-created_at"]

    def __str__(self) -> str:
        """Return the name and the public part of the key."""
        return f"{self.name} ({self.prefix})"


class UsedToken(models.Model):
    """A single-use token that was used: a second use finds the row."""

    digest: "models.CharField[str, str]" = models.CharField(_("digest"), max_length=64, primary_key=True)
    expires_at: "models.DateTimeField[datetime, datetime]" = models.DateTimeField(_("expires at"), db_index=True)

    objects: ClassVar["models.Manager[UsedToken]"] = models.Manager()

    class Meta:
        """The label of the app, and names for the admin."""

        app_label = _LABEL
        verbose_name: ClassVar[Any] = _("used token")
        verbose_name_plural: ClassVar[Any] = _("used tokens")

    def __str__(self) -> str:
        """Return the digest."""
        return self.digest
