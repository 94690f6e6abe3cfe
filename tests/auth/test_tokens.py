"""Every way in which a token can be wrong: each is 401 with the same body, for every scheme that takes tokens."""

import base64
import json
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fastapi import FastAPI
from pytest_django import Settings

from django_fastapi.auth.exceptions import BadCredential
from django_fastapi.auth.keys import get_keys
from django_fastapi.auth.tokens import ACCESS, MAX_LENGTH, REFRESH, verify
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.testing import Client

from .conftest import MakeUser

if TYPE_CHECKING:
    from django.contrib.auth.models import User

KEY = "k" * 4 + secrets.token_urlsafe(32)
OTHER = secrets.token_urlsafe(32)
REFUSAL = {"detail": "Not authenticated"}


@pytest.fixture
def jwt_only(settings: Settings) -> None:
    settings.FASTAPI_AUTH = {"SCHEMES": ["django_fastapi.auth.JWTAuth"], "JWT": {"KEYS": {"now": KEY}}}


@pytest.fixture
def me(jwt_only: None, who: FastAPI, client: Client) -> Client:
    del jwt_only, who
    return client


def access_token(user: "User") -> str:
    from django_fastapi.auth.revocation import access_claims  # noqa: PLC0415 (Django is not set up before)
    from django_fastapi.auth.tokens import mint  # noqa: PLC0415 (the same)

    return mint(access_claims(user))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def signed(claims: dict[str, Any], key: Any = KEY, algorithm: str = "HS256", **headers: Any) -> str:
    return jwt.encode(claims, key, algorithm, headers={"kid": "now", **headers})


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def without(claims: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in claims.items() if key != name}


def changed(text: str, index: int) -> str:
    return text[:index] + ("A" if text[index] != "A" else "B") + text[index + 1 :]


@pytest.mark.usefixtures("jwt_only")
def test_a_token_says_who_it_is_about_and_what_rfc_8725_asks_for(ada: "User") -> None:
    token = access_token(ada)
    claims = claims_of(token)
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "kid": "now", "typ": "JWT"}
    assert claims["iss"] == claims["aud"] == "django_fastapi"
    assert (claims["sub"], claims["token_type"]) == (str(ada.pk), "access")
    assert claims["exp"] - claims["iat"] == 300
    assert len(claims["stamp"]) == 32
    assert claims["stamp"] != ada.get_session_auth_hash()[:32]
    assert claims_of(access_token(ada))["jti"] != claims["jti"]


@pytest.mark.parametrize("path", ["/who", "/async-who", "/maybe"])
def test_a_token_gives_the_user(me: Client, ada: "User", path: str) -> None:
    answer = me.get(path, headers=bearer(access_token(ada)))
    assert (answer.status_code, answer.json()) == (200, "ada")
    assert "Authorization" in answer.headers["vary"]


def test_unsafe_methods_need_no_csrf_token(me: Client, ada: "User") -> None:
    assert me.post("/who", headers=bearer(access_token(ada))).status_code == 200


Forge = Callable[[dict[str, Any], str], str]
CLAIMS = ["iss", "aud", "exp", "iat", "jti", "sub", "token_type", "stamp"]
FORGERIES: dict[str, Forge] = {
    "not a token": lambda *_: "nonsense",
    "two segments": lambda _, token: token.rpartition(".")[0],
    "four segments": lambda _, token: f"{token}.AAAA",
    "only dots": lambda *_: "..",
    "not ASCII": lambda _, token: token + "\xe9",
    "oversized": lambda _, token: token + "A" * MAX_LENGTH,
    "oversized and signed": lambda claims, _: signed({**claims, "more": "x" * MAX_LENGTH}),
    "header tampered with": lambda _, token: changed(token, 10),
    "payload tampered with": lambda _, token: changed(token, token.index(".") + 20),
    "signature tampered with": lambda _, token: changed(token, token.rindex(".") + 5),
    "payload of another user": lambda claims, token: ".".join(
        [token.split(".")[0], segment({**claims, "sub": "999"}), token.split(".")[2]]
    ),
    "no signature": lambda _, token: token.rpartition(".")[0] + ".",
    "another key": lambda claims, _: signed(claims, OTHER),
    "alg none": lambda claims, _: jwt.encode(claims, None, "none", headers={"kid": "now"}),
    "alg None, spelled oddly": lambda claims, _: f"{segment({'alg': 'nOnE', 'kid': 'now'})}.{segment(claims)}.",
    "alg swapped": lambda claims, _: signed(claims, KEY * 2, "HS512"),
    "alg unknown": lambda claims, token: (
        f"{segment({'alg': 'XS256', 'kid': 'now'})}.{segment(claims)}.{token.split('.')[2]}"
    ),
    "alg missing": lambda claims, token: f"{segment({'kid': 'now'})}.{segment(claims)}.{token.split('.')[2]}",
    "alg a list": lambda claims, token: (
        f"{segment({'alg': ['HS256'], 'kid': 'now'})}.{segment(claims)}.{token.split('.')[2]}"
    ),
    "header no object": lambda claims, token: f"{segment([1])}.{segment(claims)}.{token.split('.')[2]}",
    "payload no object": lambda _, token: f"{token.split('.')[0]}.{segment([1])}.{token.split('.')[2]}",
    "kid missing": lambda claims, _: jwt.encode(claims, KEY, "HS256"),
    "kid unknown": lambda claims, _: signed(claims, kid="then"),
    "kid with a path": lambda claims, _: signed(claims, kid="../../../../dev/null"),
    "kid with SQL": lambda claims, _: signed(claims, kid="now' UNION SELECT 'x"),
    "kid a number": lambda claims, token: (
        f"{segment({'alg': 'HS256', 'kid': 1})}.{segment(claims)}.{token.split('.')[2]}"
    ),
    "crit unknown": lambda claims, _: signed(claims, crit=["exp"]),
    "expired": lambda claims, _: signed({**claims, "exp": int(time.time()) - 1}),
    "not yet valid": lambda claims, _: signed({**claims, "nbf": int(time.time()) + 100}),
    "issued in the future": lambda claims, _: signed({**claims, "iat": int(time.time()) + 100}),
    "a refresh token": lambda claims, _: signed({**claims, "token_type": "refresh"}),
    "of no known type": lambda claims, _: signed({**claims, "token_type": "reset"}),
    "of another audience": lambda claims, _: signed({**claims, "aud": "another"}),
    "of several audiences": lambda claims, _: signed({**claims, "aud": ["django_fastapi", "another"]}),
    "of another issuer": lambda claims, _: signed({**claims, "iss": "another"}),
    "with another stamp": lambda claims, _: signed({**claims, "stamp": "0" * 32}),
    "exp as text": lambda claims, _: signed({**claims, "exp": str(claims["exp"])}),
    "exp as a float": lambda claims, _: signed({**claims, "exp": float(claims["exp"])}),
    "exp true": lambda claims, _: signed({**claims, "exp": True}),
    "exp infinite": lambda claims, _: signed({**claims, "exp": float("inf")}),
    "exp huge": lambda claims, _: signed({**claims, "exp": 10**400, "iat": 10**400}),
    "iat as text": lambda claims, _: signed({**claims, "iat": str(claims["iat"])}),
    "nbf as text": lambda claims, _: signed({**claims, "nbf": "0"}),
    "family a number": lambda claims, _: signed({**claims, "family": 1}),
    "auth_time as text": lambda claims, _: signed({**claims, "auth_time": "1"}),
    "sub with a zero before": lambda claims, _: signed({**claims, "sub": f"0{claims['sub']}"}),
    "sub no key": lambda claims, _: signed({**claims, "sub": "1 OR 1=1"}),
    "sub beyond the column": lambda claims, _: signed({**claims, "sub": str(10**30)}),
    "sub with a NUL": lambda claims, _: signed({**claims, "sub": "1\0"}),
    "sub a surrogate": lambda claims, _: signed({**claims, "sub": "\ud800"}),
    **{f"{name} missing": lambda claims, _, name=name: signed(without(claims, name)) for name in CLAIMS},  # type: ignore[misc]
    **{
        f"{name} {value!r}": lambda claims, _, name=name, value=value: signed_freely({**claims, name: value})  # type: ignore[misc]
        for name in CLAIMS
        for value in (None, [], {}, "", 1.5)
        if (name, value) != ("jti", "")
    },
}


def signed_freely(claims: dict[str, Any]) -> str:
    """Sign what PyJWT would not."""
    return jwt.PyJWS().encode(json.dumps(claims).encode(), KEY, "HS256", headers={"kid": "now"})


@pytest.mark.parametrize("name", FORGERIES)
def test_a_token_that_is_wrong_in_any_way_is_401_with_the_same_body(me: Client, ada: "User", name: str) -> None:
    token = access_token(ada)
    forged = FORGERIES[name](claims_of(token), token)
    for path in ("/who", "/async-who", "/maybe"):
        answer = me.get(path, headers={"Authorization": f"Bearer {forged}".encode("latin-1")})
        assert (answer.status_code, answer.json(), answer.headers["www-authenticate"]) == (401, REFUSAL, "Bearer")


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer   ", "bearer x", "Bearer a b"])
def test_a_header_without_a_token_is_the_same(me: Client, value: str) -> None:
    answer = me.get("/who", headers={"Authorization": value})
    assert (answer.status_code, answer.json()) == (401, REFUSAL)


def test_no_header_is_the_same_and_nobody_where_the_user_is_optional(me: Client) -> None:
    assert (me.get("/who").status_code, me.get("/who").json()) == (401, REFUSAL)
    assert me.get("/maybe").json() is None


def test_two_headers_are_401_though_each_would_do(me: Client, ada: "User") -> None:
    token = access_token(ada)
    answer = me.get("/who", headers=[("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")])
    assert (answer.status_code, answer.json()) == (401, REFUSAL)


def test_headers_that_name_a_key_are_ignored(me: Client, ada: "User") -> None:
    claims = claims_of(access_token(ada))
    trap = {"jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/", "jwk": {"kty": "oct", "k": segment(OTHER)}}
    assert me.get("/who", headers=bearer(signed(claims, **trap))).status_code == 200
    assert me.get("/who", headers=bearer(signed(claims, OTHER, **trap))).status_code == 401


@pytest.mark.parametrize("change", ["deleted", "inactive", "renamed", "new password"])
def test_a_token_ends_with_its_user_as_they_were(me: Client, ada: "User", change: str) -> None:
    token = access_token(ada)
    assert me.get("/who", headers=bearer(token)).status_code == 200
    if change == "deleted":
        ada.delete()
    elif change == "inactive":
        type(ada).objects.update(is_active=False)
    elif change == "renamed":
        type(ada).objects.update(username="countess")
    else:
        ada.set_password("another")
        ada.save()
    answer = me.get("/who", headers=bearer(token))
    assert (answer.status_code, answer.json()) == (401, REFUSAL)


def test_an_inactive_superuser_has_no_rights(me: Client, make_user: MakeUser) -> None:
    boss = make_user("boss", is_superuser=True, is_active=False)
    assert me.get("/who", headers=bearer(access_token(boss))).status_code == 401


def test_a_name_given_to_somebody_else_does_not_give_them_the_token(
    me: Client, make_user: MakeUser, settings: Settings
) -> None:
    settings.FASTAPI_AUTH = {
        "SCHEMES": ["django_fastapi.auth.JWTAuth"],
        "JWT": {"KEYS": {"now": KEY}, "USER_ID_FIELD": "username", "USER_ID_CLAIM": "user"},
    }
    ada = make_user("ada")
    token = access_token(ada)
    assert (claims_of(token)["user"], claims_of(token)["sub"]) == ("ada", "ada")
    assert me.get("/who", headers=bearer(token)).json() == "ada"
    assert me.get("/who", headers=bearer(signed({**claims_of(token), "user": "Ada"}))).status_code == 401
    ada.username = "countess"
    ada.save()
    make_user("ada")
    assert me.get("/who", headers=bearer(token)).status_code == 401


def test_leeway_is_given_where_it_is_set(me: Client, ada: "User", settings: Settings) -> None:
    late = signed({**claims_of(access_token(ada)), "exp": int(time.time()) - 10})
    assert me.get("/who", headers=bearer(late)).status_code == 401
    settings.FASTAPI_AUTH = {
        "SCHEMES": ["django_fastapi.auth.JWTAuth"],
        "JWT": {"KEYS": {"now": KEY}, "LEEWAY": 60},
    }
    assert me.get("/who", headers=bearer(late)).status_code == 200


def pem(key: Any, *, public: bool = False) -> str:
    if public:
        kind = serialization.PublicFormat.SubjectPublicKeyInfo
        return str(key.public_key().public_bytes(serialization.Encoding.PEM, kind).decode())
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return str(key.private_bytes(serialization.Encoding.PEM, *private).decode())


RSA = rsa.generate_private_key(65537, 2048)
PAIRS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: RSA,
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


@pytest.mark.parametrize("algorithm", PAIRS)
def test_key_pairs_sign_and_their_public_keys_are_no_secret_for_hmac(
    me: Client, ada: "User", settings: Settings, algorithm: str
) -> None:
    pair, other = PAIRS[algorithm](), PAIRS[algorithm]()
    chosen = {"ALGORITHM": algorithm, "KEYS": {"now": pem(pair), "before": pem(other, public=True)}}
    settings.FASTAPI_AUTH = {"SCHEMES": ["django_fastapi.auth.JWTAuth"], "JWT": chosen}
    token = access_token(ada)
    claims = claims_of(token)
    assert me.get("/who", headers=bearer(token)).status_code == 200
    assert me.get("/who", headers=bearer(signed(claims, other, algorithm, kid="before"))).status_code == 200
    public = pem(pair, public=True).encode()
    # PyJWT would not make such a token.
    confused = forge_hmac(claims, public)
    assert me.get("/who", headers=bearer(confused)).status_code == 401
    assert me.get("/who", headers=bearer(changed(token, token.rindex(".") + 9))).status_code == 401


def forge_hmac(claims: dict[str, Any], key: bytes) -> str:
    import hmac  # noqa: PLC0415 (for this one forgery)

    text = f"{segment({'alg': 'HS256', 'kid': 'now', 'typ': 'JWT'})}.{segment(claims)}"
    digest = hmac.digest(key, text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def test_keys_rotate_and_nobody_is_logged_out(me: Client, ada: "User", settings: Settings) -> None:
    def use(keys: dict[str, str]) -> None:
        settings.FASTAPI_AUTH = {"SCHEMES": ["django_fastapi.auth.JWTAuth"], "JWT": {"KEYS": keys}}

    before = access_token(ada)
    use({"new": OTHER, "now": KEY})
    after = access_token(ada)
    assert jwt.get_unverified_header(after)["kid"] == "new"
    assert [me.get("/who", headers=bearer(token)).status_code for token in (before, after)] == [200, 200]
    use({"new": OTHER})
    assert [me.get("/who", headers=bearer(token)).status_code for token in (before, after)] == [401, 200]


def test_secret_key_rotates_and_nobody_is_logged_out(me: Client, ada: "User", settings: Settings) -> None:
    settings.FASTAPI_AUTH = {"SCHEMES": ["django_fastapi.auth.JWTAuth"]}
    before = access_token(ada)
    old = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = secrets.token_urlsafe(50), [old]
    after = access_token(ada)
    assert [me.get("/who", headers=bearer(token)).status_code for token in (before, after)] == [200, 200]
    settings.SECRET_KEY_FALLBACKS = []
    assert [me.get("/who", headers=bearer(token)).status_code for token in (before, after)] == [401, 200]
    assert old.encode() not in (get_keys().keys[get_keys().signing], get_keys().signing)


@pytest.mark.usefixtures("jwt_only")
def test_what_is_minted_is_verified(ada: "User") -> None:
    claims = verify(access_token(ada), ACCESS)
    assert (claims.user_id, claims.kind) == (str(ada.pk), ACCESS)
    assert REFRESH != ACCESS


def test_a_signature_is_verified_once_and_the_lifetime_each_time(
    me: Client, ada: "User", monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    decode = jwt.decode

    def count(token: str, *args: Any, **options: Any) -> Any:
        verified.append(token)
        return decode(token, *args, **options)

    monkeypatch.setattr(jwt, "decode", count)
    token = access_token(ada)
    answers = [me.get("/who", headers=bearer(token)).status_code for _ in range(3)]
    assert (answers, verified) == ([200] * 3, [token])
    expires_at = claims_of(token)["exp"]
    verified.clear()
    for moment, status in ((expires_at - 1, 200), (expires_at, 401), (expires_at + 1, 401)):
        monkeypatch.setattr("time.time", lambda moment=moment: float(moment))
        answer = me.get("/who", headers=bearer(token))
        assert answer.status_code == status
    assert (answer.json(), verified) == (REFUSAL, [])


@pytest.mark.usefixtures("jwt_only")
def test_a_token_that_is_remembered_has_leeway_too(
    ada: "User", settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"KEYS": {"now": KEY}, "LEEWAY": timedelta(seconds=1.5)}
    settings.FASTAPI_AUTH = {"SCHEMES": ["django_fastapi.auth.JWTAuth"], "JWT": options}
    token = access_token(ada)
    expires_at = verify(token, ACCESS).expires_at
    monkeypatch.setattr("time.time", lambda: expires_at + 1.4)
    assert verify(token, ACCESS).user_id == str(ada.pk)
    monkeypatch.setattr("time.time", lambda: expires_at + 1.5)
    with pytest.raises(BadCredential, match="expired"):
        verify(token, ACCESS)


@pytest.mark.parametrize("name", ["ISSUER", "AUDIENCE"])
def test_a_token_that_is_remembered_ends_with_the_settings_it_was_made_for(
    me: Client, ada: "User", settings: Settings, name: str
) -> None:
    token = access_token(ada)
    assert me.get("/who", headers=bearer(token)).status_code == 200
    settings.FASTAPI_AUTH = {
        "SCHEMES": ["django_fastapi.auth.JWTAuth"],
        "JWT": {"KEYS": {"now": KEY}, name: "another"},
    }
    assert me.get("/who", headers=bearer(token)).status_code == 401


@pytest.mark.parametrize("change", ["password", "is_active"])
def test_a_token_that_is_remembered_ends_with_its_user_as_they_were(me: Client, ada: "User", change: str) -> None:
    token = access_token(ada)
    assert me.get("/who", headers=bearer(token)).status_code == 200
    if change == "password":
        ada.set_password(OTHER)
    else:
        ada.is_active = False
    ada.save()
    assert me.get("/who", headers=bearer(token)).status_code == 401


@pytest.mark.usefixtures("jwt_only")
def test_a_token_that_is_remembered_is_of_its_type_only(ada: "User") -> None:
    token = access_token(ada)
    verify(token, ACCESS)
    with pytest.raises(BadCredential, match="another type"):
        verify(token, REFRESH)


def test_a_key_that_is_too_short_signs_nothing(settings: Settings, ada: "User") -> None:
    settings.FASTAPI_AUTH = {"JWT": {"KEYS": {"now": "short"}}}
    with pytest.raises(ConfigurationError, match="is shorter than 32 bytes"):
        access_token(ada)
