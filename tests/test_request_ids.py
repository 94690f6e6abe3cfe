import pytest

from django_fastapi.request_ids import prepare, request_id
from django_fastapi.types import Scope


def scope_of(*sent: bytes) -> Scope:
    return {"type": "http", "headers": [(b"x-request-id", value) for value in sent]}


def test_an_id_is_made_once_for_all_copies_of_a_scope() -> None:
    scope = scope_of()
    prepare(scope)
    copy = {**scope, "path": "/elsewhere"}
    assert request_id(copy) == request_id(scope) == request_id(dict(copy))
    assert len(request_id(scope)) == 32


def test_requests_have_ids_of_their_own() -> None:
    assert request_id(scope_of()) != request_id(scope_of())


@pytest.mark.parametrize(
    "sent", [b"7", b"4f3a-11", b"Root=1-67891233-abcdef012345678912345678", b"a" * 128, b"AbC+/=~:@._"]
)
def test_what_a_proxy_sends_is_taken(sent: bytes) -> None:
    assert request_id(scope_of(sent)) == sent.decode()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"a b",
        b"a\nb",
        b"a\r\nX: y",
        b"a\x00",
        b"\xc3\xa9",
        b"<b>",
        b'"',
        b"a;b",
        b"a,b",
        b"%0A",
        b"a" * 129,
        b"\t7",
    ],
)
def test_what_could_forge_a_line_or_a_page_is_not(sent: bytes) -> None:
    made = request_id(scope_of(sent))
    assert made != sent.decode("latin-1")
    assert len(made) == 32


def test_two_are_none() -> None:
    assert request_id(scope_of(b"one", b"two")) not in ("one", "two")
