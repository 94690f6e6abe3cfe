"""Configuration of the demo app."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """The home page and the demo login."""

    name = "demo"
