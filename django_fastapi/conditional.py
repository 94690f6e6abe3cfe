"""Conditional requests (RFC 9110, section 13): entity tags, and what a request says of them."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from django.utils.http import parse_etags, quote_etag
from starlette.datastructures import Headers

from .exceptions import PreconditionFailed, PreconditionRequired

_ANY: Final = ["*"]
_WEAK: Final = "W/"


def etag_of(version: str | bytes) -> str:
    """Return a strong entity tag for a version, as it stands in the `ETag` header.

    Args:
        version: What differs between any two versions: a number, a time, or the whole content. The tag is a digest.
    """
    content = version.encode() if isinstance(version, str) else version
    return quote_etag(sha256(content).hexdigest()[:32])


def check_match(headers: Mapping[str, str], etag: str, *, is_required: bool = False) -> None:
    """Let a change pass only if it means the version that there is.

    Args:
        headers: Those of the request.
        etag: The tag of the object as it is now, read under a lock that lasts until the change is saved.
        is_required: Whether a request has to say which version it means.

    Raises:
        PreconditionFailed: `If-Match` names other versions, or `If-None-Match` this one; answered with 412.
        PreconditionRequired: The request does not say; answered with 428 (RFC 6585).
    """
    wanted, unwanted = _field(headers, "If-Match"), _field(headers, "If-None-Match")
    if wanted is None and unwanted is None and is_required:
        raise PreconditionRequired
    if wanted is not None and not _is_wanted(etag, parse_etags(wanted)):
        raise PreconditionFailed
    if unwanted is not None and is_known(headers, etag):
        raise PreconditionFailed


def is_known(headers: Mapping[str, str], etag: str) -> bool:
    """Return whether the client has this version already, so that 304 is enough: `If-None-Match` names it."""
    tags = parse_etags(_field(headers, "If-None-Match") or "")
    return tags == _ANY or etag.removeprefix(_WEAK) in {tag.removeprefix(_WEAK) for tag in tags}


def _field(headers: Mapping[str, str], name: str) -> str | None:
    """Return a list of a request, which may stand in several lines (RFC 9110, section 5.3)."""
    lines = headers.getlist(name) if isinstance(headers, Headers) else [headers[name]] if name in headers else []
    return ", ".join(lines) if lines else None


def _is_wanted(etag: str, tags: list[str]) -> bool:
    # The strong comparison: a weak tag matches nothing.
    return tags == _ANY or etag in tags
