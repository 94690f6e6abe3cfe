from collections.abc import Callable, Iterator
from typing import cast
from wsgiref.util import setup_testing_defaults

import pytest
from django.contrib.staticfiles import handlers
from django.core import signals
from django.test import modify_settings
from django.test.utils import override_script_prefix
from pytest_django import Settings

from django_fastapi import get_asgi_application, static_files
from django_fastapi.handlers import make_django_handler
from django_fastapi.lifecycle import has_listeners
from django_fastapi.types import ASGIApp

from .asgi import ask, make_scope
from .conftest import fetch

STATIC_FILE = "/static/admin/css/base.css"
OUTSIDE = pytest.mark.parametrize(
    "name", ["..%2f..%2fx", "%2e%2e/%2e%2e/x", "..%2fadmin/css/base.css", "%252e%252e/x", "..%2f%00"]
)


@pytest.fixture(autouse=True)
def debug(settings: Settings, bare_django: Callable[..., None]) -> None:
    settings.DEBUG = True
    bare_django()


@pytest.fixture
def guarded() -> Iterator[None]:
    before = list(signals.request_started.receivers)
    static_files.guard_runserver()
    yield
    signals.request_started.receivers[:] = before
    signals.request_started.sender_receivers_cache.clear()


def daphnes_handler() -> ASGIApp:
    # django-stubs describe the scope as a dict, which it is, and Starlette as a mapping.
    return cast("ASGIApp", handlers.ASGIStaticFilesHandler(make_django_handler()))


def status_of_runserver(path: str, **headers: str) -> str:
    """Return the status that the handler of Django's `runserver` answers with."""
    environ: dict[str, object] = {"PATH_INFO": path}
    setup_testing_defaults(environ)
    environ["HTTP_HOST"] = "testserver"
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    statuses: list[str] = []
    handler = handlers.StaticFilesHandler(lambda *_: [])
    answer = handler(environ, lambda status, *_: statuses.append(status))
    answer.close()
    return statuses[0]


@OUTSIDE
def test_a_path_out_of_the_static_folder_is_404(name: str) -> None:
    assert fetch(make_django_handler(), f"/static/{name}").status_code == 404


@OUTSIDE
@pytest.mark.usefixtures("guarded")
def test_so_it_is_for_the_handler_of_daphnes_runserver(name: str) -> None:
    handler = daphnes_handler()
    assert fetch(handler, f"/static/{name}").status_code == 404
    assert fetch(handler, STATIC_FILE).status_code == 200


@pytest.mark.parametrize("name", ["../../x", "..", "../admin/css/base.css", "%2e%2e/x", "../\0"])
@pytest.mark.usefixtures("guarded", "db")  # it sends Django's signals, which look after the connection
def test_so_it_is_for_the_handler_of_djangos_runserver(name: str) -> None:
    assert status_of_runserver(f"/static/{name}") == "404 Not Found"
    assert status_of_runserver(STATIC_FILE) == "200 OK"


@pytest.mark.parametrize("hosts", [[], ["*"], [".example.com"], ["example.com"]])
@pytest.mark.parametrize("sent", ["unknown.test", "a b", "\xff", ""])
@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host"])
@pytest.mark.usefixtures("guarded", "db")
def test_a_missing_file_is_404_for_any_host(settings: Settings, hosts: list[str], sent: str, header: str) -> None:
    settings.ALLOWED_HOSTS, settings.USE_X_FORWARDED_HOST = hosts, True
    assert status_of_runserver("/static/missing", **{header: sent}) == "404 Not Found"
    assert status_of_runserver(STATIC_FILE, **{header: sent}) == "200 OK"
    headers = {header: sent.encode("latin-1")}
    assert fetch(daphnes_handler(), "/static/missing", headers=headers).status_code == 404
    assert fetch(daphnes_handler(), STATIC_FILE, headers=headers).status_code == 200


@pytest.mark.usefixtures("guarded")
def test_the_answer_says_which_path_was_asked_for() -> None:
    handler = daphnes_handler()
    assert "%2Fstatic%2F..%2Fx" in fetch(handler, "/static/..%2fx").text


@pytest.mark.usefixtures("guarded")
def test_the_guard_is_no_listener_to_requests_that_fastapi_answers() -> None:
    assert not has_listeners(signals.request_started)


def test_they_are_served_with_debug_only(settings: Settings) -> None:
    assert static_files.are_served()
    with modify_settings(INSTALLED_APPS={"remove": ["django.contrib.staticfiles"]}):
        assert not static_files.are_served()
    settings.STATIC_URL = None
    assert not static_files.are_served()
    settings.STATIC_URL, settings.DEBUG = "static/", False
    assert not static_files.are_served()


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("told", [("/app", None), ("", "/app")])
@pytest.mark.parametrize(
    ("url", "paths"),
    [
        ("static/", ["/app/static", "/static"]),  # as the link has it, and as a proxy leaves it
        ("/static/", ["/static"]),
        ("/app/static/", ["/app/static", "/static"]),
    ],
)
def test_they_are_below_the_script_prefix_which_the_first_request_tells(
    settings: Settings, told: tuple[str, str | None], url: str, paths: list[str]
) -> None:
    root_path, settings.FORCE_SCRIPT_NAME = told
    settings.STATIC_URL = url
    with override_script_prefix("/"):
        site = get_asgi_application()
    for name, status in (("admin/css/base.css", 200), ("admin/css/nope.css", 404)):
        found = [ask(site, make_scope(f"{path}/{name}", root_path=root_path)).status for path in paths]
        assert found == [status] * len(paths)


@pytest.mark.parametrize("content_type", ["text/plain; a*=bogus''%41", "text/plain;a*1;a*=x"])
def test_the_type_of_a_body_does_not_count(content_type: str) -> None:
    headers = {"Content-Type": content_type}
    assert fetch(make_django_handler(), STATIC_FILE, headers=headers).status_code == 200
    assert fetch(make_django_handler(), "/static/nope", headers=headers).status_code == 404
