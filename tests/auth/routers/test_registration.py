import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.backends import BaseBackend
from django.core import mail
from django.db import DataError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.signals import pre_save
from django.test.utils import CaptureQueriesContext
from fastapi import FastAPI
from pydantic import BaseModel, SecretStr
from pytest_django import Settings

from django_fastapi.auth import auth_router
from django_fastapi.auth.registration import create_inactive_user
from django_fastapi.auth.signing import EMAIL_VERIFICATION, MAGIC_LINK, sign
from django_fastapi.testing import Client
from tests.auth.conftest import PASSWORD, MakeUser

from .conftest import log_in

if TYPE_CHECKING:
    from django.contrib.auth.models import User

EVE = {"username": "eve", "email": "eve@example.test", "password": PASSWORD}
NOBODY = {"detail": "Not authenticated"}


@pytest.fixture(autouse=True)
def all_routes(api: FastAPI, settings: Settings, db: None) -> None:
    del db
    settings.FASTAPI_AUTH = {
        "EMAIL_VERIFICATION_URL": "https://app.test/verify?token={token}",
        "MAGIC_LINK_URL": "https://app.test/enter?token={token}",
    }
    api.include_router(auth_router(register=True, magic_link=True), prefix="/auth")


def token_of(page: str) -> str:
    found = re.search(rf"https://app\.test/{page}\?token=(\S+)", mail.outbox[-1].body)
    assert found is not None
    return found.group(1)


def test_a_user_registers_and_is_active_once_the_address_is_confirmed(client: Client) -> None:
    answer = client.post("/auth/register", json=EVE)
    assert (answer.status_code, answer.content) == (204, b"")
    assert PASSWORD not in str(mail.outbox[0].message())
    assert mail.outbox[0].to == ["eve@example.test"]
    assert log_in(client, "eve").status_code == 401
    token = token_of("verify")
    assert client.post("/auth/email/verify", json={"token": token}).status_code == 204
    assert log_in(client, "eve").status_code == 200
    again = client.post("/auth/email/verify", json={"token": token})
    assert (again.status_code, again.json()) == (401, NOBODY)


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"username": ""}, "username", "blank"),
        ({"username": "a b"}, "username", "valid username"),
        ({"username": "u" * 151}, "username", "at most 150 characters"),
        ({"username": "nul\0"}, "username", "valid username"),
        ({"email": "nonsense"}, "email", "valid email address"),
        ({"email": ""}, "email", "at least 1 character"),
        ({"password": "short"}, "password", "too short"),
        ({"password": "eve@example.test"}, "password", "too similar"),
    ],
)
def test_what_the_model_and_the_validators_refuse_is_422(
    client: Client, change: dict[str, str], field: str, words: str
) -> None:
    answer = client.post("/auth/register", json={**EVE, **change})
    assert answer.status_code == 422
    assert any(error["loc"] == ["body", field] and words in error["msg"] for error in answer.json()["detail"]), (
        answer.text
    )
    assert mail.outbox == []


@pytest.mark.usefixtures("ada")
def test_a_name_that_is_taken_is_409(client: Client) -> None:
    answer = client.post("/auth/register", json={**EVE, "username": "ada"})
    assert answer.status_code == 409
    assert "already exists" in answer.text
    assert mail.outbox == []


@pytest.mark.parametrize(
    ("username", "words"), [("\u2474", "valid username"), ("\ufdfa" * 20, "at most 150 characters")], ids=ascii
)
def test_a_name_is_judged_as_it_is_stored(client: Client, username: str, words: str) -> None:
    from django.contrib.auth.models import User  # noqa: PLC0415 (Django is not set up before)

    answer = client.post("/auth/register", json={**EVE, "username": username})
    assert answer.status_code == 422
    assert words in answer.text
    assert not User.objects.exists()


def test_a_name_may_come_in_any_unicode_form(client: Client) -> None:
    from django.contrib.auth.models import User  # noqa: PLC0415

    assert client.post("/auth/register", json={**EVE, "username": "A\u030ada"}).status_code == 204
    assert User.objects.get().username == "\xc5da"


@pytest.mark.parametrize("password", ["p" * 4097, "nul\0" * 5], ids=["long", "nul"])
def test_a_password_that_could_not_log_in_is_422(client: Client, password: str) -> None:
    answer = client.post("/auth/register", json={**EVE, "password": password})
    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["detail"]] == [["body", "password"]]
    assert mail.outbox == []


def test_what_the_database_cannot_hold_is_422(client: Client) -> None:
    from django.contrib.auth.models import User  # noqa: PLC0415

    def refuse(**_: Any) -> None:
        raise DataError("value too long for type character varying(150)")

    pre_save.connect(refuse, sender=User)
    try:
        answer = client.post("/auth/register", json=EVE)
    finally:
        pre_save.disconnect(refuse, sender=User)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body"])
    assert "varying" not in answer.text


class Replica:
    """Reads elsewhere than it writes."""

    def db_for_read(self, _model: object, **_: object) -> str:
        return "replica"

    def db_for_write(self, _model: object, **_: object) -> str:
        return "default"


def test_the_transaction_is_where_the_user_is_written(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.contrib.auth.models import User  # noqa: PLC0415

    replica = {**connections.databases["default"], "ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    monkeypatch.setitem(connections.databases, "replica", replica)
    connections["replica"].connect()  # as a test may not by itself
    with connections["replica"].schema_editor() as editor:
        editor.create_model(User)
    settings.DATABASE_ROUTERS = [Replica()]
    try:
        with CaptureQueriesContext(connection) as queries:
            create_inactive_user({"username": "eve", "email": "eve@example.test"}, PASSWORD)
    finally:
        settings.DATABASE_ROUTERS = []
        BaseDatabaseWrapper.close(connections["replica"])  # SQLite's own keeps a database in memory open
        del connections["replica"]
    assert [query["sql"].split()[0] for query in queries] == ["SAVEPOINT", "INSERT", "RELEASE"]


def test_nobody_makes_themselves_a_superuser(client: Client) -> None:
    from django.contrib.auth.models import User  # noqa: PLC0415 (Django is not set up before)

    rights = {"is_superuser": True, "is_staff": True, "is_active": True, "id": 1, "groups": [1]}
    client.post("/auth/register", json={**EVE, **rights})
    eve = User.objects.get(username="eve")
    assert (eve.is_superuser, eve.is_staff, eve.is_active) == (False, False, False)


def test_whoever_was_deactivated_stays_so(client: Client, ada: "User") -> None:
    token = sign(ada, EMAIL_VERIFICATION)
    client.force_login(ada)
    log_in(client)
    type(ada).objects.update(is_active=False)
    client.post("/auth/email/verify", json={"token": token})
    ada.refresh_from_db()
    assert not ada.is_active


def change_password(user: Any) -> None:
    user.set_password("another one")
    user.save()


def change_email(user: Any) -> None:
    user.email = "other@example.test"
    user.save()


def block(user: Any) -> None:
    user.set_unusable_password()
    user.save()


def registered(client: Client) -> tuple["User", str]:
    """Return a new user who is not active still, and the token of their e-mail."""
    from django.contrib.auth.models import User  # noqa: PLC0415

    client.post("/auth/register", json=EVE)
    return User.objects.get(username="eve"), token_of("verify")


@pytest.mark.parametrize("end", [block, change_password, change_email, lambda user: user.delete()])
def test_whoever_registered_and_is_blocked_by_more_than_is_active_stays_so(client: Client, end: Any) -> None:
    user, token = registered(client)
    end(user)
    assert client.post("/auth/email/verify", json={"token": token}).status_code == 401
    assert not type(user).objects.filter(is_active=True).exists()


@pytest.mark.parametrize("was_activated", [False, True])
def test_is_active_alone_cannot_say_it_of_one_who_never_logged_in(client: Client, *, was_activated: bool) -> None:
    """Django keeps the same of them as of one who has not confirmed the address yet: the guide says what to do."""
    user, token = registered(client)
    for is_active in (was_activated, False):
        type(user).objects.update(is_active=is_active)
    assert client.post("/auth/email/verify", json={"token": token}).status_code == 204
    user.refresh_from_db()
    assert user.is_active


def test_a_project_says_what_a_registration_is(client: Client, api: FastAPI) -> None:
    from django.contrib.auth.models import User  # noqa: PLC0415

    class Registration(BaseModel):
        username: str
        first_name: str
        email: str
        password: SecretStr

    api.include_router(auth_router(register=True, register_schema=Registration), prefix="/own")
    assert client.post("/own/register", json={**EVE, "first_name": "Eve"}).status_code == 204
    assert User.objects.get().first_name == "Eve"


def test_a_link_in_a_mail_logs_in_once(client: Client, ada: "User") -> None:
    assert client.post("/auth/magic-link", json={"email": "ADA@example.test"}).status_code == 204
    assert mail.outbox[0].to == [ada.email]
    token = token_of("enter")
    answer = client.post("/auth/magic-link/redeem", json={"token": token})
    assert answer.json()["username"] == "ada"
    assert client.get("/auth/me").json()["username"] == "ada"
    with Client(client.app) as thief:
        again = thief.post("/auth/magic-link/redeem", json={"token": token})
        assert (again.status_code, again.json()) == (401, NOBODY)


class Guard:
    """A backend that logs nobody in, as django-axes has one."""

    def authenticate(self, _request: object, **_: object) -> None:
        return None


class Nobody(BaseBackend):
    """A backend that knows permissions only."""


def test_the_session_of_a_link_is_of_a_backend_that_knows_the_user(
    client: Client, ada: "User", settings: Settings
) -> None:
    others = [f"{one.__module__}.{one.__qualname__}" for one in (Guard, Nobody)]
    model = "django.contrib.auth.backends.ModelBackend"
    settings.AUTHENTICATION_BACKENDS = [*others, model]
    assert client.post("/auth/magic-link/redeem", json={"token": sign(ada, MAGIC_LINK)}).status_code == 200
    assert client.session[BACKEND_SESSION_KEY] == model
    assert client.get("/auth/me").json()["username"] == "ada"
    client.logout()
    settings.AUTHENTICATION_BACKENDS = others
    assert client.post("/auth/magic-link/redeem", json={"token": sign(ada, MAGIC_LINK)}).status_code == 401


@pytest.mark.usefixtures("ada")
def test_an_address_that_nobody_can_have_is_no_pattern_for_the_database(client: Client) -> None:
    assert client.post("/auth/magic-link", json={"email": "e" * 60_000}).status_code == 204
    assert mail.outbox == []


def test_who_has_no_account_is_told_the_same(client: Client, make_user: MakeUser) -> None:
    make_user("ghost", is_active=False)
    answers = [
        client.post("/auth/magic-link", json={"email": email})
        for email in ("nobody@example.test", "ghost@example.test", "nonsense", "\0")
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(204, b"")}
    assert mail.outbox == []


def test_redeeming_passes_the_csrf_check(client: Client, ada: "User") -> None:
    with Client(client.app, enforce_csrf_checks=True) as browser:
        token = sign(ada, MAGIC_LINK)
        assert browser.post("/auth/magic-link/redeem", json={"token": token}).status_code == 403


@pytest.mark.parametrize("path", ["/auth/email/verify", "/auth/magic-link/redeem"])
@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 10_000, "é", "\0", "..", None])
def test_a_spoiled_token_is_401(client: Client, ada: "User", path: str, token: str | None) -> None:
    if token is None:  # of the other kind
        token = sign(ada, MAGIC_LINK if "verify" in path else EMAIL_VERIFICATION)
    answer = client.post(path, json={"token": token})
    assert (answer.status_code, answer.json()) == (401, NOBODY)


def deactivate(user: Any) -> None:
    user.is_active = False
    user.save()


@pytest.mark.parametrize("change", [change_password, change_email, deactivate, lambda user: user.delete()])
def test_a_link_ends_with_what_it_was_made_for(client: Client, ada: "User", change: Any) -> None:
    token = sign(ada, MAGIC_LINK)
    change(ada)
    assert client.post("/auth/magic-link/redeem", json={"token": token}).status_code == 401


def test_they_are_off_unless_asked_for(client: Client, api: FastAPI) -> None:
    api.include_router(auth_router(), prefix="/plain")
    for path in ("register", "email/verify", "magic-link", "magic-link/redeem"):
        assert client.post(f"/plain/{path}", json={}).status_code == 404
