"""The law of the row path: byte for byte the JSON of instances, over schemas and data."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Count, Exists, F, FilteredRelation, OuterRef, Q, QuerySet, Subquery, Window
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import BaseModel, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from django_fastapi.orm import ModelSchema, create_schema, plan_query
from django_fastapi.orm.responses import write_rows
from tests.project.library.models import Author, Book, Chapter, CheapBook, Everything, Novel, Profile, Publisher, Tag

pytestmark = pytest.mark.django_db

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
DATES = st.dates(dt.date(1000, 1, 1))
MOMENTS = st.datetimes(timezones=st.just(dt.UTC)).filter(lambda moment: 1000 < moment.year < 9000)
SECONDS = dt.timedelta(days=10_000)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "big": st.integers(-(2**63), 2**63 - 1),
    "binary": st.none() | st.binary(max_size=10),
    "boolean": st.none() | st.booleans(),
    "char": TEXT,
    "char_null": st.none() | TEXT,
    "date": st.none() | DATES,
    "moment": st.none() | MOMENTS,
    "decimal": st.none() | st.decimals(-(10**7), 10**7, places=4),
    "duration": st.none() | st.timedeltas(-SECONDS, SECONDS),
    "email": st.sampled_from(["", "a@example.com", "Ü@EXAMPLE.com", "no address"]),
    "file": st.sampled_from(["", "a.txt", "ü b.txt"]),
    "image": st.sampled_from([None, "", "i.png"]),
    "file_path": st.sampled_from(["", "/tmp/x"]),  # noqa: S108 (a value, no file)
    "float": st.none() | st.floats(allow_nan=False, allow_infinity=False),
    "ip": st.sampled_from([None, "127.0.0.1", "::1", "::ffff:10.0.0.1"]),
    "integer": st.none() | st.integers(-(2**31), 2**31 - 1),
    "json": st.recursive(st.none() | st.booleans() | st.integers(-(2**31), 2**31) | TEXT, st.lists, max_leaves=4),
    "positive_big": st.integers(0, 2**63 - 1),
    "positive": st.integers(0, 2**31 - 1),
    "positive_small": st.integers(0, 2**15 - 1),
    "small": st.integers(-(2**15), 2**15 - 1),
    "slug": st.sampled_from(["", "a-b", "no slug!"]),
    "text": TEXT,
    "time": st.none() | st.times(),
    "url": st.sampled_from(["", "http://A.com", "no url"]),
    "uuid": st.none() | st.uuids(version=4),  # MariaDB takes no others
    "rank": st.sampled_from([None, 1, 2, 3]),
    "code": st.sampled_from(["", "ABC", "abc"]),
    "at_least": st.integers(0, 10),
}
SCALARS = [*VALUES, "id", "created", "stamped", "loud", "book", "book_id", "publisher", "tags"]


class TagOut(ModelSchema):
    class Meta:
        model = Tag
        fields = ["name"]


class PublisherOut(ModelSchema):
    authors: list[create_schema(Author, name="Writer", fields=["name", "friends"])]  # type: ignore[valid-type]

    class Meta:
        model = Publisher
        fields = ["code", "parent"]


class AuthorOut(ModelSchema):
    publisher: PublisherOut | None
    profile: create_schema(Profile, fields=["bio"]) | None  # type: ignore[valid-type]

    class Meta:
        model = Author
        fields = ["id", "name", "edited"]


class BookOut(ModelSchema):
    author: AuthorOut
    editor: AuthorOut | None
    tags: list[TagOut]
    chapter_set: list[create_schema(Chapter, fields=["title"])]  # type: ignore[valid-type]

    class Meta:
        model = Book
        fields = ["id", "title", "price", "status"]


NESTED: dict[str, Any] = {"book": BookOut | None, "publisher": PublisherOut | None, "tags": list[TagOut]}


@contextmanager
def rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def assert_equal(schema: type[ModelSchema], queryset: "QuerySet[Any]", **options: Any) -> bytes:
    annotation = list[schema]  # type: ignore[valid-type]
    expected = TypeAdapter(annotation).dump_json(schema.from_queryset(queryset.all()), by_alias=True, **options)
    for _cold_and_warm in range(2):
        written = write_rows(queryset.all(), annotation, {"by_alias": True, **options})
        assert written is not None, plan_query(schema).explain()
        assert written == expected
    return expected


def make_library() -> list[Book]:
    group = Publisher.objects.create(code="group", name="Group")
    press = Publisher.objects.create(code="press", name="Press", parent=group)
    ann = Author.objects.create(name="Ann", publisher=press)
    bob = Author.objects.create(name="Böb")
    ann.friends.add(bob)
    Profile.objects.create(author=ann, bio="ü")
    first = Book.objects.create(title="First", author=ann, price=Decimal("9.50"))
    second = Book.objects.create(title="Second", author=bob, editor=ann, status="lost")
    first.tags.set([Tag.objects.create(name="red"), Tag.objects.create(name="x", is_active=False)])
    Chapter.objects.create(book=first, number=1, title="One")
    return [first, second]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    rows=st.lists(st.fixed_dictionaries(VALUES), max_size=3),
    fields=st.lists(st.sampled_from(SCALARS), min_size=1, unique=True),
    nested=st.sets(st.sampled_from(sorted(NESTED))),
    relations=st.lists(st.integers(0, 3), min_size=3, max_size=3),
)
def test_rows_are_instances_in_json(
    rows: list[dict[str, Any]], fields: list[str], nested: set[str], relations: list[int]
) -> None:
    declared = {name: NESTED[name] for name in sorted(nested)}
    schema = create_schema(Everything, fields=fields, declared=declared)
    with rolled_back():
        books = make_library()
        tags = list(Tag.objects.all())
        for values, relation in zip(rows, relations, strict=False):
            book = books[relation] if relation < len(books) else None
            publisher = Publisher.objects.first() if relation % 2 else None
            made = Everything.objects.create(**values, book=book, publisher=publisher)
            made.tags.set(tags if relation else [])
        assert_equal(schema, Everything.objects.all())


@pytest.mark.parametrize(
    "options",
    [
        {"exclude_none": True},
        {"include": {"__all__": {"title", "author"}}},
        {"exclude": {"__all__": {"author": {"id"}}}},
    ],
)
def test_the_options_of_serialization_mean_the_same(options: dict[str, Any]) -> None:
    make_library()
    assert_equal(BookOut, Book.objects.all(), **options)


def test_querysets_of_every_kind_give_the_same() -> None:
    first, _second = make_library()
    Novel.objects.create(title="Novel", author=first.author, genre="noir")
    books = Book.objects.all()
    for queryset in (
        books,
        books.filter(pk=first.pk),
        books.filter(pk__gt=first.pk, title="Second"),
        books.exclude(author__name="Ann"),
        books.filter(tags__name="red").distinct(),
        books.filter(tags__isnull=False),
        books.order_by("-author__name")[:1],
        books.none(),
        books.only("stock"),
        books.defer("title"),
        books.select_related("author__profile"),
        books.extra(where=["1 = 1"]),
        books.filter(author__in=Author.objects.filter(name="Ann")),
        books.using("default"),
        books.annotate(count=Count("tags")),
        books.filter(pk__in=[first.pk, first.pk]),
        books.filter(stock=None),
        books.filter(pk=10**30),
        books.alias(count=Count("tags")).filter(count__gt=0),
        books.alias(count=Count("tags")).order_by("count", "pk")[:1],
        books.annotate(chapter_count=Window(Count("chapter"), partition_by=F("author"))).order_by("pk"),
        books.filter(Exists(Chapter.objects.filter(book=OuterRef("pk")))),
        books.annotate(last=Subquery(Chapter.objects.filter(book=OuterRef("pk")).values("title")[:1])),
        books.annotate(red=FilteredRelation("tags", condition=Q(tags__name="red"))).filter(red__isnull=False),
        books.filter(Q(title="First") | Q(editor__name="Ann")).order_by(F("editor").desc(nulls_last=True), "pk"),
    ):
        assert_equal(BookOut, queryset)
    assert_equal(BookOut, Novel.objects.all())
    assert_equal(BookOut, CheapBook.objects.all())
    assert_equal(create_schema(Book, fields=["title", "editor"]), first.author.books.all())


def test_the_primary_key_is_read_even_if_nobody_asks_for_it() -> None:
    make_library()
    Book.objects.update(stock=3)
    assert assert_equal(create_schema(Book, fields=["stock"]), Book.objects.distinct()) == b'[{"stock":3},{"stock":3}]'


def test_an_object_without_values_is_still_an_object() -> None:
    first, _second = make_library()
    Author.objects.update(publisher=None)
    plain = create_schema(Author, name="Unpublished", fields=["publisher"])
    nested = create_schema(Book, fields=[], declared={"author": plain, "editor": plain | None})
    expected = b'[{"author":{"publisher":null},"editor":null}]'
    assert assert_equal(nested, Book.objects.filter(pk=first.pk)) == expected


def test_a_row_whose_key_leads_nowhere_is_left_out_by_both() -> None:
    first, second = make_library()
    # SQLite and PostgreSQL look at keys when the transaction ends; by then this one is right again.
    with connection.constraint_checks_disabled():
        Book.objects.filter(pk=second.pk).update(author=10**6)
    assert assert_equal(create_schema(Book, fields=["author"]), Book.objects.filter(pk=second.pk)) != b"[]"
    assert assert_equal(BookOut, Book.objects.filter(pk=second.pk)) == b"[]"
    Book.objects.filter(pk=second.pk).update(author=first.author)


@pytest.mark.parametrize(
    "narrow",
    [
        lambda books: books,
        lambda books: books[:1],
        lambda books: books.select_related("author"),
        lambda books: books.filter(tag_count__gt=0),
        lambda books: books.order_by("-tag_count"),
        lambda books: books.alias(hidden=Count("chapter")),
        lambda books: books.only("title"),
    ],
)
def test_annotations_are_the_same(narrow: Callable[[Any], Any]) -> None:
    class Counted(ModelSchema):
        tag_count: int
        writer: str | None

        class Meta:
            model = Book
            fields = ["title"]

    class WithAuthor(Counted):
        author: AuthorOut

    make_library()
    for schema in (Counted, WithAuthor):
        assert_equal(schema, narrow(Book.objects.annotate(tag_count=Count("tags"), writer=F("author__name"))))


def test_many_rows_with_many_relations_are_read_in_as_many_queries_as_lists() -> None:
    author = Author.objects.create(name="Ann")
    books = Book.objects.bulk_create(Book(title=f"B{number}", author=author) for number in range(700))
    tags = [Tag.objects.create(name=f"t{number}") for number in range(3)]
    through = Book.tags.through
    through.objects.bulk_create(
        through(book=book, tag=tags[number % 3])
        for number, book in enumerate(Book.objects.order_by("pk")[: len(books)])
    )
    assert_equal(create_schema(Book, fields=["title", "tags"]), Book.objects.all())


def test_aliases_are_the_same_at_every_level() -> None:
    class Camel(ModelSchema):
        model_config = {"alias_generator": to_camel}

    class AuthorCamel(Camel):
        class Meta:
            model = Author
            fields = ["name", "publisher_id"]

    class BookCamel(Camel):
        author: AuthorCamel
        chapter_set: list[create_schema(Chapter, name="ChapterCamel", base=Camel, fields=["book_id"])]  # type: ignore[valid-type]

        class Meta:
            model = Book
            fields = ["title"]

    make_library()
    written = assert_equal(BookCamel, Book.objects.filter(title="First"))
    assert b'"author":{"name":"Ann","publisherId":"press"},"chapterSet":[{"bookId":' in written


class NovelOut(ModelSchema):
    class Meta:
        model = Novel
        fields = ["genre", "title"]


class WithAuthorOfNovel(NovelOut):
    author: create_schema(Author, name="NovelAuthor", fields=["name"])  # type: ignore[valid-type]
    tags: list[TagOut]


@pytest.mark.parametrize("novel", [NovelOut, WithAuthorOfNovel])
@pytest.mark.parametrize("fields", [["price"], ["price", "title"]])
def test_a_child_of_a_model_has_the_columns_of_its_parent(novel: type[ModelSchema], fields: list[str]) -> None:
    schema = create_schema(Book, fields=fields, declared={"novel": novel | None})
    first, _second = make_library()
    for number in range(3):
        made = Novel.objects.create(title=f"Novel {number}", author=first.author, genre="noir", price=number)
        made.tags.set(Tag.objects.all())
    assert_equal(schema, Book.objects.all())
    with CaptureQueriesContext(connection) as queries:
        schema.from_queryset(Book.objects.all())
    assert len(queries) == (1 if novel is NovelOut else 2)
    assert_equal(create_schema(Chapter, fields=["title"], declared={"book": schema}), Chapter.objects.all())


def test_an_extra_column_goes_before_the_models() -> None:
    schema = create_schema(Book, fields=["title"])
    make_library()
    queryset = Book.objects.extra(select={"title": "upper(title)"})
    assert schema.from_queryset(queryset.all())[0].title == "FIRST"  # type: ignore[attr-defined]  # a field of the model
    assert write_rows(queryset.all(), list[schema], {}) is None  # type: ignore[valid-type]
    assert_equal(schema, Book.objects.extra(select={"loud": "upper(title)"}))


class AuthorName(ModelSchema):
    class Meta:
        model = Author
        fields = ["name"]


class AuthorKey(ModelSchema):
    class Meta:
        model = Author
        fields = ["id", "email"]


class KeyAndObject(ModelSchema):
    writer: AuthorName = Field(validation_alias="author")

    class Meta:
        model = Book
        fields = ["id", "author"]


class ObjectTwice(ModelSchema):
    author: AuthorName
    writer: AuthorKey = Field(validation_alias="author")

    class Meta:
        model = Book
        fields = ["title"]


class Swapped(ModelSchema):
    title: str = Field(validation_alias="status")
    status: str = Field(validation_alias="title")

    class Meta:
        model = Book
        fields = ["id"]


class SwappedInside(ModelSchema):
    books: list[Swapped]

    class Meta:
        model = Author
        fields = ["name"]


@pytest.mark.parametrize("schema", [KeyAndObject, ObjectTwice, Swapped, SwappedInside])
def test_an_alias_may_be_the_name_of_another_field(schema: type[ModelSchema]) -> None:
    make_library()
    Author.objects.update(email="ann@example.com")
    queryset: QuerySet[Any] = (Author if schema is SwappedInside else Book).objects.all()
    written = assert_equal(schema, queryset)
    assert (b'"title":"draft","status":"First"' in written) == (schema in (Swapped, SwappedInside))
    assert (b'"writer":{"id":' in written and b'"writer":{"id":null' not in written) == (schema is ObjectTwice)
    if schema is not ObjectTwice:
        one = schema.from_orm(queryset.get(pk=queryset[0].pk)).model_dump_json(by_alias=True).encode()
        assert written.startswith(b"[" + one)


def test_aliases_inside_values_are_read() -> None:
    class Payload(BaseModel):
        count: int = Field(validation_alias="n")

    class Read(BaseModel):
        model_config = {"from_attributes": True}
        called: str = Field(validation_alias="name")

    class Whole(ModelSchema):
        json_: Payload = Field(validation_alias="json")
        publisher: Read

        class Meta:
            model = Everything
            fields = ["char"]

    publisher = Publisher.objects.create(code="press", name="Press")
    Everything.objects.create(char="x", json={"n": 3}, publisher=publisher)
    expected = {"json_": {"count": 3}, "publisher": {"called": "Press"}, "char": "x"}
    assert Whole.from_queryset(Everything.objects.all())[0].model_dump() == expected


def test_rows_of_values_are_read_by_alias() -> None:
    make_library()
    read = Swapped.from_queryset(Book.objects.values("id", "title", "status"))
    assert (read[0].title, read[0].status) == ("draft", "First")
