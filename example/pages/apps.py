"""Configuration of the pages app."""

from django.apps import AppConfig


class PagesConfig(AppConfig):
    """Pages for people."""

    name = "pages"
