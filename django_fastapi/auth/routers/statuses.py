"""What else than success the routes can answer, for the OpenAPI document."""

from typing import Any, Final

_BODY: Final = {400: "The body cannot be read.", 413: "The body is too long."}
_OTHER: Final = {
    401: "That says nobody who may log in.",
    403: "The CSRF token is missing, or this may not be done.",
    404: "There is no such thing.",
    429: "There were too many requests.",
}


def answers(*statuses: int, has_body: bool = True) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route.

    Args:
        *statuses: What it can answer, beside what every route with a body can.
        has_body: Whether it takes a body.
    """
    described = {status: _OTHER[status] for status in statuses} | (_BODY if has_body else {})
    return {status: {"description": words} for status, words in described.items()}
