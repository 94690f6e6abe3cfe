import pytest
from starlette.types import Scope

from django_fastapi.requests import make_django_request, prefers_json

SCOPE: Scope = {"type": "http", "method": "PUT", "path": "/a", "query_string": b"b=1", "headers": [(b"x-c", b"2")]}


def test_djangos_request_is_that_of_the_scope() -> None:
    request = make_django_request(SCOPE, b"body")
    assert (request.method, request.path, request.GET["b"], request.headers["X-C"]) == ("PUT", "/a", "1", "2")
    assert request.body == b"body"


def test_a_websocket_is_a_get() -> None:
    scope = {"type": "websocket", "path": "/a", "query_string": b"", "headers": []}
    assert make_django_request(scope).method == "GET"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, True),
        ("*/*", True),
        ("application/json", True),
        ("application/json, text/html", True),
        ("text/html", False),
        ("text/html, application/json;q=0.9", False),
        ("text/html;q=0.1, application/json;q=0.9", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("image/png", False),
        ("", False),
        ("\xff;;q=x,/", False),
    ],
)
def test_who_prefers_json(accept: str | None, *, expected: bool) -> None:
    headers = [] if accept is None else [(b"accept", accept.encode("latin-1"))]
    assert prefers_json({**SCOPE, "headers": headers}) is expected
