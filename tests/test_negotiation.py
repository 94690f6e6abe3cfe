import pytest
from starlette.types import Scope

from django_fastapi.negotiation import prefers_json

SCOPE: Scope = {"type": "http", "method": "GET", "path": "/", "query_string": b""}


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
        ("text/html, application/json;charset=utf-8", False),
        ("text/html;charset=utf-8, application/json;q=0.9", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("image/avif,image/webp,image/*,*/*;q=0.8", True),
        ("application/json; charset=utf-8", True),
        ("Application/JSON;version=2", True),
        ("application/problem+json", True),
        ("application/problem+json;charset=utf-8, text/html;q=0.9", True),
        ("application/hal+json, application/json;charset=utf-8", True),
        ("application/vnd.api+json", True),
        ("application/hal+json;q=0", False),
        ("application/hal+json, text/html;q=0.5", False),
        ("application/*", True),
        ("application/*;q=0.5, text/html;q=0.6", False),
        ("text/*", False),
        ("text/*, application/json;q=0.9", False),
        ("text/html, */*", False),
        ("text/html;q=0, */*", True),
        ("application/json;q=0, */*", True),
        ("application/*;q=0, */*", False),
        ("*/*;q=0", False),
        ("image/png", False),
        ("text/plain", False),
        ("", True),
        (" , ", True),
        ("\xff;;q=x,/", False),
        ("text/html; a*=bogus''%41", True),
        ("text/html;a*1;a*=x", True),
    ],
)
def test_who_prefers_json(accept: str | None, *, expected: bool) -> None:
    headers = [] if accept is None else [(b"accept", accept.encode("latin-1"))]
    assert prefers_json({**SCOPE, "headers": headers}) is expected


def test_who_prefers_json_may_say_so_in_several_headers() -> None:
    headers = [(b"accept", b"text/html;q=0.5"), (b"accept", b"application/json")]
    assert prefers_json({**SCOPE, "headers": headers})


@pytest.mark.parametrize("content_type", [b"text/plain; a*=bogus''%41", b"text/plain;a*1;a*=x"])
def test_who_prefers_json_is_asked_of_no_other_header(content_type: bytes) -> None:
    headers = [(b"accept", b"text/html"), (b"content-type", content_type)]
    assert not prefers_json({**SCOPE, "query_string": b"\xff", "headers": headers})
