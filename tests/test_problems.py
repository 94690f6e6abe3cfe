import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import translation
from django.utils.translation import gettext_lazy
from fastapi import FastAPI
from pytest_django import Settings
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from django_fastapi import DjangoRequest
from django_fastapi.problems import Problem, error_response, respond

from .asgi import ask, make_scope
from .conftest import fetch

DETAILS = {"Accept": "application/problem+json"}
STATUSES = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 428, 429, 500, 503]


def answer(problem: Problem, headers: dict[str, str] | None = None, query: str = "") -> httpx.Response:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(scope, problem)(scope, receive, send)

    return fetch(app, f"/{query}", headers=headers)


@pytest.mark.parametrize("status", STATUSES)
def test_the_form_is_that_of_fastapi(status: int) -> None:
    answered = answer(Problem(status, "A reason."))
    assert (answered.status_code, answered.json()) == (status, {"detail": "A reason."})
    assert answered.headers["content-type"] == "application/json"
    assert answered.headers["vary"] == "Accept, Accept-Language"


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("by_setting", [True, False])
def test_the_form_is_problem_details(settings: Settings, status: int, *, by_setting: bool) -> None:
    settings.FASTAPI_PROBLEM_DETAILS = by_setting
    answered = answer(Problem(status, "A reason."), None if by_setting else DETAILS)
    title = httpx.codes.get_reason_phrase(status)
    if status not in (413, 422):  # the standards have renamed them
        assert answered.json()["title"] == title
    assert answered.json() == {
        "type": "about:blank",
        "title": answered.json()["title"],
        "status": status,
        "detail": "A reason.",
    }
    assert answered.headers["content-type"] == "application/problem+json"
    assert answered.headers["vary"] == ("Accept-Language" if by_setting else "Accept, Accept-Language")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/problem+json", True),
        ("application/problem+json; charset=utf-8", True),
        ("application/problem+json, application/json", True),
        ("application/json;q=0.5, application/problem+json", True),
        ("application/json", False),
        ("application/json, application/problem+json", False),
        ("application/json, application/problem+json;q=0.5", False),
        ("*/*", False),
        ("application/*", False),
        ("text/html", False),
        ("application/problem+json;q=0", False),
        ("application/json;q=0, */*", True),
        ("", False),
        (";;,/,q=", False),
    ],
)
def test_the_client_may_prefer_them(accept: str, *, expected: bool) -> None:
    answered = answer(Problem(404), {"Accept": accept})
    assert (answered.headers["content-type"] == "application/problem+json") is expected


def test_without_a_detail_it_is_the_phrase() -> None:
    assert answer(Problem(409)).json() == {"detail": "Conflict"}
    assert answer(Problem(409, "Conflict"), DETAILS).json() == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
    }
    assert answer(Problem(499)).json() == {"detail": "Error"}


@pytest.mark.parametrize("detail", [{"code": 7}, ["a", "b"], 7])
def test_a_detail_may_be_more_than_a_text(detail: Any) -> None:
    assert answer(Problem(400, detail)).json() == {"detail": detail}
    assert answer(Problem(400, detail), DETAILS).json()["errors"] == detail
    assert "detail" not in answer(Problem(400, detail), DETAILS).json()


def test_a_detail_may_repeat_what_is_no_text() -> None:
    assert answer(Problem(404, "There is no \ud800.")).json() == {"detail": "There is no ?."}


def test_errors_are_listed() -> None:
    errors = [{"loc": ["body"], "msg": "Field required", "type": "missing"}]
    assert answer(Problem(422, errors=errors)).json() == {"detail": errors}
    assert answer(Problem(422, errors=errors), DETAILS).json()["errors"] == errors


def test_headers_are_kept() -> None:
    headers = {"WWW-Authenticate": "Bearer", "Vary": "Cookie"}
    answered = answer(Problem(401, headers=headers))
    assert answered.headers["www-authenticate"] == "Bearer"
    assert answered.headers["vary"] == "Cookie, Accept, Accept-Language"
    assert headers == {"WWW-Authenticate": "Bearer", "Vary": "Cookie"}


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_has_none(status: int) -> None:
    answered = answer(Problem(status, headers={"ETag": '"1"'}))
    assert (answered.content, answered.headers["etag"]) == (b"", '"1"')


@pytest.mark.parametrize("headers", [{}, DETAILS])
def test_a_problem_of_which_the_log_knows_names_the_request(headers: dict[str, str]) -> None:
    answered = answer(Problem(500, is_logged=True), headers)
    assert answered.json()["request_id"] == answered.headers["x-request-id"]


def test_a_query_that_is_no_text_does_not_matter() -> None:
    assert answer(Problem(400), DETAILS, "?%FF").status_code == 400


def test_an_answer_outside_of_the_applications() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await error_response(scope, 413, "Too much.", headers={"Connection": "close"})(scope, receive, send)

    answered = fetch(app, "/", headers=DETAILS)
    assert (answered.status_code, answered.json()["detail"]) == (413, "Too much.")
    assert answered.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("status", "expected"), [(403, "Verboten"), (404, "Seite nicht gefunden"), (500, "Serverfehler"), (409, "Conflict")]
)
def test_phrases_are_translated_where_django_has_words(status: int, expected: str) -> None:
    german = {"Accept-Language": "de-AT, en;q=0.5"}
    answered = answer(Problem(status), german)
    assert answered.json() == {"detail": expected}
    assert answered.headers["content-language"] == "de"
    assert answer(Problem(status), {**german, **DETAILS}).json()["title"] == expected


def test_a_lazy_text_is_translated_wherever_it_stands() -> None:
    text = gettext_lazy("Enter a number.")
    german = {"Accept-Language": "de"}
    assert answer(Problem(400, text), german).json() == {"detail": "Bitte eine Zahl eingeben."}
    assert answer(Problem(400, text)).json() == {"detail": "Enter a number."}
    assert answer(Problem(400, {"why": [text]}), german).json() == {"detail": {"why": ["Bitte eine Zahl eingeben."]}}
    assert answer(Problem(400, text), {**german, **DETAILS}).json()["detail"] == "Bitte eine Zahl eingeben."


def test_the_language_cookie_comes_before_the_header() -> None:
    answered = answer(Problem(403), {"Accept-Language": "en", "Cookie": "django_language=de"})
    assert answered.json() == {"detail": "Verboten"}


def test_a_language_that_was_activated_comes_before_both() -> None:
    with translation.override("de"):
        assert answer(Problem(403), {"Accept-Language": "en"}).json() == {"detail": "Verboten"}


def test_the_language_does_not_stay() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await error_response(scope, 403)(scope, receive, send)
        assert translation.get_language() == "en-us"

    assert fetch(app, "/", headers={"Accept-Language": "de"}).json() == {"detail": "Verboten"}


@pytest.mark.parametrize("sent", ["x" * 600, "de-" + "x" * 600, "*", ",;q", "\u00fc"])
def test_a_language_that_is_none_does_not_matter(sent: str) -> None:
    for name, value in (("Accept-Language", sent), ("Cookie", f"django_language={sent}")):
        assert answer(Problem(403), {name: value.encode()}).status_code == 403  # type: ignore[dict-item]


def test_without_translations_nothing_is_said_of_languages(settings: Settings) -> None:
    settings.USE_I18N = False
    answered = answer(Problem(403), {"Accept-Language": "de"})
    assert answered.json() == {"detail": "Forbidden"}
    assert answered.headers["vary"] == "Accept"
    assert "content-language" not in answered.headers


def test_a_websocket_is_denied_in_the_same_form() -> None:
    sent: list[dict[str, Any]] = []

    async def deny() -> None:
        scope: Scope = {"type": "websocket", "path": "/", "headers": [(b"accept", b"application/problem+json")]}

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await error_response(scope, 400)(scope, receive, send)

    asyncio.run(deny())
    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert b"about:blank" in sent[1]["body"]


def test_fastapi_has_the_same_form() -> None:
    """Ours is to stay FastAPI's."""
    api = FastAPI()
    assert fetch(api, "/").json() == answer(Problem(404)).json()


UNREADABLE = ["text/html; a*=bogus''%41", "text/plain;a*1;a*=x"]


@pytest.mark.parametrize("header", [(name, value) for name in ("accept", "content-type") for value in UNREADABLE])
@pytest.mark.parametrize("target", ["/int/x", "/nope", "/dj", "/own404", "/page"])
def test_no_header_keeps_an_error_from_being_told(
    target: str,
    header: tuple[str, str],
    api: FastAPI,
    build: Callable[[], ASGIApp],
    bare_django: Callable[..., None],
) -> None:
    def page(_request: HttpRequest) -> HttpResponse:
        return HttpResponse("page")

    bare_django(path("page", page))

    @api.get("/int/{number}")
    async def integer(number: int) -> int:
        return number

    @api.get("/dj")
    async def method(request: DjangoRequest) -> str | None:
        return request.method

    @api.get("/own404")
    async def missing() -> Response:
        return Response(status_code=404)

    usual = {"/int/x": 422, "/nope": 404, "/dj": 200, "/own404": 404, "/page": 200}[target]
    name, value = header
    expected = 400 if name == "content-type" and target in ("/dj", "/nope", "/page") else usual
    assert ask(build(), make_scope(target, headers=[(name.encode(), value.encode())])).status == expected


@pytest.mark.parametrize("value", UNREADABLE)
def test_who_sends_an_unreadable_accept_gets_json(value: str) -> None:
    answered = answer(Problem(404), {"Accept": value})
    assert (answered.status_code, answered.headers["content-type"]) == (404, "application/json")
