import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.password_validation import MinimumLengthValidator
from django.core import mail
from django.db import connection
from fastapi import FastAPI
from pytest_django import Settings

from django_fastapi.auth import auth_router
from django_fastapi.testing import Client
from tests.auth.conftest import PASSWORD, MakeUser
from tests.auth.test_tokens import access_token, bearer

from .conftest import log_in

if TYPE_CHECKING:
    from django.contrib.auth.models import User

pytestmark = pytest.mark.usefixtures("routes")

NEW = "a wholly new passphrase"


@pytest.fixture(autouse=True)
def templates(settings: Settings) -> None:
    settings.FASTAPI_AUTH = {"PASSWORD_RESET_URL": "https://app.test/reset?uid={uid}&token={token}"}


def change(client: Client, old: str = PASSWORD, new: str = NEW, **options: Any) -> Any:
    return client.post("/auth/password/change", json={"old_password": old, "new_password": new}, **options)


def test_a_new_password_ends_the_other_sessions(client: Client, ada: "User") -> None:
    with Client(client.app) as elsewhere:
        elsewhere.force_login(ada)
        client.force_login(ada)
        before = client.cookies["sessionid"]
        assert change(client).status_code == 204
        assert client.cookies["sessionid"] != before
        assert client.get("/auth/me").json()["username"] == "ada"
        assert elsewhere.get("/auth/me").status_code == 401
    client.post("/auth/logout")
    assert log_in(client).status_code == 401
    assert log_in(client, password=NEW).status_code == 200


@pytest.mark.parametrize(
    "case",
    [
        ("wrong", NEW, "old_password", "Your old password was entered incorrectly"),
        (PASSWORD, "short", "new_password", "too short"),
        (PASSWORD, "password", "new_password", "too common"),
        (PASSWORD, "918273645546372819", "new_password", "entirely numeric"),
        (PASSWORD, "ada@example.test", "new_password", "too similar to the email"),
        (PASSWORD, "", "new_password", "required"),
        ("", NEW, "old_password", "required"),
        (PASSWORD, "nul\0" * 5, "new_password", "Null characters"),
    ],
)
def test_djangos_validators_have_their_say(
    client: Client, ada: "User", settings: Settings, case: tuple[str, str, str, str]
) -> None:
    old, new, field, words = case
    assert settings.AUTH_PASSWORD_VALIDATORS
    client.force_login(ada)
    answer = change(client, old, new)
    assert answer.status_code == 422
    errors = answer.json()["detail"]
    assert ["body", field] in [error["loc"] for error in errors]
    assert any(words in error["msg"] for error in errors), errors
    assert all("input" not in error for error in errors)
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


def test_the_errors_are_in_the_language_of_the_client(client: Client, ada: "User") -> None:
    client.force_login(ada)
    answer = client.post(
        "/auth/password/change",
        json={"old_password": PASSWORD, "new_password": "kurz"},
        headers={"Accept-Language": "de"},
    )
    assert "Passwort ist zu kurz" in answer.text


def test_who_is_not_logged_in_changes_nothing(client: Client, ada: "User") -> None:
    answer = change(client)
    assert answer.status_code == 401
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


@pytest.fixture
def cached(client: Client, ada: "User", settings: Settings) -> dict[str, str]:
    """Give the header of a token whose user is in the cache by now."""
    from django_fastapi.auth import JWTAuth  # noqa: PLC0415 (imports models)

    settings.FASTAPI_AUTH = {"SCHEMES": [JWTAuth(user="cached")]}
    headers = bearer(access_token(ada))
    assert client.get("/auth/me", headers=headers).status_code == 200
    return headers


def test_a_cached_user_is_not_written_back(client: Client, ada: "User", cached: dict[str, str]) -> None:
    type(ada).objects.update(is_superuser=True, email="new@example.test")
    assert change(client, headers=cached).status_code == 204
    ada.refresh_from_db()
    assert ada.check_password(NEW)
    assert (ada.is_superuser, ada.email) == (True, "new@example.test")


@pytest.mark.parametrize("is_there", [True, False])
def test_a_cached_user_who_is_blocked_or_gone_by_now_stays_so(
    client: Client, ada: "User", cached: dict[str, str], *, is_there: bool
) -> None:
    users = type(ada).objects
    if is_there:
        users.update(is_active=False)
    else:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM auth_user")
    assert change(client, headers=cached).status_code == 401
    assert list(users.values_list("is_active", flat=True)) == [False] * is_there
    assert not any(user.check_password(NEW) for user in users.all())


def test_it_is_saved_as_django_does_and_djangos_validators_are_told(
    client: Client, ada: "User", settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def set_password(user: Any, password: str | None) -> None:
        AbstractBaseUser.set_password(user, password)
        user.first_name = "changed"  # as a project's own user model notes when that was

    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}]
    monkeypatch.setattr(MinimumLengthValidator, "password_changed", lambda *given: told.append(given[1]), raising=False)
    monkeypatch.setattr(type(ada), "set_password", set_password)
    client.force_login(ada)
    assert change(client).status_code == 204
    ada.refresh_from_db()
    assert (ada.first_name, told) == ("changed", [NEW])


LONGEST = 4096


def test_a_new_password_is_one_that_can_log_in(client: Client, ada: "User") -> None:
    client.force_login(ada)
    answer = change(client, new="p" * (LONGEST + 1))
    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["detail"]] == [["body", "new_password"]]
    assert "at most 4096 characters" in answer.text
    client.post("/auth/password/reset", json={"email": ada.email})
    link = link_of(mail.outbox[0])
    answer = client.post("/auth/password/reset/confirm", json={**link, "new_password": "p" * (LONGEST + 1)})
    assert answer.status_code == 422
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)
    assert change(client, new="p" * LONGEST).status_code == 204
    assert log_in(client, password="p" * LONGEST).status_code == 200


def test_the_old_password_cannot_be_guessed_at_will(client: Client, ada: "User") -> None:
    client.force_login(ada)
    assert [change(client, "wrong").status_code for _ in range(6)] == [422] * 5 + [429]


def link_of(message: Any) -> dict[str, str]:
    found = re.search(r"https://app\.test/reset\?uid=(?P<uid>[^&]+)&token=(?P<token>\S+)", message.body)
    assert found is not None
    return found.groupdict()


def test_a_forgotten_password_is_set_anew_by_mail(client: Client, ada: "User") -> None:
    client.force_login(ada)
    with Client(client.app) as stranger:
        assert stranger.post("/auth/password/reset", json={"email": "ADA@example.test"}).status_code == 204
        [message] = mail.outbox
        assert message.to == ["ada@example.test"]
        assert message.subject == "Password reset"
        link = link_of(message)
        weak = stranger.post("/auth/password/reset/confirm", json={**link, "new_password": "short"})
        assert weak.status_code == 422
        answer = stranger.post("/auth/password/reset/confirm", json={**link, "new_password": NEW})
        assert answer.status_code == 204
        again = stranger.post("/auth/password/reset/confirm", json={**link, "new_password": f"{NEW} 2"})
        assert again.status_code == 401
        assert log_in(stranger, password=NEW).status_code == 200
    assert client.get("/auth/me").status_code == 401


def test_the_answer_does_not_tell_whether_there_is_such_a_user(
    client: Client, ada: "User", make_user: MakeUser
) -> None:
    make_user("ghost", is_active=False)
    unusable = make_user("unusable")
    unusable.set_unusable_password()
    unusable.save()
    answers = [
        client.post("/auth/password/reset", json={"email": f"{name}@example.test"})
        for name in ("nobody", "ghost", "unusable", ada.username)
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(204, b"")}
    assert [message.to for message in mail.outbox] == [["ada@example.test"]]
    assert client.post("/auth/password/reset", json={"email": "no address"}).status_code == 422


def test_mails_to_an_address_are_limited(client: Client, ada: "User") -> None:
    statuses = [client.post("/auth/password/reset", json={"email": ada.email}).status_code for _ in range(6)]
    assert statuses == [204] * 5 + [429]
    assert len(mail.outbox) == 5


@pytest.mark.parametrize(
    ("uid", "token"),
    [
        ("", ""),
        ("x", "x"),
        (None, "x"),
        (None, "x" * 10_000),
        ("x" * 10_000, None),
        ("MA", None),
        ("OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", None),
        ("4pyT", None),
        ("JyBPUiAxPTE", None),
        ("AA", None),
    ],
)
def test_a_spoiled_link_is_401(client: Client, ada: "User", uid: str | None, token: str | None) -> None:
    client.post("/auth/password/reset", json={"email": ada.email})
    link = link_of(mail.outbox[0])
    body = {"uid": link["uid"] if uid is None else uid, "token": link["token"] if token is None else token}
    answer = client.post("/auth/password/reset/confirm", json={**body, "new_password": NEW})
    assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})


def test_a_link_does_not_outlive_its_reasons(client: Client, ada: "User", settings: Settings) -> None:
    def confirm(link: dict[str, str]) -> int:
        return client.post("/auth/password/reset/confirm", json={**link, "new_password": NEW}).status_code

    client.post("/auth/password/reset", json={"email": ada.email})
    link = link_of(mail.outbox[0])
    type(ada).objects.update(email="other@example.test")
    assert confirm(link) == 401
    type(ada).objects.update(email=ada.email, is_active=False)
    assert confirm(link) == 401
    type(ada).objects.update(is_active=True)
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert confirm(link) == 401
    settings.PASSWORD_RESET_TIMEOUT = 60
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "n" * 50
    assert confirm(link) == 204


def test_without_an_address_of_a_page_the_mail_says_what_to_enter(
    client: Client, ada: "User", settings: Settings, api: FastAPI
) -> None:
    settings.FASTAPI_AUTH = {}
    api.include_router(auth_router(), prefix="/plain")
    client.post("/plain/password/reset", json={"email": ada.email}, headers={"Accept-Language": "de"})
    [message] = mail.outbox
    assert message.subject == "Passwort zurücksetzen"
    found = re.search(r"uid: (?P<uid>\S+)\s+token: (?P<token>\S+)", message.body)
    assert found is not None
    answer = client.post("/plain/password/reset/confirm", json={**found.groupdict(), "new_password": NEW})
    assert answer.status_code == 204
