"""Configuration of the test API app."""

from django.apps import AppConfig


class TestAPIConfig(AppConfig):
    """The smallest API over a model of Django."""

    name = "test_api"
    verbose_name = "test API"
