import enum
import uuid
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

import pytest
from django.core.validators import EmailValidator
from django.utils import translation
from fastapi import FastAPI
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ErrorType
from pytest_django import Settings

from django_fastapi.refusals import install_handlers
from django_fastapi.validation import _WORDS

from .conftest import fetch

GERMAN = {"Accept-Language": "de"}
JSON = {"Content-Type": "application/json"}


class Colour(enum.Enum):
    GREEN = "green"


class Everything(BaseModel):
    model_config = ConfigDict(extra="forbid")

    needed: int
    text: Annotated[str, Field(min_length=3, max_length=5, pattern="^[a-z]*$")] = "abc"
    whole: Annotated[int, Field(ge=3, le=10, multiple_of=2)] = 4
    number: float = 0
    money: Annotated[Decimal, Field(max_digits=4, decimal_places=2)] = Decimal(0)
    truth: bool = True
    colour: Colour = Colour.GREEN
    word: Literal["yes"] = "yes"
    day: date = date.min
    clock: time = time.min
    moment: datetime = datetime.min  # noqa: DTZ901 (a default nobody looks at)
    length: timedelta = timedelta(0)
    url: AnyUrl = AnyUrl("https://one.test")
    key: uuid.UUID = uuid.UUID(int=0)
    items: list[int] = Field(default_factory=list)
    strict: Annotated[int, Field(gt=5)] = 6


class AboutMail(BaseModel):
    mail: str

    @field_validator("mail")
    @classmethod
    def check(cls, value: str) -> str:
        raise PydanticCustomError("value_error", "value is not a valid email address: {reason}", {"reason": value})


@pytest.fixture
def api() -> FastAPI:
    api = FastAPI()

    @api.post("/everything")
    async def everything(body: Everything) -> None:
        """Take it."""

    @api.post("/mail")
    async def mail(body: AboutMail) -> None:
        """Take it."""

    @api.post("/numbers")
    async def numbers(numbers: list[int]) -> int:
        return sum(numbers)

    install_handlers(api)
    return api


def messages(api: FastAPI, body: Any, path: str = "/everything", **headers: str) -> list[str]:
    answer = fetch(api, path, "POST", json=body, headers=headers)
    assert answer.status_code == 422
    return [detail["msg"] for detail in answer.json()["detail"]]


def test_an_invalid_body_is_answered_as_fastapi_does(api: FastAPI) -> None:
    answer = fetch(api, "/numbers", "POST", content=b'["x"]', headers=JSON)
    assert answer.status_code == 422
    [detail] = answer.json()["detail"]
    assert detail == {
        "type": "int_parsing",
        "loc": ["body", 0],
        "msg": "Input should be a valid integer, unable to parse string as an integer",
        "input": "x",
    }


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\xff", {}),
        (b"\xff", {"Content-Type": "text/plain"}),
        (rb'["\ud800"]', JSON),
        (b"[NaN]", JSON),
        (b"[1e400]", JSON),
    ],
)
def test_a_value_without_a_form_in_json_is_left_out(api: FastAPI, body: bytes, headers: dict[str, str]) -> None:
    answer = fetch(api, "/numbers", "POST", content=body, headers=headers)
    assert answer.status_code == 422
    [detail] = answer.json()["detail"]
    assert detail["loc"][0] == "body"
    assert "input" not in detail


@pytest.mark.parametrize("depth", [300, 900, 100_000])
def test_a_value_may_be_nested_too_deeply(api: FastAPI, depth: int) -> None:
    """How deep is too deep depends on the interpreter."""
    answer = fetch(api, "/numbers", "POST", content=b"[" * depth + b"]" * depth, headers=JSON)
    assert answer.status_code in (400, 422)


def test_the_name_of_a_field_may_be_no_text(api: FastAPI) -> None:
    answer = fetch(api, "/everything", "POST", content=rb'{"needed": 1, "\ud800": 1}', headers=JSON)
    assert answer.status_code == 422
    assert [detail["type"] for detail in answer.json()["detail"]] == ["string_unicode"]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("needed", "x", "Bitte eine ganze Zahl eingeben."),
        ("needed", 1.5, "Bitte eine ganze Zahl eingeben."),
        ("text", 3, "Bitte einen gültigen Wert eingeben."),
        ("text", "A" * 4, "Bitte einen gültigen Wert eingeben."),
        ("whole", 2, "Dieser Wert muss größer oder gleich 3 sein."),
        ("whole", 12, "Dieser Wert muss kleiner oder gleich 10 sein."),
        ("number", "x", "Bitte eine Zahl eingeben."),
        ("money", "x", "Bitte eine Zahl eingeben."),
        ("truth", "perhaps", "Bitte einen gültigen Wert eingeben."),
        ("colour", "blue", "Bitte einen gültigen Wert eingeben."),
        ("word", "no", "Bitte einen gültigen Wert eingeben."),
        ("day", "x", "Bitte ein gültiges Datum eingeben."),
        ("clock", "x", "Bitte eine gültige Uhrzeit eingeben."),
        ("moment", "x", "Bitte ein gültiges Datum und Uhrzeit eingeben."),
        ("length", "x", "Bitte eine gültige Zeitspanne eingeben."),
        ("url", "x", "Bitte eine gültige Adresse eingeben."),
        ("key", "x", "Bitte eine gültige UUID eingeben."),
        ("items", "x", "Bitte eine Liste mit Werten eingeben."),
    ],
)
def test_django_has_the_words(api: FastAPI, field: str, value: object, expected: str) -> None:
    assert messages(api, {"needed": 1, field: value}, **GERMAN) == [expected]


def test_a_text_may_be_too_short_or_too_long(api: FastAPI) -> None:
    [short] = messages(api, {"needed": 1, "text": "a"}, **GERMAN)
    assert short.startswith("Bitte sicherstellen, dass der Wert aus mindestens 3 Zeichen besteht.")
    assert "1 Zeichen" in short
    [long] = messages(api, {"needed": 1, "text": "a" * 7}, **GERMAN)
    assert "höchstens 5 Zeichen" in long


def test_a_number_may_have_too_many_digits(api: FastAPI) -> None:
    [digits] = messages(api, {"needed": 1, "money": "12345"}, **GERMAN)
    [places] = messages(api, {"needed": 1, "money": "1.234"}, **GERMAN)
    assert "4 Ziffern" in digits
    assert "2 Dezimalstellen" in places


def test_what_is_missing_is_said_in_any_language(api: FastAPI) -> None:
    assert messages(api, {}, **GERMAN) == ["Dieses Feld ist zwingend erforderlich."]
    assert messages(api, {}, **{"Accept-Language": "fr;q=0.9, de;q=0.1"}) == ["Dieses Feld ist zwingend erforderlich."]
    assert messages(api, {}, Cookie="django_language=de") == ["Dieses Feld ist zwingend erforderlich."]


def test_a_body_that_is_no_json_is_said_in_any_language(api: FastAPI) -> None:
    answer = fetch(api, "/everything", "POST", content=b"{", headers={**JSON, **GERMAN})
    assert answer.json()["detail"][0]["msg"] == "Bitte ein gültiges JSON-Objekt eingeben."


def test_an_address_for_mail_is_said_in_any_language(api: FastAPI) -> None:
    with translation.override("de"):
        expected = str(EmailValidator.message)
    assert messages(api, {"mail": "x"}, "/mail", **GERMAN) == [expected]


def test_what_django_has_no_words_for_stays(api: FastAPI) -> None:
    assert messages(api, {"needed": 1, "strict": 5}, **GERMAN) == ["Input should be greater than 5"]


@pytest.mark.parametrize("headers", [{}, {"Accept-Language": "en"}, {"Accept-Language": "en-GB, de;q=0.5"}])
def test_in_english_pydantic_has_the_words(api: FastAPI, headers: dict[str, str]) -> None:
    assert messages(api, {}, **headers) == ["Field required"]


def test_without_translations_pydantic_has_the_words(api: FastAPI, settings: Settings) -> None:
    settings.USE_I18N = False
    assert messages(api, {}, **GERMAN) == ["Field required"]


def test_the_language_of_the_project_is_that_of_clients_without_one(api: FastAPI, settings: Settings) -> None:
    settings.LANGUAGE_CODE = "de"
    assert messages(api, {}) == ["Dieses Feld ist zwingend erforderlich."]


def test_the_kinds_are_those_that_pydantic_has() -> None:
    assert set(_WORDS) <= set(get_args(ErrorType))
