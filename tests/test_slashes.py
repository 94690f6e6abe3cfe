"""A slash too many or too few: Django's `APPEND_SLASH`, FastAPI's `redirect_slashes`, and how they get on."""

from collections.abc import Callable

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, reverse
from fastapi import FastAPI, Request
from pytest_django import Settings

from django_fastapi.shortcuts import reverse as reverse_any
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp
from django_fastapi.urls import APIResolver

Build = Callable[[], ASGIApp]

COMMON = "django.middleware.common.CommonMiddleware"


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"Django's {request.path}, and {reverse('api:without')}")


@pytest.fixture
def client(api: FastAPI, build: Build, bare_django: Callable[..., None]) -> Client:
    bare_django(
        path("plain/", view, name="plain"),
        path("both/", view),
        path("bare", view),
        path("", include([APIResolver()])),
        middleware=(COMMON,),
    )

    @api.get("/api/without", name="without")
    async def without() -> str:
        return reverse_any("plain")

    @api.get("/api/with/")
    async def with_slash() -> str:
        return "FastAPI's"

    @api.get("/both")
    async def both() -> str:
        return "FastAPI's"

    return Client(build(), follow_redirects=False)


def test_each_side_knows_the_others_names(client: Client) -> None:
    assert client.get("/plain/").text == "Django's /plain/, and /api/without"
    assert client.get("/api/without").json() == "/plain/"


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize(
    ("asked", "status", "location"),
    [
        ("/plain", 301, "/plain/"),
        ("/plain?a=1&b=%C3%A9", 301, "/plain/?a=1&b=%C3%A9"),
        ("/api/without/", 307, "http://testserver/api/without"),
        ("/api/with", 307, "http://testserver/api/with/"),
        ("/api/with?a=1", 307, "http://testserver/api/with/?a=1"),
    ],
)
def test_the_client_is_sent_to_where_the_page_is(
    client: Client, asked: str, status: int, location: str, accept: str
) -> None:
    answer = client.get(asked, headers={"accept": accept})
    assert (answer.status_code, answer.headers["location"]) == (status, location)


@pytest.mark.parametrize("asked", ["/missing", "/missing/", "/bare/", "/plain//", "/api", "/api/"])
def test_where_there_is_none_it_is_404(client: Client, asked: str) -> None:
    assert client.get(asked).status_code == 404


def test_who_has_the_path_answers_and_nobody_redirects_in_a_circle(client: Client) -> None:
    assert client.get("/both").json() == "FastAPI's"
    assert client.get("/both/").text.startswith("Django's /both/")


def test_without_append_slash_nothing_is_appended(client: Client, settings: Settings) -> None:
    settings.APPEND_SLASH = False
    assert client.get("/plain").status_code == 404
    assert client.get("/api/with").status_code == 307


def test_a_form_loses_nothing(client: Client, settings: Settings) -> None:
    """Django refuses to redirect a POST while `DEBUG` is on, since its body would be lost; FastAPI's 307 keeps it."""
    settings.DEBUG = True
    with pytest.raises(RuntimeError, match="APPEND_SLASH"):
        client.post("/plain", data={"a": "1"})


@pytest.mark.parametrize("asked", ["//evil.test", "//evil.test/", "/%2Fevil.test", "/\\evil.test", "//evil.test/plain"])
def test_no_slash_leads_to_another_site(client: Client, asked: str) -> None:
    answer = client.get(f"http://testserver{asked}")
    location = answer.headers.get("location", "/")
    assert location.startswith(("http://testserver/", "/"))
    assert not location.startswith(("//", "/\\"))


@pytest.mark.parametrize("asked", ["/ping/", "/app/ping/"])
def test_behind_a_proxy_the_client_is_sent_to_where_the_site_is(
    api: FastAPI, build: Build, bare_django: Callable[..., None], settings: Settings, asked: str
) -> None:
    bare_django()
    settings.FASTAPI_ROOT_PATH = "/app"

    @api.get("/ping")
    async def ping(request: Request) -> str:
        return str(request.url)

    client = Client(build(), follow_redirects=False)
    assert client.get(asked).headers["location"] == "http://testserver/app/ping"
    assert client.get(asked.removesuffix("/")).json() == "http://testserver/app/ping"
