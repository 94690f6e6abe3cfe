"""What the page shows of a request, and what it does not."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils.html import escape
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from fastapi import Body, FastAPI, Form, Header, Request, UploadFile
from pydantic import BaseModel, SecretStr
from pytest_django import Settings

from django_fastapi import DjangoRequest
from django_fastapi.debug import reporters
from django_fastapi.debug.masking import STARS
from django_fastapi.types import ASGIApp
from tests.asgi import ask, make_scope

from .conftest import BROWSER, CLIENT, TERMINAL, Show

SECRET = "hunter2-hunter2"
ALL = (BROWSER, CLIENT, TERMINAL)
SCRIPT = "<script>alert('x')</script>"


class Login(BaseModel):
    username: str
    password: str
    pin: SecretStr = SecretStr("0000")


@pytest.fixture
def secretive(api: FastAPI) -> FastAPI:
    """Give an API whose endpoints break with secrets in their hands."""

    @api.post("/json")
    def take(login: Login) -> None:
        copied = {"again": login.password, "login": login, "dumped": login.model_dump()}
        raise RuntimeError(f"{copied['again']} is wrong")

    @api.post("/form")
    async def take_form(request: Request, username: Annotated[str, Form()], password: Annotated[str, Form()]) -> None:
        del username
        word = password
        raise RuntimeError(f"{word} is wrong, {request.headers}")

    @api.post("/upload")
    def take_file(file: UploadFile, token: Annotated[str, Form()]) -> None:
        raise RuntimeError(f"{file.filename} with {token}")

    @api.get("/headers")
    def headers(request: Request) -> None:
        sent, scope = request.headers, request.scope
        raise RuntimeError(f"{sent} {scope['headers']} {request.cookies}")

    @api.post("/variables")
    @sensitive_variables("card")
    def variables() -> None:
        card = "1234" * 4
        raise RuntimeError("no money") from ValueError(len(card))

    @api.post("/async-variables")
    @sensitive_variables("card")
    async def async_variables() -> None:
        card = "1234" * 4
        raise RuntimeError("no money") from ValueError(len(card))

    @api.post("/parameters")
    @sensitive_post_parameters("shoe")
    def parameters(request: DjangoRequest, shoe: Annotated[str, Form()]) -> None:
        raise RuntimeError(f"{request.POST['shoe']} {shoe}")

    @api.post("/all-parameters")
    @sensitive_post_parameters()
    def all_parameters(request: DjangoRequest, shoe: Annotated[str, Form()]) -> None:
        raise RuntimeError(f"{request.POST['shoe']} {shoe}")

    return api


REQUESTS: dict[str, dict[str, Any]] = {
    "/json": {"json": {"username": "ann", "password": SECRET, "pin": SECRET}},
    "/json?access_token=" + SECRET: {"json": {"username": "ann", "password": "other-secret"}},
    "/form": {"data": {"username": "ann", "password": SECRET}},
    "/upload": {"data": {"token": SECRET}, "files": {"file": ("a.txt", b"x")}},
    "/parameters": {"data": {"shoe": SECRET}},
    "/all-parameters": {"data": {"shoe": SECRET}},
}


@pytest.mark.usefixtures("secretive")
@pytest.mark.parametrize("accept", ALL)
@pytest.mark.parametrize("path", REQUESTS)
def test_no_secret_of_a_body_or_a_query_is_shown(show: Show, path: str, accept: str) -> None:
    answer = show(path, accept, "POST", **REQUESTS[path])
    assert answer.status_code == 500
    assert SECRET not in answer.text
    assert "other-secret" not in answer.text
    if accept != CLIENT:
        assert "****" in answer.text


@pytest.mark.parametrize("accept", ALL)
@pytest.mark.parametrize("secret", [SECRET, "a b<c>-\u00e9%+'&-hunter2"])
def test_no_secret_of_a_path_is_shown(api: FastAPI, show: Show, accept: str, secret: str) -> None:
    @api.get("/reset/{token}/{user}")
    def reset(token: str, user: str) -> None:
        raise RuntimeError(f"bad {token} of {user}")

    text = show(f"/reset/{quote(secret)}/ann-with-an-e", accept).text
    for written in (secret, quote(secret), escape(secret), escape(repr(secret)[1:-1]), json.dumps(secret)[1:-1]):
        assert written not in text
    assert "of ann-with-an-e" in text


WRITTEN = "hunt3r@2x \u00e9+/'\"\\"
FORM_HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("accept", ALL)
@pytest.mark.parametrize(
    "options",
    [
        {"data": {"user": "ann", "password": WRITTEN}},
        {"content": f"user=ann&password={quote(WRITTEN, safe='').lower()}", "headers": FORM_HEADERS},
        {"content": f"user=ann&password={''.join(f'%{one:02x}' for one in WRITTEN.encode())}", "headers": FORM_HEADERS},
        {"data": {"password": WRITTEN}, "files": {"file": ("a.txt", b"x")}},
        {"json": {"password": WRITTEN}},
        {"content": json.dumps({"password": WRITTEN}, ensure_ascii=False)},
        {"params": {"password": WRITTEN}},
        {"headers": {"Authorization": f"Basic {b64encode(f'ann:{WRITTEN}'.encode()).decode()}"}},
        {"headers": {"Authorization": f"basic {b64encode(f'ann:{WRITTEN}'.encode('latin-1')).decode()}"}},
        {"headers": {"Authorization": f"Basic {b64encode(f'{WRITTEN}:'.encode()).decode()}"}},
    ],
)
def test_no_secret_is_shown_however_it_is_written(
    api: FastAPI, show: Show, options: dict[str, Any], accept: str
) -> None:
    api.post("/raw")(tell_all)
    text = show("/raw", accept, "POST", **options).text
    assert "RuntimeError" in text
    assert "hunt3r" not in text
    assert "%68%75%6e" not in text


def credentials(request: Request) -> list[str]:
    """Return user and password, read in both charsets."""
    content = b64decode(request.headers.get("Authorization", "").partition(" ")[2])
    return [part for charset in ("utf-8", "latin-1") for part in content.decode(charset, "replace").split(":", 1)]


async def tell_all(request: Request) -> None:
    """Break with a text and variables that repeat the request in many ways."""
    body = await request.body()
    texts = [body, body * 9, body.decode(), body.decode("latin-1"), str(request.url), *credentials(request)]
    raise RuntimeError(" ".join(f"{text} {text!r}" for text in texts))


@pytest.mark.parametrize("accept", ALL)
@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic YQ", "Basic YTo=", "Basic YTpiYw=="])
def test_credentials_that_say_nothing_leave_the_answer_as_it_is(
    api: FastAPI, show: Show, header: str, accept: str
) -> None:
    @api.get("/broken")
    def broken() -> None:
        raise RuntimeError("a cable")

    text = show("/broken", accept, headers={"Authorization": header}).text
    assert "a cable" in text


@pytest.mark.parametrize("accept", ALL)
@pytest.mark.parametrize("path", ["/token", "/word"])
def test_a_body_that_is_secret_as_a_whole_is_not_shown(api: FastAPI, show: Show, accept: str, path: str) -> None:
    @api.post("/token")
    def redeem(token: Annotated[str, Body()]) -> None:
        raise RuntimeError(f"bad {token}")

    @api.post("/word")
    def say(word: Annotated[SecretStr, Body()]) -> None:
        raise RuntimeError(f"bad {word.get_secret_value()}")

    assert SECRET not in show(path, accept, "POST", json=SECRET).text


class Door(BaseModel):
    code: SecretStr
    room: str


@pytest.mark.parametrize("accept", ALL)
@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/body", {"json": {"code": SECRET, "room": "r"}}),
        ("/nested", {"json": [{"code": SECRET, "room": "r"}]}),
        ("/query?code=" + SECRET, {}),
        ("/header", {"headers": {"X-Code": SECRET}}),
        ("/form", {"data": {"code": SECRET}}),
    ],
)
def test_what_a_route_declares_as_secret_is_masked_whatever_its_name(
    api: FastAPI, show: Show, accept: str, path: str, options: dict[str, Any]
) -> None:
    def fail(*seen: Any) -> None:
        raise RuntimeError(repr(seen))

    @api.post("/body")
    async def take(request: Request, door: Door) -> None:
        fail(await request.json(), door)

    @api.post("/nested")
    async def take_many(request: Request, doors: list[Door]) -> None:
        fail(await request.json(), doors)

    @api.post("/query")
    def ask_for(request: Request, code: SecretStr) -> None:
        fail(request.query_params, code)

    @api.post("/header")
    def head(request: Request, x_code: Annotated[SecretStr, Header()]) -> None:
        fail(request.headers, x_code)

    @api.post("/form")
    def fill(code: Annotated[SecretStr, Form()]) -> None:
        fail(code.get_secret_value())

    answer = show(path, accept, "POST", **options)
    assert answer.status_code == 500
    assert SECRET not in answer.text


@pytest.mark.parametrize("accept", ALL)
@pytest.mark.parametrize(
    "content",
    [
        (f'{{"password": "{SECRET}"', "application/json"),
        (f'{{"password": "{SECRET}", "a": "{"x" * 2**22}"}}', "application/json"),
        (f"password is {SECRET}", "text/plain"),
        (f"password={SECRET}&a={'x' * 2**22}", "application/x-www-form-urlencoded"),
        (f"password={SECRET}", "application/x-www-form-urlencoded; charset=latin-1"),
        (f"--b\r\npassword={SECRET}", "multipart/form-data; boundary=b"),
    ],
)
def test_a_body_that_cannot_be_read_is_not_shown(
    api: FastAPI, show: Show, settings: Settings, accept: str, content: tuple[str, str]
) -> None:
    @api.post("/raw")
    async def raw(request: Request) -> None:
        size = len(await request.body())
        raise RuntimeError(f"{size} bytes")

    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    text, content_type = content
    answer = show("/raw", accept, "POST", content=text, headers={"Content-Type": content_type})
    assert answer.status_code == 500
    assert SECRET not in answer.text
    if accept != CLIENT:
        assert f"{len(text)} bytes, which are not shown" in answer.text


@pytest.mark.parametrize("accept", ALL)
def test_a_long_body_is_shown_neither_in_the_panel_nor_in_the_frames_of_fastapi(
    api: FastAPI, show: Show, settings: Settings, accept: str
) -> None:
    @api.post("/login")
    def log_in(login: Login) -> None:
        raise RuntimeError(login.username[:3])

    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    for filling in ("x" * 2**15, "x" * 2**22):
        answer = show("/login", accept, "POST", json={"password": SECRET, "username": f"ann{filling}"})
        assert answer.status_code == 500
        assert SECRET not in answer.text


@pytest.mark.usefixtures("secretive")
@pytest.mark.parametrize("accept", ALL)
@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {SECRET}"},
        {"Cookie": f"theme={SECRET}; sessionid={SECRET}-2"},
        {"X-Api-Key": SECRET},
        {"Proxy-Authorization": f"Basic {SECRET}"},
    ],
)
def test_no_secret_of_a_header_is_shown(show: Show, accept: str, headers: dict[str, str]) -> None:
    answer = show("/headers", accept, headers=headers)
    assert answer.status_code == 500
    assert SECRET not in answer.text


@pytest.mark.usefixtures("secretive")
@pytest.mark.parametrize("path", ["/variables", "/async-variables"])
def test_sensitive_variables_are_masked_with_debug_too(show: Show, path: str) -> None:
    page = show(path, BROWSER, "POST").text
    assert "no money" in page
    assert "1234" * 4 not in page.replace("&quot;1234&quot; * 4", "")
    assert "<td>card</td>" in page


@pytest.mark.parametrize("accept", ALL)
def test_a_secret_that_is_an_ordinary_word_leaves_the_code_as_it_is(api: FastAPI, show: Show, accept: str) -> None:
    @api.get("/broken")
    def broken() -> None:
        raise RuntimeError("debug or reporters")

    text = show("/broken", accept, headers={"Cookie": "a=reporters; b=broken; c=RuntimeError; d=debug"}).text
    assert __file__ in text
    assert "RuntimeError" in text
    assert "broken" in text
    assert "debug or reporters" in text.replace("&quot;", '"')  # the line of the code
    assert f"{STARS} or {STARS}" in text  # the message


def test_secrets_that_no_client_has_sent_are_masked_by_their_names(api: FastAPI, show: Show) -> None:
    @api.get("/broken")
    def broken() -> None:
        login = {"login": Login(username="ann", password="12" * 8)}  # noqa: F841 (for the page)
        api_key = "34" * 8  # noqa: F841
        raise RuntimeError("x")

    page = show("/broken").text
    assert "ann" in page
    assert "12" * 8 not in page
    assert "34" * 8 not in page


@pytest.mark.usefixtures("secretive")
def test_a_value_that_a_validation_refused_is_masked_if_its_name_is_a_secret(api: FastAPI, show: Show) -> None:
    class Out(BaseModel):
        password: int

    @api.get("/out", response_model=Out)
    def out() -> dict[str, str]:
        return {"password": SECRET}

    for accept in ALL:
        assert SECRET not in show("/out", accept).text


class Filter(SafeExceptionReporterFilter):
    """A project's own filter."""

    cleansed_substitute = "(not for you)"

    def get_safe_settings(self) -> dict[str, Any]:
        return {**super().get_safe_settings(), "SHOP_NAME": "my own filter"}


class Reporter(ExceptionReporter):
    """A project's own reporter."""

    def get_traceback_data(self) -> dict[str, Any]:
        return {**super().get_traceback_data(), "user_str": "my own reporter"}


class Textual(ExceptionReporter):
    """A reporter with pages that have none of Django's places."""

    def get_traceback_html(self) -> Any:
        return f"<p>my own page of {self.exc_type}</p>"

    def get_traceback_text(self) -> Any:
        return "my own text"


class Unrelated:
    """A reporter that inherits from nothing."""

    def __init__(self, *_: object) -> None:
        pass

    def get_traceback_html(self) -> str:
        return "<p>unrelated</p>"


@pytest.mark.usefixtures("secretive")
def test_the_projects_own_reporter_and_filter_are_used(show: Show, settings: Settings) -> None:
    settings.DEFAULT_EXCEPTION_REPORTER = f"{__name__}.Reporter"
    assert "my own reporter" in show("/headers").text
    settings.DEFAULT_EXCEPTION_REPORTER = f"{__name__}.Textual"
    page = show("/headers").text
    assert page.startswith("<p>my own page of")
    assert '<div id="fastapi">' in page
    settings.DEFAULT_EXCEPTION_REPORTER = f"{__name__}.Unrelated"
    assert show("/headers").text == "<p>unrelated</p>"


def test_reporter_and_filter_of_the_request_come_first(api: FastAPI, show: Show) -> None:
    @api.get("/own")
    def own(request: DjangoRequest) -> None:
        found: Any = request
        found.exception_reporter_class, found.exception_reporter_filter = Reporter, Filter()
        raise RuntimeError("x")

    page = show("/own").text
    assert "my own reporter" in page
    assert "my own filter" in page


def test_the_panel_tells_of_the_request(api: FastAPI, show: Show) -> None:
    @api.put("/books/{pk}", name="change")
    def change(pk: int, q: str, book: dict[str, Any]) -> None:
        raise RuntimeError(f"{pk}{q}{book}")

    page = show("/books/7?q=novels", BROWSER, "PUT", json={"title": "Emma"}, headers={"X-Own": "mine"}).text
    panel = page.split('<div id="fastapi">')[1].split('<div id="requestinfo">')[0]
    for expected in (
        "PUT http://testserver/books/7?q=novels",
        "/books/{pk}",
        f"{__name__}.test_the_panel_tells_of_the_request.&lt;locals&gt;.change ({__file__}, line ",
        "<td>pk</td>",
        "<td>q</td>",
        ">novels<",
        "<td>x-own</td>",
        ">mine<",
        "Emma",
    ):
        assert expected in panel, expected


@pytest.mark.django_db(transaction=True)
def test_the_panel_names_the_user(api: FastAPI, show: Show, settings: Settings) -> None:
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    client = Client()
    client.force_login(User.objects.create_user("ann-of-the-shop"))

    @api.get("/broken")
    async def broken() -> None:
        raise RuntimeError("x")

    page = show("/broken", headers={"Cookie": f"sessionid={client.cookies['sessionid'].value}"}).text
    assert "ann-of-the-shop" in page.split('<div id="fastapi">')[1]


def test_frames_of_plumbing_are_marked_and_the_first_one_shown_is_the_projects(api: FastAPI, show: Show) -> None:
    @api.get("/broken")
    def broken() -> None:
        raise RuntimeError("x")

    page = show("/broken").text
    assert page.count('<li class="frame plumbing">') > 10
    assert page.count('<li class="frame user">') == 1
    assert "frames of FastAPI, Starlette, asgiref and other plumbing" in page
    [frame] = show("/broken", CLIENT).json()["exception"]["frames"]
    assert frame["function"] == "broken"
    assert show("/broken", CLIENT).json()["exception"]["folded"] > 10


def test_what_a_library_has_handled_itself_is_folded(api: FastAPI, show: Show) -> None:
    @api.get("/broken")
    async def broken() -> str:
        return Permission(content_type_id=1).content_type.app_label  # Django meets a KeyError on its way

    exception = show("/broken", CLIENT).json()["exception"]
    assert not {"cause", "context"} & exception.keys()
    assert exception["frames"][0]["file"] == __file__
    page = show("/broken").text
    first = page.split('<li class="frame user">')[1]
    assert first.lstrip().startswith(f'<code class="fname">{__file__}')
    assert "During handling of the above exception" not in page


def test_chains_and_groups_are_told(api: FastAPI, show: Show) -> None:
    def fail(word: str) -> None:
        raise ValueError(word)

    @api.get("/chained")
    def chained() -> None:
        failures: list[Exception] = []
        for word in ("the first", "the second"):
            try:
                fail(word)
            except ValueError as error:
                failures.append(error)
        try:
            fail("the cause")
        except ValueError as error:
            group = ExceptionGroup("all of them", failures)
            group.add_note("a note on it")
            raise group from error

    for accept in (BROWSER, TERMINAL):
        text = show("/chained", accept).text
        for expected in ("the first", "the second", "the cause", "all of them", "a note on it", "direct cause"):
            assert expected in text, (accept, expected)
    exception = show("/chained", CLIENT).json()["exception"]
    assert [one["message"] for one in exception["exceptions"]] == ["the first", "the second"]
    assert exception["exceptions"][0]["frames"][-1]["code"] == "raise ValueError(word)"
    assert exception["cause"]["message"] == "the cause"
    assert exception["notes"] == ["a note on it"]


class Scripted(Exception):
    pass


@pytest.fixture
def scripted(api: FastAPI) -> FastAPI:
    """Give an API that puts what it is sent into everything that a page can show."""

    @api.api_route("/echo/{name:path}", methods=["GET", "POST"])
    async def echo(request: Request, name: str) -> None:
        local = {"name": name, "body": (await request.body()).decode(), SCRIPT: SCRIPT}
        error = Scripted(f"{local} {request.headers}")
        error.add_note(SCRIPT)
        raise ExceptionGroup(SCRIPT, [error]) from ValueError(SCRIPT)

    return api


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"headers": {"X-Own": SCRIPT, "User-Agent": SCRIPT, "Referer": SCRIPT}},
        {"headers": {"Cookie": f"a={SCRIPT}; {SCRIPT}=b"}},
        {"headers": {"Host": "testserver"}, "params": {SCRIPT: SCRIPT}},
        {"method": "POST", "json": {SCRIPT: [SCRIPT]}},
        {"method": "POST", "data": {SCRIPT: SCRIPT}},
        {"method": "POST", "content": SCRIPT},
        {"method": "POST", "files": {SCRIPT: (SCRIPT, b"x", SCRIPT)}},
        {"headers": {"Content-Type": SCRIPT}, "content": SCRIPT},
    ],
)
def test_script_is_escaped_wherever_a_request_can_carry_it(show: Show, options: dict[str, Any]) -> None:
    answer = show(f"/echo/{SCRIPT}", BROWSER, options.pop("method", "GET"), **options)
    assert answer.status_code == 500
    assert "<script>alert" not in answer.text
    assert escape("<script>alert") in answer.text


def test_script_in_a_validation_and_in_a_hint_is_escaped(api: FastAPI, show: Show) -> None:
    class Out(BaseModel):
        size: int

    @api.get("/out", response_model=Out)
    def out(q: str) -> dict[str, str]:
        return {"size": q}

    @api.get("/hint")
    async def hint() -> None:
        User.objects.get(username="<script>alert('x')</script>")

    for path in (f"/out?q={SCRIPT}", "/hint"):
        page = show(path).text
        assert "<script>alert" not in page
        assert escape("<script>alert") in page


def test_json_keeps_script_from_being_html(api: FastAPI, show: Show) -> None:
    @api.get("/broken")
    def broken() -> None:
        raise RuntimeError(SCRIPT)

    answer = show("/broken", CLIENT)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert json.loads(answer.text)["exception"]["message"] == SCRIPT


def test_the_places_of_djangos_page_are_still_there() -> None:
    template = ExceptionReporter(None, None, None, None).html_template_path.read_text()
    for _, before, after in reporters._PLACES:  # noqa: SLF001 (this is the test that fails when Django's page changes)
        assert template.count(before or after) == 1


@pytest.mark.parametrize("accept", ALL)
def test_a_request_that_django_cannot_read_is_answered_all_the_same(
    api: FastAPI, show: Show, build: Callable[[], ASGIApp], accept: str
) -> None:
    @api.get("/broken")
    def broken() -> None:
        raise RuntimeError("x")

    del show  # it has set `DEBUG`
    answer = ask(build(), make_scope("/broken", query_string=b"\xff", headers=[(b"accept", accept.encode())]))
    assert answer.status == 500
    assert b"RuntimeError" in answer.body
