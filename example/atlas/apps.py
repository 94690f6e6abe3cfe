"""Configuration of the atlas app."""

from django.apps import AppConfig


class AtlasConfig(AppConfig):
    """Continents, countries, languages, currencies and cities."""

    name = "atlas"
