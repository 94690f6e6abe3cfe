"""What an answer must not repeat of a request: passwords, tokens, cookies.

FastAPI's 422 shows the rejected value, and where a field is missing the whole object around it, password included.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast, get_args
from urllib.parse import unquote_plus

from django.conf import settings
from django.views.debug import SafeExceptionReporterFilter as _Django, get_default_exception_reporter_filter
from pydantic_core.core_schema import CoreSchemaType
from starlette.routing import BaseRoute

from .secret_fields import BODY, declared_secrets, lone_body
from .secret_names import names_secret

IsSecret = Callable[[str], bool]

_STARS: Final = _Django.cleansed_substitute
_SHORTEST: Final = 3  # less than that is found in any text
_LONGEST_TEXT: Final = 2**16  # a longer one is not looked through
_JSON: Final = re.compile(r'\s*["\[{]')
_BETWEEN_PAIRS: Final = re.compile(r"[&;\s]+")
_KINDS: Final = frozenset(get_args(CoreSchemaType))


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


def redact(detail: Mapping[str, Any], is_secret: IsSecret, declared: Collection[str] = ()) -> dict[str, Any]:
    """Return one of the errors of a 422, encoded for JSON, with stars in the place of what is secret.

    Args:
        detail: The error as FastAPI has it: `loc`, `msg`, `type`, and perhaps `input` and `ctx`.
        is_secret: What `secrets_of` returned.
        declared: The names of fields, which are shown in `loc` below a secret name; keys of a dictionary are not.
    """
    # What is shown where a field is missing is the object around it.
    place = detail["loc"][:-1] if detail["type"] == "missing" else detail["loc"]
    is_hidden = any(isinstance(name, str) and is_secret(name) for name in place)
    redacted = {**detail, "loc": _without_keys(detail["loc"], is_secret, declared)}
    found: set[str] = set()
    if "input" in detail:
        redacted["input"] = _Mask(is_secret, found, reads_texts=True).put_on(detail["input"], is_hidden=is_hidden)
    if "ctx" in detail:
        redacted["ctx"] = _Mask(is_secret, found).put_on(detail["ctx"])
    # A validator of the project's own may have put the value into its message.
    for key in ("msg", "ctx"):
        if key in detail:
            redacted[key] = _without(redacted[key], found)
    return redacted


def spellings(text: str) -> Iterator[str]:
    """Yield a text as it is, and as Python and JSON write it."""
    yield text
    yield repr(text)[1:-1]
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]


def _without_keys(place: Sequence[int | str], is_secret: IsSecret, declared: Collection[str]) -> list[int | str]:
    """Return a place with stars for what the client has named itself, below a secret name."""
    is_below = False
    shown: list[int | str] = []
    for part in place:
        if isinstance(part, str):
            shown.append(_STARS if is_below and part not in declared and not _is_kind(part) else part)
            is_below = is_below or is_secret(part)
        else:
            shown.append(part)
    return shown


def _is_kind(name: str) -> bool:
    """Return whether a part of a place is Pydantic's word: `[key]`, or the kind of a union's member."""
    kind = name.partition("[")[0].removeprefix("constrained-")
    return not kind or kind in _KINDS


@dataclass(frozen=True, slots=True)
class _Mask:
    """Stars for what is secret in a value.

    Args:
        is_secret: Tells that by the names.
        found: Where to put the texts that were replaced, in all their spellings.
        reads_texts: Whether to look for names inside of texts too: JSON that was encoded twice, or pairs as in a form.
    """

    is_secret: IsSecret
    found: set[str]
    reads_texts: bool = False

    def put_on(self, value: Any, *, is_hidden: bool = False) -> Any:
        """Return the value with stars; as a whole if it is hidden."""
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value).items()
            masked = {name: self.put_on(item, is_hidden=is_hidden or self.is_secret(name)) for name, item in members}
            return _STARS if is_hidden else masked
        if isinstance(value, list):
            items = [self.put_on(item, is_hidden=is_hidden) for item in cast("list[object]", value)]
            return _STARS if is_hidden else items
        if is_hidden and value is not None:
            return self._hide(str(value))
        return self._put_on_text(value) if self.reads_texts and isinstance(value, str) else value

    def _put_on_text(self, text: str) -> str:
        is_json = _JSON.match(text) is not None
        if not (is_json or "=" in text):
            return text
        if len(text) > _LONGEST_TEXT:
            return _STARS
        try:
            return self._put_on_json(text) if is_json else self._put_on_pairs(text)
        except (ValueError, RecursionError):  # it only begins like JSON, or is cut off
            return self._hide(text) if self.is_secret(text) else text

    def _put_on_json(self, text: str) -> str:
        value = json.loads(text)
        masked = self.put_on(value)
        return text if masked == value else json.dumps(masked, ensure_ascii=False)

    def _put_on_pairs(self, text: str) -> str:
        names = {pair.partition("=")[0] for pair in _BETWEEN_PAIRS.split(text) if "=" in pair}
        return self._hide(text) if any(self.is_secret(unquote_plus(name)) for name in names) else text

    def _hide(self, text: str) -> str:
        self.found.update(spellings(text))
        return _STARS


def _without(value: Any, secrets: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(item, secrets) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_without(item, secrets) for item in cast("list[object]", value)]
    if isinstance(value, str):
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST:
                value = value.replace(secret, _STARS)
    return value
