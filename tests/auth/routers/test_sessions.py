from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from unicodedata import normalize
from unittest.mock import ANY

import pytest
from django.contrib.auth import SESSION_KEY, signals
from django.contrib.auth.hashers import MD5PasswordHasher
from django.middleware.csrf import CSRF_TOKEN_LENGTH
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from pytest_django import Settings

from django_fastapi.auth import auth_router
from django_fastapi.auth.logins import login_key
from django_fastapi.testing import Client
from tests.auth.conftest import PASSWORD, MakeUser, cookies_of

from .conftest import log_in

if TYPE_CHECKING:
    from django.contrib.auth.models import User

pytestmark = pytest.mark.usefixtures("routes")


def test_a_user_logs_in_and_out(client: Client, ada: "User") -> None:
    answer = log_in(client)
    assert answer.status_code == 200
    assert answer.json() == {"id": ada.pk, "username": "ada", "email": "ada@example.test"}
    assert set(cookies_of(answer)) == {"sessionid", "csrftoken"}
    assert "HttpOnly" in cookies_of(answer)["sessionid"]
    assert answer.headers["cache-control"] == "no-store"
    me = client.get("/auth/me")
    assert me.json() == answer.json()
    assert "cookie" in me.headers["vary"].lower()
    assert me.headers["cache-control"] == "no-store"
    out = client.post("/auth/logout")
    assert out.status_code == 204
    assert 'sessionid=""' in cookies_of(out)["sessionid"]
    assert client.get("/auth/me").status_code == 401
    ada.refresh_from_db()
    assert ada.last_login is not None


def test_the_key_of_the_session_is_cycled_and_its_data_kept(client: Client, ada: "User") -> None:
    del ada
    session = client.session
    session["cart"] = ["book"]
    session.save()
    before = session.session_key
    log_in(client)
    assert client.session.session_key != before
    assert client.session["cart"] == ["book"]
    assert not session.exists(before)


def test_the_session_of_another_user_is_flushed(client: Client, ada: "User", make_user: MakeUser) -> None:
    bob = make_user("bob")
    client.force_login(bob)
    session = client.session
    session["secret"] = "of bob"
    session.save()
    log_in(client)
    assert client.session[SESSION_KEY] == str(ada.pk)
    assert "secret" not in client.session


def test_signals_are_sent(client: Client, ada: "User") -> None:
    heard: list[tuple[str, Any]] = []

    def hear(name: str, key: str) -> Callable[..., None]:
        return lambda **sent: heard.append((name, sent[key]))

    receivers = [
        (signals.user_logged_in, hear("in", "user")),
        (signals.user_logged_out, hear("out", "user")),
        (signals.user_login_failed, hear("failed", "credentials")),
    ]
    for signal, receiver in receivers:
        signal.connect(receiver, weak=False)
    try:
        log_in(client, password="wrong")
        log_in(client)
        client.post("/auth/logout")
    finally:
        for signal, receiver in receivers:
            signal.disconnect(receiver)
    assert heard == [("failed", {"username": "ada", "password": ANY}), ("in", ada), ("out", ada)]
    assert PASSWORD not in str(heard)


@pytest.mark.usefixtures("unlimited")
def test_unknown_wrong_and_inactive_are_told_apart_by_nothing(
    client: Client, ada: "User", make_user: MakeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_user("ghost", is_active=False)
    runs: list[str] = []
    encode = MD5PasswordHasher.encode

    def count(self: MD5PasswordHasher, password: str, salt: str) -> str:
        runs.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", count)
    answers = {}
    for case, (username, password) in {
        "wrong": (ada.username, "wrong"),
        "unknown": ("nobody", PASSWORD),
        "inactive": ("ghost", PASSWORD),
        "empty": ("", ""),
        "empty password": (ada.username, ""),
    }.items():
        runs.clear()
        answer = log_in(client, username, password)
        headers = {name: answer.headers.get(name) for name in ("www-authenticate", "set-cookie", "vary")}
        answers[case] = (answer.status_code, answer.content, headers, len(runs))
    assert len({str(answer) for answer in answers.values()}) == 1
    assert answers["wrong"][0] == 401
    assert answers["wrong"][1] == b'{"detail":"Not authenticated"}'
    assert answers["wrong"][3] == 1


@pytest.mark.usefixtures("ada", "unlimited")
@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("ada", PASSWORD + "\0"),
        ("ada\0", PASSWORD),
        ("\ud800", PASSWORD),
        ("ada", "\udfff"),
        ("ada" * 1000, PASSWORD),
        ("ada", "p" * 100_000),
        ("ada ", PASSWORD),
        (" ada", PASSWORD),
        ("ada", f"{PASSWORD} "),
        ("ada\u200b", PASSWORD),
        ("' OR 1=1 --", "' OR 1=1 --"),
    ],
    ids=ascii,
)
def test_odd_names_and_passwords_are_wrong_ones(client: Client, username: str, password: str) -> None:
    import json  # noqa: PLC0415

    body = json.dumps({"username": username, "password": password})
    answer = client.post("/auth/login", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Not authenticated"}


@pytest.mark.usefixtures("unlimited")
def test_a_name_is_found_in_every_unicode_form(client: Client, make_user: MakeUser) -> None:
    make_user("Ådå")
    assert log_in(client, "A\u030ada\u030a").status_code == 200


def test_a_body_that_is_none_is_422_and_repeats_no_password(client: Client) -> None:
    answer = client.post("/auth/login", json={"password": PASSWORD})
    assert answer.status_code == 422
    assert PASSWORD not in answer.text
    assert client.post("/auth/login", content=b"{").status_code == 422


@pytest.mark.usefixtures("ada", "client")
def test_login_and_logout_pass_the_csrf_check(site_client: Client) -> None:
    with Client(site_client.app, enforce_csrf_checks=True) as browser:
        answer = log_in(browser)
        assert answer.status_code == 403
        assert answer.json() == {"detail": "CSRF verification failed"}
        token = browser.get("/auth/csrf").json()["csrf_token"]
        assert len(token) == CSRF_TOKEN_LENGTH
        assert log_in(browser, headers={"X-CSRFToken": "x" * CSRF_TOKEN_LENGTH}).status_code == 403
        foreign = {"X-CSRFToken": token, "Origin": "https://evil.test"}
        assert log_in(browser, headers=foreign).status_code == 403
        assert log_in(browser, headers={"X-CSRFToken": token, "Origin": "null"}).status_code == 403
        before = browser.cookies["csrftoken"]
        assert log_in(browser, headers={"X-CSRFToken": token}).status_code == 200
        assert browser.cookies["csrftoken"] != before
        assert browser.post("/auth/logout").status_code == 403
        assert browser.post("/auth/logout", headers={"X-CSRFToken": token}).status_code == 403
        token = browser.get("/auth/csrf").json()["csrf_token"]
        assert browser.post("/auth/logout", headers={"X-CSRFToken": token}).status_code == 204


@pytest.mark.usefixtures("ada", "client")
def test_the_secret_can_be_in_the_session(site_client: Client, settings: Settings) -> None:
    settings.CSRF_USE_SESSIONS = True
    with Client(site_client.app, enforce_csrf_checks=True) as browser:
        token = browser.get("/auth/csrf").json()["csrf_token"]
        assert "csrftoken" not in browser.cookies
        assert log_in(browser).status_code == 403
        assert log_in(browser, headers={"X-CSRFToken": token}).status_code == 200


@pytest.mark.usefixtures("ada")
def test_attempts_on_a_name_are_limited_however_it_is_spelled(client: Client) -> None:
    for name in ("ada", "ADA", "\uff41da", "Ada", "ada"):
        assert log_in(client, name, "wrong").status_code == 401
    answer = log_in(client)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) <= 60
    assert answer.headers["ratelimit-policy"] == '"login";q=50;w=60, "login";q=5;w=60'
    assert log_in(client, "bob", "wrong").status_code == 401


@pytest.mark.usefixtures("ada")
def test_attempts_on_a_name_are_limited_however_a_collation_reads_it(client: Client) -> None:
    for name in ("ada  ", "\xe1da", "ad\u200ba", "a\x01da", "\xc5DA\xad "):
        assert log_in(client, name, "wrong").status_code == 401
    assert log_in(client).status_code == 429


@pytest.mark.parametrize("one", ["Stra\xdfe", "\u0130stanbul", "\u1fb3", "\ufb01 ", "e.g@example.test"], ids=ascii)
def test_the_key_of_a_name_is_that_of_all_its_spellings(one: str) -> None:
    spellings = [one, one.upper(), one.lower(), one.casefold(), f"{one} ", f"\ufeff{one}\t"]
    forms = [normalize(form, text) for text in spellings for form in ("NFC", "NFD", "NFKC", "NFKD")]  # type: ignore[arg-type]
    assert len({login_key(form) for form in forms}) == 1


@pytest.mark.usefixtures("db")
def test_attempts_from_an_address_are_limited(client: Client, settings: Settings, api: FastAPI) -> None:
    settings.FASTAPI_AUTH = {"LOGIN_RATE_ADDRESS": "3/min"}
    api.include_router(auth_router(), prefix="/tight")
    for number in range(3):
        answer = client.post("/tight/login", json={"username": f"user-{number}", "password": "wrong"})
        assert answer.status_code == 401
    assert client.post("/tight/login", json={"username": "user-4", "password": "wrong"}).status_code == 429


def test_all_sessions_of_a_user_are_ended(
    client: Client, site_client: Client, ada: "User", make_user: MakeUser
) -> None:
    with Client(site_client.app) as elsewhere, Client(site_client.app) as other:
        elsewhere.force_login(ada)
        other.force_login(make_user("bob"))
        log_in(client)
        assert client.post("/auth/logout/all").status_code == 204
        assert client.get("/auth/me").status_code == 401
        assert elsewhere.get("/auth/me").status_code == 401
        assert other.get("/auth/me").status_code == 200
    assert client.post("/auth/logout/all").status_code == 401


@pytest.mark.usefixtures("ada")
def test_a_project_says_what_is_told_of_a_user(client: Client, api: FastAPI) -> None:
    class Out(BaseModel):
        model_config = ConfigDict(from_attributes=True)

        username: str
        is_staff: bool

    api.include_router(auth_router(user_schema=Out), prefix="/other")
    answer = client.post("/other/login", json={"username": "ada", "password": PASSWORD})
    assert answer.json() == {"username": "ada", "is_staff": False}
    assert client.get("/other/me").json() == answer.json()


def test_the_session_can_be_left_out(client: Client, api: FastAPI) -> None:
    api.include_router(auth_router(session=False), prefix="/none")
    assert client.post("/none/login", json={}).status_code == 404
    assert client.get("/none/me").status_code == 401


@pytest.mark.parametrize("is_anonymous", [True, False])
def test_nothing_is_logged_out_of_nothing(client: Client, ada: "User", is_anonymous: bool) -> None:  # noqa: FBT001
    if not is_anonymous:
        client.force_login(ada)
    assert client.post("/auth/logout").status_code == 204
