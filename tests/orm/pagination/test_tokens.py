from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.core import signing
from hypothesis import given, strategies as st
from pytest_django import Settings

from django_fastapi.exceptions import ConfigurationError
from django_fastapi.orm.pagination.tokens import Place, read, write

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False),
    st.datetimes(timezones=st.just(UTC) | st.none()),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.binary(),
)


@given(st.lists(values, max_size=4), st.booleans(), st.booleans(), st.text())
def test_values_come_back_with_their_types(key: list[object], backward: bool, inclusive: bool, binding: str) -> None:  # noqa: FBT001
    place = Place(tuple(key), backward, inclusive)
    text = write(place, binding)
    assert text.isascii()
    again = read(text, binding)
    assert again == place
    assert [type(value) for value in again.key] == [type(value) for value in key]


def test_the_same_place_is_the_same_text() -> None:
    assert write(Place((1,)), "a") == write(Place((1,)), "a")


@pytest.mark.parametrize(
    "key",
    [
        (1, None, "x" * 5000),
        (Decimal("1.50"), datetime(2024, 1, 1, tzinfo=UTC), date(2024, 1, 1), time(1), timedelta(1), UUID(int=1), b"x"),
    ],
)
def test_it_is_good_for_one_list_only(key: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="does not match"):
        read(write(Place(key), "one"), "another")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        ":",
        "a:b",
        "\0",
        "\ud800",
        "٣:٣",
        "." * 100,
        ".eJw:x",
        "x" * 100_000,
        "W1tmYWxzZSxmYWxzZV0sW11d:",
        "[]:[]",
    ],
)
def test_rubbish_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read(text, "")


@given(st.data())
def test_a_changed_text_is_refused(data: st.DataObject) -> None:
    text = write(Place((1, "title")), "list")
    index = data.draw(st.integers(0, len(text) - 1))
    changed = text[:index] + data.draw(st.characters().filter(lambda char: char != text[index])) + text[index + 1 :]
    with pytest.raises(ValueError, match=r".+"):
        read(changed, "list")


def test_other_signed_texts_of_the_project_are_refused() -> None:
    for text in (signing.dumps([[False, False], []]), signing.Signer().sign_object([[False, False], []])):
        with pytest.raises(ValueError, match="does not match"):
            read(text, "")


def test_it_outlives_a_new_secret_key_by_the_fallbacks(settings: Settings) -> None:
    text = write(Place((1,)), "list")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "new"
    assert read(text, "list") == Place((1,))
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(ValueError, match="does not match"):
        read(text, "list")


def test_a_value_without_a_form_is_named_with_the_cure() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot hold \{\}, of dict: order by another column"):
        write(Place(({},)), "")
