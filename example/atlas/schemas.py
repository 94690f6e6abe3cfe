"""What the atlas API answers: the models' own fields, and which relations are shown as objects."""

from atlas.models import City, Continent, Country, Currency, Language
from django_fastapi.orm import ModelSchema


class ContinentOut(ModelSchema):
    """A continent."""

    class Meta:
        model = Continent
        fields = ["code", "name", "population"]


class LanguageOut(ModelSchema):
    """A language: the tag, and what it says."""

    base: str
    region: str

    class Meta:
        model = Language
        fields = ["code"]


class CurrencyOut(ModelSchema):
    """A currency."""

    class Meta:
        model = Currency
        fields = ["code", "name"]


class CountryRef(ModelSchema):
    """A country, as other things mention it."""

    continent: ContinentOut

    class Meta:
        model = Country
        fields = ["code", "name"]


class CountryOut(CountryRef):
    """A country in a list."""

    class Meta:
        model = Country
        fields = ["code", "name", "capital", "area", "population"]


class CountryDetail(CountryOut):
    """A country with everything the atlas knows about it; neighbours are codes of countries."""

    currency: CurrencyOut | None
    languages: list[LanguageOut]

    class Meta:
        model = Country
        fields = [
            *("code", "name", "capital", "area", "population", "iso3", "numeric", "fips", "tld", "phone"),
            *("postal_code_regex", "neighbours"),
        ]


class CountryIn(ModelSchema):
    """What is written of a country; its code stays what it is. All that it refers to is named by its key."""

    class Meta:
        model = Country
        fields = [
            *("code", "iso3", "numeric", "fips", "name", "capital", "area", "population", "tld", "phone"),
            *("postal_code_regex", "continent", "currency", "languages", "neighbours"),
        ]


class CityOut(ModelSchema):
    """A city; latitude and longitude are strings, so that no digit gets lost."""

    country: CountryRef

    class Meta:
        model = City
        fields = ["geoname_id", "name", "latitude", "longitude", "population", "timezone", "admin1_code"]


class CityIn(ModelSchema):
    """What is written of a city; its country is named by its code."""

    class Meta:
        model = City
        fields = ["geoname_id", "name", "country", "latitude", "longitude", "population", "timezone", "admin1_code"]
