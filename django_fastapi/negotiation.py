"""What the client would like to be answered, by its `Accept` (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence
from typing import Final

from django.http.request import MediaType

from .types import Scope

_JSON: Final = ("application/json", "application/problem+json")


def preferred_type(scope: Scope, media_types: Sequence[str]) -> str | None:
    """Return which of some media types the client takes most gladly; None if it takes none.

    Of those it takes as gladly, it is one that it names rather than one in a range, and then the one it names first.
    Parameters other than `q` do not count: what a client says of a charset or a version is no reason to send HTML.

    Args:
        scope: The scope of the request.
        media_types: Those there are; the first is returned if `Accept` is missing, is empty or cannot be read.
    """
    try:
        ranges = _accepted(scope)
    except Exception:  # noqa: BLE001 (Django's parser of headers raises several)
        return media_types[0]
    ranks = {media_type: _rank(media_type, ranges) for media_type in media_types}
    chosen = max(media_types, key=ranks.__getitem__)
    return chosen if ranks[chosen][0] > 0 else None


def prefers_json(scope: Scope) -> bool:
    """Return whether the client takes JSON at least as gladly as HTML.

    A browser names `text/html`; API clients name JSON or send `*/*`. Of those that take neither, such as one for
    pictures, it is who names another kind of JSON.
    """
    chosen = preferred_type(scope, (*_JSON, "text/html"))
    if chosen is None:
        return any(one.sub_type.endswith("+json") and one.quality > 0 for one in _accepted(scope))
    return chosen in _JSON


def _accepted(scope: Scope) -> list[MediaType]:
    sent = ",".join(value.decode("latin-1") for name, value in scope.get("headers", ()) if name == b"accept")
    return [MediaType(one) for one in sent.split(",") if one.strip()] or [MediaType("*/*")]


def _rank(media_type: str, ranges: Sequence[MediaType]) -> tuple[float, int, int]:
    """Return how gladly a media type is taken, by the most specific range that it is in: the more, the better."""
    names = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    for width, name in enumerate(names):
        places = [place for place, one in enumerate(ranges) if f"{one.main_type}/{one.sub_type}" == name]
        if places:
            return max((ranges[place].quality, -width, -place) for place in places)
    return 0, 0, 0
