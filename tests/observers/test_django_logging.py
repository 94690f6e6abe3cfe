"""Errors of an API on Django's loggers, in its signal and in its mail, as those of Django's views."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import pytest
from django import VERSION
from django.core.exceptions import DisallowedHost, PermissionDenied, SuspiciousOperation
from django.core.mail import EmailMessage
from django.core.signals import got_request_exception
from django.db import connections
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from fastapi import BackgroundTasks, FastAPI, Form, HTTPException, Response, WebSocket
from pytest_django import Settings
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from django_fastapi import DjangoRequest
from tests.conftest import fetch

SECRET = "hunter2-hunter2"


def fail(word: str = "broken") -> None:
    raise RuntimeError(word)


@pytest.fixture
def site(api: FastAPI, build: Callable[[], ASGIApp], bare_django: Callable[..., None]) -> Callable[[], ASGIApp]:
    """Give a function that builds a site whose API answers with errors of all kinds."""

    def raising(error: Exception) -> Callable[[], None]:
        def endpoint() -> None:
            raise error

        return endpoint

    for name, error in {
        "missing": Http404("nothing"),
        "http-missing": HTTPException(404),
        "denied": PermissionDenied(),
        "anonymous": HTTPException(401),
        "suspicious": SuspiciousOperation("odd\nforged"),
        "host": DisallowedHost("Invalid HTTP_HOST header"),
        "away": HTTPException(503),
    }.items():
        api.get(f"/{name}")(raising(error))
    api.get("/broken")(fail)
    api.get("/number")(lambda number: number)

    @api.get("/number/{number}")
    def number(number: int) -> int:
        return number

    @api.get("/returned/{status}")
    def returned(status: int) -> Response:
        return Response(status_code=status)

    bare_django(path("page/", lambda _request: HttpResponse(status=410)))
    return build


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    return [(record.name, record.levelname, record.getMessage()) for record in caplog.records]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/missing", "Not Found: /missing"),
        ("/http-missing", "Not Found: /http-missing"),
        ("/denied", "Forbidden: /denied"),
        ("/anonymous", "Unauthorized: /anonymous"),
        ("/returned/418", "I'm a Teapot: /returned/418"),
        ("/nowhere", "Not Found: /nowhere"),
        ("/page/", "Gone: /page/"),
        ("/away", "Service Unavailable: /away"),
    ],
)
def test_an_answer_that_is_an_error_is_a_warning_once(
    site: Callable[[], ASGIApp], caplog: pytest.LogCaptureFixture, target: str, message: str
) -> None:
    fetch(site(), target)
    assert logged(caplog) == [("django.request", "WARNING", message)]
    [record] = caplog.records
    assert isinstance(record.request, HttpRequest)  # type: ignore[attr-defined]
    assert record.request.path == target  # type: ignore[attr-defined]
    assert message.startswith(HttpResponse(status=record.status_code).reason_phrase)  # type: ignore[attr-defined]


def test_a_request_that_is_not_valid_is_a_warning(
    site: Callable[[], ASGIApp], caplog: pytest.LogCaptureFixture
) -> None:
    fetch(site(), "/number/one")
    assert logged(caplog) == [("django.request", "WARNING", f"{HttpResponse(status=422).reason_phrase}: /number/one")]


def test_a_method_that_is_not_allowed_is_a_warning(
    site: Callable[[], ASGIApp], caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    settings.FASTAPI_DJANGO_FALLBACK = False
    fetch(site(), "/missing", "POST")
    assert logged(caplog) == [("django.request", "WARNING", "Method Not Allowed: /missing")]


def test_an_error_that_an_endpoint_returns_is_an_error(
    site: Callable[[], ASGIApp], caplog: pytest.LogCaptureFixture
) -> None:
    fetch(site(), "/returned/502")
    assert logged(caplog) == [("django.request", "ERROR", "Bad Gateway: /returned/502")]


@pytest.mark.parametrize(("target", "logger"), [("/suspicious", "SuspiciousOperation"), ("/host", "DisallowedHost")])
def test_what_is_suspicious_is_for_those_who_watch_and_for_nobody_else(
    site: Callable[[], ASGIApp], caplog: pytest.LogCaptureFixture, target: str, logger: str
) -> None:
    assert fetch(site(), target).status_code == 400
    [(name, level, message)] = logged(caplog)
    assert (name, level) == (f"django.security.{logger}", "ERROR")
    assert "\n" not in message


def test_a_host_that_is_not_allowed_is_logged_once(
    site: Callable[[], ASGIApp], caplog: pytest.LogCaptureFixture
) -> None:
    assert fetch(site(), "/number/1", headers={"Host": "evil.example"}).status_code == 400
    assert [name for name, _, _ in logged(caplog)] == ["django.security.DisallowedHost"]


@pytest.mark.parametrize("target", ["/number/1", "/returned/204", "/returned/302"])
def test_what_is_no_error_is_not_logged(
    site: Callable[[], ASGIApp], caplog: pytest.LogCaptureFixture, target: str
) -> None:
    fetch(site(), target)
    assert logged(caplog) == []


@contextmanager
def heard() -> Iterator[list[tuple[Any, BaseException | None]]]:
    """Note the requests and the exceptions that `got_request_exception` tells of."""
    told: list[tuple[Any, BaseException | None]] = []

    def receiver(sender: object, request: object, **_: object) -> None:
        assert sender is None
        told.append((request, sys.exc_info()[1]))

    got_request_exception.connect(receiver)
    try:
        yield told
    finally:
        got_request_exception.disconnect(receiver)


@pytest.mark.parametrize("debug", [True, False])
def test_the_signal_has_the_request_of_the_endpoint_and_the_exception(
    api: FastAPI, build: Callable[[], ASGIApp], settings: Settings, caplog: pytest.LogCaptureFixture, *, debug: bool
) -> None:
    settings.DEBUG = debug
    requests: list[HttpRequest] = []

    @api.get("/seen")
    def seen(request: DjangoRequest) -> None:
        requests.append(request)
        fail("seen")

    with heard() as told:
        fetch(build(), "/seen")
    [(request, error)] = told
    assert request is requests[0]
    assert str(error) == "seen"
    [record] = caplog.records
    assert record.request is request  # type: ignore[attr-defined]
    assert record.status_code == 500  # type: ignore[attr-defined]


def test_the_signal_tells_of_sockets_and_tasks_too(api: FastAPI, build: Callable[[], ASGIApp]) -> None:
    @api.get("/task")
    def task(tasks: BackgroundTasks) -> None:
        tasks.add_task(fail, "task")

    @api.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        fail("socket")

    with heard() as told:
        fetch(build(), "/task")
        with TestClient(build()).websocket_connect("/socket") as session:
            assert session.receive()["code"] == 1011
    assert [(request.method, request.path, str(error)) for request, error in told] == [
        ("GET", "/task", "task"),
        ("GET", "/socket", "socket"),
    ]


def test_a_receiver_that_fails_keeps_nobody_from_the_answer(
    site: Callable[[], ASGIApp], caplog: pytest.LogCaptureFixture
) -> None:
    def receiver(**_: object) -> None:
        fail("the receiver broke")

    got_request_exception.connect(receiver)
    try:
        assert fetch(site(), "/broken").status_code == 500
    finally:
        got_request_exception.disconnect(receiver)
    assert [record.name for record in caplog.records] == ["django.dispatch", "django.request"]


def test_refusals_are_no_exceptions_for_the_signal(site: Callable[[], ASGIApp]) -> None:
    with heard() as told:
        for target in ("/missing", "/denied", "/suspicious", "/number/one", "/nowhere"):
            fetch(site(), target)
    assert told == []


@pytest.fixture
def mailed(settings: Settings, mailoutbox: list[EmailMessage]) -> list[EmailMessage]:
    """Give the mails to the administrators, one of whom there is."""
    # Django 6 wants addresses, and 5.2 names with them.
    settings.ADMINS = ["ann@example.org"] if VERSION >= (6, 0) else [("Ann", "ann@example.org")]
    if hasattr(settings, "EMAIL_BACKEND"):
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    return mailoutbox


def test_administrators_get_djangos_mail_without_secrets(
    api: FastAPI, build: Callable[[], ASGIApp], mailed: list[EmailMessage]
) -> None:
    @api.post("/broken")
    @sensitive_variables("card")
    @sensitive_post_parameters("shoe")
    def broken(request: DjangoRequest, shoe: Annotated[str, Form()]) -> None:
        card = shoe
        assert request.POST["shoe"] == card
        raise RuntimeError("the mailed one")

    headers = {"Authorization": f"Bearer {SECRET}", "Cookie": f"sessionid={SECRET}", "X-Api-Key": SECRET}
    fetch(build(), "/broken", "POST", headers=headers, data={"shoe": SECRET})
    [mail] = mailed
    assert mail.subject.startswith("[Django] ERROR (EXTERNAL IP): Internal Server Error: POST /broken (request ")
    assert "RuntimeError at /broken\nthe mailed one" in mail.body
    assert "Traceback" in mail.body
    assert "HTTP_AUTHORIZATION = '********************'" in mail.body
    assert SECRET not in mail.body


def test_administrators_get_no_mail_of_refusals_and_of_a_busy_site(
    site: Callable[[], ASGIApp], mailed: list[EmailMessage]
) -> None:
    for target in ("/missing", "/denied", "/number/one", "/away"):
        fetch(site(), target)
    assert mailed == []


@pytest.mark.django_db(transaction=True)
def test_who_reads_the_user_for_a_mail_leaves_no_connection_behind(
    api: FastAPI, build: Callable[[], ASGIApp], settings: Settings
) -> None:
    """The thread on which it is logged belongs to nobody who would close it."""
    opened: list[Any] = []

    class Asking(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            del record
            connection = connections["default"]
            connection.ensure_connection()
            assert connection.connection is not None
            opened.append(connection)

    settings.MIDDLEWARE = []
    api.get("/broken")(fail)
    handler, logger = Asking(), logging.getLogger("django.request")
    logger.addHandler(handler)
    try:
        fetch(build(), "/broken")
    finally:
        logger.removeHandler(handler)
    [connection] = opened
    assert connection.connection is None
