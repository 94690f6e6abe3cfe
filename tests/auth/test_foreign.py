"""Tokens of other packages, made by those packages, during a migration."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from django.core.checks import run_checks
from fastapi import FastAPI
from pytest_django import Settings

from django_fastapi.auth import auth_router
from django_fastapi.testing import Client

from .conftest import MakeUser
from .test_tokens import REFUSAL, bearer, claims_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Make = Callable[..., Any]
NAMES = ["simplejwt", "ninja-jwt"]


def accept(settings: Settings, *names: str) -> None:
    settings.FASTAPI_AUTH = {"SCHEMES": ["django_fastapi.auth.JWTAuth"], "JWT": {"ACCEPT": names}}


@pytest.fixture(params=NAMES)
def package(request: pytest.FixtureRequest, settings: Settings) -> Any:
    """Give the module of a package with its classes of tokens, and have its tokens taken."""
    name: str = request.param
    accept(settings, name)
    if name == "simplejwt":
        from rest_framework_simplejwt import tokens  # noqa: PLC0415 (reads the settings)
    else:
        from ninja_jwt import tokens  # type: ignore[no-redef]  # noqa: PLC0415 (the same)
    return tokens


@pytest.fixture
def site(settings: Settings, package: Any, who: FastAPI, client: Client) -> Client:
    del settings, package
    who.include_router(auth_router(session=False, jwt=True), prefix="/auth")
    return client


def refresh(site: Client, token: object) -> Any:
    return site.post("/auth/token/refresh", json={"refresh_token": str(token)})


@pytest.mark.parametrize("path", ["/who", "/async-who"])
def test_an_access_token_of_the_package_goes_on(site: Client, package: Any, ada: "User", path: str) -> None:
    answer = site.get(path, headers=bearer(str(package.AccessToken.for_user(ada))))
    assert (answer.status_code, answer.json()) == (200, "ada")


def test_a_refresh_token_of_the_package_is_exchanged_once_for_ours(site: Client, package: Any, ada: "User") -> None:
    token = package.RefreshToken.for_user(ada)
    answer = refresh(site, token)
    assert answer.status_code == 200
    ours = answer.json()
    assert claims_of(ours["refresh_token"])["iss"] == "django_fastapi"
    assert site.get("/who", headers=bearer(ours["access_token"])).json() == "ada"
    assert refresh(site, ours["refresh_token"]).status_code == 200
    again = refresh(site, token)
    assert (again.status_code, again.json()) == (401, REFUSAL)


def test_a_token_in_its_leeway_is_exchanged_once_also_when_notes_were_purged(
    site: Client, package: Any, ada: "User", settings: Settings
) -> None:
    from django_fastapi.auth.revocation import purge  # noqa: PLC0415 (imports models)

    jwt_settings = {**settings.FASTAPI_AUTH["JWT"], "LEEWAY": 60}
    settings.FASTAPI_AUTH = {**settings.FASTAPI_AUTH, "JWT": jwt_settings}
    token = package.RefreshToken.for_user(ada)
    token.set_exp(lifetime=timedelta(seconds=-10))
    assert refresh(site, token).status_code == 200
    purge()
    assert refresh(site, token).json() == REFUSAL


def test_a_token_that_was_blacklisted_stays_so(site: Client, ada: "User", settings: Settings) -> None:
    from rest_framework_simplejwt.tokens import RefreshToken  # noqa: PLC0415 (reads the settings)

    accept(settings, "simplejwt")
    token = RefreshToken.for_user(ada)
    token.blacklist()
    assert refresh(site, token).status_code == 401


def test_revoking_a_refresh_token_of_the_package_uses_it_up(site: Client, package: Any, ada: "User") -> None:
    token = str(package.RefreshToken.for_user(ada))
    assert site.post("/auth/token/revoke", json={"token": token}).status_code == 200
    assert refresh(site, token).status_code == 401


def test_a_token_of_the_package_is_of_no_other_type(site: Client, package: Any, ada: "User") -> None:
    access, again, sliding = package.AccessToken, package.RefreshToken, package.SlidingToken
    assert site.get("/who", headers=bearer(str(again.for_user(ada)))).json() == REFUSAL
    assert site.get("/who", headers=bearer(str(sliding.for_user(ada)))).json() == REFUSAL
    assert refresh(site, access.for_user(ada)).json() == REFUSAL


def test_a_token_of_the_package_is_refused_where_it_is_not_accepted(
    site: Client, package: Any, ada: "User", settings: Settings
) -> None:
    token = str(package.AccessToken.for_user(ada))
    accept(settings)
    assert site.get("/who", headers=bearer(token)).json() == REFUSAL


WRONG: dict[str, Callable[[dict[str, Any], str], str]] = {
    "another key": lambda claims, _: jwt.encode(claims, "y" * 40, "HS256"),
    "alg none": lambda claims, _: jwt.encode(claims, None, "none"),
    "alg swapped": lambda claims, key: jwt.encode(claims, key * 2, "HS512"),
    "a kid": lambda claims, _: jwt.encode(claims, "y" * 40, "HS256", headers={"kid": "../../dev/null"}),
    "expired": lambda claims, key: jwt.encode({**claims, "exp": 1}, key, "HS256"),
    "never expires": lambda claims, key: jwt.encode({k: v for k, v in claims.items() if k != "exp"}, key, "HS256"),
    "not yet valid": lambda claims, key: jwt.encode({**claims, "nbf": 9_999_999_999}, key, "HS256"),
    "no user": lambda claims, key: jwt.encode({k: v for k, v in claims.items() if k != "user_id"}, key, "HS256"),
    "user true": lambda claims, key: jwt.encode({**claims, "user_id": True}, key, "HS256"),
    "user a list": lambda claims, key: jwt.encode({**claims, "user_id": ["1"]}, key, "HS256"),
    "user huge": lambda claims, key: jwt.encode({**claims, "user_id": "9" * 40}, key, "HS256"),
    "no type": lambda claims, key: jwt.encode({k: v for k, v in claims.items() if k != "token_type"}, key, "HS256"),
    "an audience": lambda claims, key: jwt.encode({**claims, "aud": "another"}, key, "HS256"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_token_of_the_package_that_is_wrong_is_401_with_the_same_body(
    site: Client, package: Any, ada: "User", settings: Settings, name: str
) -> None:
    forged = WRONG[name](claims_of(str(package.AccessToken.for_user(ada))), settings.SECRET_KEY)
    answer = site.get("/who", headers=bearer(forged))
    assert (answer.status_code, answer.json()) == (401, REFUSAL)


@pytest.mark.parametrize("change", ["deleted", "inactive"])
def test_a_token_of_the_package_ends_with_its_user(site: Client, package: Any, ada: "User", change: str) -> None:
    access, again = str(package.AccessToken.for_user(ada)), package.RefreshToken.for_user(ada)
    if change == "deleted":
        ada.delete()
    else:
        type(ada).objects.update(is_active=False)
    assert site.get("/who", headers=bearer(access)).json() == REFUSAL
    assert refresh(site, again).json() == REFUSAL


def test_the_packages_own_settings_say_what_its_tokens_look_like(site: Client, ada: "User", settings: Settings) -> None:
    from rest_framework_simplejwt.tokens import AccessToken  # noqa: PLC0415 (reads the settings)

    accept(settings, "simplejwt")
    before = str(AccessToken.for_user(ada))
    settings.SIMPLE_JWT = {
        "SIGNING_KEY": "z" * 40,
        "ISSUER": "shop",
        "AUDIENCE": "app",
        "USER_ID_CLAIM": "who",
        "USER_ID_FIELD": "username",
        "TOKEN_TYPE_CLAIM": "kind",
        "CHECK_REVOKE_TOKEN": True,
    }
    from rest_framework_simplejwt.utils import get_md5_hash_password  # noqa: PLC0415 (the same)

    claims = {"iss": "shop", "aud": "app", "who": "ada", "kind": "access", "exp": 9_999_999_999}
    claims["hash_password"] = get_md5_hash_password(ada.password)
    token = jwt.encode(claims, "z" * 40, "HS256")
    assert site.get("/who", headers=bearer(token)).json() == "ada"
    assert site.get("/who", headers=bearer(before)).json() == REFUSAL
    ada.set_password("another")
    ada.save()
    assert site.get("/who", headers=bearer(token)).json() == REFUSAL


@pytest.mark.parametrize("name", NAMES)
def test_the_key_of_the_package_can_rotate_by_fallbacks(
    site: Client, ada: "User", settings: Settings, name: str
) -> None:
    from rest_framework_simplejwt.tokens import AccessToken  # noqa: PLC0415 (reads the settings)

    accept(settings, name)
    token = str(AccessToken.for_user(ada))
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "q8" * 30, [settings.SECRET_KEY]
    assert site.get("/who", headers=bearer(token)).json() == "ada"


@pytest.fixture
def drf_key(ada: "User") -> str:
    from rest_framework.authtoken.models import Token  # noqa: PLC0415 (a model)

    return str(Token.objects.create(user=ada).key)


@pytest.fixture
def drf_accepted(settings: Settings) -> None:
    accept(settings, "drf-token")


@pytest.fixture
def drf_site(drf_accepted: None, who: FastAPI, client: Client) -> Client:
    del drf_accepted, who
    return client


def test_the_token_header_of_rest_framework_goes_on(drf_site: Client, drf_key: str) -> None:
    for path in ("/who", "/async-who"):
        assert drf_site.get(path, headers={"Authorization": f"Token {drf_key}"}).json() == "ada"
    assert drf_site.get("/who", headers=bearer(drf_key)).json() == REFUSAL


@pytest.mark.parametrize("wrong", ["", "x", "upper", "cut", "' OR 1=1 --", "\xe9", "x" * 9000])
def test_a_key_of_rest_framework_that_is_wrong_is_401(drf_site: Client, drf_key: str, wrong: str) -> None:
    key = {"upper": drf_key.upper(), "cut": drf_key[:-1]}.get(wrong, wrong)
    answer = drf_site.get("/who", headers={"Authorization": f"Token {key}".encode("latin-1")})
    assert (answer.status_code, answer.json()) == (401, REFUSAL)


def test_a_key_of_rest_framework_ends_with_its_user(drf_site: Client, drf_key: str, ada: "User") -> None:
    type(ada).objects.update(is_active=False)
    assert drf_site.get("/who", headers={"Authorization": f"Token {drf_key}"}).json() == REFUSAL


@pytest.mark.usefixtures("hidden")
def test_a_key_of_rest_framework_ends_when_the_default_manager_hides_its_user(
    drf_site: Client, drf_key: str, ada: "User"
) -> None:
    headers = {"Authorization": f"Token {drf_key}"}
    assert drf_site.get("/who", headers=headers).json() == "ada"
    type(ada).objects.update(last_name="hidden")
    assert drf_site.get("/who", headers=headers).json() == REFUSAL


def test_the_token_header_is_nobodys_where_it_is_not_accepted(
    drf_site: Client, drf_key: str, settings: Settings
) -> None:
    accept(settings)
    assert drf_site.get("/maybe", headers={"Authorization": f"Token {drf_key}"}).json() is None


def test_a_missing_table_and_an_algorithm_that_cannot_be_trusted_are_checks(settings: Settings) -> None:
    accept(settings, "drf-token", "simplejwt")
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "rest_framework.authtoken"]
    settings.SIMPLE_JWT = {"ALGORITHM": "none"}
    found = [message.msg for message in run_checks(databases=[]) if message.id == "django_fastapi.E021"]
    assert len(found) == 2
    assert '"rest_framework.authtoken" is not in INSTALLED_APPS' in found[0]
    assert "'none' cannot be trusted" in found[1]


def test_lifetimes_of_the_package_are_its_own(site: Client, package: Any, make_user: MakeUser) -> None:
    token = package.AccessToken.for_user(make_user("bob"))
    token.set_exp(lifetime=timedelta(hours=-1))
    assert site.get("/who", headers=bearer(str(token))).json() == REFUSAL
