"""API keys: what they open, and what ends them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from fastapi import FastAPI
from pytest_django import Settings

from django_fastapi.auth import auth_router
from django_fastapi.testing import Client
from tests.auth.conftest import MakeUser

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from django_fastapi.auth.models import APIKey

REFUSAL = {"detail": "Not authenticated"}
MakeKey = Callable[..., tuple["APIKey", str]]


@pytest.fixture
def schemes(settings: Settings) -> None:
    settings.FASTAPI_AUTH = {"SCHEMES": ["django_fastapi.auth.APIKeyAuth", "django_fastapi.auth.SessionAuth"]}


@pytest.fixture
def site(schemes: None, who: FastAPI, api: FastAPI, client: Client) -> Client:
    del schemes, who
    api.include_router(auth_router(api_keys=True), prefix="/auth")
    return client


@pytest.fixture
def make_key(ada: "User") -> MakeKey:
    from django_fastapi.auth.api_keys import create_key  # noqa: PLC0415 (imports models)

    def make(**options: Any) -> tuple["APIKey", str]:
        return create_key(ada, "deploy", **options)

    return make


def sent(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


def test_a_key_is_made_shown_once_listed_and_revoked(site: Client, ada: "User") -> None:
    site.force_login(ada)
    made = site.post("/auth/api-keys", json={"name": "deploy"})
    key = made.json()["key"]
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    assert key.startswith(f"dfa_{made.json()['prefix']}_")
    listed = site.get("/auth/api-keys").json()
    assert [one["name"] for one in listed] == ["deploy"]
    assert key.rpartition("_")[2] not in site.get("/auth/api-keys").text
    assert site.delete(f"/auth/api-keys/{listed[0]['id']}").status_code == 204
    assert site.delete(f"/auth/api-keys/{listed[0]['id']}").status_code == 404
    assert site.get("/auth/api-keys").json() == []
    site.logout()
    assert site.get("/who", headers=sent(key)).status_code == 401


@pytest.mark.parametrize("path", ["/who", "/async-who"])
def test_a_key_gives_its_user_and_needs_no_csrf_token(site: Client, make_key: MakeKey, path: str) -> None:
    row, key = make_key()
    for method in ("GET", "POST"):
        answer = site.request(method, path, headers=sent(key))
        assert (answer.status_code, answer.json()) == (200, "ada")
    assert "X-API-Key" in answer.headers["vary"]
    row.refresh_from_db()
    assert row.last_used_at is not None
    assert key.split("_")[2] not in (row.digest, row.prefix, row.stamp)


def test_a_key_costs_one_query_and_once_a_minute_another(site: Client, make_key: MakeKey) -> None:
    row, key = make_key()
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            assert site.get("/who", headers=sent(key)).status_code == 200
        counts.append(len(queries))
    assert counts == [2, 1]
    row.refresh_from_db()
    assert row.last_used_at is not None
    row.last_used_at -= timedelta(minutes=2)
    row.save()
    with CaptureQueriesContext(connection) as queries:
        site.get("/who", headers=sent(key))
    assert len(queries) == 2


@pytest.mark.usefixtures("hidden")
def test_a_key_ends_when_the_default_manager_hides_its_user(site: Client, make_key: MakeKey, ada: "User") -> None:
    _, key = make_key()
    assert site.get("/who", headers=sent(key)).json() == "ada"
    type(ada).objects.update(last_name="hidden")
    assert site.get("/who", headers=sent(key)).status_code == 401


WRONG: dict[str, Callable[[str], str]] = {
    "empty": lambda _: "",
    "nonsense": lambda _: "x",
    "without its mark": lambda key: key.partition("_")[2],
    "another mark": lambda key: "abc" + key[3:],
    "another prefix": lambda key: key[:5] + ("0" if key[5] != "0" else "1") + key[6:],
    "another secret": lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"),
    "without its secret": lambda key: key.rpartition("_")[0] + "_",
    "cut off": lambda key: key[:-1],
    "longer": lambda key: key + "A",
    "oversized": lambda key: key + "A" * 9000,
    "a prefix with SQL": lambda key: f"dfa_' OR 1=1 --_{key.rpartition('_')[2]}",
    "a prefix that is a pattern": lambda key: f"dfa_%_{key.rpartition('_')[2]}",
    "the digest": lambda key: key,
    "not ASCII": lambda key: key + "\xe9",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_key_that_is_wrong_in_any_way_is_401_with_the_same_body(site: Client, make_key: MakeKey, name: str) -> None:
    row, key = make_key()
    text = f"dfa_{row.prefix}_{row.digest}" if name == "the digest" else WRONG[name](key)
    for path in ("/who", "/maybe"):
        answer = site.get(path, headers={"X-API-Key": text.encode("latin-1")})
        assert (answer.status_code, answer.json()) == (401, REFUSAL)


def test_two_keys_are_401(site: Client, make_key: MakeKey) -> None:
    _, key = make_key()
    assert site.get("/who", headers=[("X-API-Key", key), ("X-API-Key", key)]).status_code == 401


@pytest.mark.parametrize("change", ["expired", "revoked", "deleted", "inactive", "renamed", "new password"])
def test_a_key_ends(site: Client, make_key: MakeKey, ada: "User", change: str) -> None:
    row, key = make_key()
    assert site.get("/who", headers=sent(key)).status_code == 200
    if change == "expired":
        type(row).objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    elif change == "revoked":
        type(row).objects.update(revoked_at=datetime.now(UTC))
    elif change == "deleted":
        ada.delete()
    elif change == "inactive":
        type(ada).objects.update(is_active=False)
    elif change == "renamed":
        type(ada).objects.update(username="countess")
    else:
        ada.set_password("another")
        ada.save()
    answer = site.get("/who", headers=sent(key))
    assert (answer.status_code, answer.json()) == (401, REFUSAL)


def test_a_key_outlives_the_rotation_of_secret_key_if_it_is_used_in_between(
    site: Client, make_key: MakeKey, settings: Settings
) -> None:
    used, unused = make_key(), make_key()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another-" + "x9" * 30, [settings.SECRET_KEY]
    assert site.get("/who", headers=sent(used[1])).status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert [site.get("/who", headers=sent(key)).status_code for _, key in (used, unused)] == [200, 401]


def test_keys_of_others_are_404_and_not_listed(site: Client, make_key: MakeKey, make_user: MakeUser) -> None:
    row, _ = make_key()
    site.force_login(make_user("bob"))
    assert site.get("/auth/api-keys").json() == []
    for key in (str(row.pk), str(row.pk).upper(), row.pk.hex, "1", "x", "%00"):
        assert site.delete(f"/auth/api-keys/{key}").status_code == 404
    row.refresh_from_db()
    assert row.revoked_at is None


def test_a_key_manages_no_keys(site: Client, make_key: MakeKey) -> None:
    _, key = make_key()
    assert site.get("/auth/api-keys", headers=sent(key)).status_code == 403
    assert site.post("/auth/api-keys", json={"name": "x"}, headers=sent(key)).status_code == 403


def test_a_key_manages_none_under_another_header_either(
    site: Client, make_key: MakeKey, settings: Settings, api: FastAPI
) -> None:
    from django_fastapi.auth import APIKeyAuth, SessionAuth, current_user, current_user_by  # noqa: PLC0415

    class CompanyKeyAuth(APIKeyAuth):
        header = "X-Company-Key"

    _, key = make_key()
    headers = {"X-Company-Key": key}
    by_company_key = current_user_by(SessionAuth(), CompanyKeyAuth())
    with site.override({current_user: by_company_key}):
        assert site.get("/who", headers=headers).json() == "ada"
        assert site.get("/auth/api-keys", headers=headers).status_code == 403
    settings.FASTAPI_AUTH = {"SCHEMES": [SessionAuth(), CompanyKeyAuth()]}
    api.include_router(auth_router(api_keys=True), prefix="/company")
    assert site.get("/company/api-keys", headers=headers).status_code == 403
    assert site.post("/company/api-keys", json={"name": "x"}, headers=headers).status_code == 403
    assert site.get("/company/api-keys").status_code == 401


def test_a_key_that_nobody_has_asked_for_refuses_nobody(
    client: Client, api: FastAPI, ada: "User", settings: Settings
) -> None:
    settings.FASTAPI_AUTH = {"SCHEMES": ["django_fastapi.auth.SessionAuth", "django_fastapi.auth.APIKeyAuth"]}
    api.include_router(auth_router(api_keys=True), prefix="/auth")
    client.force_login(ada)
    made = client.post("/auth/api-keys", json={"name": "x"}, headers=sent("stray"))
    assert made.status_code == 201
    assert len(client.get("/auth/api-keys", headers=sent("stray")).json()) == 1
    assert client.delete(f"/auth/api-keys/{made.json()['id']}", headers=sent("stray")).status_code == 204


@pytest.mark.parametrize("use_tz", [True, False])
@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59.999999-00:01"])
def test_a_key_expires_at_a_moment_that_there_is(
    site: Client,
    ada: "User",
    settings: Settings,
    use_tz: bool,  # noqa: FBT001 (a parameter)
    moment: str,
) -> None:
    from django_fastapi.auth import current_user  # noqa: PLC0415 (read with the settings)

    settings.USE_TZ = use_tz
    with site.override({current_user: lambda: ada}):
        answer = site.post("/auth/api-keys", json={"name": "x", "expires_at": moment})
        made = site.post("/auth/api-keys", json={"name": "x", "expires_at": "2999-01-01T01:00:00+01:00"})
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "expires_at"])
    assert made.status_code == 201
    assert made.json()["expires_at"].startswith("2999-01-01")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x" * 101},
        {"name": "a\0b"},
        {"name": "x", "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "x", "expires_at": "2999-01-01T00:00:00"},
        {"name": "x", "user": 1},
    ],
)
def test_a_key_is_made_of_right_values_only(site: Client, ada: "User", body: dict[str, Any]) -> None:
    site.force_login(ada)
    assert site.post("/auth/api-keys", json=body).status_code == 422


def test_a_key_can_expire_by_itself(site: Client, ada: "User") -> None:
    site.force_login(ada)
    made = site.post("/auth/api-keys", json={"name": "x", "expires_at": "2999-01-01T00:00:00Z"})
    assert made.json()["expires_at"] == "2999-01-01T00:00:00Z"


def test_the_document_has_the_header(site: Client) -> None:
    schemes = site.get("/openapi.json").json()["components"]["securitySchemes"]
    assert schemes["APIKeyAuth"] == {"type": "apiKey", "in": "header", "name": "X-API-Key"}
