from collections.abc import AsyncIterator, Callable

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import modify_settings
from django.urls import path
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


def echo(request: HttpRequest) -> HttpResponse:
    return JsonResponse(
        {"post": request.POST.dict(), "files": [file.read().decode() for file in request.FILES.values()]}
    )


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content


def test_a_chunked_upload_has_its_files(bare_django: Callable[..., None]) -> None:
    bare_django(path("echo", echo))
    boundary = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n\r\nwhole\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = fetch(make_django_handler(), "/echo", "POST", content=chunks(boundary), headers=headers)
    assert answer.json()["files"] == ["whole"]


@pytest.mark.parametrize(
    ("charset", "status"),
    [("utf-8", 200), ("UTF8", 200), ("utf-16", 400), ("rot13", 400), ("idna", 400), ("no-such-charset", 200)],
)
def test_a_form_is_utf8_or_refused(bare_django: Callable[..., None], charset: str, status: int) -> None:
    bare_django(path("echo", echo))
    headers = {"Content-Type": f"application/x-www-form-urlencoded; charset={charset}"}
    answer = fetch(make_django_handler(), "/echo", "POST", content="a=%C3%A4", headers=headers)
    assert answer.status_code == status
    assert status != 200 or answer.json()["post"] == {"a": "ä"}
