from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal

import pytest
from django.db import connections, transaction
from django.db.models import Count, F
from django.db.models.query import QuerySet
from django.test.utils import CaptureQueriesContext
from fastapi import FastAPI, Query
from fastapi.exceptions import RequestValidationError
from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import Field, ValidationError, create_model

from django_fastapi.exceptions import ConfigurationError
from django_fastapi.orm import FilterSchema, Lookup, OrderBy, Ordering, PageParams, Search
from django_fastapi.testing import Client
from tests.project.archive.models import Author, Book, Genre, Seat, Tag


class Size(Enum):
    SMALL = 1
    LARGE = 9


class BookFilter(FilterSchema):
    title: str | None = None
    author: int | None = None
    tags: list[int] | None = None
    stock: list[int] | None = None
    price_min: Annotated[Decimal | None, Lookup("price__gte")] = None
    price_between: Annotated[tuple[Decimal, Decimal] | None, Lookup("price__range")] = None
    year: Annotated[int | None, Lookup("published__year")] = None
    published_from: Annotated[datetime | None, Lookup("published__gte")] = None
    day: Annotated[date | None, Lookup("published__date")] = None
    weight_max: Annotated[float | None, Lookup("weight__lte")] = None
    slow: Annotated[timedelta | None, Lookup("reading_time__gte")] = None
    orphan: Annotated[bool | None, Lookup("author__isnull")] = None
    tag: Annotated[str | None, Lookup("tags__name__icontains")] = None
    amount: Annotated[Size | None, Lookup("stock")] = None
    address: IPv4Address | None = None
    genre: Annotated[Literal["SF", "Crime"] | None, Lookup("author__genre")] = None
    pages: Annotated[int | None, Lookup("extra__pages__gte")] = None
    begins: Annotated[str | None, Field(alias="begins-with"), Lookup("title__istartswith")] = None
    search: Annotated[str | None, Search("title", "author__name", "tags__name")] = None

    class Meta:
        model = Book


@pytest.fixture
def books(alias: str) -> QuerySet[Book]:
    Genre.objects.using(alias).create(code="SF")
    ada = Author.objects.using(alias).create(pk=1, name="Ada Byron", genre_id="SF")
    bo = Author.objects.using(alias).create(pk=2, name="Bo")
    red, green = (Tag.objects.using(alias).create(pk=pk, name=name) for pk, name in ((1, "red"), (2, "green")))
    books = Book.objects.using(alias)
    moment = datetime.fromisoformat("2024-05-06T07:08:09+00:00")
    notes = books.create(pk=1, title="Notes", author=ada, price="9.50", stock=3, published=moment, weight=0.5)
    other = books.create(pk=2, title="Other notes", author=bo, price=20, stock=1, reading_time=timedelta(hours=2))
    books.create(pk=3, title="100%", stock=9, address="192.0.2.1", extra={"pages": 12})
    notes.tags.set([red, green])
    other.tags.set([red])
    return books.order_by("pk")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({}, [1, 2, 3]),
        ({"title": "Notes"}, [1]),
        ({"author": 1}, [1]),
        ({"author": 7}, []),
        ({"tags": [1, 2]}, [1, 2]),
        ({"tags": [2]}, [1]),
        ({"tags": []}, []),
        ({"stock": [1, 9]}, [2, 3]),
        ({"price_min": "9.5"}, [1, 2]),
        ({"price_between": ("9.5", "10")}, [1]),
        ({"year": 2024}, [1]),
        ({"published_from": "2024-05-06T07:08:09Z"}, [1]),
        ({"published_from": "2024-05-06T07:08:10"}, []),
        ({"day": "2024-05-06"}, [1]),
        ({"weight_max": 0.5}, [1]),
        ({"slow": "PT1H"}, [2]),
        ({"orphan": True}, [3]),
        ({"orphan": False}, [1, 2]),
        ({"tag": "RE"}, [1, 2]),
        ({"amount": 9}, [3]),
        ({"address": "192.0.2.1"}, [3]),
        ({"genre": "SF"}, [1]),
        ({"pages": 10}, [3]),
        ({"begins-with": "not"}, [1]),
        ({"search": "notes"}, [1, 2]),
        ({"search": "notes  byron"}, [1]),
        ({"search": "notes green"}, [1]),
        ({"search": "red green"}, [1]),
        ({"search": "%"}, [3]),
        ({"search": "_"}, []),
        ({"search": "  "}, [1, 2, 3]),
        ({"search": "notes", "author": 2, "stock": [1]}, [2]),
    ],
)
def test_each_value_is_a_condition(books: QuerySet[Book], values: dict[str, Any], found: list[int]) -> None:
    filtered = BookFilter.model_validate(values).apply(books)
    assert [book.pk for book in filtered] == found
    assert filtered.count() == len(found)


def test_filters_make_one_query(books: QuerySet[Book], alias: str) -> None:
    filters = BookFilter(tags=[1, 2], search="notes red", price_min=Decimal(1))
    with CaptureQueriesContext(connections[alias]) as queries:
        assert len(filters.apply(books)) == 2
    assert len(queries) == 1


def test_a_relation_to_many_of_a_composite_key(alias: str) -> None:
    class SeatFilter(FilterSchema):
        room: list[str] | None = None

    Seat.objects.using(alias).create(room="A", number=1)
    assert SeatFilter(room=["A", "B"]).apply(Seat.objects.using(alias).all()).count() == 1
    assert SeatFilter(room=["B"]).apply(Seat.objects.using(alias).all()).count() == 0


RUBBISH: list[tuple[str, Any]] = [
    *[("title", value) for value in ("a\0", "\ud800", "x" * 31)],
    *[("author", value) for value in (10**30, -(10**30))],
    *[("tags", value) for value in ([1, 10**30], [1] * 1001)],
    *[("stock", value) for value in ([-1], [10**30])],
    *[("price_min", Decimal(value)) for value in ("1.999", "10000", "1E+999999", "-1E-999999")],
    ("price_between", (Decimal(1), Decimal("1.999"))),
    *[("year", value) for value in (0, -5, 9999, 10**6, 10**30)],
    *[("published_from", datetime.fromisoformat(f"{day}T00:00:00+14:00")) for day in ("0001-01-01",)],
    *[("weight_max", value) for value in (float("nan"), float("inf"), -float("inf"))],
    ("slow", timedelta.max),
    *[("tag", value) for value in ("a\0", "\udfff", "x" * 10_001)],
    ("pages", 10**30),
    *[("search", value) for value in ("a\0", "\ud800", "x" * 201, "a " * 11)],
]


@pytest.mark.parametrize(("name", "value"), RUBBISH)
def test_what_no_column_can_be_compared_with_is_refused_without_a_query(
    books: QuerySet[Book], alias: str, name: str, value: Any
) -> None:
    filters = BookFilter.model_validate({name: value})
    with CaptureQueriesContext(connections[alias]) as queries, pytest.raises(RequestValidationError) as caught:
        filters.apply(books)
    [error] = caught.value.errors()
    assert error["loc"] == ("query", name)
    assert error["msg"].startswith("Input must ")
    assert len(queries) == 0


ANYTHING: dict[str, st.SearchStrategy[Any]] = {
    "title": st.text(st.characters(codec=None)),
    "author": st.integers(),
    "tags": st.lists(st.integers()),
    "price_min": st.decimals(allow_nan=False, allow_infinity=False),
    "year": st.integers(-10, 10_010) | st.integers(),
    "published_from": st.datetimes(timezones=st.timezones() | st.none(), allow_imaginary=True),
    "day": st.dates(),
    "weight_max": st.floats(allow_nan=False),
    "slow": st.timedeltas(),
    "tag": st.text(st.characters(codec=None)),
    "address": st.ip_addresses(v=4),
    "pages": st.integers(),
    "begins-with": st.text("%_\\'\"[a*", max_size=9),
    "search": st.text(st.characters(codec=None)),
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries({}, optional=ANYTHING))
def test_the_database_takes_whatever_is_not_refused(archive: str, values: dict[str, Any]) -> None:
    filters = BookFilter.model_validate(values)
    with transaction.atomic(using=archive), suppress(RequestValidationError):
        assert filters.apply(Book.objects.using(archive).all()).count() == 0


def test_all_wrong_values_are_named_and_by_their_aliases(books: QuerySet[Book]) -> None:
    filters = BookFilter.model_validate({"author": 10**30, "begins-with": "\0", "title": "fine"})
    with pytest.raises(RequestValidationError) as caught:
        filters.apply(books)
    assert [error["loc"] for error in caught.value.errors()] == [("query", "author"), ("query", "begins-with")]


@pytest.mark.parametrize("name", ["titel", "title__icontains", "author__name", "author__genre__code__regex", "pk"])
def test_a_name_that_nobody_declared_is_never_a_lookup(name: str) -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        BookFilter.model_validate({name: "x"})


def test_parameters_of_pages_and_ordering_are_left_to_others() -> None:
    class Ignoring(BookFilter):
        verbose: bool = False
        size: Annotated[Size | None, Lookup("stock")] = None

        class Meta(BookFilter.Meta):
            ignore = ("verbose", "format")

    names = ["page", "size", "limit", "offset", "cursor", "count", "ordering"]
    BookFilter.model_validate(dict.fromkeys(names, "9"))
    assert Ignoring.model_validate({**dict.fromkeys(names, "9"), "size": 9}).size is Size.LARGE
    assert Ignoring.model_validate({"format": "csv", "verbose": True, "page": "x"}).verbose is True
    assert Ignoring(verbose=True).apply(Book.objects.all()).query.where.children == []


class OfBooks(FilterSchema):
    class Meta:
        model = Book


def make_class(fields: dict[str, Any], base: type[FilterSchema] = OfBooks) -> type[FilterSchema]:
    made: Any = create_model("MadeFilter", __base__=base, **{name: (kind, None) for name, kind in fields.items()})
    return made


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"titel": str | None}, "`MadeFilter.titel`: `titel`: `Book` has no `titel`; did you mean `title`?"),
        ({"name": Annotated[str | None, Lookup("author__nam")]}, "`Author` has no `nam`; did you mean `name`?"),
        ({"title": Annotated[str | None, Lookup("title__iregex")]}, "lets clients send regular expressions"),
        ({"search": Annotated[str | None, Search("title", "author__nam")]}, "`Author` has no `nam`"),
        ({"search": Annotated[str | None, Search("title__regex")]}, "lets clients send regular expressions"),
        ({"search": Annotated[str | None, Search()]}, "`MadeFilter.search` searches nothing"),
        ({"orphan": Annotated[int | None, Lookup("author__isnull")]}, "annotate it with `bool | None`"),
        ({"title": Annotated[str | None, Lookup("title"), Search("title")]}, "several of Lookup and Search"),
    ],
)
def test_a_wrong_declaration_is_an_error_when_the_class_is_made(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_class(fields)
    assert complaint in str(caught.value)


def test_without_a_model_a_wrong_declaration_is_an_error_when_it_is_first_applied() -> None:
    schema = make_class({"titel": str | None}, FilterSchema)
    with pytest.raises(ConfigurationError, match="did you mean `title`"):
        schema().apply(Book.objects.all())


def test_an_annotation_of_the_queryset_can_be_a_lookup(books: QuerySet[Book]) -> None:
    class Counted(FilterSchema):
        tags_min: Annotated[int | None, Lookup("count__gte")] = None

    counted = books.annotate(count=Count("tags"))
    assert [book.pk for book in Counted(tags_min=2).apply(counted)] == [1]
    with pytest.raises(RequestValidationError):
        Counted(tags_min=10**30).apply(counted)


def test_a_search_mixes_annotations_with_relations_to_many(books: QuerySet[Book]) -> None:
    class Mixed(FilterSchema):
        search: Annotated[str | None, Search("tags__name", "writer", "title")] = None

    listed = books.annotate(writer=F("author__name"), count=Count("tags"))
    found = {text: list(Mixed(search=text).apply(listed).values_list("pk", "count")) for text in ("re", "ada red", "%")}
    assert found == {"re": [(1, 2), (2, 1)], "ada red": [(1, 2)], "%": [(3, 0)]}


def test_a_forward_reference_is_checked_when_it_is_first_applied() -> None:
    class Late(FilterSchema):
        titel: "Title | None" = None  # noqa: F821 (told later)

        class Meta:
            model = Book

    Late.model_rebuild(_types_namespace={"Title": str})
    with pytest.raises(ConfigurationError, match="did you mean `title`"):
        Late().apply(Book.objects.all())


@pytest.mark.django_db
def test_filters_order_and_page_stand_side_by_side(api: FastAPI, site_client: Client) -> None:
    @api.get("/books")
    def books(
        filters: Annotated[BookFilter, Query()],
        order: Annotated[Ordering, OrderBy("title", "-stock")],
        page: PageParams,
    ) -> list[str]:
        return [book.title for book in page.paginate(order.apply(filters.apply(Book.objects.all()))).items]

    Book.objects.bulk_create([Book(title=title, stock=9) for title in "abc"])
    Book.objects.create(title="d")
    answer = site_client.get(
        "/books", params={"size": 9, "stock": [9, 8], "ordering": "-title", "search": "", "page": 1}
    )
    assert answer.json() == ["c", "b", "a"]
    for name, value in [
        ("titel", "x"),
        ("title__regex", "x"),
        ("author__name", "x"),
        ("author", "x"),
        ("author", str(10**30)),
        ("author", "1.5"),
        ("price_min", "NaN"),
        ("price_min", "1.999"),
        ("price_min", "1e400000"),
        ("title", "a\0"),
        ("stock", str(10**30)),
        ("weight_max", "nan"),
        ("weight_max", "1e400"),
        ("published_from", "0001-01-01T00:00:00+14:00"),
        ("published_from", "yesterday"),
        ("genre", "Poetry"),
        ("year", "0"),
        ("begins-with", "\0"),
        ("search", "\0"),
    ]:
        answer = site_client.get("/books", params={name: value})
        assert answer.status_code == 422, (name, value)
        assert answer.json()["detail"][0]["loc"][:2] == ["query", name]


def test_the_documentation_shows_the_declared_names(api: FastAPI) -> None:
    @api.get("/books")
    def books(filters: Annotated[BookFilter, Query()]) -> None:
        """List."""

    documented = api.openapi()["paths"]["/books"]["get"]["parameters"]
    assert {parameter["name"] for parameter in documented} == {
        info.alias or name for name, info in BookFilter.model_fields.items()
    }


@pytest.mark.parametrize("make", [lambda: Lookup("a"), lambda: Search("a", "b")])
def test_declarations_are_equal_by_their_arguments(make: Callable[[], object]) -> None:
    assert make() == make()
    assert hash(make()) == hash(make())
