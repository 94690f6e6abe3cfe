"""The keys of JSON Web Tokens: which one signs, and which ones verify."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final

from django.conf import settings
from django.utils.crypto import salted_hmac
from django.utils.encoding import force_bytes

from .settings import get_auth_settings

HMAC: Final = "HS256"
MIN_BYTES: Final = 32
"""How long a key for HS256 is at least: as long as the hash (RFC 7518, section 3.2)."""

_SALT: Final = "django_fastapi.auth.jwt"
_MIN_DIFFERENT: Final = 5  # characters, as Django's own check of SECRET_KEY has it
_GENERATED: Final = b"django-insecure-"  # what `startproject` puts in front of a key for development
_PEM: Final = b"-----BEGIN "


@dataclass(frozen=True, slots=True, eq=False)
class KeyRing:
    """The keys in use; each ring is equal to itself only.

    Args:
        algorithm: The one algorithm that all of them are for.
        signing: The id of the key that signs.
        keys: All keys by their ids; those beside the signing one only verify.
    """

    algorithm: str
    signing: str
    keys: Mapping[str, str | bytes] = field(repr=False)


@functools.cache
def get_keys() -> KeyRing:
    """Return the keys that `FASTAPI_AUTH["JWT"]["KEYS"]` names, of which the first one signs.

    Without any they are derived from `SECRET_KEY`, which signs, and from `SECRET_KEY_FALLBACKS`.

    Raises:
        ConfigurationError: The settings are wrong.
    """
    chosen = get_auth_settings().jwt
    keys: Mapping[str, str | bytes] = chosen.keys or dict(map(_derive, [*_secrets()]))
    return KeyRing(chosen.algorithm, next(iter(keys)), keys)


def forget_keys(*, setting: str, **_: object) -> None:
    """Read the keys again at the next need; a receiver of Django's `setting_changed`."""
    if setting in ("FASTAPI_AUTH", "SECRET_KEY", "SECRET_KEY_FALLBACKS"):
        get_keys.cache_clear()


def complaints() -> Iterator[str]:
    """Yield a sentence for each key that is too short, one that everybody knows, or one for another algorithm.

    Whether a key for signatures can be read as one is a question for `tokens`.
    """
    chosen = get_auth_settings().jwt
    if chosen.algorithm != HMAC:
        yield from _wrong_for_signatures(chosen.algorithm, chosen.keys)
    elif chosen.keys is None:
        if len(force_bytes(settings.SECRET_KEY)) < MIN_BYTES:
            yield (
                f"SECRET_KEY is shorter than {MIN_BYTES} bytes, and the key of the tokens is derived from it. "
                "Take a longer one, or set FASTAPI_AUTH['JWT']['KEYS']."
            )
    else:
        for kid, key in chosen.keys.items():
            if (problem := _weakness(force_bytes(key))) is not None:
                yield f"FASTAPI_AUTH['JWT']['KEYS'][{kid!r}] {problem}"


def is_shared() -> bool:
    """Return whether the tokens have no key of their own: it is `SECRET_KEY`, or derived from it."""
    keys = get_auth_settings().jwt.keys
    return keys is None or any(force_bytes(key) in map(force_bytes, _secrets()) for key in keys.values())


def _secrets() -> list[str | bytes]:
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def _derive(secret: str | bytes) -> tuple[str, bytes]:
    """Return a key and its id, neither of which tells the secret."""
    kid, key = (salted_hmac(_SALT, part, secret=secret, algorithm="sha256") for part in ("kid", "key"))
    return kid.hexdigest()[:16], key.digest()


def _weakness(key: bytes) -> str | None:
    if _PEM in key:
        return (
            f"is a key for signatures, and the algorithm is {HMAC}: set FASTAPI_AUTH['JWT']['ALGORITHM'] to RS256, "
            "ES256 or EdDSA, or make a secret with `secrets.token_urlsafe(32)`."
        )
    if len(key) < MIN_BYTES:
        return f"is shorter than {MIN_BYTES} bytes: make one with `secrets.token_urlsafe(32)`."
    if key.startswith(_GENERATED) or len(set(key)) < _MIN_DIFFERENT:
        return "can be guessed: make one with `secrets.token_urlsafe(32)`."
    return None


def _wrong_for_signatures(algorithm: str, keys: Mapping[str, str | bytes] | None) -> Iterator[str]:
    if find_spec("cryptography") is None:
        yield f'{algorithm} needs the extra "crypto": pip install "django-fastapi-bridge[crypto]".'
    if keys is None:
        yield f"{algorithm} needs FASTAPI_AUTH['JWT']['KEYS'], a dictionary from key ids to keys in PEM form."
    for kid, key in (keys or {}).items():
        if _PEM not in force_bytes(key):
            yield (
                f"FASTAPI_AUTH['JWT']['KEYS'][{kid!r}] is no key in PEM form, and {algorithm} takes no other: "
                f"HMAC secrets and key pairs cannot be mixed."
            )
