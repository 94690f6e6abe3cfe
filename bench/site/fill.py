"""Make the tables and their rows: `python -m bench.site.fill`; with `--clear`, take away what requests have made."""

import sys
from datetime import date, timedelta
from decimal import Decimal

import django
from django.core.management import call_command

from bench import work

_ACTIONS = ("add", "change", "delete", "view")
_THINGS = ("author", "book", "city", "country", "language", "order", "publisher", "review", "shop")
_CITIES = 100
_COUNTRIES = 20
_LANGUAGES = 12


def main() -> None:
    """Fill the empty database that `BENCH_DATABASE_URL` names, or clear it."""
    django.setup()
    if "--clear" in sys.argv:
        work.clear()
        return
    call_command("migrate", run_syncdb=True, verbosity=0)
    _permissions()
    _cities()
    work.fill()


def _permissions() -> None:
    from .models import Permission  # noqa: PLC0415 (models need Django set up)

    Permission.objects.bulk_create(
        Permission(name=f"Can {action} {thing}", codename=f"{action}_{thing}")
        for thing in _THINGS
        for action in _ACTIONS
    )


def _cities() -> None:
    from .models import City, Country, Language  # noqa: PLC0415 (models need Django set up)

    countries = Country.objects.bulk_create(Country(name=f"Country {number}") for number in range(_COUNTRIES))
    languages = Language.objects.bulk_create(Language(name=f"Language {number}") for number in range(_LANGUAGES))
    cities = City.objects.bulk_create(
        City(
            name=f"City {number}",
            population=1000 * number + 7,
            area=Decimal(number) + Decimal("0.25"),
            founded=date(1200, 1, 1) + timedelta(days=1000 * number) if number % 10 else None,
            country=countries[number % _COUNTRIES],
        )
        for number in range(_CITIES)
    )
    through = City.languages.through
    through.objects.bulk_create(
        through(city=city, language=languages[(number + step) % _LANGUAGES])
        for number, city in enumerate(cities)
        for step in range(number % 4)
    )


if __name__ == "__main__":
    main()
