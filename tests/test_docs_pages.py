"""The code of `docs/pages.md`, word by word."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.urls import include, path
from fastapi import FastAPI
from pytest_django import Settings

from django_fastapi.shortcuts import Session
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp
from django_fastapi.urls import APIResolver

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = (DOCS / "pages.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def client(api: FastAPI, build: Callable[[], ASGIApp], settings: Settings, tmp_path: Path) -> Client:
    [form] = blocks("html")
    (tmp_path / "notes.html").write_text(form)
    (tmp_path / "now.html").write_text("{% load i18n %}{% get_current_language as L %}{{ L }} {% now 'e' %}")
    [engine] = settings.TEMPLATES
    settings.TEMPLATES = [{**engine, "DIRS": [tmp_path]}]
    settings.ROOT_URLCONF = (path("", include([APIResolver()])),)
    names: dict[str, Any] = {"__name__": "pages"}
    for code in blocks("python"):
        exec(code, names)  # noqa: S102 (it is the documentation's)

    @api.get("/prefer")
    def prefer(session: Session) -> None:
        session.update({"language": "de", "time_zone": "Asia/Tokyo"})

    return Client(build(), enforce_csrf_checks=True)


@pytest.mark.django_db
def test_the_form_of_the_guide_works(client: Client) -> None:
    page = client.get("/notes")
    [token] = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert client.post("/notes", data={"text": "x"}).status_code == 403
    page = client.post("/notes", data={"text": "<milk>", "csrfmiddlewaretoken": token}, follow_redirects=True)
    assert '<p class="success">Noted.</p>' in page.text
    assert "<li>&lt;milk&gt;</li>" in page.text


@pytest.mark.django_db
def test_the_other_pages_of_the_guide_work(client: Client) -> None:
    answer = client.get("/pay", follow_redirects=False)
    assert answer.headers["location"] == "https://pay.example/start"
    assert client.get("/now").text == "en UTC"
    client.get("/prefer")
    assert client.get("/now").text == "de JST"


def test_the_pictures_are_there() -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", PAGE)
    assert pictures
    for picture in pictures:
        assert 10_000 < (DOCS / picture).stat().st_size < 150_000
