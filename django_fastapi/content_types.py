"""What the `Content-Type` of a request names: the kinds of forms, and the charset."""

import codecs
import functools
from typing import Final

from django.conf import settings
from django.http import HttpRequest

URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
FORMS: Final = (URLENCODED, MULTIPART)

_BYTES: Final = bytes(range(256))


def correct(request: HttpRequest) -> None:
    """Have Django read a form in its charset, whatever it is called.

    Python has codecs of other kinds, such as "hex" and "idna". Django takes their names, and fails when it reads a
    multipart form, which is read in the default charset here, as it is where Python knows no such. The other kind of
    form is refused in all charsets but UTF-8, of whose names Django knows one.
    """
    if not request.encoding:
        return
    if request.content_type == MULTIPART and not is_of_text(request.encoding):
        request.encoding = settings.DEFAULT_CHARSET
    elif request.content_type == URLENCODED and not is_djangos_utf8(request) and is_utf8(request.encoding):
        request.encoding = "utf-8"


def is_djangos_utf8(request: HttpRequest) -> bool:
    """Return whether the encoding of a request is UTF-8 by the name that Django knows, or by being left out."""
    return (request.encoding or "utf-8").lower() == "utf-8"


def is_utf8(charset: str) -> bool:
    """Return whether a name is one of UTF-8's."""
    try:
        return codecs.lookup(charset).name == "utf-8"
    except LookupError:
        return False


@functools.lru_cache(maxsize=64)
def is_of_text(charset: str) -> bool:
    """Return whether a charset reads whatever comes, as Django reads it."""
    try:
        _BYTES.decode(charset, "replace")
        return codecs.lookup(charset).name != "punycode"  # from Python 3.13 on it reads anything, in its way
    except (LookupError, ValueError):
        return False
