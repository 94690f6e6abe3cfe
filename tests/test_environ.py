from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from django_fastapi.environ import normalize
from django_fastapi.exceptions import BadRequest, TruncatedBody


def environ(**extra: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"wsgi.input": BytesIO(b"12345"), "SERVER_PROTOCOL": "HTTP/1.1", **extra}
    setup_testing_defaults(values)
    return values


def normalized(**extra: Any) -> dict[str, Any]:
    values = environ(**extra)
    normalize(values)
    return values


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        ({"CONTENT_LENGTH": "abc"}, 400),
        ({"CONTENT_LENGTH": "-1"}, 400),
        ({"CONTENT_LENGTH": "1_0"}, 400),
        ({"CONTENT_LENGTH": "\u0661"}, 400),
        ({"PATH_INFO": "/\xff"}, 400),
        ({"SCRIPT_NAME": "/\xff"}, 400),
        ({"HTTP_UPGRADE": "WebSocket"}, 400),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, 411),
    ],
)
def test_what_no_application_can_be_given_is_refused(extra: dict[str, Any], status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        normalize(environ(**extra))
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("extra", "key", "value"),
    [
        ({"QUERY_STRING": "q=\xe4+%20&%ff"}, "QUERY_STRING", "q=%E4+%20&%ff"),
        ({"SERVER_PROTOCOL": "INCLUDED"}, "SERVER_PROTOCOL", "HTTP/1.0"),
        ({"SERVER_PORT": ""}, "SERVER_PORT", "80"),
        ({"SERVER_PORT": "", "wsgi.url_scheme": "https"}, "SERVER_PORT", "443"),
        ({"SERVER_PORT": "8000"}, "SERVER_PORT", "8000"),
        ({"REMOTE_ADDR": "192.0.2.1"}, "REMOTE_PORT", "0"),
        ({"REMOTE_PORT": "4000"}, "REMOTE_PORT", "4000"),
        ({"CONTENT_LENGTH": ""}, "CONTENT_LENGTH", None),
        ({"HTTP_PROXY": "http://evil.test"}, "HTTP_PROXY", None),
        ({"HTTP_X_FORWARDED_FOR": "6.6.6.6", "REMOTE_ADDR": "127.0.0.1"}, "HTTP_X_FORWARDED_FOR", None),
        ({"PATH_INFO": "/\xc3\xa4"}, "PATH_INFO", "/\xc3\xa4"),
    ],
)
def test_what_a2wsgi_needs_is_put_right(extra: dict[str, Any], key: str, value: str | None) -> None:
    assert normalized(**extra).get(key) == value


def test_a_chunked_body_is_read_to_its_end_where_the_server_marks_the_end() -> None:
    values = normalized(HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input_terminated": True})
    assert values["CONTENT_LENGTH"] == "5"
    with values["wsgi.input"] as body:
        assert body.read() == b"12345"


def test_a_body_of_the_announced_length_is_read_as_it_is() -> None:
    values = normalized(CONTENT_LENGTH="5")
    assert values["wsgi.input"].read(3) + values["wsgi.input"].read(2) == b"12345"


def test_a_body_that_ends_early_is_an_error_and_no_end() -> None:
    values = normalized(CONTENT_LENGTH="9")
    assert values["wsgi.input"].read(9) == b"12345"
    with pytest.raises(TruncatedBody, match="shorter"):
        values["wsgi.input"].read(4)
