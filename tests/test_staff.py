from collections.abc import Callable, Iterator

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.urls import path
from pytest_django import Settings
from starlette.types import ASGIApp

from .asgi import ask, make_scope
from .conftest import fetch

pytestmark = pytest.mark.django_db(transaction=True)

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PAGES = ("/docs", "/redoc", "/openapi.json")


@pytest.fixture
def site(build: Callable[[], ASGIApp], settings: Settings, bare_django: Callable[..., None]) -> Iterator[ASGIApp]:
    bare_django(path("admin/", admin.site.urls))
    settings.FASTAPI_DOCS_ACCESS = "staff"
    yield build()
    SessionStore.get_model_class().objects.all().delete()


def session_of(user: User) -> dict[str, str]:
    client = Client()
    client.force_login(user)
    return {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}


def test_a_browser_without_a_session_is_sent_to_the_login_page(site: ASGIApp) -> None:
    answer = fetch(site, "/docs", headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (302, "/admin/login/?next=%2Fdocs")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("accept", ["*/*", "application/problem+json"])
def test_another_client_without_a_session_gets_401(site: ASGIApp, page: str, accept: str) -> None:
    answer = fetch(site, page, headers={"Accept": accept})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"]


@pytest.mark.parametrize("page", PAGES)
def test_a_staff_user_sees_the_pages(site: ASGIApp, page: str) -> None:
    staff = User.objects.create_user("staff", is_staff=True)
    assert fetch(site, page, headers=session_of(staff)).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_a_user_who_is_not_staff_gets_403(site: ASGIApp, page: str) -> None:
    somebody = User.objects.create_user("somebody")
    assert fetch(site, page, headers=session_of(somebody)).status_code == 403


@pytest.mark.parametrize("page", [*PAGES, "/docs/csrf"])
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_no_cache_keeps_a_page_that_is_not_for_everybody(site: ASGIApp, page: str, accept: str) -> None:
    users = [User.objects.create_user(name, is_staff=name == "staff") for name in ("staff", "somebody")]
    answers = [fetch(site, page, headers={"Accept": accept, **one}) for one in ({}, *map(session_of, users))]
    assert [answer.status_code for answer in answers] == [302 if accept == "text/html" else 401, 200, 403]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert "Cookie" in answer.headers["vary"].split(", ")


def test_a_staff_user_who_was_deactivated_is_turned_away(site: ASGIApp) -> None:
    staff = User.objects.create_user("staff", is_staff=True)
    session = session_of(staff)
    User.objects.update(is_active=False)
    assert fetch(site, "/docs", headers=session).status_code == 401


def test_a_session_of_nobody_is_no_session(site: ASGIApp) -> None:
    assert fetch(site, "/docs", headers={"Cookie": "sessionid=made-up"}).status_code == 401


def test_without_an_admin_the_login_url_of_the_settings_is_used(
    build: Callable[[], ASGIApp], settings: Settings, bare_django: Callable[..., None]
) -> None:
    bare_django()
    settings.FASTAPI_DOCS_ACCESS, settings.LOGIN_URL = "staff", "/sign-in"
    assert fetch(build(), "/docs", headers=BROWSER).headers["location"] == "/sign-in?next=%2Fdocs"


@pytest.mark.parametrize("page", [*PAGES, "/docs/csrf"])
def test_no_query_lets_anybody_in(site: ASGIApp, page: str) -> None:
    assert ask(site, make_scope(page, query_string=b"a=\xff")).status == 401
    browser = [(b"accept", b"text/html"), (b"content-type", b"text/plain; a*=bogus''%41")]
    assert ask(site, make_scope(page, query_string=b"a=\xff", headers=browser)).status == 302
