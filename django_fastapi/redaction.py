"""What an answer must not repeat of a request: passwords, tokens, cookies.

FastAPI's 422 shows the rejected value, and where a field is missing the whole object around it, password included.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from django.conf import settings
from django.views.debug import SafeExceptionReporterFilter as _Django, get_default_exception_reporter_filter
from starlette.routing import BaseRoute

from .secret_fields import BODY, declared_secrets, lone_body
from .secret_names import names_secret

IsSecret = Callable[[str], bool]

_SHORTEST: Final = 3  # less than that is found in any text


def secrets_of(route: BaseRoute | None) -> IsSecret:
    """Return the test that tells by its name whether a value in a request must not be repeated.

    Names are secret that say so, those that the project's `DEFAULT_EXCEPTION_REPORTER_FILTER` hides by a pattern of its
    own (`hidden_settings`), that of the session's cookie, and those of fields that the route declares as `SecretStr`,
    `SecretBytes` or otherwise with the format "password".

    Args:
        route: The route the request was for, if it is known.
    """
    declared = declared_secrets(route) if route is not None else frozenset[str]()
    lone = lone_body(route) if route is not None else None
    hidden = getattr(get_default_exception_reporter_filter(), "hidden_settings", None)
    own = None if hidden is _Django.hidden_settings else hidden

    def is_secret(name: str) -> bool:
        if name == BODY and lone is not None and lone != BODY:
            return name in declared or is_secret(lone)
        return (
            name in declared
            or name == settings.SESSION_COOKIE_NAME
            or names_secret(name)
            or (own is not None and own.search(name) is not None)
        )

    return is_secret


def redact(detail: Mapping[str, Any], is_secret: IsSecret) -> dict[str, Any]:
    """Return one of the errors of a 422, encoded for JSON, with stars in the place of what is secret.

    Args:
        detail: The error as FastAPI has it: `loc`, `msg`, `type`, and perhaps `input` and `ctx`.
        is_secret: What `secrets_of` returned.
    """
    # What is shown where a field is missing is the object around it.
    place = detail["loc"][:-1] if detail["type"] == "missing" else detail["loc"]
    is_hidden = any(isinstance(name, str) and is_secret(name) for name in place)
    redacted = dict(detail)
    found: set[str] = set()
    for key in ("input", "ctx"):
        if key in detail:
            redacted[key] = _masked(detail[key], is_secret, found, is_hidden=is_hidden and key == "input")
    # A validator of the project's own may have put the value into its message.
    for key in ("msg", "ctx"):
        if key in detail:
            redacted[key] = _without(redacted[key], found)
    return redacted


def _masked(value: Any, is_secret: IsSecret, found: set[str], *, is_hidden: bool) -> Any:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value).items()
        masked = {key: _masked(item, is_secret, found, is_hidden=is_hidden or is_secret(key)) for key, item in members}
        return _Django.cleansed_substitute if is_hidden else masked
    if isinstance(value, list):
        items = [_masked(item, is_secret, found, is_hidden=is_hidden) for item in cast("list[object]", value)]
        return _Django.cleansed_substitute if is_hidden else items
    if not is_hidden or value is None:
        return value
    text = str(value)
    # As it is, and as Python or JSON write it.
    found.update((text, repr(text)[1:-1], json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]))
    return _Django.cleansed_substitute


def _without(value: Any, secrets: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(item, secrets) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_without(item, secrets) for item in cast("list[object]", value)]
    if isinstance(value, str):
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST:
                value = value.replace(secret, _Django.cleansed_substitute)
    return value
