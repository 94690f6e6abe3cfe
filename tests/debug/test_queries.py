import logging
from collections.abc import AsyncIterator, Callable

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse
from pytest_django import Settings

from django_fastapi import atomic
from django_fastapi.debug import queries
from django_fastapi.types import ASGIApp
from tests.conftest import fetch

from .conftest import CLIENT, Show

LOGGER = "django_fastapi.queries"


@pytest.fixture
def asking(api: FastAPI) -> FastAPI:
    """Give an API that asks the database."""

    @api.get("/once")
    def once() -> int:
        return Group.objects.count()

    @api.get("/repeated")
    def repeated() -> list[int]:
        return [Group.objects.filter(pk=pk).count() for pk in range(5)]

    @api.get("/async-repeated")
    async def async_repeated() -> list[int]:
        return [await Group.objects.filter(pk=pk).acount() for pk in range(5)]

    @api.get("/nothing")
    async def nothing() -> None:
        """Ask nothing."""

    @api.get("/in-blocks", dependencies=[atomic()])
    def in_blocks() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.execute("SAVEPOINT one")
            cursor.execute("RELEASE SAVEPOINT one")

    @api.get("/stream")
    async def stream() -> StreamingResponse:
        async def names() -> AsyncIterator[str]:
            for pk in range(3):
                yield str(await Group.objects.filter(pk=pk).aexists())

        return StreamingResponse(names())

    return api


pytestmark = pytest.mark.django_db(transaction=True)


def timing(show: Show, target: str) -> str:
    return show(target, CLIENT).headers["server-timing"].split("desc=")[1]


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize(
    ("target", "described"),
    [
        ("/once", '"queries=1, repeated=0"'),
        ("/repeated", '"queries=5, repeated=4"'),
        ("/async-repeated", '"queries=5, repeated=4"'),
        ("/nothing", '"queries=0, repeated=0"'),
        ("/stream", '"queries=0, repeated=0"'),
    ],
)
def test_a_header_tells_how_often_the_database_was_asked(show: Show, target: str, described: str) -> None:
    assert timing(show, target) == described


@pytest.mark.usefixtures("asking")
def test_a_header_tells_how_long_that_took(show: Show) -> None:
    name, duration, _ = show("/once", CLIENT).headers["server-timing"].split(";")
    assert name == "db"
    assert float(duration.removeprefix("dur=")) >= 0


@pytest.mark.usefixtures("asking")
def test_what_is_no_question_is_not_repeated(show: Show) -> None:
    assert timing(show, "/in-blocks").endswith('repeated=0"')
    assert timing(show, "/in-blocks") != '"queries=0, repeated=0"'


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize(("target", "times"), [("/repeated", 5), ("/async-repeated", 5), ("/stream", 3)])
def test_a_warning_names_the_query_that_is_repeated_and_its_line(
    show: Show, caplog: pytest.LogCaptureFixture, target: str, times: int
) -> None:
    show(target, CLIENT)
    [record] = [record for record in caplog.records if record.name == LOGGER]
    message = record.getMessage()
    assert record.levelno == logging.WARNING
    assert message.startswith(f"GET {target} made {times} queries, {times - 1} of them repeated. {times} times")
    assert "auth_group" in message
    if target == "/repeated":
        assert f" at {__file__}:" in message


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize("target", ["/once", "/nothing", "/in-blocks"])
def test_there_is_no_warning_of_what_is_asked_once(show: Show, caplog: pytest.LogCaptureFixture, target: str) -> None:
    show(target, CLIENT)
    assert [record for record in caplog.records if record.name == LOGGER] == []


def view(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(Group.objects.count())


def test_djangos_pages_have_the_header_too(show: Show, bare_django: Callable[..., None]) -> None:
    bare_django(path("page/", view))
    assert timing(show, "/page/") == '"queries=1, repeated=0"'


@pytest.mark.usefixtures("asking")
def test_a_header_of_the_projects_own_stays(api: FastAPI, show: Show) -> None:
    @api.get("/own")
    async def own() -> Response:
        return Response(headers={"Server-Timing": "cache;dur=1"})

    assert show("/own", CLIENT).headers.get_list("server-timing")[0] == "cache;dur=1"


@pytest.mark.usefixtures("asking")
def test_without_debug_nothing_is_counted(
    build: Callable[[], ASGIApp], settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEBUG = False
    watched: list[object] = []
    monkeypatch.setattr(queries, "QueryRecord", watched.append)
    answer = fetch(build(), "/repeated")
    assert answer.status_code == 200
    assert "server-timing" not in answer.headers
    assert watched == []
    assert caplog.records == []


@pytest.mark.usefixtures("asking")
def test_what_is_asked_outside_of_requests_is_nobodys(show: Show) -> None:
    show("/once", CLIENT)
    assert Group.objects.count() == 0
    assert timing(show, "/once") == '"queries=1, repeated=0"'


def test_who_leaves_a_block_of_a_wrapper_takes_only_that(show: Show, asking: FastAPI) -> None:
    assert asking
    connection.close()
    with connection.execute_wrapper(lambda execute, *args: execute(*args)):
        show("/once", CLIENT)
        assert Group.objects.count() == 0
    assert timing(show, "/once") == '"queries=1, repeated=0"'


def test_a_name_cannot_forge_a_line_of_the_log(api: FastAPI, show: Show, caplog: pytest.LogCaptureFixture) -> None:
    @api.get("/named/{name}")
    def named(name: str) -> list[int]:
        return [Group.objects.filter(name=name).count() for _ in range(2)]

    show("/named/a%0AGET%20forged", CLIENT)
    [record] = [record for record in caplog.records if record.name == LOGGER]
    assert "\n" not in record.getMessage()
