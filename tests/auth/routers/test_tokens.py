"""`POST token` and its relatives: RFC 6749 and RFC 7009, families of refresh tokens, cookies."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from django.contrib.auth.signals import user_logged_in
from django.db import connection
from django.test.utils import CaptureQueriesContext
from fastapi import FastAPI
from pytest_django import Settings

from django_fastapi.auth import auth_router
from django_fastapi.auth.settings import get_auth_settings
from django_fastapi.auth.tokens import mint
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.testing import Client
from tests.auth.conftest import PASSWORD, MakeUser, cookies_of
from tests.auth.test_tokens import (
    CLAIMS,
    FORGERIES,
    KEY,
    OTHER,
    REFUSAL,
    access_token,
    bearer,
    claims_of,
    signed,
    signed_freely,
    without,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User

FORM = {"username": "ada", "password": PASSWORD}


def configure(settings: Settings, **chosen: Any) -> None:
    settings.FASTAPI_AUTH = {
        "SCHEMES": ["django_fastapi.auth.JWTAuth"],
        "LOGIN_RATE_USERNAME": None,
        "LOGIN_RATE_ADDRESS": None,
        "JWT": {"KEYS": {"now": KEY}, **chosen},
    }


@pytest.fixture
def site(settings: Settings, api: FastAPI, client: Client, ada: "User") -> Client:
    """Give a client of the site with the routes for tokens; there is a user "ada"."""
    del ada
    configure(settings)
    api.include_router(auth_router(session=False, jwt=True), prefix="/auth")
    return client


def log_in(site: Client, **more: str) -> dict[str, Any]:
    answer = site.post("/auth/token", data={**FORM, **more})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def refresh(site: Client, token: object) -> httpx.Response:
    return site.post("/auth/token/refresh", json={"refresh_token": token})


def families() -> Any:
    from django_fastapi.auth.models import RefreshFamily  # noqa: PLC0415 (Django is not set up before)

    return RefreshFamily.objects


@pytest.mark.parametrize("kind", ["data", "json"])
def test_a_name_and_a_password_give_tokens(site: Client, ada: "User", kind: str) -> None:
    answer = site.post("/auth/token", **{kind: {"grant_type": "password", **FORM}})  # type: ignore[arg-type]
    tokens = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 300)
    assert site.get("/auth/me", headers=bearer(tokens["access_token"])).json()["username"] == "ada"
    assert site.get("/auth/me", headers=bearer(tokens["refresh_token"])).json() == REFUSAL
    ada.refresh_from_db()
    assert ada.last_login is not None
    assert "set-cookie" not in answer.headers


def test_a_login_sends_djangos_signal(site: Client) -> None:
    seen: list[Any] = []

    def note(sender: Any, request: Any, user: Any, **_: Any) -> None:
        seen.append((sender, request.path, user.get_username()))

    user_logged_in.connect(note)
    try:
        log_in(site)
    finally:
        user_logged_in.disconnect(note)
    assert [(path, name) for _, path, name in seen] == [("/auth/token", "ada")]


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"data": {**FORM, "password": "wrong"}}, "invalid_grant"),
        ({"data": {**FORM, "username": "nobody"}}, "invalid_grant"),
        ({"json": {**FORM, "username": "a\0da"}}, "invalid_grant"),
        ({"json": {**FORM, "username": "\ud800"}}, "invalid_grant"),
        ({"data": {**FORM, "password": "x" * 5000}}, "invalid_grant"),
        ({"data": {"username": "ada"}}, "invalid_request"),
        ({"data": {**FORM, "password": ""}}, "invalid_request"),
        ({"json": {**FORM, "password": 3}}, "invalid_request"),
        ({"json": []}, "invalid_request"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, "invalid_request"),
        ({"content": b"[" * 5000, "headers": {"Content-Type": "application/json"}}, "invalid_request"),
        ({"data": {**FORM, "username": ["ada", "ada"]}}, "invalid_request"),
        ({}, "invalid_request"),
        ({"data": {**FORM, "grant_type": "authorization_code"}}, "unsupported_grant_type"),
        ({"data": {"grant_type": "refresh_token"}}, "invalid_request"),
        ({"data": {"grant_type": "refresh_token", "refresh_token": "x"}}, "invalid_grant"),
        ({"data": {**FORM, "transport": "cookie"}}, "invalid_request"),
    ],
)
def test_errors_are_those_of_rfc_6749(site: Client, sent: dict[str, Any], error: str) -> None:
    if "json" in sent:
        import json  # noqa: PLC0415 (httpx would refuse a lone surrogate)

        content = json.dumps(sent["json"])
        sent = {"content": content, "headers": {"Content-Type": "application/json"}}
    answer = site.post("/auth/token", **sent)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.headers["cache-control"] == "no-store"


def test_unknown_wrong_and_inactive_are_told_alike_and_run_the_hasher_as_often(
    site: Client, make_user: MakeUser, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.contrib.auth.hashers import MD5PasswordHasher  # noqa: PLC0415 (Django is not set up before)

    make_user("sleeper", is_active=False)
    runs: list[str] = []
    encode = MD5PasswordHasher.encode

    def count(self: Any, password: str, salt: str) -> str:
        runs.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", count)
    del settings
    bodies, counts = set(), set()
    for name, password in (("nobody", "x"), ("ada", "x"), ("sleeper", PASSWORD), ("sleeper", "x")):
        runs.clear()
        answer = site.post("/auth/token", data={"username": name, "password": password})
        bodies.add((answer.status_code, answer.text))
        counts.add(len(runs))
    assert len(bodies) == len(counts) == 1


def test_logins_by_token_are_limited_like_others_and_share_their_counters(
    settings: Settings, api: FastAPI, client: Client, ada: "User"
) -> None:
    del ada
    settings.FASTAPI_AUTH = {
        "SCHEMES": ["django_fastapi.auth.JWTAuth"],
        "LOGIN_RATE_USERNAME": "2/h",
        "LOGIN_RATE_ADDRESS": "50/h",
    }
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "limits"}}
    api.include_router(auth_router(session=True, jwt=True), prefix="/auth")
    wrong = {**FORM, "password": "wrong"}
    assert [client.post("/auth/token", data=wrong).status_code for _ in range(3)] == [400, 400, 429]
    limited = client.post("/auth/token", json={**FORM, "username": "ADA"})
    assert limited.status_code == 429
    assert int(limited.headers["retry-after"]) > 0
    csrf = client.get("/auth/csrf").json()["csrf_token"]
    assert client.post("/auth/login", json=FORM, headers={"X-CSRFToken": csrf}).status_code == 429


def test_tokens_are_handed_out_where_every_route_needs_a_user(site: Client, settings: Settings) -> None:
    settings.FASTAPI_AUTH = {**settings.FASTAPI_AUTH, "REQUIRED": True}
    assert site.get("/auth/me").status_code == 401
    tokens = refresh(site, log_in(site)["refresh_token"]).json()
    assert site.post("/auth/token/verify", json={"token": tokens["access_token"]}).json() == {"active": True}
    assert site.post("/auth/token/revoke", json={"token": tokens["refresh_token"]}).status_code == 200
    assert refresh(site, tokens["refresh_token"]).json() == REFUSAL


def test_a_refresh_token_is_used_up_and_its_successor_works(site: Client) -> None:
    first = log_in(site)
    answer = refresh(site, first["refresh_token"])
    second = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert site.get("/auth/me", headers=bearer(second["access_token"])).status_code == 200
    assert refresh(site, second["refresh_token"]).status_code == 200
    assert families().count() == 1


def test_a_refresh_token_is_taken_by_the_token_endpoint_too(site: Client) -> None:
    first = log_in(site)
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    assert site.post("/auth/token", data=form).json()["refresh_token"] != first["refresh_token"]
    assert site.post("/auth/token", data=form).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("atomic", [False, True])
def test_a_replay_ends_the_family(site: Client, settings: Settings, atomic: bool) -> None:  # noqa: FBT001 (a parameter)
    settings.DATABASES["default"]["ATOMIC_REQUESTS"] = atomic
    try:
        first = log_in(site)
        second = refresh(site, first["refresh_token"]).json()
        replayed = refresh(site, first["refresh_token"])
        assert (replayed.status_code, replayed.json()) == (401, REFUSAL)
        assert refresh(site, second["refresh_token"]).status_code == 401
        assert families().get().ended_at is not None
        assert refresh(site, log_in(site)["refresh_token"]).status_code == 200
    finally:
        settings.DATABASES["default"]["ATOMIC_REQUESTS"] = False


def test_within_the_grace_the_answer_is_the_same_successor_and_never_a_second_one(
    site: Client, settings: Settings
) -> None:
    configure(settings, REFRESH_GRACE=30)
    first = log_in(site)
    answers = [refresh(site, first["refresh_token"]).json()["refresh_token"] for _ in range(3)]
    assert len(set(answers)) == 1
    third = refresh(site, answers[0]).json()["refresh_token"]
    # The first one is two behind by now.
    assert refresh(site, first["refresh_token"]).status_code == 401
    assert refresh(site, third).status_code == 401


def test_after_the_grace_it_is_a_replay(site: Client, settings: Settings) -> None:
    configure(settings, REFRESH_GRACE=timedelta(seconds=30))
    first = log_in(site)
    second = refresh(site, first["refresh_token"]).json()
    family = families().get()
    families().update(rotated_at=family.rotated_at - timedelta(seconds=31))
    assert refresh(site, first["refresh_token"]).status_code == 401
    assert refresh(site, second["refresh_token"]).status_code == 401


def test_a_login_lives_no_longer_than_its_lifetime(site: Client, settings: Settings) -> None:
    configure(settings, SESSION_LIFETIME=timedelta(days=20))
    first = log_in(site)["refresh_token"]
    claims = claims_of(first)
    assert claims["exp"] - claims["iat"] == 14 * 86400
    assert claims["auth_time"] == claims["iat"]
    long_ago = signed({**claims, "auth_time": claims["auth_time"] - 19 * 86400})
    second = claims_of(refresh(site, long_ago).json()["refresh_token"])
    assert 86400 - 5 <= second["exp"] - second["iat"] <= 86400
    assert second["auth_time"] == claims["auth_time"] - 19 * 86400
    too_late = signed({**second, "auth_time": second["auth_time"] - 2 * 86400})
    assert refresh(site, too_late).status_code == 401


@pytest.mark.parametrize("name", [name for name in FORGERIES if name != "a refresh token"])
def test_a_refresh_token_that_is_wrong_in_any_way_is_401_with_the_same_body(site: Client, name: str) -> None:
    token = log_in(site)["refresh_token"]
    forged = FORGERIES[name](claims_of(token), token)
    answer = refresh(site, forged)
    assert (answer.status_code, answer.json(), answer.headers["www-authenticate"]) == (401, REFUSAL, "Bearer")
    assert families().get().ended_at is None or name.startswith(("sub ", "stamp ", "with another stamp"))


@pytest.mark.parametrize("value", ["missing", None, "", 3, [], {}, "x"])
def test_no_refresh_token_is_401_with_the_same_body(site: Client, value: object) -> None:
    answer = site.post("/auth/token/refresh", json={} if value == "missing" else {"refresh_token": value})
    assert (answer.status_code, answer.json()) == (401, REFUSAL)


def test_an_access_token_refreshes_nothing(site: Client) -> None:
    assert refresh(site, log_in(site)["access_token"]).json() == REFUSAL


@pytest.mark.parametrize("family", ["missing", "x", "00000000000000000000000000000000"])
def test_a_family_that_is_not_there_is_401(site: Client, family: str) -> None:
    claims = without(claims_of(log_in(site)["refresh_token"]), "family")
    forged = signed(claims if family == "missing" else {**claims, "family": family})
    assert refresh(site, forged).json() == REFUSAL


@pytest.mark.parametrize("change", ["deleted", "inactive", "renamed", "new password"])
def test_refresh_tokens_end_with_their_user_as_they_were(site: Client, ada: "User", change: str) -> None:
    token = log_in(site)["refresh_token"]
    if change == "deleted":
        ada.delete()
    elif change == "inactive":
        type(ada).objects.update(is_active=False)
    elif change == "renamed":
        type(ada).objects.update(username="countess")
    else:
        ada.set_password("another")
        ada.save()
    answer = refresh(site, token)
    assert (answer.status_code, answer.json()) == (401, REFUSAL)
    assert not families().filter(ended_at=None).exists()


def test_a_row_that_has_expired_refreshes_nothing(site: Client) -> None:
    token = log_in(site)["refresh_token"]
    row = families().get()
    families().update(expires_at=row.created_at)
    assert refresh(site, token).status_code == 401


def test_a_refresh_costs_an_update_and_a_query_in_a_transaction(site: Client) -> None:
    token = log_in(site)["refresh_token"]
    with CaptureQueriesContext(connection) as queries:
        assert refresh(site, token).status_code == 200
    statements = [query["sql"].split(" ")[0] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert statements == ["UPDATE", "SELECT"]


def test_keys_rotate_and_refresh_tokens_go_on(site: Client, settings: Settings) -> None:
    token = log_in(site)["refresh_token"]
    configure(settings, KEYS={"new": OTHER, "now": KEY})
    second = refresh(site, token)
    assert second.status_code == 200
    configure(settings, KEYS={"new": OTHER})
    assert refresh(site, second.json()["refresh_token"]).status_code == 200


def test_verify_tells_whether_an_access_token_is_valid_now(site: Client, ada: "User") -> None:
    def verify(token: object) -> tuple[int, Any]:
        answer = site.post("/auth/token/verify", json={"token": token})
        return answer.status_code, answer.json()

    tokens = log_in(site)
    assert verify(tokens["access_token"]) == (200, {"active": True})
    for bad in (tokens["refresh_token"], "", None, 3, "x", signed(claims_of(tokens["access_token"]), OTHER)):
        assert verify(bad) == (401, REFUSAL)
    ada.set_password("another")
    ada.save()
    assert verify(tokens["access_token"]) == (401, REFUSAL)


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
def test_revoke_ends_the_family(site: Client, kind: str) -> None:
    tokens = log_in(site)
    answer = site.post("/auth/token/revoke", data={"token": tokens[kind], "token_type_hint": kind})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert refresh(site, tokens["refresh_token"]).status_code == 401


def test_revoke_says_the_same_of_a_token_that_is_not_valid(site: Client) -> None:
    tokens = log_in(site)
    for bad in ("x", signed(claims_of(tokens["refresh_token"]), OTHER), "x" * 9000):
        assert site.post("/auth/token/revoke", json={"token": bad}).status_code == 200
    assert site.post("/auth/token/revoke", json={}).json()["error"] == "invalid_request"
    assert refresh(site, tokens["refresh_token"]).status_code == 200


def test_logout_all_ends_every_family_of_the_user_and_nobody_elses(site: Client, make_user: MakeUser) -> None:
    make_user("bob")
    mine = [log_in(site) for _ in range(2)]
    others = log_in(site, username="bob")
    assert site.post("/auth/logout/all", headers=bearer(mine[0]["access_token"])).status_code == 204
    assert [refresh(site, one["refresh_token"]).status_code for one in (*mine, others)] == [401, 401, 200]


def test_without_refresh_tokens_there_are_access_tokens_only(site: Client, settings: Settings) -> None:
    before = log_in(site)["refresh_token"]
    configure(settings, REFRESH_LIFETIME=None)
    tokens = log_in(site)
    assert "refresh_token" not in tokens
    assert site.get("/auth/me", headers=bearer(tokens["access_token"])).status_code == 200
    assert refresh(site, before).status_code == 401


def test_without_the_app_refresh_tokens_are_an_error_at_start_up_and_access_tokens_work(
    settings: Settings, api: FastAPI, client: Client, ada: "User"
) -> None:
    configure(settings)
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django_fastapi.auth"]
    with pytest.raises(ConfigurationError, match="INSTALLED_APPS"):
        auth_router(jwt=True)
    with pytest.raises(ConfigurationError, match="INSTALLED_APPS"):
        auth_router(api_keys=True)
    configure(settings, REFRESH_LIFETIME=None)
    api.include_router(auth_router(jwt=True), prefix="/auth")
    token = log_in(client)["access_token"]
    assert client.get("/auth/me", headers=bearer(token)).json()["username"] == ada.username
    assert client.post("/auth/logout/all", headers=bearer(token)).status_code == 204


def test_the_document_has_the_way_to_the_tokens(site: Client) -> None:
    document = site.get("/openapi.json").json()
    schemes = document["components"]["securitySchemes"]
    assert schemes == {
        "JWTAuth": {"type": "oauth2", "flows": {"password": {"scopes": {}, "tokenUrl": "/auth/token"}}},
    }
    body = document["paths"]["/auth/token"]["post"]["requestBody"]["content"]
    assert set(body) == {"application/x-www-form-urlencoded", "application/json"}
    assert document["paths"]["/auth/me"]["get"]["security"] == [{"JWTAuth": []}]


Ask = Callable[..., httpx.Response]


@pytest.fixture
def browser(site: Client, settings: Settings) -> Iterator[Client]:
    """Give a client whose requests pass Django's CSRF check."""
    configure(settings, COOKIE="access")
    with closing(Client(site.app, enforce_csrf_checks=True)) as client:
        yield client


@pytest.fixture
def by_cookie(browser: Client) -> Ask:
    """Give a function that asks as a browser does: with its cookies, and with the CSRF token unless told otherwise."""

    def ask(method: str, path: str, *, csrf: bool = True, **options: Any) -> httpx.Response:
        token = browser.get("/auth/csrf-for-tests").json()
        return browser.request(method, path, headers={"X-CSRFToken": token} if csrf else {}, **options)

    return ask


@pytest.fixture(autouse=True)
def csrf_route(api: FastAPI) -> None:
    from django.middleware.csrf import get_token  # noqa: PLC0415 (beside its only use)

    from django_fastapi import DjangoRequest  # noqa: PLC0415 (the same)

    def csrf(request: DjangoRequest) -> str:
        return get_token(request)

    api.add_api_route("/auth/csrf-for-tests", csrf)


def test_a_browser_gets_its_tokens_in_cookies_that_no_script_can_read(browser: Client, by_cookie: Ask) -> None:
    answer = by_cookie("POST", "/auth/token", data={**FORM, "transport": "cookie"})
    assert answer.json() == {"token_type": "Bearer", "expires_in": 300}
    cookies = cookies_of(answer)
    assert "HttpOnly" in cookies["access"]
    assert "SameSite=lax" in cookies["access"]
    assert "Path=/auth/token" in cookies["access_refresh"]
    assert "HttpOnly" in cookies["access_refresh"]
    assert browser.get("/auth/me").json()["username"] == "ada"
    before = browser.cookies["access_refresh"]
    assert by_cookie("POST", "/auth/token/refresh").json() == {"token_type": "Bearer", "expires_in": 300}
    assert browser.cookies["access_refresh"] != before
    assert by_cookie("POST", "/auth/token/revoke").status_code == 200
    assert "access" not in browser.cookies
    assert "access_refresh" not in browser.cookies
    assert browser.get("/auth/me").status_code == 401


def test_with_cookies_unsafe_methods_need_the_csrf_token(browser: Client, by_cookie: Ask) -> None:
    wanted = {**FORM, "transport": "cookie"}
    assert by_cookie("POST", "/auth/token", csrf=False, data=wanted).status_code == 403
    assert by_cookie("POST", "/auth/token", data=wanted).status_code == 200
    for path in ("/auth/logout/all", "/auth/token/refresh", "/auth/token/revoke"):
        assert by_cookie("POST", path, csrf=False).status_code == 403
    answer = browser.post("/auth/logout/all", headers=bearer(browser.cookies["access"]))
    assert answer.status_code == 204
    assert families().filter(ended_at=None).count() == 0


def test_each_version_of_an_api_has_a_refresh_cookie_of_its_own(site: Client, settings: Settings, api: FastAPI) -> None:
    configure(settings, COOKIE="access")
    for prefix in ("/v1", "/v2"):
        api.include_router(auth_router(session=False, jwt=True), prefix=prefix)
    for prefix in ("/v2", "/v1"):
        answer = site.post(f"{prefix}/token", data={**FORM, "transport": "cookie"})
        assert f"Path={prefix}/token;" in cookies_of(answer)["access_refresh"]
        for path in ("refresh", "revoke"):
            answer = site.post(f"{prefix}/token/{path}")
            assert answer.status_code == 200
            assert f"Path={prefix}/token;" in cookies_of(answer)["access_refresh"]


def test_the_refresh_cookie_is_for_the_path_as_the_browser_has_it(
    site: Client, settings: Settings, api: FastAPI
) -> None:
    configure(settings, COOKIE="access")
    api.include_router(auth_router(session=False, jwt=True), prefix="/{tenant}")
    answer = site.post("/a%20b%3B%C3%A9/token", data={**FORM, "transport": "cookie"})
    assert "Path=/a%20b%3B%C3%A9/token;" in cookies_of(answer)["access_refresh"]


def test_a_replayed_cookie_is_401_and_deleted(browser: Client, by_cookie: Ask) -> None:
    by_cookie("POST", "/auth/token", data={**FORM, "transport": "cookie"})
    before = browser.cookies["access_refresh"]
    by_cookie("POST", "/auth/token/refresh")
    browser.cookies.set("access_refresh", before, domain="testserver.local", path="/auth/token")
    answer = by_cookie("POST", "/auth/token/refresh")
    assert (answer.status_code, answer.json()) == (401, REFUSAL)
    assert {"access", "access_refresh"} <= set(cookies_of(answer))


@pytest.mark.usefixtures("hidden")
def test_a_family_ends_when_the_default_manager_hides_its_user(site: Client, ada: "User") -> None:
    token = refresh(site, log_in(site)["refresh_token"]).json()["refresh_token"]
    type(ada).objects.update(last_name="hidden")
    assert refresh(site, token).json() == REFUSAL
    type(ada).objects.update(last_name="")
    assert refresh(site, token).json() == REFUSAL


def test_mint_is_deterministic_but_for_what_it_is_told(site: Client, ada: "User") -> None:
    from django_fastapi.auth.revocation import access_claims  # noqa: PLC0415 (Django is not set up before)

    del site
    claims = access_claims(ada)
    assert mint(claims) == mint(claims) != access_token(ada)
    assert set(CLAIMS) <= set(claims_of(mint(claims)))
    assert get_auth_settings().jwt.accept == ()
    assert signed_freely(claims_of(mint(claims)))
