"""The structs of django-bolt, which are msgspec's."""

from datetime import date
from decimal import Decimal

import msgspec

from .models import City


class NameOut(msgspec.Struct):
    """A country or a language."""

    id: int
    name: str


class CityOut(msgspec.Struct):
    """A city."""

    id: int
    name: str
    population: int
    area: Decimal
    founded: date | None
    country: NameOut
    languages: list[NameOut]


def city_out(city: City) -> CityOut:
    """Return a city with all that belongs to it, loaded before."""
    return CityOut(
        city.pk,
        city.name,
        city.population,
        city.area,
        city.founded,
        NameOut(city.country.pk, city.country.name),
        [NameOut(language.pk, language.name) for language in city.languages.all()],
    )
