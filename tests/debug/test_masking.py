from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr
from starlette.datastructures import Headers, QueryParams

from django_fastapi.debug.masking import STARS, mask, scrub, secrets_in, secrets_of_request

SECRET = "hunter2-hunter2"


class Account(BaseModel):
    model_config = ConfigDict(extra="allow")

    name: str = "ann"
    password: str = SECRET
    pin: SecretStr = SecretStr(SECRET)


@dataclass
class Login:
    user: str
    token: str


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"password": SECRET, "a": [{"token": SECRET, "n": 1}]}, {"password": STARS, "a": [{"token": STARS, "n": 1}]}),
        ([(b"authorization", SECRET.encode()), (b"host", b"x")], [(b"authorization", STARS), (b"host", b"x")]),
        (("a", {"secret": SECRET}), ("a", {"secret": STARS})),
        ("plain", "plain"),
        (None, None),
    ],
)
def test_secrets_by_their_names(value: Any, shown: Any) -> None:
    assert mask(value) == shown


@pytest.mark.parametrize(
    "value",
    [
        Account(),
        Account(apiKey=SECRET),
        {"accounts": [Account()]},
        Login("ann", SECRET),
        Headers({"Authorization": f"Bearer {SECRET}", "Host": "ann"}),
        QueryParams({"token": SECRET, "user": "ann"}),
    ],
)
def test_models_and_headers_are_shown_without_secrets(value: object) -> None:
    shown = repr(mask(value))
    assert SECRET not in shown
    assert "ann" in shown
    assert STARS in shown


@pytest.mark.parametrize(
    "value",
    [f"say {SECRET}", f"say {SECRET}".encode(), [SECRET.encode()], {"a": SECRET}, ValueError(1, f"no {SECRET}")],
)
def test_known_secrets_are_masked_in_texts(value: object) -> None:
    shown = repr(mask(value, secrets=[SECRET]))
    assert shown == repr(value).replace(SECRET, STARS)


class Touchy:
    """An object that does not like to be looked at."""

    @property
    def __class__(self) -> type:
        raise RuntimeError("hands off")


def test_what_fails_when_it_is_looked_at_is_shown_as_such() -> None:
    assert "fails" in repr(mask([Touchy()]))


def test_a_value_that_holds_itself_is_no_endless_affair() -> None:
    value: list[Any] = [SECRET]
    value.append(value)
    assert mask(value)[0] == SECRET


def test_secrets_are_found_to_be_masked_elsewhere() -> None:
    found = set(secrets_in({"user": "ann", "login": {"password": SECRET, "codes": [1]}, "pins": {"pin": [4321]}}))
    assert {SECRET, "4321"} <= found
    assert "ann" not in found


def test_secrets_of_a_request() -> None:
    headers = [
        (b"authorization", b"Bearer " + SECRET.encode()),
        (b"cookie", b'theme=dark-theme; quoted="a b c d"'),
        (b"host", b"example.org"),
    ]
    found = secrets_of_request(headers, b"token=to%20ken&p%61ge=page1&page2=page2", {"password": "pass-word"}, {"page"})
    assert {SECRET, "dark-theme", "a b c d", "to ken", "to%20ken", "pass-word", "page1"} <= found
    assert not {"example.org", "page2"} & found


def test_scrubbing_goes_through_lists_and_leaves_short_texts_alone() -> None:
    assert scrub([f"x{SECRET}", (SECRET, 1), {"a": SECRET}], {SECRET, "x"}) == [f"x{STARS}", (STARS, 1), {"a": STARS}]
