import asyncio
from collections.abc import AsyncGenerator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st
from starlette.datastructures import FormData, Headers
from starlette.formparsers import MultiPartException, MultiPartParser

from django_fastapi.form_fields import FieldCounter

TYPE = "multipart/form-data; boundary=b"


def field(name: str, value: bytes) -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"


def file(name: str, value: bytes) -> bytes:
    head = f'--b\r\nContent-Type: image/png\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n\r\n'
    return head.encode() + value + b"\r\n"


def counted(body: bytes, *, cuts: Sequence[int] = (), content_type: str = TYPE) -> int:
    counter = FieldCounter(content_type)
    for start, end in pairwise([0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]):
        counter.count(body[start:end])
    return counter.size


def test_fields_and_their_names_are_counted_and_files_are_not() -> None:
    body = field("name", b"12345") + file("picture", b"x" * 1000) + field("b", b"1") + b"--b--\r\n"
    assert counted(body) == len("name") + 5 + 2 + len("b") + 1 + 2


@pytest.mark.parametrize("content_type", ["multipart/form-data", f"{TYPE}{'b' * 300}"])
def test_without_a_right_boundary_all_is_counted(content_type: str) -> None:
    body = field("name", b"12345")
    assert counted(body, cuts=[7], content_type=content_type) == len(body)


@pytest.mark.parametrize(
    ("content_type", "expected"), [(TYPE, 11), (f"{TYPE},z", 0), ("multipart/form-data; boundary=", 0)]
)
def test_what_is_no_form_is_counted_up_to_the_error_and_all_that_comes_later(content_type: str, expected: int) -> None:
    body = field("name", b"12345") + b"--b\r\n\0: no header\r\n\r\n"
    assert counted(body, content_type=content_type) == expected
    rest = b"x" * 1000
    assert counted(body + rest, cuts=[len(body), len(body) + 300], content_type=content_type) == expected + len(rest)


_parts = st.one_of(
    st.builds(field, st.sampled_from(["a", "bc", ""]), st.binary(max_size=30)),
    st.builds(file, st.sampled_from(["a", "bc"]), st.binary(max_size=30)),
    st.sampled_from(
        [
            b'--b\r\nContent-Disposition: form-data; name="a"; filename=""\r\n\r\nempty name\r\n',
            b"--b\r\nContent-Disposition: form-data; name=a; filename*=utf-8''b\r\n\r\na field\r\n",
            b"--b\r\nContent-Disposition: form-data; name=a; FILENAME=b\r\n\r\na field\r\n",
            b"--b\r\nContent-Disposition: a; name=a; filename=b\r\nContent-Disposition: a; name=a\r\n\r\na field\r\n",
            b"--b\r\ncontent-disposition:form-data;name=a;filename=b\r\n\r\na file\r\n",
            b"--b\r\nX-Other: filename=b\r\nContent-Disposition: form-data; name=a\r\n\r\na field\r\n",
        ]
    ),
)


@given(
    parts=st.lists(_parts, max_size=5),
    end=st.sampled_from([b"--b--\r\n", b"--b--", b""]),
    cuts=st.lists(st.integers(0, 300), max_size=8),
)
def test_a_part_is_a_field_here_if_it_is_one_for_starlettes_parser(
    parts: list[bytes], end: bytes, cuts: list[int]
) -> None:
    body = b"".join(parts) + end

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(Headers({"content-type": f"{TYPE}; charset=latin-1"}), stream())

    async def parse() -> FormData:
        form = await parser.parse()
        await form.close()
        for unfinished in parser._files_to_close_on_error:  # noqa: SLF001 (of a body that breaks off in a file)
            unfinished.close()
        return form

    try:
        form = asyncio.run(parse())
    except MultiPartException:
        return
    fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    # The part that is not ended is not in the form; it may be in the count.
    expected = sum(len(name) + len(value) + 2 for name, value in fields)
    exact = counted(body, cuts=cuts)
    assert exact == expected if end else exact >= expected
