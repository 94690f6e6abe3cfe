"""`FASTAPI_AUTH`: its keys, their defaults, and what a right value is."""

import dataclasses
import difflib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeVar, cast

from django.apps import apps
from django.conf import settings as django_settings

from django_fastapi import settings
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.throttling import Rate

S = TypeVar("S")

ALGORITHMS: Final = ("HS256", "RS256", "ES256", "EdDSA")
SIMPLEJWT: Final = "simplejwt"
NINJA_JWT: Final = "ninja-jwt"
DRF_TOKEN: Final = "drf-token"  # noqa: S105 (a name)
FOREIGN: Final = (SIMPLEJWT, NINJA_JWT, DRF_TOKEN)
"""Whose tokens `FASTAPI_AUTH["JWT"]["ACCEPT"]` can name."""

_CLAIMS: Final = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti", "token_type", "stamp", "family", "auth_time"})
_MAX_LEEWAY: Final = 60  # seconds
_RULE: Final = "rule"
_SECTION: Final = "section"


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a right value is, in words for the person who has to correct it, and whether one is right."""

    expected: str
    accepts: Callable[[object], bool]


def option(default: Any, expected: str, accepts: Callable[[object], bool]) -> Any:
    """Return the dataclass field of a key, whose name is that of the field in capitals.

    Args:
        default: The value without one in the settings.
        expected: What a right value is, to follow on "must be".
        accepts: Whether a value is right.
    """
    return field(default=default, metadata={_RULE: _Rule(expected, accepts)})


def section(kind: type[Any]) -> Any:
    """Return the dataclass field of a key that holds a dictionary with keys of its own."""
    return field(default_factory=kind, metadata={_SECTION: kind})


def is_bool(value: object) -> bool:
    """Return whether a value is True or False."""
    return isinstance(value, bool)


def is_text(value: object) -> bool:
    """Return whether a value is a string that is not empty."""
    return isinstance(value, str) and value != ""


def is_text_or_none(value: object) -> bool:
    """Return whether a value is None or a string that is not empty."""
    return value is None or is_text(value)


def is_duration(value: object) -> bool:
    """Return whether a value is a `timedelta` greater than zero."""
    return isinstance(value, timedelta) and value > timedelta()


def _is_short(value: object) -> bool:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    return isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds <= _MAX_LEEWAY


def _is_keys(value: object) -> bool:
    return value is None or (
        isinstance(value, dict)
        and len(cast("dict[object, object]", value)) > 0
        and all(
            is_text(kid) and isinstance(key, str | bytes) for kid, key in cast("dict[object, object]", value).items()
        )
    )


def _is_accept(value: object) -> bool:
    return isinstance(value, list | tuple) and all(one in FOREIGN for one in cast("Sequence[object]", value))


def _is_schemes(value: object) -> bool:
    return isinstance(value, list | tuple) and len(cast("Sequence[object]", value)) > 0


def _is_rate(value: object) -> bool:
    try:
        return value is None or (isinstance(value, str) and bool(Rate.parse(value)))
    except ConfigurationError:
        return False


def _is_page(value: object) -> bool:
    return value is None or (isinstance(value, str) and "{token}" in value)


_PAGE: Final = "the address of a page"
_DURATION: Final = "a timedelta greater than zero"
_SHORT: Final = "a timedelta of at most 60 seconds, or a number of seconds"
_RATE: Final = 'a rate such as "5/min", or None for no limit'


@dataclass(frozen=True, slots=True, kw_only=True)
class JWTSettings:
    """`FASTAPI_AUTH["JWT"]`."""

    algorithm: str = option("HS256", f"one of {', '.join(ALGORITHMS)}", lambda value: value in ALGORITHMS)
    keys: Mapping[str, str | bytes] | None = option(None, "a dictionary from key ids to keys, or None", _is_keys)
    issuer: str = option("django_fastapi", "a string", is_text)
    audience: str = option("django_fastapi", "a string", is_text)
    access_lifetime: timedelta = option(timedelta(minutes=5), _DURATION, is_duration)
    refresh_lifetime: timedelta | None = option(
        timedelta(days=14),
        f"{_DURATION}, or None for no refresh tokens",
        lambda value: value is None or is_duration(value),
    )
    session_lifetime: timedelta = option(timedelta(days=90), _DURATION, is_duration)
    refresh_grace: timedelta | int = option(timedelta(), _SHORT, _is_short)
    leeway: timedelta | int = option(timedelta(), _SHORT, _is_short)
    user_id_field: str = option("pk", "the name of a field", is_text)
    user_id_claim: str = option(
        "sub",
        f"the name of a claim, and none of {', '.join(sorted(_CLAIMS))}",
        lambda value: is_text(value) and value not in _CLAIMS,
    )
    accept: Sequence[str] = option((), f"a list or tuple of some of {', '.join(FOREIGN)}", _is_accept)
    cookie: str | None = option(None, "the name of a cookie, or None", is_text_or_none)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """`FASTAPI_AUTH`, read."""

    schemes: Sequence[object] = option(
        ("django_fastapi.auth.JWTAuth", "django_fastapi.auth.SessionAuth"),
        "a list or tuple, not empty, of schemes and dotted paths of scheme classes",
        _is_schemes,
    )
    required: bool = option(default=False, expected="True or False", accepts=is_bool)
    login_rate_username: str | None = option("5/min", _RATE, _is_rate)
    login_rate_address: str | None = option("50/min", _RATE, _is_rate)
    password_reset_url: str | None = option(
        None,
        f'{_PAGE}, with "{{uid}}" and "{{token}}" in it, or None',
        lambda value: _is_page(value) and (value is None or "{uid}" in str(value)),
    )
    email_verification_url: str | None = option(None, f'{_PAGE}, with "{{token}}" in it, or None', _is_page)
    magic_link_url: str | None = option(None, f'{_PAGE}, with "{{token}}" in it, or None', _is_page)
    jwt: JWTSettings = section(JWTSettings)


def has_users() -> bool:
    """Return whether the app of the user model is installed; without it nothing here that imports models may be."""
    return django_settings.AUTH_USER_MODEL.partition(".")[0] in apps.app_configs


def complaints() -> list[str]:
    """Return a sentence for each wrong value and each unknown key in `FASTAPI_AUTH`."""
    return list(_complaints(AuthSettings, settings.AUTH.get(), "FASTAPI_AUTH"))


@functools.cache
def get_auth_settings() -> AuthSettings:
    """Return what `FASTAPI_AUTH` says, read once.

    Raises:
        ConfigurationError: A value or a key is wrong.
    """
    found = complaints()
    if found:
        raise ConfigurationError(" ".join(found))
    return _read(AuthSettings, settings.AUTH.get())


def forget_auth_settings(*, setting: str, **_: Any) -> None:
    """Read the settings again at the next need; a receiver of Django's `setting_changed`."""
    if setting in (settings.AUTH.name, "SECRET_KEY", "SECRET_KEY_FALLBACKS"):
        get_auth_settings.cache_clear()


def _complaints(kind: type[Any], value: object, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path} must be a dictionary, not {value!r}."
        return
    fields = {one.name.upper(): one for one in dataclasses.fields(kind)}
    for key, item in cast("Mapping[object, object]", value).items():
        place = f"{path}[{key!r}]"
        if not isinstance(key, str) or key not in fields:
            close = difflib.get_close_matches(str(key), fields, n=1)
            yield f"There is no {place}{f'; did you mean {close[0]!r}?' if close else '.'}"
            continue
        metadata = fields[key].metadata
        rule: _Rule | None = metadata.get(_RULE)
        if rule is None:
            yield from _complaints(metadata[_SECTION], item, place)
        elif not rule.accepts(item):
            # The value is left out: there are keys among them.
            yield f"{place} must be {rule.expected}."


def _read(kind: type[S], value: Mapping[str, Any]) -> S:
    sections = {one.name.upper(): one.metadata.get(_SECTION) for one in dataclasses.fields(cast("Any", kind))}
    arguments: dict[str, Any] = {}
    for key, item in value.items():
        inner = sections[key]
        arguments[key.lower()] = item if inner is None else _read(inner, item)
    return kind(**arguments)
