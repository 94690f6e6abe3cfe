"""The serializers of Django REST framework."""

from rest_framework.serializers import ModelSerializer

from .models import City, Country, Language


class CountrySerializer(ModelSerializer):
    """A country."""

    class Meta:
        """Options."""

        model = Country
        fields = ("id", "name")


class LanguageSerializer(ModelSerializer):
    """A language."""

    class Meta:
        """Options."""

        model = Language
        fields = ("id", "name")


class CitySerializer(ModelSerializer):
    """A city."""

    country = CountrySerializer()
    languages = LanguageSerializer(many=True)

    class Meta:
        """Options."""

        model = City
        fields = ("id", "name", "population", "area", "founded", "country", "languages")
