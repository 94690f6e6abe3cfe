"""What the pages of an error do not show: Django's reporter filter, and what it does not know of."""

import dataclasses
from base64 import b64decode
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final, TypeGuard, TypeVar, cast
from urllib.parse import quote, quote_plus, unquote_plus

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError
from django.views.debug import SafeExceptionReporterFilter
from pydantic import BaseModel, SecretBytes, SecretStr
from starlette.datastructures import Headers, ImmutableMultiDict

from django_fastapi.redaction import spellings
from django_fastapi.secret_names import names_secret

STARS: Final = SafeExceptionReporterFilter.cleansed_substitute

T = TypeVar("T")

_SHORTEST: Final = 4  # less than that is found in any text
_DEEPEST: Final = 6
_LONGEST_TEXT: Final = 2**16  # a longer one may be a body of which not all is known
_LONGEST: Final = 1000
# What is written in a URL as it is: by Python's rule, by that of JavaScript's `encodeURIComponent`, and by Django's.
_UNQUOTED: Final = ("/", "!~*'()", "/:@&+$,-_.!~*'()")


def mask(value: Any, more: Iterable[str] = (), secrets: Iterable[str] = ()) -> Any:
    """Return a value with stars for the secrets in it, down to the sixth level.

    It looks into dicts, lists, tuples, headers, parameters, models of Pydantic's, dataclasses and exceptions; all else
    stays. What has names inside and is no dict, and an exception, is returned as `Shown`, which prints as it does.

    Args:
        value: Anything.
        more: Names that are secret as well.
        secrets: Parts of texts that are secret.
    """
    return _Mask(frozenset(more), sorted(secrets, key=len, reverse=True)).put_on(value, _DEEPEST)


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


def secrets_of_request(
    headers: Iterable[tuple[bytes, bytes]], query: bytes, body: object, more: Iterable[str] = ()
) -> frozenset[str]:
    """Return the secrets that a client sent: credentials, cookies, and what has the name of one.

    Args:
        headers: The headers.
        query: The query string, and what else is written like one.
        body: The body, parsed.
        more: Names that are secret as well.
    """
    names = frozenset(more)
    found = set(secrets_in(body, names))
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name == "cookie":
            found.update(_written(_cookie_values(value)))
        elif names_secret(name):
            found.update(_written([value, value.partition(" ")[2], *_basic_credentials(value)]))
    for pair in query.decode("latin-1").split("&"):
        name, _, value = pair.partition("=")
        if _is_secret(unquote_plus(name), names):
            found.update((value, *_written([unquote_plus(value)])))
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

    _secrets: Collection[str] = ()

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
        try:
            items = super().get_post_parameters(request).items()
        except (BadRequest, SuspiciousOperation, MultiPartParserError):  # it may be what the page is about
            return {}
        return {name: STARS if names_secret(name) else value for name, value in items}

    def get_traceback_frame_variables(self, request: Any, tb_frame: Any) -> Any:
        items = super().get_traceback_frame_variables(request, tb_frame)
        return [(name, STARS if names_secret(name) else mask(value, secrets=self._secrets)) for name, value in items]


def strict(found: Any, secrets: Collection[str]) -> Any:
    """Return a project's reporter filter made strict; one that is not of Django's class stays as it is.

    Args:
        found: The filter, from the settings or from the request.
        secrets: Parts of the texts in variables that are secret.
    """
    if not isinstance(found, SafeExceptionReporterFilter):
        return found
    kind = type(found)
    strict_kind = cast("type[SafeExceptionReporterFilter]", type(kind.__name__, (_StrictFilter, kind), {}))
    made = strict_kind.__new__(strict_kind)
    vars(made).update(vars(found), _secrets=secrets)
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


@dataclasses.dataclass(frozen=True, slots=True)
class _Mask:
    """Stars for what has the name of a secret, and for secrets in texts."""

    names: frozenset[str]
    secrets: Sequence[str]

    def put_on(self, value: Any, depth: int) -> Any:
        if depth == 0:
            return value
        if type(value) in (str, bytes, bytearray) and len(value) > _LONGEST_TEXT:
            return Shown(f"<{type(value).__name__} of length {len(value)}>")
        try:
            if type(value) in (str, bytes):
                return self._scrub(value)
            return value if isinstance(value, str | bytes | int | float | None) else self._put_inside(value, depth - 1)
        except Exception as error:  # noqa: BLE001 (what the value of a local variable does is not known)
            return Shown(f"<{type(value).__name__} that fails: {type(error).__name__}>")

    def _scrub(self, text: str | bytes) -> str | bytes:
        """Return a text without secrets, in which a page that breaks it into lines might divide them."""
        if isinstance(text, str):
            return scrub(text, self.secrets)
        return scrub(text.decode("latin-1"), self.secrets).encode("latin-1")

    def _put_inside(self, value: Any, depth: int) -> Any:
        if type(value) is dict:
            items = cast("dict[object, object]", value).items()
            return {name: self._put_on_item(name, item, depth) for name, item in items}
        if type(value) in (list, tuple):
            if _is_pair(value) and _is_secret(value[0], self.names):
                masked = [value[0], STARS]
            else:
                masked = [self.put_on(item, depth) for item in value[:_LONGEST]]
            return masked if type(value) is list else tuple(masked)
        if _is_named(value):
            inside = [f"{name}={self._put_on_item(name, item, depth)!r}" for name, item in _pairs(value)]
            return Shown(f"{type(value).__name__}({', '.join(inside)})")
        if isinstance(value, Headers | ImmutableMultiDict):
            kind: type[object] = type(cast("object", value))
            return Shown(f"{kind.__name__}({self.put_on(list(_pairs(value)), depth)!r})")
        if isinstance(value, BaseException) and type(value).__repr__ is BaseException.__repr__:
            return Shown(f"{type(value).__name__}({', '.join(repr(self.put_on(item, depth)) for item in value.args)})")
        return value

    def _put_on_item(self, name: object, item: object, depth: int) -> Any:
        return STARS if _is_secret(name, self.names) else self.put_on(item, depth)


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
        yield from _written([str(value)])


def _written(texts: Iterable[str]) -> Iterator[str]:
    """Yield texts as they are, as JSON, URLs and forms have them, and all that as Python prints it."""
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        forms = {*spellings(text), quote_plus(content), *(quote(content, safe) for safe in _UNQUOTED)}
        misread = {form.encode("utf-8", "surrogatepass").decode("latin-1") for form in forms}
        for form in forms | misread:
            yield form
            # Which quotes are escaped depends on what else is in the text around it.
            for around in ("", '"'):
                yield repr(f"{around}{form}")[1 + len(around) : -1]
                yield repr(f"{around}{form}".encode("utf-8", "surrogatepass"))[2 + len(around) : -1]


def _basic_credentials(header: str) -> Iterator[str]:
    """Yield what is secret in Basic credentials (RFC 7617), whose charset the client chooses."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return
    try:
        content = b64decode(encoded)
    except ValueError:
        return
    for charset in ("utf-8", "latin-1"):
        pair = content.decode(charset, "replace")
        user, _, password = pair.partition(":")
        yield pair
        yield password or user  # a key is often sent as the name of a user without password


def _cookie_values(header: str) -> Iterator[str]:
    try:
        cookies = SimpleCookie(header)
    except CookieError:
        return
    for morsel in cookies.values():
        yield morsel.value
        yield morsel.coded_value
