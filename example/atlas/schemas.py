"""What the atlas API answers, written by hand as plain Pydantic models."""

from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from django.db.models import Manager
from pydantic import BaseModel, BeforeValidator, ConfigDict

from atlas.models import Country

T = TypeVar("T")


def related_rows(value: Any) -> Any:
    """Read a many-to-many relation, prefetched or not; anything else is left to Pydantic."""
    return list(value.all()) if isinstance(value, Manager) else value


def country_code(value: Any) -> Any:
    """Stand for a country by its code."""
    return value.code if isinstance(value, Country) else value


Related = Annotated[list[T], BeforeValidator(related_rows)]
CountryCode = Annotated[str, BeforeValidator(country_code)]


class Schema(BaseModel):
    """A schema that is read from the attributes of a model's instance."""

    model_config = ConfigDict(from_attributes=True)


class Page(BaseModel, Generic[T]):
    """A window on a list.

    Attributes:
        items: The rows in the window.
        total: How many rows there are in all.
        limit: The size of the window.
        offset: The rows skipped before it.
    """

    items: list[T]
    total: int
    limit: int
    offset: int


class ContinentOut(Schema):
    """A continent."""

    code: str
    name: str
    population: int


class LanguageOut(Schema):
    """A language: the tag, and what it says."""

    code: str
    base: str
    region: str


class CurrencyOut(Schema):
    """A currency."""

    code: str
    name: str


class CountryRef(Schema):
    """A country, as other things mention it."""

    code: str
    name: str


class CountryOut(CountryRef):
    """A country in a list."""

    capital: str
    area: int
    population: int
    continent: ContinentOut


class CountryDetail(CountryOut):
    """A country with everything the atlas knows about it; neighbours are codes of countries."""

    iso3: str
    numeric: int | None
    fips: str
    tld: str
    phone: str
    postal_code_regex: str
    currency: CurrencyOut | None
    languages: Related[LanguageOut]
    neighbours: Related[CountryCode]


class CityOut(Schema):
    """A city; latitude and longitude are strings, so that no digit gets lost."""

    geoname_id: int
    name: str
    country: CountryRef
    latitude: Decimal
    longitude: Decimal
    population: int
    timezone: str
    admin1_code: str
