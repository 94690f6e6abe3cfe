from collections.abc import Callable

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path
from fastapi import FastAPI, Response

from django_fastapi import DjangoRequest
from django_fastapi.content_types import is_utf8
from django_fastapi.types import ASGIApp

from .asgi import ask, make_scope

NO_CHARSETS = ["hex", "idna", "rot13", "zlib", "undefined", "punycode", "base64", "quopri", "uu", "nonsense"]


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.POST["a"])


@pytest.fixture
def site(api: FastAPI, build: Callable[[], ASGIApp], bare_django: Callable[..., None]) -> ASGIApp:
    bare_django(path("view", view))

    @api.post("/endpoint")
    def endpoint(request: DjangoRequest) -> Response:
        return Response(request.POST["a"])

    return build()


@pytest.mark.parametrize("target", ["/view", "/endpoint"])
@pytest.mark.parametrize(
    ("charset", "sent", "read"),
    [
        *((charset, "gr\xfc\xdfe".encode(), "gr\xfc\xdfe") for charset in NO_CHARSETS),
        ("utf-8", b"\xff", "\ufffd"),
        ("iso-8859-1", b"gr\xfc\xdfe", "gr\xfc\xdfe"),
    ],
)
def test_a_form_is_read_in_its_charset_or_else_in_utf8(
    site: ASGIApp, target: str, charset: str, sent: bytes, read: str
) -> None:
    content_type = f"multipart/form-data; boundary=b; charset={charset}".encode("latin-1")
    body = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + sent + b"\r\n--b--\r\n"
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    answer = ask(site, make_scope(target, "POST", headers=headers), [body])
    assert (answer.status, answer.body.decode()) == (200, read)


@pytest.mark.parametrize(
    ("charset", "expected"), [("utf8", True), ("UTF-8", True), ("U8", True), ("utf-16", False), ("nonsense", False)]
)
def test_utf8_has_many_names(charset: str, *, expected: bool) -> None:
    assert is_utf8(charset) is expected
