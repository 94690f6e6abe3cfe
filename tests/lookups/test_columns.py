import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import ip_address
from typing import Any

import pytest
from django.db import connection
from django.db.models import (
    BooleanField,
    DateField,
    DateTimeField,
    DecimalField,
    DurationField,
    Field,
    FloatField,
    GenericIPAddressField,
    IntegerField,
    JSONField,
    SmallIntegerField,
    TextChoices,
    TimeField,
)
from django.utils.timezone import override
from hypothesis import given, strategies as st
from pytest_django import Settings

from django_fastapi.exceptions import UnfitValue
from django_fastapi.lookups import fit
from tests.project.archive.models import Author, Book, Copy, Fee, Genre, Opening, Profile, Seat, Shelf, Shelfmark

KEY = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


def key_of(model: Any) -> Any:
    return model._meta.pk


def field(name: str) -> Any:
    return Book._meta.get_field(name)


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        (key_of(Book), "1", 1),
        (key_of(Book), "0", 0),
        (key_of(Book), "-1", -1),
        (key_of(Book), str(2**63 - 1), 2**63 - 1),
        (key_of(Profile), "7", 7),
        (key_of(Genre), "Sci Fi", "Sci Fi"),
        (key_of(Genre), "", ""),
        (key_of(Genre), "\U0001f4da", "\U0001f4da"),
        (key_of(Copy), KEY, uuid.UUID(KEY)),
        (key_of(Shelf), "A-12", Shelfmark("A-12")),
        (key_of(Fee), "1.50", Decimal("1.50")),
        (key_of(Fee), "-0.05", Decimal("-0.05")),
        (key_of(Opening), "2024-02-29T12:00:00Z", datetime(2024, 2, 29, 12, tzinfo=UTC)),
        (key_of(Opening), "2024-02-29T12:00:00.000500Z", datetime(2024, 2, 29, 12, 0, 0, 500, tzinfo=UTC)),
        (field("author"), "7", 7),
        (field("weight"), "0.5", 0.5),
        (field("address"), "2001:db8::1", "2001:db8::1"),
        (field("address"), "192.0.2.1", "192.0.2.1"),
        (DateField(), "2024-02-29", date(2024, 2, 29)),
        (DurationField(), "P1DT2H", timedelta(days=1, hours=2)),
    ],
)
def test_the_canonical_spelling_is_read(column: Any, text: str, value: object) -> None:
    fitted = fit(column, text, "default")
    assert (type(fitted), fitted) == (type(value), value)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        *[(key_of(Book), text) for text in ("1_0", " 1", "1 ", "1.0", "+1", "٣", "01", "-0", "1e3", "0x1", "abc", "")],
        *[(key_of(Book), text) for text in (str(10**30), str(2**63), "9" * 5000, "None", "True", "1\0", "\ud800")],
        *[(key_of(Genre), text) for text in ("a\0", "\udfff", "elevenchars")],
        *[(key_of(Copy), text) for text in (KEY.upper(), KEY.replace("-", ""), f"{{{KEY}}}", f"urn:uuid:{KEY}", "1")],
        *[(key_of(Shelf), text) for text in ("a-12", "A-012", "A", "A-1-2", "A-x", "")],
        *[
            (key_of(Fee), text)
            for text in ("1.5", "1.500", "1", "1E0", "1000.00", "-0.00", "NaN", "Infinity", "1_0.00")
        ],
        *[(key_of(Fee), text) for text in ("1E+999999999", "1E-999999999", "9" * 5000)],
        *[(key_of(Opening), f"2024-02-29{rest}") for rest in ("", "T12:00:00", "T12:00:00+00:00", " 12:00:00Z")],
        *[(key_of(Opening), text) for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2023-02-29")],
        *[(field("weight"), text) for text in ("nan", "inf", "1", "1e400", ".5")],
        *[(field("address"), text) for text in ("999.1.1.1", "192.0.2.01", "2001:DB8::1", "x", " 192.0.2.1")],
        *[(DurationField(), text) for text in ("1 day", "P1D ", "999999999999")],
        *[(key_of(Seat), text) for text in ("A", '["A", "1"]', "")],
    ],
)
def test_what_is_no_canonical_spelling_is_refused(column: Any, text: str) -> None:
    with pytest.raises(UnfitValue, match=r"^must "):
        fit(column, text, "default")


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        (IntegerField(), "01", 1),
        (BooleanField(), "True", True),
        (DateField(), "2024-2-9", date(2024, 2, 9)),
        (DecimalField(max_digits=5, decimal_places=2), "1.5", Decimal("1.50")),
    ],
)
def test_any_spelling_that_the_field_knows_is_read_where_that_is_asked(column: Any, text: str, value: object) -> None:
    assert fit(column, text, "default", canonical=False) == value


def test_a_composite_key_is_read_part_by_part() -> None:
    assert fit(key_of(Seat), ("A", "12"), "default") == ("A", 12)
    assert fit(key_of(Seat), ["A", 12], "default") == ("A", 12)


@pytest.mark.parametrize("value", [("A",), ("A", "1", "2"), ("A", "01"), ("toolong", "1"), ("A", 2**64), 1, None])
def test_what_is_no_composite_key_is_refused(value: object) -> None:
    with pytest.raises(UnfitValue):
        fit(key_of(Seat), value, "default")


class Colour(TextChoices):
    RED = "r"


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        (IntegerField(), 5.0, 5),
        (IntegerField(), Decimal(5), 5),
        (IntegerField(), None, None),
        (FloatField(), 1, 1.0),
        (FloatField(), Decimal("0.5"), 0.5),
        (DecimalField(max_digits=5, decimal_places=2), 1, Decimal("1.00")),
        (DecimalField(max_digits=5, decimal_places=2), 0.1, Decimal("0.10")),
        (DecimalField(max_digits=5, decimal_places=2), Decimal("999.99"), Decimal("999.99")),
        (DecimalField(), Decimal("1E+900"), Decimal("1E+900")),
        (DecimalField(), Decimal(0), Decimal(0)),
        (field("title"), Colour.RED, "r"),
        (field("address"), ip_address("192.0.2.1"), "192.0.2.1"),
        (DateTimeField(), date(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)),
        (DateTimeField(), datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)),  # noqa: DTZ001 (naive is the point)
        (DateField(), datetime(2024, 1, 1, 23, tzinfo=UTC), date(2024, 1, 1)),
        (TimeField(), time(12), time(12)),
        (JSONField(), {"a": 10**30}, {"a": 10**30}),
        (JSONField(), 0.5, 0.5),
    ],
)
def test_a_typed_value_becomes_what_the_column_holds(column: Any, value: object, expected: object) -> None:
    fitted = fit(column, value, "default")
    assert (type(fitted), fitted) == (type(expected), expected)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *[(IntegerField(), value) for value in (10**30, -(10**30), 10**400, 1.5, Decimal("1.5"), Decimal("1E+99999"))],
        *[(IntegerField(), value) for value in (float("nan"), float("inf"), Decimal("sNaN"))],
        *[(FloatField(), value) for value in (10**400, float("inf"), Decimal("1E+400"), Decimal("-1E+999999"))],
        *[
            (DecimalField(max_digits=5, decimal_places=2), Decimal(value))
            for value in ("1.999", "1000", "1E+999999", "1E-999999", "NaN", "-Infinity")
        ],
        (DecimalField(max_digits=5, decimal_places=2), 1.999),
        (DecimalField(max_digits=5, decimal_places=2), 10**30),
        (DecimalField(), Decimal("1E+999999")),
        (JSONField(), 10**30),
        (field("title"), 10**30),
        (DurationField(), timedelta.max),
        (TimeField(), time(12, tzinfo=UTC)),
        (DateTimeField(), datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))),
        (DateTimeField(), datetime.min.replace(tzinfo=timezone(timedelta(hours=12)))),
    ],
)
def test_a_typed_value_that_no_row_can_have_is_refused(column: Any, value: object) -> None:
    with pytest.raises(UnfitValue, match=r"^must "):
        fit(column, value, "default")


def test_integers_keep_to_the_range_of_their_column() -> None:
    low, high = connection.ops.integer_field_range("SmallIntegerField")
    assert fit(SmallIntegerField(), high, "default") == high
    for beyond in (low - 1, high + 1):
        with pytest.raises(UnfitValue, match=f"must be from {low} to {high}"):
            fit(SmallIntegerField(), beyond, "default")


def test_a_naive_time_is_in_the_current_time_zone() -> None:
    with override("Asia/Tokyo"):
        fitted = fit(DateTimeField(), datetime(2024, 1, 1), "default")  # noqa: DTZ001 (naive is the point)
        assert fitted == datetime(2023, 12, 31, 15, tzinfo=UTC)
        assert fit(DateField(), datetime(2024, 1, 1, 23, tzinfo=UTC), "default") == date(2024, 1, 2)


def test_without_time_zones_a_moment_is_naive(settings: Settings) -> None:
    settings.USE_TZ = False
    settings.TIME_ZONE = "UTC"
    naive = datetime(2024, 1, 1)  # noqa: DTZ001 (naive is the point)
    assert fit(DateTimeField(), datetime(2024, 1, 1, tzinfo=UTC), "default") == naive
    assert fit(DateTimeField(), naive, "default") == naive


@given(st.text())
def test_text_is_either_a_key_of_the_same_spelling_or_refused(text: str) -> None:
    fields: list[Field[Any, Any]] = [key_of(model) for model in (Book, Copy, Genre, Shelf, Fee, Opening, Author)]
    for column in [*fields, GenericIPAddressField(), FloatField(), JSONField()]:
        try:
            value = fit(column, text, "default")
        except UnfitValue:
            continue
        assert fit(column, text, "default") == value
        assert "\0" not in text


@given(st.integers())
def test_an_integer_is_a_key_exactly_if_it_is_in_range(number: int) -> None:
    low, high = connection.ops.integer_field_range("BigAutoField")
    try:
        assert fit(key_of(Book), str(number), "default") == number
    except UnfitValue:
        assert not low <= number <= high
