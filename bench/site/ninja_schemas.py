"""The schemas of django-ninja."""

from django.contrib.auth.models import User
from ninja import ModelSchema

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


class UserOut(ModelSchema):
    """A user."""

    class Meta:
        """Options."""

        model = User
        fields = ("id", "username", "email")
