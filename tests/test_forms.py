from io import BytesIO

import pytest
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import QueryDict
from pytest_django import Settings
from starlette.datastructures import FormData, Headers, UploadFile

from django_fastapi.forms import from_form


def upload(name: str | None, content: bytes = b"content", content_type: str = "text/plain") -> UploadFile:
    headers = Headers({"content-type": content_type})
    return UploadFile(BytesIO(content), size=len(content), filename=name, headers=headers)


def test_fields_and_files_keep_their_order_and_repetitions() -> None:
    first, second = upload("a.txt"), upload("b.txt")
    post, files = from_form(FormData([("x", "1"), ("f", first), ("x", "2"), ("f", second), ("y", "")]), None)
    assert dict(post.lists()) == {"x": ["1", "2"], "y": [""]}
    assert [file.name for file in files.getlist("f")] == ["a.txt", "b.txt"]
    with pytest.raises(AttributeError, match="immutable"):
        post["x"] = "3"
    assert isinstance(post, QueryDict)


def test_a_file_is_that_of_fastapi_as_django_describes_it() -> None:
    _, files = from_form(FormData([("f", upload("../../x/é.csv", b"a,b", "text/csv; charset=latin-1"))]), None)
    file = files["f"]
    assert (file.name, file.size, file.content_type, file.charset) == ("é.csv", 3, "text/csv", "latin-1")
    assert file.content_type_extra == {"charset": b"latin-1"}
    assert file.read() == b"a,b"
    assert b"".join(file.chunks()) == b"a,b"


@pytest.mark.parametrize("name", [None, "", ".", "..", "a/..", "\x00", "x\\"])
def test_a_file_without_a_name_is_left_out_as_django_does(name: str | None) -> None:
    assert not from_form(FormData([("f", upload(name))]), None)[1]


def test_djangos_limits_hold(settings: Settings) -> None:
    form = FormData([("a", "1"), ("b", "é"), ("f", upload("f")), ("g", upload("g"))])
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 2
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 5
    from_form(form, None)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 4
    with pytest.raises(RequestDataTooBig):
        from_form(form, None)
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 1
    with pytest.raises(TooManyFilesSent):
        from_form(form, None)
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1
    with pytest.raises(TooManyFieldsSent):
        from_form(form, None)
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = settings.DATA_UPLOAD_MAX_NUMBER_FILES = None
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    from_form(form, None)


@pytest.mark.parametrize("content_type", ["text/plain; a*=bogus''%41", "text/plain;a*1;a*=x"])
def test_a_file_whose_type_cannot_be_read_has_none_as_django_does(content_type: str) -> None:
    _, files = from_form(FormData([("f", upload("a.txt", content_type=content_type))]), None)
    file = files["f"]
    assert (file.name, file.content_type, file.charset, file.content_type_extra) == ("a.txt", "", None, {})
