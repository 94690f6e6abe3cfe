import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import DisallowedRedirect
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, clear_url_caches, include, path, reverse_lazy
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse
from pytest_django import Settings

from django_fastapi.shortcuts import redirect, reverse
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp

Build = Callable[[], ASGIApp]

HOSTILE = [
    "//evil.test",
    "///evil.test",
    "////evil.test",
    "/\\evil.test",
    "\\\\evil.test",
    "\\/evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "\x00//evil.test",
    " //evil.test",
    "http:evil.test/",
    "http:///evil.test",
    "https://evil.test/path",
    "https:/\\evil.test",
    "https://testserver@evil.test/",
    "https://testserver:80@evil.test/",
    "https://user:secret@testserver/",
    "https://testserver.evil.test/",
    "https://testserver%2eevil.test/",
    "//testserver\\@evil.test",
    "ftp://testserver/",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)//",
    "java\nscript:alert(1)",
    " javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "/page\r\nSet-Cookie: stolen=1",
    "/page\nLocation: //evil.test",
    "/page\x00",
    "/page\x7f",
    "/page\x85",
    "https://[::1",
    "/" + "a" * 20_000,
    "",
]


class Shelf:
    def get_absolute_url(self) -> str:
        return "/shelf/ü"


class Elsewhere:
    def get_absolute_url(self) -> str:
        return "https://evil.test/"


def view(_request: HttpRequest, pk: int = 0) -> HttpResponse:
    return HttpResponse(f"view {pk}")


@pytest.fixture(autouse=True)
def routes(api: FastAPI, settings: Settings) -> None:
    @api.get("/books/{pk}")
    def read_book(pk: int) -> None: ...

    settings.ROOT_URLCONF = (
        path("view/", view, name="view"),
        path("view/<int:pk>/", view, name="one"),
        path("in/", include(([path("view/", view, name="view")], "inner"))),
    )
    clear_url_caches()


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("view", {}, "/view/"),
        ("one", {"args": [7]}, "/view/7/"),
        ("one", {"kwargs": {"pk": 7}, "query": {"a": ["1", "2"]}, "fragment": "top"}, "/view/7/?a=1&a=2#top"),
        ("inner:view", {}, "/in/view/"),
        ("api:read_book", {"kwargs": {"pk": 7}, "query": {"a": "ü"}}, "/books/7?a=%C3%BC"),
    ],
)
def test_names_of_views_and_routes_are_reversed(name: str, options: dict[str, Any], expected: str) -> None:
    """The URLconf of this module does not include `django_fastapi.urls`."""
    assert reverse(name, **options) == expected


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing", "'missing' is not a valid view function or pattern name"),
        ("one", "'one' with no arguments not found"),
        ("other:view", "'other' is not a registered namespace"),
        ("inner:missing", "'missing' not found"),
        ("api:missing", "'missing' not found"),
        ("api:read_book", "'read_book' with no arguments not found"),
    ],
)
def test_a_name_that_does_not_exist_is_djangos_error(name: str, words: str) -> None:
    with pytest.raises(NoReverseMatch, match=words):
        reverse(name)


@pytest.mark.parametrize(
    ("to", "arguments", "expected"),
    [
        ("view", {}, "/view/"),
        ("one", {"pk": 3}, "/view/3/"),
        ("api:read_book", {"pk": 7}, "/books/7"),
        (view, {}, "/view/"),
        (Shelf(), {}, "/shelf/%C3%BC"),
        (reverse_lazy("view"), {}, "/view/"),
        ("/anywhere?next=//evil.test", {}, "/anywhere?next=//evil.test"),
        ("./next", {}, "./next"),
        ("next/page", {}, "next/page"),
        ("/käse und brot", {}, "/k%C3%A4se%20und%20brot"),
        ("/a%0d%0ab", {}, "/a%0d%0ab"),
    ],
)
def test_pages_of_this_site(to: Any, arguments: dict[str, Any], expected: str) -> None:
    response = redirect(to, **arguments)
    assert isinstance(response, RedirectResponse)
    assert (response.status_code, response.headers["location"]) == (302, expected)


def test_positional_arguments() -> None:
    assert redirect("one", 4).headers["location"] == "/view/4/"


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, 302),
        ({"permanent": True}, 301),
        ({"preserve_request": True}, 307),
        ({"permanent": True, "preserve_request": True}, 308),
    ],
)
def test_the_status_is_as_with_django(options: dict[str, bool], status: int) -> None:
    assert redirect("/", **options).status_code == status


@pytest.mark.parametrize("to", HOSTILE)
@pytest.mark.parametrize("hosts", [(), {"testserver"}])
def test_what_leads_elsewhere_is_refused(to: str, hosts: Any) -> None:
    with pytest.raises(DisallowedRedirect):
        redirect(to, allowed_hosts=hosts)


def test_an_object_that_leads_elsewhere_as_well() -> None:
    with pytest.raises(DisallowedRedirect, match="allowed_hosts"):
        redirect(Elsewhere())
    assert redirect(Elsewhere(), allowed_hosts=["evil.test"]).headers["location"] == "https://evil.test/"


@pytest.mark.parametrize("to", ["https://partner.test/a?b=c#d", "//partner.test/a", "http://partner.test"])
def test_another_site_that_is_meant(to: str) -> None:
    assert redirect(to, allowed_hosts={"partner.test"}).headers["location"] == to
    with pytest.raises(DisallowedRedirect):
        redirect("https://partner.test:8000/", allowed_hosts={"partner.test"})


def test_a_name_that_a_developer_mistyped_is_no_fault_of_the_client() -> None:
    for name in ("vieww", "api:reed_book"):
        with pytest.raises(NoReverseMatch):
            redirect(name)
    with pytest.raises(NoReverseMatch):
        redirect("one", pk="not a number")


@pytest.mark.parametrize("url", ["/def", "/async"])
@pytest.mark.parametrize("to", [target for target in HOSTILE if len(target) < 100])
def test_a_hostile_target_is_400_and_in_no_log(
    api: FastAPI, build: Build, caplog: pytest.LogCaptureFixture, url: str, to: str
) -> None:
    @api.get("/def")
    def go(request: Request) -> RedirectResponse:
        return redirect(request.query_params["next"])

    @api.get("/async")
    async def async_go(request: Request) -> RedirectResponse:
        return redirect(request.query_params["next"])

    with caplog.at_level(logging.DEBUG):
        answer = Client(build()).get(url, params={"next": to}, follow_redirects=False)
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    ours = [record for record in caplog.records if record.name.startswith("django")]
    assert [record.name for record in ours] == ["django.security.DisallowedRedirect"]
    [text] = [record.getMessage() for record in ours]
    assert text.startswith("A redirect to ")
    assert "evil" not in text
    assert "alert" not in text
    assert "\n" not in text


@pytest.mark.django_db
def test_following_one(api: FastAPI, build: Build) -> None:
    @api.post("/form")
    async def form() -> RedirectResponse:
        await User.objects.acreate(username="ada")
        return redirect("one", pk=9)

    answer = Client(build(), follow_redirects=True).post("/form")
    assert answer.text == "view 9"
    assert User.objects.count() == 1
