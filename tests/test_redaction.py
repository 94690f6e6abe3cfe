import json
import re
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import pytest
from django.views.debug import SafeExceptionReporterFilter, get_default_exception_reporter_filter
from fastapi import Body, Cookie, Depends, FastAPI, Form, Header, Query, WebSocket
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    RootModel,
    SecretBytes,
    SecretStr,
    field_validator,
    model_validator,
)
from pytest_django import Settings

from django_fastapi.refusals import install_handlers
from django_fastapi.types import Message

from .conftest import fetch

SECRET = "hunter2-hunter2"
STARS = "********************"
MASKED = {"password": STARS, "age": "x"}


class HidesNumbers(SafeExceptionReporterFilter):
    hidden_settings = re.compile("NUMBER|TOKEN", re.IGNORECASE)


class Account(BaseModel):
    password: str
    age: int


class Nested(BaseModel):
    accounts: list[Account]
    by_name: dict[str, Account] = Field(default_factory=dict)


class Pins(BaseModel):
    pin: Annotated[SecretStr, Field(alias="Pin", min_length=20)]
    codes: list[SecretBytes] | None = None
    word: Annotated[str, Field(json_schema_extra={"format": "password"}, max_length=3)] = ""
    age: int = 0


class Talkative(BaseModel):
    password: str
    other: str = ""

    @field_validator("password")
    @classmethod
    def tell(cls, value: str) -> str:
        raise ValueError(f"{value} is too weak")


class TalkativeAsAWhole(BaseModel):
    password: str
    name: str

    @model_validator(mode="after")
    def tell(self) -> "TalkativeAsAWhole":
        raise ValueError(f"{self.password} does not go with {self.name}")


class Login(BaseModel):
    username: str
    password: str
    otp: int


class Texts(BaseModel):
    """Texts with more than one value in them, and two fields to find fault with."""

    data: Any = None
    author: int | Login = 0
    need: int
    other: int


class Pin(RootModel[SecretStr]):
    root: Annotated[SecretStr, Field(min_length=20)]


class Renamed(BaseModel):
    """A secret that can come under names of which none looks like one."""

    model_config = ConfigDict(populate_by_name=True)

    by_name: Annotated[SecretStr, Field(alias="n1", min_length=20)] = SecretStr("x" * 20)
    choice: Annotated[
        SecretStr, Field(validation_alias=AliasChoices("n2", "n3", AliasPath("n4", "n5", 0)), min_length=20)
    ] = SecretStr("x" * 20)
    path: Annotated[SecretStr, Field(validation_alias=AliasPath("n6", "n7"), min_length=20)] = SecretStr("x" * 20)
    root: Pin | None = None
    again: "Renamed | None" = None
    age: int


class Wrapped(BaseModel):
    inner: list[Renamed] | None = None
    text: Json[Account] | None = None


def pin_header(x_door: Annotated[SecretStr, Header(max_length=3)]) -> SecretStr:
    return x_door


@pytest.fixture
def api() -> FastAPI:
    api = FastAPI()

    def post(path: str, model: type[BaseModel]) -> None:
        async def endpoint(body: Any) -> None:
            """Take it."""

        endpoint.__annotations__["body"] = model
        api.post(path)(endpoint)

    for model in (Account, Nested, Pins, Talkative, TalkativeAsAWhole, Pin, Renamed, Wrapped):
        post(f"/{model.__name__}", model)

    @api.post("/whole")
    async def whole(pins: list[Pin]) -> None:
        """Take them."""

    @api.post("/form")
    async def form(login: Annotated[Login, Form()]) -> None:
        """Take it."""

    @api.get("/values")
    async def values(
        token: int = 0,
        authorization: Annotated[int, Header()] = 0,
        tracker: Annotated[int, Cookie()] = 0,
        author: int = 0,
        number: int = 0,
    ) -> None:
        """Take them."""

    class Headers(BaseModel):
        cookie: str
        x_api_key: str
        missing: str

    @api.get("/headers")
    async def headers(headers: Annotated[Headers, Header()]) -> None:
        """Take them."""

    @api.get("/door", dependencies=[Depends(pin_header)])
    async def door() -> None:
        """Take it."""

    add_lone_bodies(api)
    add_texts(api)
    install_handlers(api)
    return api


def add_lone_bodies(api: FastAPI) -> None:
    @api.post("/redeem")
    async def redeem(token: Annotated[UUID, Body()]) -> None:
        """Take it."""

    @api.post("/count")
    async def count(number: Annotated[int, Body()]) -> None:
        """Take it."""

    @api.post("/map")
    async def mapping(values: dict[str, int]) -> None:
        """Take them."""

    @api.post("/either")
    async def either(body: Account | Login | None = None) -> None:
        """Take it."""


def add_texts(api: FastAPI) -> None:
    @api.post("/texts")
    async def texts(texts: Texts) -> None:
        """Take them."""

    @api.post("/texts-of-a-form")
    async def texts_of_a_form(texts: Annotated[Texts, Form()]) -> None:
        """Take them."""

    @api.get("/texts")
    async def texts_of_a_query(texts: Annotated[Texts, Query()]) -> None:
        """Take them."""

    @api.post("/secret-keys")
    async def secret_keys(
        tokens: Annotated[dict[int, int], Body()] = {},  # noqa: B006 (nobody changes it)
        secrets: Annotated[dict[str, int | list[int]], Body()] = {},  # noqa: B006
        credentials: Annotated[Login | int, Body()] = 0,
        counts: Annotated[dict[int, int], Body()] = {},  # noqa: B006
    ) -> None:
        """Take them."""


def refusal(api: FastAPI, path: str, json: Any = None, **options: Any) -> list[dict[str, Any]]:
    """Return the errors of a 422, in which the secret does not stand."""
    answer = fetch(api, path, "GET" if json is None and "data" not in options else "POST", json=json, **options)
    assert answer.status_code == 422
    assert SECRET not in answer.text
    detail: list[dict[str, Any]] = answer.json()["detail"]
    return detail


def test_the_value_of_a_secret_field_is_masked(api: FastAPI) -> None:
    [detail] = refusal(api, "/Account", {"password": [SECRET], "age": 3})
    assert (detail["loc"], detail["input"]) == (["body", "password"], STARS)


def test_the_object_around_a_missing_field_is_masked_inside(api: FastAPI) -> None:
    [detail] = refusal(api, "/Account", {"password": SECRET})
    assert (detail["loc"], detail["input"]) == (["body", "age"], {"password": STARS})


def test_any_level_is_masked(api: FastAPI) -> None:
    body = {"accounts": [{"password": SECRET}], "by_name": {"me": {"Secret-Keys": [[SECRET]], "age": 3}}}
    first, second = refusal(api, "/Nested", body)
    assert first["input"] == {"password": STARS}
    assert second["input"] == {"Secret-Keys": STARS, "age": 3}


def test_values_that_are_no_secrets_are_repeated(api: FastAPI) -> None:
    [detail] = refusal(api, "/Account", {"password": "", "age": "old"})
    assert detail["input"] == "old"


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"Pin": SECRET}, STARS),
        ({"Pin": SECRET * 2, "word": SECRET}, STARS),
        ({"Pin": SECRET * 2, "codes": [[SECRET]]}, STARS),
        ({"codes": [SECRET], "word": "abc", "age": 1}, {"codes": STARS, "word": STARS, "age": 1}),
    ],
)
def test_a_field_that_is_declared_secret_is_masked(api: FastAPI, body: dict[str, Any], shown: object) -> None:
    [detail] = refusal(api, "/Pins", body)
    assert detail["input"] == shown


RENAMED: list[dict[str, Any]] = [
    {"by_name": SECRET},
    {"n1": SECRET},
    {"n2": SECRET},
    {"n3": SECRET},
    {"n4": {"n5": [SECRET]}},
    {"n6": {"n7": SECRET}},
    {"root": SECRET},
    {"again": {"age": 1, "n3": SECRET}},
]


@pytest.mark.parametrize("has_fault", [False, True])
@pytest.mark.parametrize("body", RENAMED)
def test_a_secret_is_masked_under_all_its_names(api: FastAPI, body: dict[str, Any], *, has_fault: bool) -> None:
    """Whether the secret is at fault, or stands beside a field that is missing."""
    one = body if has_fault else {**body, "age": 1}
    for path, whole in (("/Renamed", one), ("/Wrapped", {"inner": [one]})):
        errors = refusal(api, path, whole)
        assert has_fault == ("missing" in {error["type"] for error in errors})


@pytest.mark.parametrize(("path", "body"), [("/Pin", SECRET), ("/whole", [SECRET]), ("/whole", {"0": SECRET})])
def test_a_body_that_is_secret_as_a_whole_is_masked(api: FastAPI, path: str, body: object) -> None:
    [error] = refusal(api, path, body)
    assert error["input"] == STARS


def test_a_text_that_should_have_been_json_is_not_repeated(api: FastAPI) -> None:
    [error] = refusal(api, "/Wrapped", {"text": f'{{"password": "{SECRET}"'})
    assert (error["type"], error["loc"]) == ("json_invalid", ["body", "text"])
    assert "input" not in error
    [error, _] = refusal(api, "/Wrapped", {"text": f'{{"password": "{SECRET}", "age": "x"}}', "inner": 1})
    assert error["loc"] == ["body", "inner"]


LOGIN = {"username": "me", "password": SECRET}
IN_TEXT: list[tuple[str, object]] = [
    (json.dumps(LOGIN), json.dumps({"username": "me", "password": STARS})),
    (f" [{json.dumps(LOGIN)}]", json.dumps([{"username": "me", "password": STARS}])),
    (json.dumps(json.dumps(LOGIN)), json.dumps(json.dumps({"username": "me", "password": STARS}))),
    (
        json.dumps({"again": json.dumps(LOGIN)}),
        json.dumps({"again": json.dumps({"username": "me", "password": STARS})}),
    ),
    (json.dumps(LOGIN)[:-1], STARS),
    (str(LOGIN), STARS),
    (f"{'[' * 20_000}{json.dumps(LOGIN)}", STARS),
    (f"username=me&pass%77ord={SECRET}", STARS),
    (f"theme=dark; sessionid={SECRET}", STARS),
]


@pytest.mark.parametrize("send", ["json", "data", "params"])
@pytest.mark.parametrize(("text", "shown"), IN_TEXT)
def test_a_text_that_holds_a_secret_is_masked_where_another_value_is_at_fault(
    api: FastAPI, send: str, text: str, shown: object
) -> None:
    path = "/texts-of-a-form" if send == "data" else "/texts"
    answer = fetch(api, path, "GET" if send == "params" else "POST", **{send: {"data": text}})
    assert SECRET not in answer.text
    assert [(error["type"], error["input"]) for error in answer.json()["detail"]] == [("missing", {"data": shown})] * 2


def test_a_text_that_holds_a_secret_is_masked_for_each_kind_that_it_could_be(api: FastAPI) -> None:
    number, login = refusal(api, "/texts", {"author": json.dumps(LOGIN), "need": 1, "other": 1})
    assert (number["loc"][-1], number["input"]) == ("int", json.dumps({"username": "me", "password": STARS}))
    assert (login["loc"][-1], "input" in login) == ("Login", False)


@pytest.mark.parametrize(
    "text", [json.dumps({**LOGIN, "filling": "x" * 2**16}), f"a=1&password={SECRET}&filling={'x' * 2**16}"]
)
def test_a_text_that_is_too_long_to_be_looked_through_is_masked_as_a_whole(api: FastAPI, text: str) -> None:
    assert [error["input"] for error in refusal(api, "/texts", {"data": text})] == [{"data": STARS}] * 2


@pytest.mark.parametrize(
    "text",
    [
        '{"b":1,  "\u0061":"x"}',
        "[draft] of a letter",
        '"quoted"',
        "{",
        "e=mc2",
        "a=1&b=2",
        "my password is long",
        "x" * 2**17,
    ],
)
def test_a_text_without_a_secret_is_repeated_as_it_is(api: FastAPI, text: str) -> None:
    assert refusal(api, "/texts", {"data": text, "other": 1})[0]["input"] == {"data": text, "other": 1}


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({"tokens": {SECRET: 1}}, [["body", "tokens", STARS, "[key]"]]),
        ({"tokens": {"1": "x"}}, [["body", "tokens", STARS]]),
        (
            {"secrets": {SECRET: "x"}},
            [["body", "secrets", STARS, "int"], ["body", "secrets", STARS, "list[int]"]],
        ),
        (
            {"credentials": LOGIN},
            [["body", "credentials", "Login", "otp"], ["body", "credentials", "int"]],
        ),
        ({"counts": {"x": 1}}, [["body", "counts", "x", "[key]"]]),
    ],
)
def test_a_place_names_fields_and_no_keys_below_a_secret_name(api: FastAPI, body: object, places: object) -> None:
    assert [error["loc"] for error in refusal(api, "/secret-keys", body)] == places


def test_a_secret_parameter_of_a_dependency_is_masked(api: FastAPI) -> None:
    [detail] = refusal(api, "/door", headers={"X-Door": SECRET})
    assert (detail["loc"], detail["input"]) == (["header", "x-door"], STARS)


@pytest.mark.parametrize("name", ["author", "number"])
def test_a_name_that_only_looks_like_that_of_a_secret_is_not_masked(api: FastAPI, name: str) -> None:
    [detail] = fetch(api, f"/values?{name}=nobody").json()["detail"]
    assert detail["input"] == "nobody"


@pytest.mark.parametrize("name", ["token", "number"])
def test_the_projects_own_pattern_hides_as_well(api: FastAPI, settings: Settings, name: str) -> None:
    settings.DEFAULT_EXCEPTION_REPORTER_FILTER = f"{__name__}.HidesNumbers"
    get_default_exception_reporter_filter.cache_clear()
    try:
        [detail] = fetch(api, f"/values?{name}=nobody").json()["detail"]
    finally:
        get_default_exception_reporter_filter.cache_clear()
    assert detail["input"] == STARS


def test_a_message_that_repeats_the_secret_is_masked(api: FastAPI) -> None:
    [detail] = refusal(api, "/Talkative", {"password": SECRET})
    assert detail["msg"] == f"Value error, {STARS} is too weak"


def test_a_message_about_the_whole_is_masked(api: FastAPI) -> None:
    [detail] = refusal(api, "/TalkativeAsAWhole", {"password": SECRET, "name": "me"})
    assert detail["msg"] == f"Value error, {STARS} does not go with me"
    assert detail["input"] == {"password": STARS, "name": "me"}


def test_a_form_is_masked(api: FastAPI) -> None:
    [detail] = refusal(api, "/form", data={"username": "me", "password": SECRET})
    assert detail["loc"] == ["body", "otp"]
    assert detail["input"] == {"username": "me", "password": STARS}


@pytest.mark.parametrize("written", [repr, json.dumps])
def test_a_message_that_repeats_the_secret_as_python_or_json_writes_it_is_masked(
    api: FastAPI, written: Callable[[str], str]
) -> None:
    secret = "a\\b-c'\"\n\u00e9-hunter2"

    class Quoting(BaseModel):
        password: str

        @field_validator("password")
        @classmethod
        def tell(cls, value: str) -> str:
            raise ValueError(f"bad password {written(value)}")

    @api.post("/quoting")
    async def quoting(body: Quoting) -> None:
        """Take it."""

    [detail] = refusal(api, "/quoting", {"password": secret})
    quote = written(secret)[0]
    assert detail["msg"] == f"Value error, bad password {quote}{STARS}{quote}"


def test_a_body_that_is_the_one_value_of_a_secret_parameter_is_masked(api: FastAPI) -> None:
    [detail] = refusal(api, "/redeem", SECRET)
    assert (detail["loc"], detail["input"]) == (["body"], STARS)
    [detail] = refusal(api, "/count", "many")
    assert (detail["loc"], detail["input"]) == (["body"], "many")


@pytest.mark.parametrize("path", ["/Account", "/map", "/whole", "/either", "/Nested"])
def test_a_text_in_the_place_of_an_object_is_not_repeated(api: FastAPI, path: str) -> None:
    """Such as JSON that was encoded twice."""
    for error in refusal(api, path, json.dumps({"password": SECRET, "age": 1})):
        assert "input" not in error


@pytest.mark.parametrize(
    ("path", "options", "shown"),
    [
        (f"/values?token={SECRET}", {}, STARS),
        ("/values", {"headers": {"Authorization": f"Bearer {SECRET}"}}, STARS),
        ("/values", {"headers": {"Cookie": f"tracker={SECRET}"}}, STARS),
        ("/values?number=many", {}, "many"),
    ],
)
def test_queries_headers_and_cookies_are_masked(api: FastAPI, path: str, options: dict[str, Any], shown: str) -> None:
    [detail] = refusal(api, path, **options)
    assert detail["input"] == shown


def test_all_headers_together_are_masked(api: FastAPI) -> None:
    headers = {"Cookie": f"a={SECRET}", "X-API-Key": SECRET, "Authorization": SECRET}
    details = refusal(api, "/headers", headers=headers)
    assert details[-1]["loc"] == ["header", "missing"]


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (f'{{"password": "{SECRET}"', "application/json"),
        (f'{{"password": "{SECRET}", "age": 1}}', None),
        (f'{{"password": "{SECRET}", "age": 1}}', "text/plain"),
        (f"password={SECRET}", "application/x-www-form-urlencoded"),
        (f'"{SECRET}', "application/json"),
    ],
)
def test_a_body_that_was_not_read_as_json_is_not_repeated(api: FastAPI, content: str, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = fetch(api, "/Account", "POST", content=content.encode(), headers=headers)
    assert answer.status_code == 422
    assert SECRET not in answer.text


def test_the_name_of_the_session_cookie_is_secret(api: FastAPI, settings: Settings) -> None:
    settings.SESSION_COOKIE_NAME = "age"
    [detail] = refusal(api, "/Account", {"password": "", "age": "old"})
    assert detail["input"] == STARS


@pytest.mark.anyio
async def test_the_reason_of_closing_a_websocket_holds_no_secret(api: FastAPI) -> None:
    @api.websocket("/socket")
    async def socket(websocket: WebSocket, token: int) -> None:
        """Take it."""

    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    query = f"token={SECRET}".encode()
    await api({"type": "websocket", "path": "/socket", "headers": [], "query_string": query}, receive, send)
    [message] = sent
    assert (message["type"], message["code"]) == ("websocket.close", 1008)
    assert message["reason"].startswith("query.token: ")
    assert SECRET not in str(message)
