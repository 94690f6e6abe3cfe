"""`manage.py ensure_superuser`: the demo login."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

DEMO_LOGIN = "admin"


class Command(BaseCommand):
    """Create the superuser admin with the password admin, unless a user of that name exists."""

    help = "Creates the demo superuser admin/admin if it is missing. Refuses to run when DEBUG is off."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        """Create the user or leave the existing one as it is.

        Raises:
            CommandError: `DEBUG` is off; a known password would open the site to everybody.
        """
        if not settings.DEBUG:
            raise CommandError("`ensure_superuser` is for demos only; with DEBUG off, use `createsuperuser`.")
        users = get_user_model().objects
        if users.filter(username=DEMO_LOGIN).exists():
            self.stdout.write(f"The user `{DEMO_LOGIN}` exists already: left as it is.")
            return
        users.create_superuser(DEMO_LOGIN, f"{DEMO_LOGIN}@example.com", DEMO_LOGIN)
        self.stdout.write(self.style.SUCCESS(f"Created the superuser `{DEMO_LOGIN}`, password `{DEMO_LOGIN}`."))
