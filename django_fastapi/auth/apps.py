"""The Django app with the tables of auth: put "django_fastapi.auth" into `INSTALLED_APPS`."""

from typing import Any

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DjangoFastAPIAuthConfig(AppConfig):
    """Configuration of the app "django_fastapi.auth"."""

    name: str = "django_fastapi.auth"
    label: str = "django_fastapi_auth"
    verbose_name: Any = _("API authentication")
    default_auto_field: Any = "django.db.models.BigAutoField"
