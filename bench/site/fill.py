"""Make the table and its rows: `python -m bench.site.fill`."""

import django
from django.core.management import call_command

_ACTIONS = ("add", "change", "delete", "view")
_THINGS = ("author", "book", "city", "country", "language", "order", "publisher", "review", "shop")


def main() -> None:
    """Fill the empty database that `BENCH_DATABASE_URL` names."""
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    from .models import Permission  # noqa: PLC0415 (models need Django set up)

    Permission.objects.bulk_create(
        Permission(name=f"Can {action} {thing}", codename=f"{action}_{thing}")
        for thing in _THINGS
        for action in _ACTIONS
    )


if __name__ == "__main__":
    main()
