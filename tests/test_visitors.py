from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import MiddlewareNotUsed, SynchronousOnlyOperation
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token, rotate_token
from django.utils import translation
from fastapi import FastAPI
from pytest_django import Settings

from django_fastapi import DjangoRequest
from django_fastapi.registry import APIRegistry
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp
from django_fastapi.visitors import AUTHENTICATION, CSRF, LOCALE, MESSAGES, SESSION

Build = Callable[[], ASGIApp]


@pytest.fixture
def api(registry: APIRegistry) -> FastAPI:
    return registry.get_default()


class TenantSessionMiddleware(SessionMiddleware):
    """A project's own, as many have it."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.session["tenant"] = request.get_host()

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response.headers["X-Tenant"] = request.session["tenant"]
        return super().process_response(request, response)


class UnusedSessionMiddleware(SessionMiddleware):
    def __init__(self, _get_response: object) -> None:
        raise MiddlewareNotUsed


@pytest.mark.django_db
def test_the_user_of_the_session_is_there_for_all_colours(api: FastAPI, build: Build) -> None:
    @api.get("/def")
    def read(request: DjangoRequest) -> str:
        return request.user.get_username()

    @api.get("/async")
    async def aread(request: DjangoRequest) -> str:
        return (await request.auser()).get_username()

    @api.get("/wrong")
    async def wrong(request: DjangoRequest) -> None:
        with pytest.raises(SynchronousOnlyOperation):
            request.user.get_username()

    client = Client(build())
    assert [client.get(path).json() for path in ("/def", "/async")] == ["", ""]
    client.force_login(User.objects.create_user("ada"))
    assert [client.get(path).json() for path in ("/def", "/async")] == ["ada", "ada"]
    assert client.get("/wrong").status_code == 200


@pytest.mark.django_db
def test_the_user_can_be_set(api: FastAPI, build: Build) -> None:
    """An API's own authentication writes its user onto the request."""
    ada = User(username="ada")

    @api.get("/")
    def read(request: DjangoRequest) -> str:
        request.user = ada
        return request.user.get_username()

    answer = Client(build()).get("/")
    assert answer.json() == "ada"
    assert "vary" not in answer.headers


@pytest.mark.django_db
def test_a_projects_own_session_middleware_is_used(api: FastAPI, build: Build, settings: Settings) -> None:
    settings.MIDDLEWARE = [f"{__name__}.TenantSessionMiddleware"]

    @api.get("/")
    def read(request: DjangoRequest) -> str:
        return str(request.session["tenant"])

    answer = Client(build()).get("/")
    assert answer.json() == answer.headers["x-tenant"] == "testserver"
    assert "sessionid" in answer.cookies


def test_a_middleware_that_is_not_used_gives_nothing(api: FastAPI, build: Build, settings: Settings) -> None:
    settings.MIDDLEWARE = [f"{__name__}.UnusedSessionMiddleware", "tests.project.probe.middleware.urlconf_by_host"]

    @api.get("/")
    def read(request: DjangoRequest) -> bool:
        return hasattr(request, "session")

    assert Client(build()).get("/").json() is False


@pytest.mark.parametrize(
    ("accept_language", "cookie", "expected"),
    [("de", None, "de"), ("fr", None, "en"), (None, None, "en"), ("de", "en", "en")],
)
def test_the_language_is_that_of_djangos_middleware(
    accept_language: str | None, cookie: str | None, expected: str, api: FastAPI, build: Build
) -> None:
    @api.get("/")
    async def read(request: DjangoRequest) -> list[str]:
        return [request.LANGUAGE_CODE, translation.get_language()]

    @api.get("/active")
    async def active(request: DjangoRequest) -> str:
        translation.activate(request.LANGUAGE_CODE)
        return translation.gettext("Yes")

    headers = {"accept-language": accept_language} if accept_language else {}
    client = Client(build(), headers=headers, cookies={"django_language": cookie} if cookie else {})
    answer = client.get("/")
    # It is told, and not activated.
    assert answer.json() == [expected, "en-us"]
    assert (answer.headers["vary"], answer.headers["content-language"]) == ("Accept-Language", "en-us")
    answer = client.get("/active")
    assert answer.json() == {"de": "Ja"}.get(expected, "Yes")
    assert answer.headers["content-language"] == expected


def test_the_language_of_a_path_that_is_missing_is_no_redirect(api: FastAPI, build: Build) -> None:
    """`LocaleMiddleware` sends a 404 to `/en/...` if there is such a page; an API's 404 is an answer."""

    @api.get("/local/", status_code=404)
    async def read(request: DjangoRequest) -> str:
        return request.LANGUAGE_CODE

    answer = Client(build()).get("/local/")
    assert (answer.status_code, answer.json()) == (404, "en")


@pytest.mark.django_db
@pytest.mark.parametrize("in_session", [False, True])
def test_the_csrf_token_stays_that_of_the_visitor(
    api: FastAPI, build: Build, settings: Settings, *, in_session: bool
) -> None:
    settings.CSRF_USE_SESSIONS = in_session
    secrets: list[str] = []

    @api.get("/token")
    def token(request: DjangoRequest) -> None:
        get_token(request)
        secrets.append(request.META["CSRF_COOKIE"])

    @api.get("/rotate")
    def rotate(request: DjangoRequest) -> None:
        rotate_token(request)
        get_token(request)
        secrets.append(request.META["CSRF_COOKIE"])

    @api.get("/nothing")
    def nothing(request: DjangoRequest) -> None:
        assert request.META.get("HTTP_HOST")

    client = Client(build())
    answers = [client.get(path) for path in ("/token", "/token", "/rotate", "/token", "/nothing")]
    assert secrets[0] == secrets[1] != secrets[2] == secrets[3]
    name = "sessionid" if in_session else "csrftoken"
    assert name in answers[0].cookies
    assert {"Vary", "vary"} & set(answers[0].headers)
    assert "set-cookie" not in answers[4].headers
    assert "vary" not in answers[4].headers


@pytest.mark.django_db
def test_the_secret_in_the_session_is_not_looked_for_on_the_event_loop(
    api: FastAPI, build: Build, settings: Settings
) -> None:
    settings.CSRF_USE_SESSIONS = True

    @api.get("/")
    async def read(request: DjangoRequest) -> bool:
        with pytest.raises(SynchronousOnlyOperation):
            get_token(request)
        return len(await sync_to_async(get_token)(request)) == 64

    client = Client(build())
    client.cookies["sessionid"] = "a" * 32
    assert client.get("/").json() is True


@pytest.mark.django_db
@pytest.mark.parametrize("storage", ["fallback.FallbackStorage", "cookie.CookieStorage", "session.SessionStorage"])
def test_messages_wait_for_the_next_request(storage: str, api: FastAPI, build: Build, settings: Settings) -> None:
    settings.MESSAGE_STORAGE = f"django.contrib.messages.storage.{storage}"

    @api.post("/")
    def write(request: DjangoRequest) -> None:
        messages.success(request, "saved")

    @api.get("/")
    def read(request: DjangoRequest) -> list[str]:
        return [str(message) for message in messages.get_messages(request)]

    client = Client(build())
    client.post("/")
    client.post("/")
    assert [client.get("/").json() for _ in range(2)] == [["saved", "saved"], []]


@pytest.mark.django_db
def test_a_login_changes_session_key_and_csrf_secret(api: FastAPI, build: Build) -> None:
    ada = User.objects.create_user("ada")

    @api.post("/login")
    def log_in(request: DjangoRequest) -> str:
        get_token(request)
        before = request.META["CSRF_COOKIE"]
        request.session["cart"] = 1
        request.session.save()
        key = request.session.session_key
        login(request, ada, "django.contrib.auth.backends.ModelBackend")
        assert request.META["CSRF_COOKIE"] != before
        assert request.session.session_key != key
        return request.user.get_username()

    @api.get("/me")
    def me(request: DjangoRequest) -> list[Any]:
        return [request.user.get_username(), request.session["cart"]]

    client = Client(build())
    answer = client.post("/login")
    assert answer.json() == "ada"
    assert {"sessionid", "csrftoken"} <= set(answer.cookies)
    assert answer.headers["vary"] == "Cookie"
    assert client.get("/me").json() == ["ada", 1]


def test_the_names_are_those_of_djangos_classes() -> None:
    from django.utils.module_loading import import_string  # noqa: PLC0415 (only here)

    for path in (SESSION, AUTHENTICATION, MESSAGES, LOCALE, CSRF):
        middleware = import_string(path)
        assert f"{middleware.__module__}.{middleware.__qualname__}" == path
