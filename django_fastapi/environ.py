"""A WSGI environ, checked and put right before a2wsgi reads it."""

import tempfile
from http import HTTPStatus
from typing import IO, Any, Final
from urllib.parse import quote

from django.conf import settings

from .exceptions import BadRequest, TruncatedBody
from .proxies import drop_untrusted
from .types import WSGIEnvironment

_CHUNK: Final = 65536
_TOO_MANY_DIGITS: Final = 20  # no 64-bit number has them, and int() raises from 4,301 on
_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))


def normalize(environ: WSGIEnvironment) -> None:
    """Check one request and complete its environ in place.

    Args:
        environ: What the server passed, as PEP 3333 describes it.

    Raises:
        BadRequest: The request cannot be given to an application; it says which status answers it.
    """
    _refuse_websocket(environ)
    _check_target(environ)
    _check_headers(environ)
    _complete_addresses(environ)
    # https://httpoxy.org: CGI turns the client's `Proxy` header into the name of a variable that HTTP clients trust.
    environ.pop("HTTP_PROXY", None)
    drop_untrusted(environ)
    _check_body(environ)


def _refuse_websocket(environ: WSGIEnvironment) -> None:
    if "websocket" in environ.get("HTTP_UPGRADE", "").lower():
        raise BadRequest("WebSockets need an ASGI server; this is a WSGI one.")


def _check_target(environ: WSGIEnvironment) -> None:
    for key in ("SCRIPT_NAME", "PATH_INFO"):
        try:
            environ.get(key, "").encode("latin-1").decode()
        except UnicodeError:
            raise BadRequest("The path is not UTF-8.") from None
    # RFC 3986 allows ASCII only; servers pass other bytes on as they came.
    environ["QUERY_STRING"] = quote(environ.get("QUERY_STRING", "").encode("latin-1"), safe=_PRINTABLE)
    name, _, version = environ.get("SERVER_PROTOCOL", "").partition("/")
    if not (name and version):
        environ["SERVER_PROTOCOL"] = "HTTP/1.0"


def _check_headers(environ: WSGIEnvironment) -> None:
    # RFC 9110, section 5.5; wsgiref lets it pass, and Django breaks on it in a charset.
    if any("\0" in value for name, value in environ.items() if name.startswith("HTTP_") or name == "CONTENT_TYPE"):
        raise BadRequest("A header holds a NUL character.")


def _complete_addresses(environ: WSGIEnvironment) -> None:
    if not str(environ.get("SERVER_PORT", "")).isdecimal():
        environ["SERVER_PORT"] = "443" if environ.get("wsgi.url_scheme") == "https" else "80"
    if not str(environ.get("REMOTE_PORT", "")).isdecimal():
        # Without a port a2wsgi leaves the client's address out, and everything that counts by address counts one.
        environ["REMOTE_PORT"] = "0"


def _check_body(environ: WSGIEnvironment) -> None:
    length = environ.get("CONTENT_LENGTH") or ""
    if not length:
        # PEP 3333 has it empty where there is none; a2wsgi would make a header of that.
        environ.pop("CONTENT_LENGTH", None)
    elif not (length.isascii() and length.isdecimal() and len(length) < _TOO_MANY_DIGITS):
        raise BadRequest("Content-Length is not a number.")
    stream: IO[bytes] = environ["wsgi.input"]
    if environ.get("HTTP_TRANSFER_ENCODING"):
        if not environ.get("wsgi.input_terminated"):
            raise BadRequest("This server needs a Content-Length.", HTTPStatus.LENGTH_REQUIRED)
        spooled, size = _spool(stream)
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = spooled, str(size)
    elif length:
        environ["wsgi.input"] = _WholeBody(stream)


def _spool(stream: IO[bytes]) -> tuple[IO[bytes], int]:
    """Read a body of unknown length to its end: a2wsgi reads no further than `CONTENT_LENGTH`."""
    spooled: Any = tempfile.SpooledTemporaryFile(max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE)  # noqa: SIM115 (lives as long as the environ)
    size = 0
    while chunk := stream.read(_CHUNK):
        spooled.write(chunk)
        size += len(chunk)
    spooled.seek(0)
    return spooled, size


class _WholeBody:
    """`wsgi.input` that tells an end from a break: a short read is an error, where a2wsgi would ask for ever."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        if not data:
            raise TruncatedBody("The body is shorter than its Content-Length.")
        return data
