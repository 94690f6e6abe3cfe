from collections.abc import Callable

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.test import modify_settings
from pytest_django import Settings

from django_fastapi.handlers import DjangoHandler, make_django_handler

from .conftest import fetch

STATIC_FILE = "/static/admin/css/base.css"


@pytest.fixture(autouse=True)
def no_urls(bare_django: Callable[..., None]) -> None:
    bare_django()


def test_with_debug_static_files_are_served(settings: Settings) -> None:
    settings.DEBUG = True
    handler = make_django_handler()
    assert isinstance(handler, ASGIHandler)
    assert fetch(handler, STATIC_FILE).status_code == 200
    assert fetch(handler, "/static/missing.css").status_code == 404


def test_without_debug_they_are_left_to_others() -> None:
    assert type(make_django_handler()) is DjangoHandler
    assert fetch(make_django_handler(), STATIC_FILE).status_code == 404


def test_a_project_without_static_files_has_none_served(settings: Settings) -> None:
    settings.DEBUG = True
    with modify_settings(INSTALLED_APPS={"remove": ["django.contrib.staticfiles"]}):
        assert type(make_django_handler()) is DjangoHandler
    settings.STATIC_URL = None
    assert type(make_django_handler()) is DjangoHandler
