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
    """Have a multipart form whose charset is none of text read in the default one, as it is where Python knows no such.

    Python has codecs of other kinds, such as "hex" and "idna". Django takes their names, and fails when it reads the
    form. The other kind of form is refused in all charsets but UTF-8.
    """
    if request.content_type == MULTIPART and request.encoding and not _is_of_text(request.encoding):
        request.encoding = settings.DEFAULT_CHARSET


def is_utf8(charset: str) -> bool:
    """Return whether a name is one of UTF-8's."""
    try:
        return codecs.lookup(charset).name == "utf-8"
    except LookupError:
        return False


@functools.lru_cache(maxsize=64)
def _is_of_text(charset: str) -> bool:
    """Return whether it reads whatever comes, as Django reads it."""
    try:
        _BYTES.decode(charset, "replace")
        return codecs.lookup(charset).name != "punycode"  # from Python 3.13 on it reads anything, in its way
    except (LookupError, ValueError):
        return False
