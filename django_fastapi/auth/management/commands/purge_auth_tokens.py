"""Delete expired families of refresh tokens, and notes of single-use tokens that have expired since."""

from typing import Any

from django.core.management.base import BaseCommand

from django_fastapi.auth.revocation import purge


class Command(BaseCommand):
    """Delete what nobody can use any more; to be run once a day."""

    help = "Delete expired families of refresh tokens, and notes of used single-use tokens that have expired since."

    def handle(self, *_: Any, **options: Any) -> None:
        """Delete the rows, and say how many they were."""
        for name, count in purge().items():
            if options["verbosity"]:
                self.stdout.write(f"Deleted {count} {name}.")
