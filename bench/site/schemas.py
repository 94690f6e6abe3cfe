"""The schemas of this project."""

from django_fastapi.orm import ModelSchema

from .models import City, Country, Language


class CountryOut(ModelSchema):
    """A country."""

    class Meta:
        """Options."""

        model = Country
        fields = ("id", "name")


class LanguageOut(ModelSchema):
    """A language."""

    class Meta:
        """Options."""

        model = Language
        fields = ("id", "name")


class CityOut(ModelSchema):
    """A city."""

    country: CountryOut
    languages: list[LanguageOut]

    class Meta:
        """Options."""

        model = City
        fields = ("id", "name", "population", "area", "founded")
