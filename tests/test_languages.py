from collections.abc import Callable

import pytest
from django.http import Http404
from django.utils import translation
from django.utils.translation import gettext_lazy
from fastapi import Depends
from pytest_django import Settings

from django_fastapi.languages import is_english, language_of
from django_fastapi.registry import APIRegistry
from django_fastapi.types import ASGIApp, Scope

from .conftest import fetch


def scope_of(**headers: str) -> Scope:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "GET", "path": "/", "query_string": b"\xff", "headers": raw}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "en"),
        ({"accept_language": "de-CH"}, "de"),
        ({"accept_language": "fr, de;q=0.5"}, "de"),
        ({"accept_language": "de", "cookie": "django_language=en"}, "en"),
        ({"accept_language": "fr"}, "en"),
    ],
)
def test_it_is_chosen_as_django_does(headers: dict[str, str], expected: str) -> None:
    assert language_of(scope_of(**headers)) == expected


def test_what_was_activated_comes_first() -> None:
    with translation.override("fr"):
        assert language_of(scope_of(accept_language="de")) == "fr"
    with translation.override(None):
        assert language_of(scope_of(accept_language="de")) is None


def test_a_project_may_have_none(settings: Settings) -> None:
    settings.USE_I18N = False
    assert language_of(scope_of(accept_language="de")) is None


@pytest.mark.parametrize(("language", "expected"), [(None, True), ("en", True), ("en-gb", True), ("de", False)])
def test_english_has_its_variants(language: str | None, *, expected: bool) -> None:
    assert is_english(language) is expected


@pytest.mark.parametrize("path", ["/sync", "/async"])
def test_what_a_dependency_activates_holds_for_the_error(
    build: Callable[[], ASGIApp], registry: APIRegistry, path: str
) -> None:
    api = registry.get_default()

    def activate() -> None:
        translation.activate("de")

    def sync() -> None:
        raise Http404(gettext_lazy("Enter a number."))

    async def asynchronous() -> None:
        sync()

    api.get("/sync", dependencies=[Depends(activate)])(sync)
    api.get("/async", dependencies=[Depends(activate)])(asynchronous)
    assert fetch(build(), path).json() == {"detail": "Bitte eine Zahl eingeben."}
    assert translation.get_language() == "en-us"


def test_where_it_cannot_be_told_it_is_that_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_request: object) -> str:
        raise ValueError("an odd header")

    monkeypatch.setattr(translation, "get_language_from_request", fail)
    assert language_of(scope_of(accept_language="de")) == "en-us"


def test_the_type_of_the_body_does_not_count() -> None:
    assert language_of(scope_of(accept_language="de", content_type="text/plain; a*=bogus''%41")) == "de"
