import functools
import json
from base64 import b64encode
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, JsonResponse, QueryDict
from django.http.multipartparser import MultiPartParserError
from django.urls import path
from fastapi import FastAPI, Request
from pytest_django import Settings
from starlette.datastructures import FormData, Headers, UploadFile

from django_fastapi import DjangoRequest
from django_fastapi.forms import from_multipart, from_urlencoded
from django_fastapi.types import ASGIApp

from .asgi import Answer, ask, make_scope

from_form = functools.partial(from_multipart, charset="utf-8", encoding="utf-8")


def upload(name: str | None, content: bytes = b"content", content_type: str = "text/plain", **more: str) -> UploadFile:
    headers = Headers({"content-type": content_type, **{key.replace("_", "-"): value for key, value in more.items()}})
    return UploadFile(BytesIO(content), size=len(content), filename=name, headers=headers)


def test_fields_and_files_keep_their_order_and_repetitions() -> None:
    first, second = upload("a.txt"), upload("b.txt")
    post, files = from_form(FormData([("x", "1"), ("f", first), ("x", "2"), ("f", second), ("y", "")]))
    assert dict(post.lists()) == {"x": ["1", "2"], "y": [""]}
    assert [file.name for file in files.getlist("f")] == ["a.txt", "b.txt"]
    with pytest.raises(AttributeError, match="immutable"):
        post["x"] = "3"
    assert isinstance(post, QueryDict)


def test_a_file_is_that_of_fastapi_as_django_describes_it() -> None:
    _, files = from_form(FormData([("f", upload("../../x/é.csv", b"a,b", "text/csv; charset=latin-1"))]))
    file = files["f"]
    assert (file.name, file.size, file.content_type, file.charset) == ("é.csv", 3, "text/csv", "latin-1")
    assert file.content_type_extra == {"charset": b"latin-1"}
    assert file.read() == b"a,b"
    assert b"".join(file.chunks()) == b"a,b"


@pytest.mark.parametrize("name", [".", "..", "a/..", "\x00", "x\\"])
def test_a_file_whose_name_is_none_is_left_out_as_django_does(name: str) -> None:
    assert from_form(FormData([("f", upload(name))])) == ({}, {})


@pytest.mark.parametrize("name", [None, ""])
@pytest.mark.parametrize("content", [b"", b"caf\xc3\xa9"])
def test_a_file_without_a_name_is_a_field_as_django_has_it(name: str | None, content: bytes) -> None:
    """It is what a browser sends for a file input in which nothing was chosen."""
    sent = upload(name, content)
    sent.file.read(1)
    post, files = from_form(FormData([("f", sent)]))
    assert (dict(post.lists()), files) == ({"f": [content.decode()]}, {})
    assert sent.file.read() == content[1:]


def test_djangos_limits_hold(settings: Settings) -> None:
    form = FormData([("a", "1"), ("b", "é"), ("f", upload("f")), ("g", upload("g"))])
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 2
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 5
    from_form(form)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 4
    with pytest.raises(RequestDataTooBig):
        from_form(form)
    with pytest.raises(RequestDataTooBig):
        from_form(FormData([("f", upload("", b"1234"))]))
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 1
    with pytest.raises(TooManyFilesSent):
        from_form(form)
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1
    for parse in (from_form, from_urlencoded):
        with pytest.raises(TooManyFieldsSent):
            parse(form)
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = settings.DATA_UPLOAD_MAX_NUMBER_FILES = None
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    from_form(form)


@pytest.mark.parametrize("content_type", ["text/plain; a*=bogus''%41", "text/plain;a*1;a*=x"])
def test_a_file_whose_type_cannot_be_read_has_none_as_django_does(content_type: str) -> None:
    _, files = from_form(FormData([("f", upload("a.txt", content_type=content_type))]))
    file = files["f"]
    assert (file.name, file.content_type, file.charset, file.content_type_extra) == ("a.txt", "", None, {})


URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
LARGE = bytes(range(256)) * 500


def parts(*sent: tuple[str, str, bytes]) -> bytes:
    """Return a multipart form of parts: parameters of `Content-Disposition`, further headers, content."""
    return (
        b"".join(
            f"--b\r\nContent-Disposition: form-data; {parameters}\r\n{headers}\r\n".encode() + content + b"\r\n"
            for parameters, headers, content in sent
        )
        + b"--b--\r\n"
    )


def told(request: HttpRequest) -> list[Any]:
    files = [[name, file.name, file.size, file.read().decode("latin-1")] for name, file in request.FILES.items()]
    return [dict(request.POST.lists()), *files]


def told_as_latin1(request: HttpRequest) -> list[Any]:
    request.encoding = "latin-1"
    return told(request)


@pytest.fixture
def site(api: FastAPI, build: Callable[[], ASGIApp], bare_django: Callable[..., None]) -> ASGIApp:
    """Give a site where Django, FastAPI and both have a form parsed."""
    bare_django(
        path("view", lambda request: JsonResponse(told(request), safe=False)),
        path("view-latin1", lambda request: JsonResponse(told_as_latin1(request), safe=False)),
    )
    api.post("/django")(first_django(told))
    api.post("/fastapi")(first_fastapi(told))
    api.post("/fastapi-latin1")(first_fastapi(told_as_latin1))
    return build()


def first_django(tell: Callable[[HttpRequest], list[Any]]) -> Callable[..., Any]:
    def endpoint(request: DjangoRequest) -> list[Any]:
        return tell(request)

    return endpoint


def first_fastapi(tell: Callable[[HttpRequest], list[Any]]) -> Callable[..., Any]:
    async def endpoint(request: DjangoRequest, starlette_request: Request) -> list[Any]:
        async with starlette_request.form():
            return tell(request)

    return endpoint


def send(site: ASGIApp, target: str, content_type: str, body: bytes) -> Answer:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    return ask(site, make_scope(target, "POST", headers=headers), [body])


@pytest.mark.parametrize("target", ["/view", "/django", "/fastapi"])
@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        (f"{URLENCODED}; charset=UTF8", b"a=%C3%A9&+b+=+1+", [{"a": ["\xe9"], " b ": [" 1 "]}]),
        (f"{URLENCODED}; charset=nonsense", b"a=%C3%A9", [{"a": ["\xe9"]}]),
        (MULTIPART, parts(('name=" a "', "", b" 1 ")), [{"a": [" 1 "]}]),
        (MULTIPART, parts(('name="f"; filename=""', "Content-Type: application/octet-stream\r\n", b"")), [{"f": [""]}]),
        (MULTIPART, parts(('name="f"; filename=""', "", b"x")), [{"f": ["x"]}]),
        (f"{MULTIPART}; charset=iso-8859-1", parts(('name="a"', "", b"\xe9")), [{"a": ["\xe9"]}]),
        (f"{MULTIPART}; charset=nonsense", parts(('name="a"', "", b"\xc3\xa9")), [{"a": ["\xe9"]}]),
        (f"{MULTIPART}; charset=us-ascii", parts(('name="a"', "", b"\xe9")), [{"a": ["\ufffd"]}]),
        (
            MULTIPART,
            parts(('name=" f "; filename="=?utf-8?B?4oKs?="; filename*=UTF-8\'\'%E2%82%AC.txt', "", b"x")),
            [{}, ["f", "\u20ac.txt", 1, "x"]],
        ),
        (
            MULTIPART,
            parts(('name="f"; filename="a.txt"', "Content-Transfer-Encoding: Base64\r\n", b64encode(LARGE))),
            [{}, ["f", "a.txt", len(LARGE), LARGE.decode("latin-1")]],
        ),
        (
            MULTIPART,
            parts(('name="f"; filename="a.txt"', "Content-Transfer-Encoding: binary\r\n", b"eA==")),
            [{}, ["f", "a.txt", 4, "eA=="]],
        ),
    ],
)
def test_a_form_is_the_same_whoever_parses_it(
    site: ASGIApp, target: str, content_type: str, body: bytes, expected: list[Any]
) -> None:
    answer = send(site, target, content_type, body)
    assert (answer.status, json.loads(answer.body)) == (200, expected)


@pytest.mark.parametrize("target", ["/view", "/django", "/fastapi"])
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (f"{URLENCODED}; charset=iso-8859-1", b"a=%E9"),
        (MULTIPART, parts(('name="f"; filename="a"', "Content-Transfer-Encoding: base64\r\n", b"abcde"))),
        (MULTIPART, parts(('name="f"; filename="a"', "Content-Transfer-Encoding: base64\r\n", b"ab=c"))),
    ],
)
def test_a_form_that_django_refuses_is_refused_whoever_parses_it(
    site: ASGIApp, target: str, content_type: str, body: bytes
) -> None:
    assert send(site, target, content_type, body).status == 400


@pytest.mark.parametrize("target", ["/view-latin1", "/fastapi-latin1"])
def test_the_encoding_that_django_code_sets_counts_whoever_parses_it(site: ASGIApp, target: str) -> None:
    body = parts(('name="\xe9"', "", "\u20ac".encode()), ('name="f"; filename="\xe9"', "", b""))
    answer = send(site, target, MULTIPART, body)
    assert json.loads(answer.body) == [{"\xc3\xa9": ["\xe2\x82\xac"]}, ["f", "\xc3\xa9", 0, ""]]
    assert send(site, target, URLENCODED, b"a=1").status == 400


@pytest.mark.parametrize("charset", ["hex", "rot13", "idna", "punycode", "undefined", "nonsense"])
def test_a_charset_that_is_none_of_text_is_that_of_starlette(charset: str) -> None:
    """Some of Python's codecs would take minutes for this one."""
    sent = "".join(map(chr, range(0xA1, 0x100))) * 10_000
    form = FormData([("\xc3\xa9", sent.encode().decode("latin-1"))])
    assert from_multipart(form, charset, "utf-8")[0] == {"\xe9": [sent]}


def test_a_file_in_base64_stays_that_of_fastapi_where_it_was() -> None:
    sent = upload("a.txt", b"eHl6\r\n", content_transfer_encoding="base64")
    sent.file.read(2)
    _, files = from_form(FormData([("f", sent)]))
    with files["f"] as file:
        assert (file.size, file.read(), sent.file.read()) == (3, b"xyz", b"l6\r\n")


def test_a_form_that_fastapi_has_closed_is_there_without_what_was_in_files() -> None:
    uploads = [upload("", b"x"), upload("a.txt", b"eA==", content_transfer_encoding="base64")]
    for one in uploads:
        one.file.close()
    post, files = from_form(FormData([("a", "1"), *(("f", one) for one in uploads)]))
    assert (dict(post.lists()), [file.name for file in files.values()]) == ({"a": ["1"], "f": [""]}, ["a.txt"])


def test_no_file_stays_open_of_a_form_that_is_refused(settings: Settings) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 1
    uploads = [upload("a", content, content_transfer_encoding="base64") for content in (b"eHl6", b"eHl")]
    with pytest.raises(MultiPartParserError):  # and no warning of an open file, which would be an error
        from_form(FormData([("f", one) for one in uploads]))
