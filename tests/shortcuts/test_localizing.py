import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone as fixed_timezone, tzinfo
from typing import Annotated

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import Http404
from django.utils import timezone, translation
from django.utils.formats import localize as format_value
from django.utils.translation import gettext, gettext_lazy
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Header, HTTPException, Request, WebSocket
from fastapi.responses import StreamingResponse
from pytest_django import Settings

from django_fastapi import DjangoRequest
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.shortcuts import localize
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp
from tests.request_threads import asking, own_threads

Build = Callable[[], ASGIApp]

LANGUAGES = [("en", "English"), ("de", "German"), ("fr", "French")]
YES = {"en": "Yes", "de": "Ja", "fr": "Oui"}


@pytest.fixture(autouse=True)
def three_languages(settings: Settings) -> None:
    settings.LANGUAGES = LANGUAGES


def now_there() -> str:
    return str(timezone.localtime(datetime(2026, 1, 1, tzinfo=UTC)).utcoffset())


async def say() -> str:
    return gettext("Yes")


def say_on_thread() -> Iterator[str]:
    yield gettext("Yes")


InLoop = Annotated[str, Depends(say)]
OnThread = Annotated[str, Depends(say_on_thread)]


def add_routes(api: FastAPI | APIRouter) -> None:
    @api.get("/def")
    def sync(first: InLoop, second: OnThread, request: DjangoRequest) -> list[str]:
        return [first, second, gettext("Yes"), request.LANGUAGE_CODE]

    @api.get("/async")
    async def asynchronous(first: InLoop, second: OnThread, request: DjangoRequest) -> list[str]:
        await asyncio.sleep(0)
        return [first, second, gettext("Yes"), request.LANGUAGE_CODE]

    @api.get("/zone/def")
    def zone() -> str:
        return now_there()

    @api.get("/zone/async")
    async def azone() -> str:
        return now_there()

    @api.get("/number/{number}")
    async def number(number: int) -> int:
        return number

    @api.get("/missing")
    async def missing() -> None:
        raise Http404(gettext_lazy("Enter a number."))


@pytest.mark.parametrize(
    ("accept", "cookie", "expected"),
    [("de", None, "de"), ("fr-CH, de;q=0.5", None, "fr"), ("it", None, "en"), (None, None, "en"), ("de", "fr", "fr")],
)
def test_the_language_is_chosen_by_djangos_rules(
    api: FastAPI, build: Build, accept: str | None, cookie: str | None, expected: str
) -> None:
    router = APIRouter(dependencies=[localize()])
    add_routes(router)
    api.include_router(router)
    headers = {"accept-language": accept} if accept else {}
    client = Client(build(), headers=headers, cookies={"django_language": cookie} if cookie else {})
    for path in ("/def", "/async"):
        answer = client.get(path)
        assert answer.json() == [YES[expected]] * 3 + [expected]
        assert (answer.headers["content-language"], answer.headers["vary"]) == (expected, "Accept-Language")
    assert translation.get_language() == "en-us"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("preferred", "expected"),
    [("fr", "fr"), ("de-at", "de"), ("", "de"), ("xx", "de"), ("../../etc", "de"), ("a" * 501, "de")],
)
def test_a_user_may_prefer_another_language(api: FastAPI, build: Build, preferred: str, expected: str) -> None:
    async def preference(request: DjangoRequest) -> str | None:
        return (await request.auser()).first_name or None  # type: ignore[union-attr]

    router = APIRouter(dependencies=[localize(language=preference)])
    add_routes(router)
    api.include_router(router)
    client = Client(build(), headers={"accept-language": "de"})
    client.force_login(User.objects.create_user("ada", first_name=preferred))
    answer = client.get("/def")
    assert answer.json() == [YES[expected]] * 3 + [expected]
    assert answer.headers["content-language"] == expected
    assert (
        client.get("/missing").json()["detail"]
        == {
            "fr": "Saisissez un nombre.",
            "de": "Bitte eine Zahl eingeben.",
        }[expected]
    )


@pytest.mark.parametrize("path", ["/zone/def", "/zone/async"])
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("Asia/Tokyo", "9:00:00"),
        (fixed_timezone(timedelta(hours=2)), "2:00:00"),
        (None, "0:00:00"),
        ("No/Where", "0:00:00"),
        ("", "0:00:00"),
        ("../../etc/passwd", "0:00:00"),
        ("Europe", "0:00:00"),
        ("a\0b", "0:00:00"),
    ],
)
def test_a_time_zone_may_be_preferred(
    api: FastAPI, build: Build, wanted: str | tzinfo | None, expected: str, path: str
) -> None:
    def preference() -> str | tzinfo | None:
        return wanted

    router = APIRouter(dependencies=[localize(time_zone=preference)])
    add_routes(router)
    api.include_router(router)
    assert Client(build()).get(path).json() == expected
    assert timezone.get_current_timezone_name() == "UTC"


def test_a_preference_may_come_from_the_request(api: FastAPI, build: Build) -> None:
    async def time_zone(x_time_zone: Annotated[str | None, Header()] = None) -> str | None:
        return x_time_zone

    api.get("/zone", dependencies=[localize(time_zone=time_zone)])(now_there)
    client = Client(build())
    assert client.get("/zone", headers={"X-Time-Zone": "Asia/Tokyo"}).json() == "9:00:00"
    assert client.get("/zone").json() == "0:00:00"


def test_errors_are_told_in_the_language(api: FastAPI, build: Build) -> None:
    """Pydantic's in Django's words, and Django's own."""
    router = APIRouter(dependencies=[localize(language=lambda: "fr")])
    add_routes(router)

    @router.get("/invalid")
    def invalid() -> None:
        try:
            User(username="").full_clean()
        except ValidationError as error:
            raise HTTPException(422, error.message_dict["username"]) from error

    api.include_router(router)
    client = Client(build(), headers={"accept-language": "de"})
    assert client.get("/number/x").json()["detail"][0]["msg"] == "Saisissez un nombre entier."
    assert client.get("/missing").json()["detail"] == "Saisissez un nombre."
    assert client.get("/invalid").json()["detail"] == ["Ce champ ne peut pas être vide."]


def test_streams_and_background_tasks_have_it_too(api: FastAPI, build: Build) -> None:
    said: list[str] = []

    def in_background() -> None:
        said.append(gettext("Yes"))

    @api.get("/", dependencies=[localize(time_zone=lambda: "Asia/Tokyo")])
    async def page(tasks: BackgroundTasks) -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            yield gettext("Yes")
            await asyncio.sleep(0)
            yield now_there()

        tasks.add_task(in_background)
        return StreamingResponse(parts(), background=tasks)

    assert Client(build(), headers={"accept-language": "fr"}).get("/").text == "Oui9:00:00"
    assert said == ["Oui"]


def test_a_websocket_has_it(api: FastAPI, build: Build) -> None:
    @api.websocket("/", dependencies=[localize()])
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(gettext("Yes"))
        await websocket.close()

    with Client(build(), headers={"accept-language": "fr"}).websocket_connect("/") as session:
        assert session.receive_text() == "Oui"


def test_two_with_equal_arguments_are_equal() -> None:
    assert localize(language=now_there) == localize(language=now_there)
    assert localize(language=now_there) != localize()


@pytest.mark.parametrize("uses_i18n", [True, False])
def test_a_project_without_languages(api: FastAPI, build: Build, settings: Settings, *, uses_i18n: bool) -> None:
    settings.USE_I18N, settings.MIDDLEWARE = uses_i18n, []
    api.get("/", dependencies=[localize(time_zone=lambda: "Asia/Tokyo")])(now_there)
    client = Client(build(), headers={"accept-language": "fr"})
    if uses_i18n:
        with pytest.raises(ConfigurationError, match=r"middleware\.locale\.LocaleMiddleware"):
            client.get("/")
    else:
        assert client.get("/").json() == "9:00:00"


@pytest.mark.anyio
async def test_a_hundred_interleaved_requests_in_three_languages_keep_theirs(
    api: FastAPI, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each stops half-way until all have come as far: at that moment every language has been active."""
    arrived, all_there = 0, asyncio.Event()
    zones = {"en": "UTC", "de": "Europe/Berlin", "fr": "Asia/Tokyo"}
    offsets = {"en": "0:00:00", "de": "1:00:00", "fr": "9:00:00"}

    def zone(request: Request) -> str:
        return zones[request.headers["accept-language"]]

    def on_thread() -> list[str]:
        return [gettext("Yes"), now_there(), format_value(1.5)]

    @api.get("/plain")
    async def plain() -> list[str]:
        return [gettext("Yes"), now_there()]

    @api.get("/", dependencies=[localize(time_zone=zone)])
    async def page(before: Annotated[list[str], Depends(on_thread)]) -> list[list[str]]:
        nonlocal arrived
        arrived += 1
        if arrived == 100:
            all_there.set()
        await all_there.wait()
        here = [gettext("Yes"), now_there(), format_value(1.5)]
        return [before, here, await sync_to_async(on_thread)()]

    with own_threads(monkeypatch):
        async with asking(build()) as ask:
            languages = list(itertools.islice(itertools.cycle(YES), 100))
            answers = await asyncio.gather(*(ask("/", headers={"accept-language": one}) for one in languages))
            decimals = {"en": "1.5", "de": "1,5", "fr": "1,5"}
            expected = [[[YES[one], offsets[one], decimals[one]]] * 3 for one in languages]
            assert [answer.json() for answer in answers] == expected
            after = await asyncio.gather(*(ask("/plain") for _ in range(20)))
            assert [answer.json() for answer in after] == [["Yes", "0:00:00"]] * 20
