"""JSON Web Tokens by RFC 8725 (BCP 225): minted and verified here, and nowhere else."""

import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, cast

import jwt
from jwt.exceptions import PyJWTError

from django_fastapi.exceptions import ConfigurationError

from . import keys
from .exceptions import BadCredential
from .keys import KeyRing, get_keys
from .settings import JWTSettings, get_auth_settings

ACCESS: Final = "access"
REFRESH: Final = "refresh"

MAX_LENGTH: Final = 8192
"""How many characters a token has at most: as many as servers take for a header."""

_TEXTS: Final = ("iss", "aud", "jti", "sub", "token_type", "stamp")
_TIMES: Final = ("exp", "iat")
_OPTIONS: Final[Any] = {"require": [*_TIMES, *_TEXTS], "strict_aud": True, "enforce_minimum_key_length": True}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says.

    Args:
        kind: `ACCESS` or `REFRESH`.
        user_id: Whom it is about, by `FASTAPI_AUTH["JWT"]["USER_ID_FIELD"]`.
        stamp: That of the user when they logged in; see `stamps`.
        token_id: Its own id, which no other token has.
        issued_at: Seconds since 1970.
        expires_at: Seconds since 1970.
        family: The id of the family of refresh tokens it belongs to, if it does.
        authenticated_at: When the user gave their password, in seconds since 1970; only a refresh token says so.
    """

    kind: str
    user_id: str
    stamp: str
    token_id: str
    issued_at: int
    expires_at: int
    family: str | None = None
    authenticated_at: int | None = None


def mint(claims: Claims) -> str:
    """Return a signed token that says this.

    Raises:
        ConfigurationError: The settings are wrong.
    """
    chosen, ring = get_auth_settings().jwt, get_keys()
    payload: dict[str, Any] = {
        "iss": chosen.issuer,
        "aud": chosen.audience,
        "exp": claims.expires_at,
        "iat": claims.issued_at,
        "jti": claims.token_id,
        "sub": claims.user_id,
        "token_type": claims.kind,
        "stamp": claims.stamp,
        chosen.user_id_claim: claims.user_id,
    }
    if claims.family is not None:
        payload["family"] = claims.family
    if claims.authenticated_at is not None:
        payload["auth_time"] = claims.authenticated_at
    return jwt.encode(payload, _prepare(ring).signing, ring.algorithm, headers={"kid": ring.signing})


def verify(token: str, kind: str) -> Claims:
    """Return what a token says if it is one of ours, of this kind, and of this moment.

    Clients send a token again and again, so it is remembered that its signature holds; once valid, it is until it
    expires. Whether its user is still there, active and of the same password is not known here.

    Raises:
        BadCredential: It is not.
    """
    claims = _verify(token, kind, get_keys())
    if claims.expires_at <= time.time() - _exact_seconds(get_auth_settings().jwt.leeway):
        raise BadCredential("The token has expired.")
    return claims


@functools.lru_cache(maxsize=1024)
def _verify(token: str, kind: str, ring: KeyRing) -> Claims:
    """Return what a token says; the settings are those of the ring, of which there is another when they change."""
    chosen = get_auth_settings().jwt
    kid = key_id(token)
    if kid is None or kid not in ring.keys:
        raise BadCredential("The token names no key of ours.")
    payload = decode(
        token, _prepare(ring).verifying[kid], [ring.algorithm], issuer=chosen.issuer, audience=chosen.audience
    )
    return _read(payload, kind, chosen)


def key_id(token: str) -> str | None:
    """Return the id of the key that a token names, not verified: of use only to look for it in a dictionary.

    Raises:
        BadCredential: It is no token.
    """
    if len(token) > MAX_LENGTH or not token.isascii():
        raise BadCredential("The token is too long, or no token at all.")
    try:
        return _key_id_of(token.partition(".")[0])
    except PyJWTError as error:
        raise BadCredential(_words(error)) from None


@functools.lru_cache(maxsize=64)
def _key_id_of(header: str) -> str | None:
    """Return the id of the key that the first part of a token names; all tokens of a key have the same.

    Raises:
        PyJWTError: It is no header.
    """
    kid: object = jwt.get_unverified_header(f"{header}.e30.").get("kid")  # PyJWT wants three parts: `e30` is `{}`
    return kid if isinstance(kid, str) else None


def decode(  # noqa: PLR0913 (what RFC 8725 has to be told)
    token: str,
    key: Any,
    algorithms: Sequence[str],
    *,
    issuer: str | Sequence[str] | None,
    audience: str | Sequence[str] | None,
    options: Mapping[str, Any] = _OPTIONS,
) -> dict[str, Any]:
    """Return the claims of a token whose signature, times, issuer and audience are right.

    Args:
        token: The token.
        key: The key, whoever named it.
        algorithms: Which may have signed it: those the key is for.
        issuer: Who must have issued it.
        audience: Whom it must be for.
        options: PyJWT's options; without them nothing is left out.

    Raises:
        BadCredential: Something is wrong.
    """
    leeway = get_auth_settings().jwt.leeway
    try:
        return jwt.decode(token, key, algorithms, cast("Any", options), audience=audience, issuer=issuer, leeway=leeway)
    except PyJWTError as error:
        raise BadCredential(_words(error)) from None


def now() -> int:
    """Return the time of the clock in seconds since 1970."""
    return int(time.time())


def seconds(duration: timedelta | int) -> int:
    """Return a duration of the settings in whole seconds."""
    return int(_exact_seconds(duration))


def _exact_seconds(duration: timedelta | int) -> float:
    return duration.total_seconds() if isinstance(duration, timedelta) else duration


def complaints() -> Iterator[str]:
    """Yield a sentence for each key that is no good, whatever the reason."""
    found = list(keys.complaints())
    yield from found
    if found:
        return
    ring = get_keys()
    for kid in ring.keys:
        problem = _problem(ring, kid)
        if problem is not None:
            yield f"FASTAPI_AUTH['JWT']['KEYS'][{kid!r}] {problem}"


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys of a ring as PyJWT takes them."""

    signing: Any
    verifying: Mapping[str, Any]


@functools.lru_cache(maxsize=4)
def _prepare(ring: KeyRing) -> _Keys:
    """Return the keys of a ring as PyJWT takes them: PEM files are read once.

    Raises:
        ConfigurationError: One of them is no good.
    """
    if found := list(complaints()):
        raise ConfigurationError(" ".join(found))
    algorithm = jwt.get_algorithm_by_name(ring.algorithm)
    ready: dict[str, Any] = {kid: algorithm.prepare_key(key) for kid, key in ring.keys.items()}
    # PyJWT takes the public part only to verify by RSA.
    public = {kid: key.public_key() if hasattr(key, "public_key") else key for kid, key in ready.items()}
    return _Keys(ready[ring.signing], public)


def _problem(ring: KeyRing, kid: str) -> str | None:
    algorithm = jwt.get_algorithm_by_name(ring.algorithm)
    try:
        key = algorithm.prepare_key(ring.keys[kid])
    except (PyJWTError, ValueError, TypeError):
        return f"cannot be read as a key for {ring.algorithm}."
    if algorithm.check_key_length(key):
        return f"is too short for {ring.algorithm}."
    if kid == ring.signing and ring.algorithm != keys.HMAC and not hasattr(key, "private_bytes"):
        return "is the first one, which signs, and has no private part: put the private key first."
    return None


def _read(payload: Mapping[str, Any], kind: str, chosen: JWTSettings) -> Claims:
    texts = [payload[name] for name in _TEXTS]
    times = [payload[name] for name in (*_TIMES, "nbf", "auth_time") if name in payload]
    user_id: Any = payload.get(chosen.user_id_claim)
    family: Any = payload.get("family")
    if not all(isinstance(text, str) for text in (*texts, user_id)) or not isinstance(family, str | None):
        raise BadCredential("A claim that has to be text is not.")
    if not all(type(moment) is int for moment in times):
        raise BadCredential("A claim that has to be a whole number is not.")
    if payload["token_type"] != kind:
        raise BadCredential("The token is of another type.")
    return Claims(
        kind=kind,
        user_id=user_id,
        stamp=payload["stamp"],
        token_id=payload["jti"],
        issued_at=payload["iat"],
        expires_at=payload["exp"],
        family=family,
        authenticated_at=payload.get("auth_time"),
    )


def _words(error: PyJWTError) -> str:
    # PyJWT's messages can repeat what the token says: the log gets the kind.
    return f"PyJWT: {type(error).__name__}."
