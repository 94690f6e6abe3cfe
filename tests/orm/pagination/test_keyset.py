"""Lists that change while a client goes through them, on every database."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain, count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connections, transaction
from django.db.models import (
    Avg,
    Count,
    DecimalField,
    Exists,
    ExpressionWrapper,
    F,
    FilteredRelation,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    Window,
)
from django.db.models.functions import Coalesce, Lower, Random, RowNumber, TruncDay, TruncHour
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings, strategies as st

from django_fastapi.exceptions import ConfigurationError
from django_fastapi.orm import CursorPage, CursorWindow
from django_fastapi.orm.ordering import ordered
from django_fastapi.orm.pagination.keyset import following, make_keyset
from tests.project.archive.models import Author, Book, Entry, Fee, Genre, Seat, Shelf, Tag
from tests.project.library import models as library

WORDS = ["", "a", "A", "b", "ä", "z z", "\U0001f4da"]
DECIMAL: Any = DecimalField(max_digits=10, decimal_places=4)
MAX_PAGES = 100
NUMBER, WORD = F("number"), F("word")
MOMENT = datetime(2024, 1, 1, tzinfo=UTC)

ORDERS: dict[str, Callable[[QuerySet[Entry]], QuerySet[Entry]]] = {
    "none": lambda entries: entries,
    "descending key": lambda entries: entries.order_by("-pk"),
    "nullable": lambda entries: entries.order_by("number"),
    "nullable, descending": lambda entries: entries.order_by("-number"),
    "mixed": lambda entries: entries.order_by("rank", "-number", "word"),
    "mixed, turned round": lambda entries: entries.order_by("rank", "-number", "word").reverse(),
    "NULLs first": lambda entries: entries.order_by(
        F("number").asc(nulls_first=True), F("word").desc(nulls_first=True)
    ),
    "NULLs last": lambda entries: entries.order_by(F("number").desc(nulls_last=True), F("word").asc(nulls_last=True)),
    "decimals and moments": lambda entries: entries.order_by("-amount", "moment", "-pk"),
    "related": lambda entries: entries.order_by("-author__name", "author__born"),
    "relation": lambda entries: entries.order_by("-author"),
    "foreign key": lambda entries: entries.order_by("author_id", "-rank"),
    "expression": lambda entries: entries.order_by(Coalesce(NUMBER, Value(1)).desc(), Lower("word")),
    "annotation": lambda entries: entries.annotate(double=NUMBER * 2).order_by("-double", "rank"),
    "computed decimal": lambda entries: entries.annotate(third=ExpressionWrapper(F("amount") / 3, DECIMAL)).order_by(
        "third"
    ),
    "aggregate": lambda entries: entries.annotate(books=Count("author__books")).order_by("-books", "word"),
    "distinct": lambda entries: entries.distinct().order_by("number"),
    "filtered": lambda entries: entries.filter(rank__lte=1).order_by("number", "-rank"),
}

rows = st.fixed_dictionaries(
    {
        "number": st.none() | st.integers(0, 2),
        "word": st.none() | st.sampled_from(WORDS),
        "amount": st.none() | st.sampled_from([Decimal("0.10"), Decimal("0.30"), Decimal("-5.05")]),
        "moment": st.none() | st.sampled_from([MOMENT, MOMENT + timedelta(microseconds=1), MOMENT - timedelta(days=9)]),
        "rank": st.integers(0, 2),
        "author_id": st.none() | st.integers(1, 3),
    }
)
changes = st.lists(st.tuples(st.booleans(), st.integers(0, 9), rows), max_size=3)

on_every_database = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@contextmanager
def filled(alias: str, entries: Sequence[dict[str, Any]]) -> Iterator[QuerySet[Entry]]:
    """Give the entries, in a transaction that is rolled back."""
    with transaction.atomic(using=alias):
        authors = Author.objects.using(alias)
        authors.bulk_create([Author(pk=pk, name="Ada" if pk < 3 else "Bo", born=None) for pk in (1, 2, 3)])
        Book.objects.using(alias).create(author_id=2)
        Entry.objects.using(alias).bulk_create([Entry(pk=100 * pk, **values) for pk, values in enumerate(entries, 1)])
        yield Entry.objects.using(alias)
        transaction.set_rollback(True, using=alias)


def change(entries: QuerySet[Entry], made: list[tuple[bool, int, dict[str, Any]]], serial: Iterator[int]) -> None:
    """Delete rows, and make some whose keys lie between those of others and were never used before."""
    for deletes, index, values in made:
        if deletes:
            keys = list(entries.order_by("pk").values_list("pk", flat=True))
            entries.filter(pk__in=keys[index : index + 2]).delete()
        else:
            entries.create(pk=100 * index + next(serial), **values)


def walk(listed: QuerySet[Entry], size: int, page: CursorPage[Entry], direction: str) -> Iterator[list[int]]:
    """Give the keys of each page from `page` on, to the end of the list in that direction."""
    for _ in range(MAX_PAGES):
        yield [entry.pk for entry in page.items]
        if (cursor := getattr(page, direction)) is None:
            return
        page = CursorWindow(cursor, size).paginate(listed)
    pytest.fail("the list has no end")


def last_page(listed: QuerySet[Entry], size: int) -> CursorPage[Entry]:
    page = CursorWindow(None, size).paginate(listed)
    for _ in range(MAX_PAGES):
        if page.next is None:
            return page
        page = CursorWindow(page.next, size).paginate(listed)
    pytest.fail("the list has no end")


@on_every_database
@given(order=st.sampled_from(sorted(ORDERS)), entries=st.lists(rows, max_size=9), size=st.integers(1, 4))
def test_pages_are_the_list_forwards_and_backwards(
    archive: str, order: str, entries: list[dict[str, Any]], size: int
) -> None:
    with filled(archive, entries) as stored:
        listed = ORDERS[order](stored)
        whole = [entry.pk for entry in ordered(listed)]
        forwards = list(walk(listed, size, CursorWindow(None, size).paginate(listed), "next"))
        assert list(chain(*forwards)) == whole
        assert all(len(page) == size for page in forwards[:-1])
        backwards = list(walk(listed, size, last_page(listed, size), "previous"))
        assert list(chain(*reversed(backwards))) == whole
        assert all(len(page) == size for page in backwards[1:-1])


@on_every_database
@given(
    order=st.sampled_from(sorted(ORDERS)),
    direction=st.sampled_from(["next", "previous"]),
    case=st.tuples(st.lists(rows, max_size=9), st.integers(1, 3), st.lists(changes, min_size=1, max_size=6)),
)
def test_rows_that_come_and_go_neither_hide_nor_repeat_others(
    archive: str, order: str, direction: str, case: tuple[list[dict[str, Any]], int, list[Any]]
) -> None:
    entries, size, made = case
    with filled(archive, entries) as stored:
        listed = ORDERS[order](stored)
        first = CursorWindow(None, size).paginate(listed) if direction == "next" else last_page(listed, size)
        staying = set(listed.values_list("pk", flat=True))
        seen: list[int] = []
        serial = count(1)
        for step, page in enumerate(walk(listed, size, first, direction)):
            seen += page
            change(stored, made[step] if step < len(made) else [], serial)
            staying &= set(listed.values_list("pk", flat=True))
        assert len(seen) == len(set(seen))
        assert staying <= set(seen)


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_has_a_page(alias: str, order: str) -> None:
    """All of them, each time; the tests above draw some."""
    entries = Entry.objects.using(alias)
    entries.bulk_create([Entry(pk=pk, number=pk % 2 or None, word=WORDS[pk], rank=pk % 3) for pk in range(1, 7)])
    listed = ORDERS[order](entries)
    first = CursorWindow(None, 2).paginate(listed)
    assert list(chain(*walk(listed, 2, first, "next"))) == [entry.pk for entry in ordered(listed)]


@pytest.mark.parametrize("divisor", [3, 7, 9, 11, 13, 17, 1000, 99_999])
def test_a_computed_decimal_equals_itself_when_it_comes_back(alias: str, divisor: int) -> None:
    entries = Entry.objects.using(alias)
    entries.bulk_create([Entry(pk=pk, amount=Decimal(5 * (pk // 3)) / 100 + 1) for pk in range(1, 13)])
    quotient = ExpressionWrapper(F("amount") / divisor, DECIMAL)
    for listed in (entries.annotate(it=quotient).order_by("it"), entries.annotate(it=Avg(quotient)).order_by("-it")):
        whole = [[entry.pk] for entry in ordered(listed)]
        assert list(walk(listed, 1, CursorWindow(None, 1).paginate(listed), "next")) == whole
        assert list(walk(listed, 1, last_page(listed, 1), "previous")) == whole[::-1]


@pytest.mark.parametrize("divisor", [3, 7, 1000])
def test_a_stored_decimal_with_more_digits_than_its_field_equals_itself(alias: str, divisor: int) -> None:
    """SQLite stores what `update` computes without rounding it."""
    entries = Entry.objects.using(alias)
    entries.bulk_create([Entry(pk=pk, amount=Decimal(pk // 2) / 10) for pk in range(1, 7)])
    entries.update(amount=F("amount") / divisor)
    for listed in (entries.order_by("amount"), entries.order_by("-amount")):
        whole = [[entry.pk] for entry in ordered(listed)]
        assert list(walk(listed, 1, CursorWindow(None, 1).paginate(listed), "next")) == whole
        assert list(walk(listed, 1, last_page(listed, 1), "previous")) == whole[::-1]


def test_a_decimal_column_of_sqlite_is_compared_as_it_is() -> None:
    """So that an index on it is used."""
    [column, _] = make_keyset(Entry.objects.order_by("amount")).columns
    listed = Entry.objects.alias(keyset_0=column.expression).filter(column.equal(0.5)).order_by(column.order)
    assert str(listed.values("pk").query).endswith(
        'WHERE "archive_entry"."amount" = 0.5 ORDER BY "archive_entry"."amount" ASC'
    )


DAYS: dict[str, Any] = {
    "day": TruncDay("moment"),
    "hour": TruncHour("moment"),
    "in a zone": TruncDay("moment", tzinfo=ZoneInfo("Asia/Kolkata")),
    "in an expression": Coalesce(TruncDay("moment"), TruncDay(Value(MOMENT))),
}


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("day", DAYS)
def test_a_truncated_moment_is_compared_in_its_own_time_zone(alias: str, zone: str, day: str) -> None:
    has_zones = connections[alias].features.has_zoneinfo_database
    if not has_zones:  # then Django takes UTC only, and no NULLs
        zone, day = "UTC", "day" if day == "in a zone" else day
    entries = Entry.objects.using(alias)
    # In New York the clocks are put back on the 3rd of November.
    start = datetime(2024, 11, 2, 20, tzinfo=UTC)
    moments: list[Any] = [start + timedelta(hours=5 * (pk // 2)) for pk in range(12)]
    moments += [None] if has_zones else []
    entries.bulk_create([Entry(pk=pk, moment=moment, rank=pk % 2) for pk, moment in enumerate(moments, 1)])
    with timezone.override(zone):
        for listed in (entries.annotate(it=DAYS[day]).order_by("it", "rank"), entries.order_by(DAYS[day].desc())):
            whole = [[entry.pk] for entry in ordered(listed)]
            assert list(walk(listed, 1, CursorWindow(None, 1).paginate(listed), "next")) == whole
            assert list(walk(listed, 1, last_page(listed, 1), "previous")) == whole[::-1]


def test_an_empty_page_leads_back_to_the_row_that_it_began_after(alias: str) -> None:
    entries = Entry.objects.using(alias)
    entries.bulk_create([Entry(pk=pk) for pk in range(1, 7)])
    first = CursorWindow(None, 3).paginate(entries)
    entries.filter(pk__gt=3).delete()
    empty = CursorWindow(first.next, 3).paginate(entries)
    assert (list(empty.items), empty.next) == ([], None)
    again = CursorWindow(empty.previous, 3).paginate(entries)
    assert [entry.pk for entry in again.items] == [1, 2, 3]
    last = CursorWindow(again.next, 3).paginate(entries)
    entries.all().delete()
    nothing = CursorWindow(last.previous, 3).paginate(entries)
    assert (list(nothing.items), nothing.previous) == ([], None)
    entries.bulk_create([Entry(pk=pk) for pk in range(1, 7)])
    assert [entry.pk for entry in CursorWindow(nothing.next, 3).paginate(entries).items] == [4, 5, 6]


@pytest.mark.parametrize(
    ("model", "rows", "order"),
    [
        (Seat, [{"room": room, "number": number} for room in "AB" for number in (1, 2, 3)], []),
        (Seat, [{"room": room, "number": number} for room in "AB" for number in (1, 2, 3)], ["-note", "-pk"]),
        (Seat, [{"room": room, "number": number} for room in "AB" for number in (1, 2, 3)], ["-number", "room"]),
        (Shelf, [{"mark": f"A-{number}"} for number in range(5)], ["-mark"]),
        (Fee, [{"amount": Decimal(number) / 10} for number in range(5)], ["-amount"]),
        (Genre, [{"code": code, "rank": rank} for code, rank in zip("abcde", [None, 1, 1, None, 2], strict=True)], []),
        (
            Author,
            [{"name": name, "genre_id": genre} for name in "xyz" for genre in (None, "a", "b")],
            ["-genre", "name"],
        ),
    ],
)
def test_keys_of_every_kind_end_an_order(alias: str, model: Any, rows: list[Any], order: list[str]) -> None:
    if model is Author:
        Genre.objects.using(alias).bulk_create([Genre(code="a", rank=None), Genre(code="b", rank=1)])
    model.objects.using(alias).bulk_create([model(**values) for values in rows])
    listed = model.objects.using(alias).order_by(*order) if order else model.objects.using(alias)
    whole = [row.pk for row in ordered(listed.all())]
    assert len(whole) == len(rows)
    assert list(chain(*walk(listed, 2, CursorWindow(None, 2).paginate(listed), "next"))) == whole
    assert list(chain(*walk(listed, 2, last_page(listed, 2), "previous"))) != []


def test_a_page_takes_one_query_for_the_keys_and_one_for_the_rows(alias: str) -> None:
    Entry.objects.using(alias).bulk_create([Entry(pk=pk, rank=pk % 2) for pk in range(1, 7)])
    listed = Entry.objects.using(alias).select_related("author").order_by("-rank")
    with CaptureQueriesContext(connections[alias]) as queries:
        page = CursorWindow(None, 2).paginate(listed)
        assert len(queries) == 1
        assert [entry.author for entry in page.items] == [None, None]
        assert len(queries) == 2
        page = CursorWindow(page.next, 2).paginate(listed)
        assert len(page.items) == 2
        assert len(queries) == 4


def test_an_empty_page_takes_one_query(alias: str) -> None:
    with CaptureQueriesContext(connections[alias]) as queries:
        page = CursorWindow(None, 2).paginate(Entry.objects.using(alias).all())
        assert list(page.items) == []
    assert len(queries) == 1


def test_the_first_column_bounds_the_search_by_itself() -> None:
    """So that an index finds the place: databases do not see it in alternatives."""
    keyset = make_keyset(Book.objects.order_by("-stock", "title"))
    condition = following(keyset.columns, (5, "x", 7), inclusive=False)
    sql = str(Book.objects.alias(**{c.name: c.expression for c in keyset.columns}).filter(condition).values("pk").query)
    assert sql.endswith(
        'WHERE (("archive_book"."stock" < 5 OR ("archive_book"."stock" = 5 AND ("archive_book"."title" > x OR '
        '("archive_book"."title" = x AND "archive_book"."id" > 7)))) AND "archive_book"."stock" <= 5)'
    )


def test_nulls_are_conditions_of_their_own() -> None:
    [column, _] = make_keyset(Entry.objects.order_by("number")).columns
    assert column.has_nulls_first
    assert column.after(None) == Q(("keyset_0__isnull", False))
    assert column.after(1) == Q(("keyset_0__gt", 1))
    assert column.reversed().after(None) is None
    assert column.reversed().after(1) == Q(("keyset_0__lt", 1)) | Q(("keyset_0__isnull", True))
    assert column.equal(None) == Q(("keyset_0__isnull", True))


@pytest.mark.parametrize(
    "listed",
    [
        Book.objects.order_by("pk")[:5],
        Book.objects.order_by("pk").union(Book.objects.all()),
        Book.objects.values("title"),
        Book.objects.values("title").annotate(count=Count("pk")),
        Book.objects.values_list("pk").order_by("title"),
        Book.objects.order_by("title").distinct("title"),
        Book.objects.order_by("?"),
        Book.objects.order_by(Random()),
        Book.objects.order_by("pk").extra(order_by=["title"]),
        Book.objects.annotate(row=Window(RowNumber(), order_by="pk")).order_by("pk"),
        Book.objects.alias(row=Window(RowNumber(), order_by="pk")).filter(row__lte=3).order_by("pk"),
        Book.objects.order_by(Window(RowNumber(), order_by="title")),
        Book.objects.order_by("tags__name"),
        Book.objects.order_by("-tags"),
        Book.objects.order_by(Lower("tags__name").desc()),
        Book.objects.order_by("copies__key"),
        Book.objects.order_by("author__books__title"),
        Book.objects.annotate(tag=F("tags__name")).order_by("tag"),
    ],
)
def test_some_querysets_have_no_cursors(listed: QuerySet[Any]) -> None:
    with pytest.raises(ConfigurationError, match="Book"):
        make_keyset(listed)


@pytest.mark.parametrize(
    "listed",
    [
        Book.objects.annotate(tag=Min("tags__name")).order_by("-tag"),
        Book.objects.annotate(count=Count("copies")).order_by("count", "author__name"),
        Book.objects.filter(tags__name="red").order_by("title"),
        Author.objects.order_by("profile__motto"),
        Book.objects.order_by(Subquery(Tag.objects.filter(books=OuterRef("pk")).values("books__title")[:1])),
        Book.objects.order_by(Exists(Book.objects.filter(pk=OuterRef("pk"), tags__name="red"))),
        Book.objects.annotate(row=Subquery(Book.objects.annotate(row=Window(RowNumber())).values("row")[:1])),
        Book.objects.order_by("extra__pages", "published__year"),
        Book.objects.annotate(writer=FilteredRelation("author")).order_by("writer__name"),
    ],
)
def test_what_does_not_repeat_rows_has_cursors(listed: QuerySet[Any]) -> None:
    assert make_keyset(listed).columns


def test_an_order_over_a_generic_relation_has_no_cursors() -> None:
    with pytest.raises(ConfigurationError, match="relation to many"):
        make_keyset(library.Book.objects.order_by("reviews__text"))
    assert make_keyset(library.Book.objects.order_by("author__profile__bio")).columns
