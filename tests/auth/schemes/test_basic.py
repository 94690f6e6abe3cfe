from base64 import b64encode
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import pytest
from django.core.cache import cache
from fastapi import Depends, FastAPI
from pytest_django import Settings

from django_fastapi.auth import BasicAuth, SessionAuth, current_user_by
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.testing import Client
from tests.auth.conftest import PASSWORD, MakeUser

if TYPE_CHECKING:
    from django.contrib.auth.models import User

CHALLENGE = 'Basic realm="api", charset="UTF-8"'


@pytest.fixture(autouse=True)
def routes(api: FastAPI) -> None:
    @api.post("/basic")
    def basic(user: Annotated[Any, Depends(current_user_by(BasicAuth()))]) -> str:
        return str(user.get_username())

    @api.post("/async-basic")
    async def async_basic(user: Annotated[Any, Depends(current_user_by(BasicAuth()))]) -> str:
        return str(user.get_username())

    @api.post("/both")
    async def both(user: Annotated[Any, Depends(current_user_by(BasicAuth(), SessionAuth()))]) -> str:
        return str(user.get_username())


def encode(text: str | bytes) -> str:
    return "Basic " + b64encode(text.encode() if isinstance(text, str) else text).decode()


def ask(client: Client, *values: str, path: str = "/basic") -> httpx.Response:
    return client.post(path, headers=[("Authorization", value) for value in values])


def test_name_and_password_are_enough_and_no_csrf_token_is_needed(client: Client, make_user: MakeUser) -> None:
    make_user("Ådå")
    with Client(client.app, enforce_csrf_checks=True) as script:
        for path in ("/basic", "/async-basic", "/both"):
            answer = script.post(path, auth=("Ådå", PASSWORD))
            assert answer.json() == "Ådå"
            assert "Authorization" in answer.headers["vary"]
            assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "value",
    [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic YWRh",
        encode("ada"),
        encode(":"),
        encode("ada:"),
        encode("ada:wrong"),
        encode(f"nobody:{PASSWORD}"),
        encode(f"ghost:{PASSWORD}"),
        encode(f"ada:{PASSWORD} "),
        encode(f"ada\0:{PASSWORD}"),
        encode(b"\xff:\xff"),
        encode("a" * 20_000 + ":" + "b" * 20_000),
        encode(f"ada:{PASSWORD}")[:-4],
        f"bearer {encode('ada:x')}",
        "Bearer x",
    ],
)
def test_whatever_is_wrong_with_it_the_answer_is_the_same(client: Client, make_user: MakeUser, value: str) -> None:
    make_user("ada")
    make_user("ghost", is_active=False)
    nobody = ask(client)
    answer = ask(client, value)
    assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, CHALLENGE)
    assert (answer.status_code, answer.content) == (401, nobody.content)
    assert answer.headers["www-authenticate"] == CHALLENGE


def test_more_than_one_is_none(client: Client, make_user: MakeUser) -> None:
    make_user("ada")
    right = encode(f"ada:{PASSWORD}")
    assert ask(client, right).status_code == 200
    assert ask(client, right.replace("Basic", "bAsIc")).status_code == 200
    assert ask(client, right, right).status_code == 401
    assert ask(client, right, "Bearer x").status_code == 401


@pytest.fixture
def limited(api: FastAPI) -> None:
    by_name = current_user_by(BasicAuth(rate="3/day"))
    for path in ("/limited", "/limited-too"):

        @api.post(path)
        def endpoint(user: Annotated[Any, Depends(by_name)]) -> str:
            return str(user.get_username())

    cache.clear()


@pytest.mark.usefixtures("limited", "ada")
def test_its_tries_can_be_limited_over_all_routes(client: Client) -> None:
    tries = [client.post("/limited", auth=(name, "wrong")).status_code for name in ("ada", "eve", "ada")]
    assert tries == [401, 401, 401]
    answer = client.post("/limited-too", auth=("ada", PASSWORD))
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["ratelimit-policy"] == '"basic";q=3;w=86400'
    assert client.post("/basic", auth=("ada", PASSWORD)).status_code == 200
    assert ask(client, path="/limited").status_code == 401
    assert ask(client, "Basic !!!", path="/limited").status_code == 401


@pytest.mark.usefixtures("limited", "ada")
def test_the_right_ones_count_too(client: Client) -> None:
    assert [client.post("/limited", auth=("ada", PASSWORD)).status_code for _ in range(4)] == [200, 200, 200, 429]


@pytest.mark.usefixtures("ada")
def test_the_limit_holds_where_every_route_needs_a_user(client: Client, api: FastAPI, settings: Settings) -> None:
    cache.clear()
    settings.FASTAPI_AUTH = {"REQUIRED": True, "SCHEMES": [BasicAuth(rate="2/day")]}

    @api.post("/plain")
    def plain() -> str:
        return "plain"

    assert [client.post("/plain", auth=("ada", "wrong")).status_code for _ in range(3)] == [401, 401, 429]
    assert client.post("/plain", auth=("ada", PASSWORD)).status_code == 429


def test_a_rate_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="is no rate"):
        BasicAuth(rate="often")


def test_a_bad_one_does_not_fall_through_to_the_session(client: Client, ada: "User") -> None:
    client.force_login(ada)
    assert client.post("/both").json() == "ada"
    assert ask(client, encode("ada:wrong"), path="/both").status_code == 401
    assert ask(client, "Basic !!!", path="/both").status_code == 401
    assert ask(client, "Bearer x", path="/both").json() == "ada"
    challenge = Client(client.app).post("/both").headers["www-authenticate"]
    assert challenge == f"{CHALLENGE}, Session"


def test_what_authenticated_decides_about_csrf(client: Client, ada: "User") -> None:
    with Client(client.app, enforce_csrf_checks=True) as browser:
        browser.force_login(ada)
        assert browser.post("/both").status_code == 403
        assert ask(browser, encode(f"ada:{PASSWORD}"), path="/both").json() == "ada"
        assert ask(browser, "Bearer x", path="/both").status_code == 403


def test_both_are_in_the_document(client: Client, settings: Settings) -> None:
    settings.FASTAPI_AUTH = {"SCHEMES": [BasicAuth()]}
    document = client.get("/openapi.json").json()
    assert document["paths"]["/both"]["post"]["security"] == [{"BasicAuth": []}, {"SessionAuth": []}]
    assert document["components"]["securitySchemes"]["BasicAuth"] == {"type": "http", "scheme": "basic"}
