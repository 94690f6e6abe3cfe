import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connections, transaction
from django.db.models import Exists, F, Q
from django.http import Http404
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings, strategies as st

from django_fastapi.exceptions import AwaitForgotten
from django_fastapi.shortcuts import (
    aget_list_or_404,
    aget_object_or_404,
    get_list_or_404,
    get_object_or_404,
)
from tests.project.archive.models import Author, Book, Copy, Fee, Genre, Opening, Profile, Seat, Shelf

KEY = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


@pytest.fixture
def queries(alias: str) -> CaptureQueriesContext:
    return CaptureQueriesContext(connections[alias])


@pytest.fixture
def book(alias: str) -> Book:
    genre = Genre.objects.using(alias).create(code="SF")
    author = Author.objects.using(alias).create(name="Ada", genre=genre)
    Profile.objects.using(alias).create(author=author, motto="x")
    return Book.objects.using(alias).create(pk=7, title="Notes", isbn="978", author=author)


def test_the_object_is_found_with_one_query(book: Book, alias: str, queries: CaptureQueriesContext) -> None:
    with queries:
        assert get_object_or_404(Book.objects.using(alias), pk=book.pk) == book
    assert len(queries) == 1


@pytest.mark.parametrize(
    "conditions",
    [
        {"pk": "7"},
        {"id": 7},
        {"pk__exact": 7},
        {"isbn": "978"},
        {"author__name": "Ada", "title__iexact": "notes"},
        {"title__iregex": "^n"},
        {"title": F("title"), "pk": 7},
    ],
)
def test_conditions_are_djangos(book: Book, alias: str, conditions: dict[str, Any]) -> None:
    assert get_object_or_404(Book.objects.using(alias), **conditions) == book
    assert get_list_or_404(Book.objects.using(alias), **conditions) == [book]


def test_instances_can_be_looked_for(book: Book, alias: str) -> None:
    assert get_object_or_404(Book.objects.using(alias), author=book.author) == book
    assert get_object_or_404(Book.objects.using(alias), author__in=[book.author]) == book
    assert get_object_or_404(Book.objects.using(alias), author__in=Author.objects.using(alias).all()) == book


def test_a_missing_object_is_404(alias: str) -> None:
    with pytest.raises(Http404, match=r"^No Book matches the given query\.$"):
        get_object_or_404(Book.objects.using(alias), pk=1)
    with pytest.raises(Http404, match=r"^No Book matches the given query\.$"):
        get_list_or_404(Book.objects.using(alias), title="x")


def test_several_objects_are_the_callers_mistake(alias: str) -> None:
    Genre.objects.using(alias).bulk_create([Genre(code="a"), Genre(code="b")])
    with pytest.raises(Genre.MultipleObjectsReturned):
        get_object_or_404(Genre.objects.using(alias))


RUBBISH = [
    *[
        "1_0",
        " 1",
        "1.0",
        "+7",
        "07",
        "7 ",
        "\N{ARABIC-INDIC DIGIT SEVEN}",
        "abc",
        "",
        "7\0",
        "\ud800",
        str(10**30),
        "9" * 5000,
    ],
    *[10**30, -(10**30), 7.5, float("nan"), float("inf")],
]


@pytest.mark.parametrize("value", RUBBISH)
@pytest.mark.parametrize("name", ["pk", "id", "author", "author_id", "author__pk", "pk__in"])
def test_a_key_that_cannot_be_one_is_404_without_a_query(
    book: Book, alias: str, queries: CaptureQueriesContext, name: str, value: Any
) -> None:
    assert book.pk
    conditions = {name: [value] if name.endswith("in") else value}
    with queries:
        for function in (get_object_or_404, get_list_or_404):
            with pytest.raises(Http404):
                function(Book.objects.using(alias), **conditions)
    assert len(queries) == 0


@pytest.mark.parametrize(
    ("model", "conditions"),
    [
        (Copy, {"pk": "x"}),
        (Copy, {"pk": KEY.upper()}),
        (Copy, {"pk": KEY.replace("-", "")}),
        (Genre, {"pk": "a\0"}),
        (Genre, {"pk": "elevenchars"}),
        (Profile, {"pk": "1_0"}),
        (Profile, {"author__genre": "\ud800"}),
        (Shelf, {"pk": "a-1"}),
        (Shelf, {"pk": "nonsense"}),
        (Opening, {"pk": "0001-01-01T00:00:00+14:00"}),
        (Seat, {"pk": ("A", "1_0")}),
        (Seat, {"pk": ("A",)}),
        (Seat, {"pk": "A"}),
        (Seat, {"pk": ("A\0", 1)}),
        (Seat, {"number": 10**30}),
        (Book, {"title": "\0"}),
        (Book, {"title__contains": "\0"}),
        (Book, {"title__contains": "x" * 50_000}),
        (Book, {"stock__gte": 10**30}),
        (Book, {"price": float("nan")}),
        (Book, {"price__lt": 10**30}),
        (Book, {"published__year": 10**9}),
        (Book, {"address": "x"}),
        (Book, {"isbn": "978\ud800"}),
        (Book, {"extra__pages__gt": 10**30}),
        (Book, {"copies": "x"}),
    ],
)
def test_what_no_row_can_have_is_404_without_a_query(
    alias: str, queries: CaptureQueriesContext, model: Any, conditions: dict[str, Any]
) -> None:
    with queries, pytest.raises(Http404):
        get_object_or_404(model.objects.using(alias), **conditions)
    assert len(queries) == 0


@pytest.mark.parametrize(
    ("model", "values", "key"),
    [
        (Copy, {"key": uuid.UUID(KEY)}, KEY),
        (Copy, {"key": uuid.UUID(KEY)}, uuid.UUID(KEY)),
        (Shelf, {"mark": "A-12"}, "A-12"),
        (Seat, {"room": "A", "number": 12}, ("A", "12")),
        (Seat, {"room": "A", "number": 12}, ("A", 12)),
        (Opening, {"moment": "2024-02-29T12:00:00Z"}, "2024-02-29T12:00:00Z"),
    ],
)
def test_keys_of_all_kinds_are_found(alias: str, book: Book, model: Any, values: dict[str, Any], key: Any) -> None:
    if model is Copy:
        values = {**values, "book": book}
    model.objects.using(alias).create(**values)
    assert get_object_or_404(model.objects.using(alias), pk=key)


def test_a_key_is_found_letter_by_letter(alias: str) -> None:
    """As MariaDB compares text, `sf`, `SF` and `SF ` are equal."""
    Genre.objects.using(alias).create(code="SF")
    assert get_object_or_404(Genre.objects.using(alias), pk="SF")
    for other in ("sf", "SF ", "ŞF"):
        with pytest.raises(Http404):
            get_object_or_404(Genre.objects.using(alias), pk=other)


def test_a_q_object_loses_what_no_row_can_have(book: Book, alias: str, queries: CaptureQueriesContext) -> None:
    books = Book.objects.using(alias)
    for key in ("978", "7"):
        assert get_object_or_404(books, Q(pk=key) | Q(isbn=key)) == book
    assert get_object_or_404(books, ~Q(pk="abc")) == book
    assert get_object_or_404(books, Q(title="Notes") & ~(Q(pk="abc") | Q(stock__gt=10**30))) == book
    assert get_object_or_404(books, Q(Exists(Author.objects.using(alias).all())), pk=7) == book
    with queries, pytest.raises(Http404):
        get_object_or_404(books, Q(pk="abc"))
    assert len(queries) == 0


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec=None)) | st.integers().map(str) | st.uuids().map(str) | st.datetimes().map(str))
def test_any_text_is_a_key_or_404(archive: str, text: str) -> None:
    for model in (Book, Copy, Genre, Profile, Shelf, Opening, Fee):
        with transaction.atomic(using=archive), pytest.raises(Http404):
            get_object_or_404(model._default_manager.using(archive), pk=text)
    with transaction.atomic(using=archive), pytest.raises(Http404):
        get_object_or_404(Book.objects.using(archive), Q(isbn=text) | Q(address=text) | Q(title__icontains=text), pk=1)


def test_values_that_are_no_keys_are_read_as_django_reads_them(book: Book, alias: str) -> None:
    assert get_object_or_404(Book.objects.using(alias), stock="00", price="0.0") == book


def test_a_queryset_of_values_is_served(book: Book, alias: str) -> None:
    assert get_object_or_404(Book.objects.using(alias).values("title"), pk="7") == {"title": book.title}  # type: ignore[comparison-overlap]


@pytest.mark.parametrize("name", ["titel", "author__nam", "title__icontain"])
def test_a_lookup_that_does_not_exist_is_djangos_error(alias: str, name: str) -> None:
    with pytest.raises(Exception, match=r"Cannot resolve|Unsupported lookup|Related Field"):
        get_object_or_404(Book.objects.using(alias), **{name: "x"})


@pytest.mark.parametrize(
    "function", [get_object_or_404, get_list_or_404, async_to_sync(aget_object_or_404), async_to_sync(aget_list_or_404)]
)
@pytest.mark.parametrize("klass", ["Book", 1, object, None])
def test_the_first_argument_must_have_objects(function: Callable[..., Any], klass: Any) -> None:
    with pytest.raises(ValueError, match="must be a model, a manager or a queryset, not"):
        function(klass, pk=1)


@pytest.mark.django_db
def test_models_and_managers_serve() -> None:
    author = Author.objects.create(name="Ada")
    book = Book.objects.create(title="Notes", author=author)
    assert get_object_or_404(Book, pk=book.pk) == book
    assert get_object_or_404(Book.objects, pk=book.pk) == book
    assert get_object_or_404(author.books, pk=book.pk) == book
    assert get_list_or_404(author.books) == [book]


@pytest.mark.django_db(transaction=True)
def test_on_the_event_loop_they_are_awaited() -> None:
    book = Book.objects.create(title="Notes")

    async def ask() -> None:
        found: Any = get_object_or_404(Book, pk=book.pk)
        assert await found == book
        found = get_list_or_404(Book, pk=book.pk)
        assert await found == [book]
        assert await aget_object_or_404(Book, pk=book.pk) == book
        assert await aget_list_or_404(Book, title="Notes") == [book]
        for missing in (get_object_or_404, get_list_or_404, aget_object_or_404, aget_list_or_404):
            with pytest.raises(Http404):
                await missing(Book, pk="x")  # type: ignore[misc]

    async_to_sync(ask)()


def test_on_the_event_loop_the_result_is_of_no_other_use() -> None:
    async def ask() -> None:
        book = get_object_or_404(Book, pk=1)
        try:
            book.title  # noqa: B018
        finally:
            book._coroutine.close()  # type: ignore[attr-defined]  # noqa: SLF001 (nobody awaits it)

    with pytest.raises(AwaitForgotten, match=r"write `await get_object_or_404\(Book, ...\)`, or use `aget_object_or_4"):
        asyncio.run(ask())
