import io
import re

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.contrib.staticfiles import finders
from django.core.management import CommandError, call_command
from pytest_django import Settings

from tests.example.conftest import Get


def ensure_superuser() -> str:
    out = io.StringIO()
    call_command("ensure_superuser", stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_the_home_page_links_to_places_that_exist(get: Get) -> None:
    page = get("/")
    assert page.status_code == 200
    places = re.findall(r'<a href="(/[^"]*)"', page.text)
    assert {"/docs", "/redoc", "/admin/", "/api/atlas/countries", "/permissions"} <= set(places)
    assert {place: get(place, follow_redirects=True).status_code for place in places} == dict.fromkeys(places, 200)


@pytest.mark.django_db
def test_the_home_page_loads_nothing_from_elsewhere(get: Get) -> None:
    files = re.findall(r'<(?:link|script|img)[^>]+(?:href|src)="([^"]+)"', get("/").text)
    assert files
    for file in files:
        assert finders.find(file.removeprefix("/static/"))


@pytest.mark.django_db
def test_the_demo_login_is_made_once_and_never_changed(settings: Settings) -> None:
    settings.DEBUG = True
    assert "Created" in ensure_superuser()
    user = authenticate(username="admin", password="admin")
    assert user is not None
    assert user.is_superuser
    user.set_password("a better one")
    user.is_superuser = False
    user.save()
    assert "left as it is" in ensure_superuser()
    user = get_user_model().objects.get()
    assert user.check_password("a better one")
    assert not user.is_superuser


@pytest.mark.django_db
def test_there_is_no_demo_login_without_debug(settings: Settings) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="createsuperuser"):
        ensure_superuser()
    assert not get_user_model().objects.exists()
