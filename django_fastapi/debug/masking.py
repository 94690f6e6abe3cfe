"""What the pages of an error do not show: Django's reporter filter, and what it does not know of."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final, TypeGuard, TypeVar, cast
from urllib.parse import unquote_plus

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter
from pydantic import BaseModel, SecretBytes, SecretStr
from starlette.datastructures import Headers, ImmutableMultiDict

from django_fastapi.secret_names import names_secret

STARS: Final = SafeExceptionReporterFilter.cleansed_substitute

T = TypeVar("T")

_SHORTEST: Final = 4  # less than that is found in any text
_DEEPEST: Final = 6
_LONGEST_TEXT: Final = 2**16  # a longer one may be a body of which not all is known
_LONGEST: Final = 1000


def mask(value: Any, more: Iterable[str] = ()) -> Any:
    """Return a value with stars for the secrets in it, down to the sixth level.

    It looks into dicts, lists, tuples, headers, parameters, models of Pydantic's and dataclasses; all else stays. What
    has names inside and is no dict is returned as `Shown`, which prints as it does.

    Args:
        value: Anything.
        more: Names that are secret as well.
    """
    return _mask(value, frozenset(more), _DEEPEST)


class Shown:
    """The text of a value in the place of the value."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        """Return the text."""
        return self._text


def secrets_in(value: Any, more: Iterable[str] = ()) -> Iterator[str]:
    """Yield the texts that `mask` would put stars for."""
    return _secrets_in(value, frozenset(more), _DEEPEST)


def secrets_of_request(headers: Iterable[tuple[bytes, bytes]], query: bytes, body: object) -> frozenset[str]:
    """Return the secrets that a client sent: credentials, cookies, and what has the name of one.

    Args:
        headers: The headers.
        query: The query string.
        body: The body, parsed.
    """
    found: set[str] = set(secrets_in(body))
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name == "cookie":
            found.update(_cookie_values(value))
        elif names_secret(name):
            found.update((value, value.partition(" ")[2]))
    for pair in query.decode("latin-1").split("&"):
        name, _, value = pair.partition("=")
        if names_secret(unquote_plus(name)):
            found.update((value, unquote_plus(value)))
    return frozenset(found)


def scrub(value: T, secrets: Iterable[str]) -> T:
    """Return a text, or what lists and dicts of texts are in it, with stars for secrets of at least four letters."""
    if isinstance(value, str):
        text: str = value
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST:
                text = text.replace(secret, STARS)
        return cast("T", text)
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return cast("T", {key: scrub(item, secrets) for key, item in items})
    if isinstance(value, list | tuple):
        scrubbed = [scrub(item, secrets) for item in cast("Iterable[object]", value)]
        return cast("T", tuple(scrubbed) if isinstance(value, tuple) else scrubbed)
    return value


class _StrictFilter(SafeExceptionReporterFilter):
    """The project's filter, active with `DEBUG` as well, and for cookies, parameters and variables by their names."""

    def is_active(self, request: HttpRequest | None) -> bool:
        del request
        return True

    def get_safe_cookies(self, request: HttpRequest | None) -> dict[str, Any]:
        return dict.fromkeys(super().get_safe_cookies(cast("HttpRequest", request)), STARS)

    def get_safe_request_meta(self, request: HttpRequest | None) -> dict[str, Any]:
        return {
            name: STARS if names_secret(name) else value
            for name, value in super().get_safe_request_meta(cast("HttpRequest", request)).items()
        }

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        items = super().get_post_parameters(request).items()
        return {name: STARS if names_secret(name) else value for name, value in items}

    def get_traceback_frame_variables(self, request: Any, tb_frame: Any) -> Any:
        items = super().get_traceback_frame_variables(request, tb_frame)
        return [(name, STARS if names_secret(name) else mask(value)) for name, value in items]


def strict(found: Any) -> Any:
    """Return a project's reporter filter made strict; one that is not of Django's class stays as it is.

    Args:
        found: The filter, from the settings or from the request.
    """
    if not isinstance(found, SafeExceptionReporterFilter):
        return found
    kind = type(found)
    strict_kind = cast("type[SafeExceptionReporterFilter]", type(kind.__name__, (_StrictFilter, kind), {}))
    made = strict_kind.__new__(strict_kind)
    vars(made).update(vars(found))
    return made


def _secrets_in(value: Any, more: frozenset[str], depth: int) -> Iterator[str]:
    if depth == 0:
        return
    for name, item in _pairs(value):
        if _is_secret(name, more):
            yield from _texts(item)
        else:
            yield from _secrets_in(item, more, depth - 1)
    if isinstance(value, list | tuple) and not _is_pair(value):
        for item in cast("Iterable[object]", value):
            yield from _secrets_in(item, more, depth - 1)


def _is_secret(name: object, more: frozenset[str]) -> bool:
    return names_secret(name) or name in more


def _mask(value: Any, more: frozenset[str], depth: int) -> Any:
    if depth == 0:
        return value
    if type(value) in (str, bytes, bytearray) and len(value) > _LONGEST_TEXT:
        return Shown(f"<{type(value).__name__} of length {len(value)}>")
    try:
        return value if isinstance(value, str | bytes | int | float | None) else _mask_inside(value, more, depth - 1)
    except Exception as error:  # noqa: BLE001 (what the value of a local variable does is not known)
        return Shown(f"<{type(value).__name__} that fails: {type(error).__name__}>")


def _mask_inside(value: Any, more: frozenset[str], depth: int) -> Any:
    if type(value) is dict:
        items = cast("dict[object, object]", value).items()
        return {name: STARS if _is_secret(name, more) else _mask(item, more, depth) for name, item in items}
    if type(value) in (list, tuple):
        if _is_pair(value) and _is_secret(value[0], more):
            masked = [value[0], STARS]
        else:
            masked = [_mask(item, more, depth) for item in value[:_LONGEST]]
        return masked if type(value) is list else tuple(masked)
    if _is_named(value):
        inside = [
            f"{name}={STARS if _is_secret(name, more) else repr(_mask(item, more, depth))}"
            for name, item in _pairs(value)
        ]
        return Shown(f"{type(value).__name__}({', '.join(inside)})")
    if isinstance(value, Headers | ImmutableMultiDict):
        kind: type[object] = type(cast("object", value))
        return Shown(f"{kind.__name__}({_mask(list(_pairs(value)), more, depth)!r})")
    return value


def _pairs(value: Any) -> Iterator[tuple[object, object]]:
    """Yield the names and values that a value is made of."""
    if isinstance(value, dict):
        yield from cast("dict[object, object]", value).items()
    elif isinstance(value, BaseModel):
        yield from {**vars(value), **(value.model_extra or {})}.items()
    elif _is_named(value):
        yield from ((field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value))
    elif isinstance(value, Headers):
        yield from value.items()
    elif isinstance(value, ImmutableMultiDict):
        yield from value.multi_items()
    elif _is_pair(value):
        yield cast("tuple[object, object]", tuple(value))


def _is_named(value: object) -> TypeGuard[Any]:
    """Return whether a value is a model of Pydantic's or a dataclass."""
    return isinstance(value, BaseModel) or (dataclasses.is_dataclass(value) and not isinstance(value, type))


def _is_pair(value: Any) -> TypeGuard[list[Any] | tuple[Any, Any]]:
    """Return whether a value is a header or a parameter: a name and a value."""
    return type(value) in (list, tuple) and len(value) == 2 and all(isinstance(item, str | bytes) for item in value)  # noqa: PLR2004 (a pair)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr | SecretBytes):
        value = value.get_secret_value()
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, Mapping):
        for item in cast("Mapping[object, object]", value).values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in cast("Iterable[object]", value):
            yield from _texts(item)
    elif isinstance(value, str | int) and not isinstance(value, bool):
        text = str(value)
        yield text
        yield json.dumps(text)[1:-1]
        yield repr(text)[1:-1]


def _cookie_values(header: str) -> Iterator[str]:
    try:
        cookies = SimpleCookie(header)
    except CookieError:
        return
    for morsel in cookies.values():
        yield morsel.value
        yield morsel.coded_value
