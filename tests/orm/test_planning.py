import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.contenttypes.models import ContentType
from django.db import connection, connections
from django.db.models import Count, F, Prefetch, QuerySet
from django.test.utils import CaptureQueriesContext
from pydantic import AliasPath, Field
from pydantic.alias_generators import to_pascal

from django_fastapi.orm import ModelSchema, SchemaError, UnplannedAccess, create_schema, plan_query
from tests.project.library.models import (
    Author,
    Award,
    Book,
    Chapter,
    CheapBook,
    Novel,
    Profile,
    Publisher,
    Review,
    Tag,
    Winning,
)


class TagOut(ModelSchema):
    class Meta:
        model = Tag
        fields = ["id", "name"]


class PublisherOut(ModelSchema):
    class Meta:
        model = Publisher
        fields = ["name"]


class AuthorOut(ModelSchema):
    publisher: PublisherOut | None

    class Meta:
        model = Author
        fields = ["id", "name"]


class ChapterOut(ModelSchema):
    class Meta:
        model = Chapter
        fields = ["title"]


class BookOut(ModelSchema):
    author: AuthorOut
    editor: AuthorOut | None
    tags: list[TagOut]
    chapter_set: list[ChapterOut]

    class Meta:
        model = Book
        fields = ["id", "title"]


def statements(function: Callable[[], object]) -> list[str]:
    """Return the SQL that a function runs, without the quotes and with `?` for keys."""
    with CaptureQueriesContext(connection) as context:
        function()
    plain = [query["sql"].replace('"', "").replace("`", "") for query in context]
    # From Django 6.1 on a condition on a boolean is a comparison in SQLite.
    return [re.sub(r"(IN|=) \(?[\d, ]+\)?", r"\1 ?", sql.replace("is_active = 1", "is_active")) for sql in plain]


@pytest.mark.usefixtures("library")
def test_the_schema_is_the_query() -> None:
    books = (
        "SELECT library_book.id, library_book.title, library_book.author_id, library_book.editor_id, "
        "library_author.id, library_author.name, library_author.publisher_id, "
        "library_publisher.id, library_publisher.name, "
        "T4.id, T4.name, T4.publisher_id, T5.id, T5.name "
        "FROM library_book "
        "INNER JOIN library_author ON (library_book.author_id = library_author.id) "
        "LEFT OUTER JOIN library_publisher ON (library_author.publisher_id = library_publisher.code) "
        "LEFT OUTER JOIN library_author T4 ON (library_book.editor_id = T4.id) "
        "LEFT OUTER JOIN library_publisher T5 ON (T4.publisher_id = T5.code) "
        "WHERE library_book.stock > 0 ORDER BY library_book.id ASC"
    )
    tags = (
        "SELECT (library_book_tags.book_id) AS _prefetch_related_val_book_id, library_tag.id, library_tag.name "
        "FROM library_tag INNER JOIN library_book_tags ON (library_tag.id = library_book_tags.tag_id) "
        "WHERE (library_tag.is_active AND library_book_tags.book_id IN ?) ORDER BY library_tag.name DESC"
    )
    chapters = (
        "SELECT library_chapter.id, library_chapter.book_id, library_chapter.title "
        "FROM library_chapter WHERE library_chapter.book_id IN ? ORDER BY library_chapter.number ASC"
    )
    assert statements(lambda: BookOut.from_queryset(Book.objects.filter(stock__gt=0))) == [books, tags, chapters]


def test_a_plan_is_pure_cached_and_explains_itself() -> None:
    assert plan_query(BookOut) is plan_query(BookOut, Book)
    assert plan_query(BookOut).explain().splitlines() == [
        "BookOut of Book: by rows",
        "  columns: id, title",
        "  join: author as AuthorOut",
        "    columns: id, name",
        "    join: publisher as PublisherOut",
        "      columns: name",
        "  join: editor as AuthorOut",
        "    columns: id, name",
        "    join: publisher as PublisherOut",
        "      columns: name",
        "  query: tags as TagOut",
        "    columns: id, name",
        "  query: chapter_set as ChapterOut",
        "    columns: title",
    ]
    with pytest.raises(SchemaError, match="`BookOut` is of `Book`, and is given objects of `Tag`"):
        plan_query(BookOut, Tag)


def test_relations_of_every_kind_are_read(library: SimpleNamespace) -> None:
    class ProfileOut(ModelSchema):
        class Meta:
            model = Profile
            fields = ["bio"]

    class WinningOut(ModelSchema):
        class Meta:
            model = Winning
            fields = ["year"]

    class WholeAuthor(ModelSchema):
        profile: ProfileOut | None
        awards: list[create_schema(Award, fields=["name"])]  # type: ignore[valid-type]
        winning_set: list[WinningOut]
        books: list[BookOut]

        class Meta:
            model = Author
            fields = ["friends", "publisher", "edited"]

    library.ann.friends.add(library.bob)
    Winning.objects.create(award=Award.objects.create(name="Prize"), author=library.ann, year=2020)
    with CaptureQueriesContext(connection) as queries:
        ann, bob = WholeAuthor.from_queryset(Author.objects.all())
    assert len(queries) == 8
    assert ann.model_dump(exclude={"books"}) == {
        "friends": [library.bob.pk],
        "publisher": "press",
        "edited": [library.second.pk],
        "profile": {"bio": "Writes."},
        "awards": [{"name": "Prize"}],
        "winning_set": [{"year": 2020}],
    }
    assert [book.title for book in ann.books] == ["First", "Third"]
    assert bob.profile is None
    assert bob.friends == [library.ann.pk]  # type: ignore[attr-defined]


def test_generic_relations_are_read_both_ways(library: SimpleNamespace) -> None:
    class SubjectOut(ModelSchema):
        class Meta:
            model = Book
            fields = ["title"]

    class ReviewOut(ModelSchema):
        subject: SubjectOut | TagOut

        class Meta:
            model = Review
            fields = ["text"]

    class Reviewed(ModelSchema):
        reviews: list[create_schema(Review, fields=["text"])]  # type: ignore[valid-type]

        class Meta:
            model = Book
            fields = ["id"]

    ContentType.objects.clear_cache()
    Review.objects.create(subject=library.first, text="good")
    Review.objects.create(subject=library.red, text="is red")
    assert [one.model_dump() for one in ReviewOut.from_queryset(Review.objects.all())] == [
        {"text": "good", "subject": {"title": "First"}},
        {"text": "is red", "subject": {"id": library.red.pk, "name": "red"}},
    ]
    with CaptureQueriesContext(connection) as queries:
        assert [len(one.reviews) for one in Reviewed.from_queryset(Book.objects.all())] == [1, 0, 0]
    assert len(queries) == 2


@pytest.mark.usefixtures("library")
def test_a_queryset_gives_what_the_orm_gives() -> None:
    def titles(queryset: "QuerySet[Any, Any]") -> list[str]:
        return [one.title for one in BookOut.from_queryset(queryset)]

    books = Book.objects.all()
    parts = [books.order_by().filter(title=title) for title in ("First", "Third")]
    assert titles(books.order_by("-title")[:2]) == ["Third", "Second"]
    assert titles(parts[0].union(parts[1]).order_by("title")) == ["First", "Third"]
    assert titles(books.none()) == []
    assert titles(books.filter(tags__name__in=["red", "blue"]).distinct()) == ["First", "Second"]
    assert titles(books.only("stock")) == titles(books.defer("title")) == ["First", "Second", "Third"]
    assert titles(books.select_related("author__profile")) == ["First", "Second", "Third"]
    assert titles(CheapBook.objects.all()) == ["First", "Second", "Third"]
    assert titles(Book.objects.raw("SELECT * FROM library_book ORDER BY title DESC")) == ["Third", "Second", "First"]  # type: ignore[arg-type]
    evaluated = books.all()
    evaluated[0].title  # noqa: B018
    list(evaluated)
    evaluated[0].title = "Changed"
    assert titles(evaluated)[0] == "Changed"


def test_annotations_of_the_queryset_are_fields(library: SimpleNamespace) -> None:
    class Counted(ModelSchema):
        tag_count: int
        writer: str = "nobody"

        class Meta:
            model = Book
            fields = ["id"]

    counted = Book.objects.annotate(tag_count=Count("tags")).order_by("pk")
    assert [one.tag_count for one in Counted.from_queryset(counted)] == [3, 1, 0]
    assert [one.writer for one in Counted.from_queryset(counted.annotate(writer=F("author__name")))] == [
        "Ann",
        "Böb",
        "Ann",
    ]
    with pytest.raises(SchemaError, match=r"`Counted.tag_count`: `Book` has no `tag_count`.*annotate\(tag_count=...\)"):
        Counted.from_queryset(Book.objects.all())
    with pytest.raises(SchemaError):
        Counted.from_orm(library.first)


def test_values_are_read_as_they_are() -> None:
    flat = create_schema(Book, fields=["id", "title"])
    assert flat.from_queryset(Book.objects.values("id", "title").none()) == []


def test_a_prefetch_of_the_users_own_is_respected(library: SimpleNamespace) -> None:
    class Tagged(ModelSchema):
        tags: list[TagOut]
        best: list[TagOut]

        class Meta:
            model = Book
            fields = ["id"]

    queryset = Book.objects.prefetch_related(
        Prefetch("tags", Tag.objects.filter(name="red")),
        Prefetch("tags", Tag.objects.order_by("name")[:1], to_attr="best"),
    )
    first = Tagged.from_queryset(queryset)[0]
    assert [tag.name for tag in first.tags] == ["red"]
    assert [tag.name for tag in first.best] == ["blue"]
    assert len(statements(lambda: Tagged.from_queryset(queryset))) == 3
    assert [tag.name for tag in BookOut.from_queryset(Book.objects.prefetch_related("tags"))[0].tags] == ["red", "blue"]
    assert library.first.pk == first.id  # type: ignore[attr-defined]


def test_models_with_parents_and_proxies(library: SimpleNamespace) -> None:
    class NovelOut(ModelSchema):
        author: AuthorOut

        class Meta:
            model = Novel
            fields = ["title", "genre", "tags"]

    novel = Novel.objects.create(title="N", author=library.ann, genre="noir")
    novel.tags.add(library.red)
    with CaptureQueriesContext(connection) as queries:
        (read,) = NovelOut.from_queryset(Novel.objects.all())
    assert len(queries) == 2
    assert read.model_dump(exclude={"author"}) == {"title": "N", "genre": "noir", "tags": [library.red.pk]}
    assert [one.title for one in BookOut.from_queryset(Novel.objects.all())] == ["N"]  # type: ignore[attr-defined]
    assert [one.title for one in BookOut.from_queryset(CheapBook.objects.filter(pk=novel.pk))] == ["N"]  # type: ignore[attr-defined]


def test_instances_get_what_they_lack_all_at_once(library: SimpleNamespace) -> None:
    assert len(statements(lambda: BookOut.from_orm(Book.objects.get(pk=library.first.pk)))) == 1 + 3
    whole = Book.objects.select_related("author__publisher", "editor__publisher").prefetch_related(
        "tags", "chapter_set"
    )
    assert len(statements(lambda: BookOut.from_orm(whole.get(pk=library.first.pk)))) == 3


def test_a_model_that_listens_to_its_instances_is_loaded_whole(library: SimpleNamespace) -> None:
    from django.db.models.signals import post_init  # noqa: PLC0415 (for this test alone)

    def receiver(instance: Any, **_: Any) -> None:
        instance.seen = instance.stock

    post_init.connect(receiver, sender=Book)
    try:
        assert len(statements(lambda: create_schema(Book, fields=["title"]).from_queryset(Book.objects.all()))) == 1
    finally:
        post_init.disconnect(receiver, sender=Book)
    assert library.first.stock == 3


@pytest.mark.anyio
@pytest.mark.django_db(transaction=True)
async def test_what_was_not_loaded_is_an_error_on_the_event_loop(library: SimpleNamespace) -> None:
    class Named(ModelSchema):
        publisher_name: str

        class Meta:
            model = Author
            fields = ["id"]

    book = await Book.objects.aget(pk=library.first.pk)
    with pytest.raises(UnplannedAccess, match=r"`BookOut` reads `Book.author`.*await BookOut.from_orm_async"):
        BookOut.from_orm(book)
    author = await Author.objects.aget(pk=library.ann.pk)
    with pytest.raises(UnplannedAccess, match=r"`Named` reads `Author.publisher`.*Nest `publisher` in the schema"):
        Named.from_orm(author)
    with pytest.raises(UnplannedAccess, match="`BookOut` reads"):
        BookOut.from_queryset(Book.objects.all())
    assert (await BookOut.from_orm_async(book)).author.name == "Ann"
    assert len(await BookOut.from_queryset_async(Book.objects.all())) == 3
    # The connection of asgiref's thread would keep PostgreSQL from dropping the database.
    await sync_to_async(connections.close_all)()


class Reviewed(ModelSchema):
    reviews: list[create_schema(Review, fields=["text"])]  # type: ignore[valid-type]

    class Meta:
        model = Book
        fields = ["title"]


class WithProfile(ModelSchema):
    profile: create_schema(Profile, fields=["bio"]) | None  # type: ignore[valid-type]

    class Meta:
        model = Author
        fields = ["name"]


class Keys(ModelSchema):
    class Meta:
        model = Book
        fields = ["chapter_set"]


class OfAnything(ModelSchema):
    subject: Any

    class Meta:
        model = Review
        fields = ["text"]


@pytest.mark.anyio
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("schema", "queryset", "named"),
    [
        (TagOut, Tag.objects.defer("name"), "Tag.name"),
        (WithProfile, Author.objects.all(), "Author.profile"),
        (Reviewed, Book.objects.all(), "Book.reviews"),
        (Keys, Book.objects.all(), "Book.chapter_set"),
        (OfAnything, Review.objects.all(), "Review.subject"),
    ],
)
async def test_whatever_was_not_loaded_is_named(
    library: SimpleNamespace, schema: type[ModelSchema], queryset: "QuerySet[Any]", named: str
) -> None:
    await Review.objects.acreate(subject=library.first, text="good")
    await sync_to_async(ContentType.objects.clear_cache)()
    found = await queryset.all().afirst()
    with pytest.raises(UnplannedAccess, match=f"`{schema.__name__}` reads `{named}`, which is not loaded"):
        schema.from_orm(found)
    with pytest.raises(UnplannedAccess, match=f"`{named}`"):
        schema.model_validate(found)
    await sync_to_async(connections.close_all)()


class Totalled(ModelSchema):
    total: int

    class Meta:
        model = Author
        fields = ["name"]


class TotalledBook(ModelSchema):
    total: int
    author: Totalled

    class Meta:
        model = Book
        fields = ["title"]


class Inside(ModelSchema):
    book: TotalledBook

    class Meta:
        model = Chapter
        fields = ["title"]


class ByQueries(ModelSchema):
    books: list[create_schema(Book, fields=["title"], declared={"total": int})]  # type: ignore[valid-type]

    class Meta:
        model = Author
        fields = ["name"]


@pytest.mark.parametrize("schema", [TotalledBook, Inside])
def test_what_a_join_would_have_to_annotate_is_read_by_instances(schema: type[ModelSchema]) -> None:
    explained = plan_query(schema).explain()
    assert "by instances" in explained
    assert "`TotalledBook.author` reads what no join gives: `total`" in explained
    assert "by rows" in plan_query(ByQueries).explain()


def test_an_alias_that_no_instance_gives_a_value_for_is_none(library: SimpleNamespace) -> None:
    class Pascal(ModelSchema):
        model_config = {"alias_generator": to_pascal}
        status: str

        class Meta:
            model = Book
            fields = ["title"]

    class Loud(ModelSchema):
        name: str = Field(alias="shout")
        email: str = Field(alias="DoesNotExist")

        class Meta:
            model = Author
            fields = ["id"]

    assert "columns: title, status" in plan_query(Pascal).explain()
    assert Pascal.from_orm(library.second).model_dump() == {"title": "Second", "status": "published"}
    assert Loud.from_orm(library.ann).model_dump(exclude={"id"}) == {"name": "ANN", "email": "ann@example.com"}


def test_a_path_over_foreign_keys_is_joined(library: SimpleNamespace) -> None:
    class Paths(ModelSchema):
        writer: str = Field(validation_alias=AliasPath("author", "name"))
        address: str = Field(validation_alias=AliasPath("author", "email"))
        house: str | None = Field(validation_alias=AliasPath("author", "publisher", "name"))
        redactor: str | None = Field(validation_alias=AliasPath("editor", "name"))

        class Meta:
            model = Book
            fields = ["title"]

    class Both(Paths):
        author: AuthorOut

    for schema in (Paths, Both):
        with CaptureQueriesContext(connection) as queries:
            read = [one.model_dump(exclude={"title", "author"}) for one in schema.from_queryset(Book.objects.all())]
        assert len(queries) == 1
        assert read == [
            {"writer": "Ann", "address": "ann@example.com", "house": "The Press", "redactor": None},
            {"writer": "Böb", "address": "", "house": None, "redactor": "Ann"},
            {"writer": "Ann", "address": "ann@example.com", "house": "The Press", "redactor": None},
        ]
        one = schema.from_orm(Book.objects.get(pk=library.second.pk))
        assert one.model_dump(exclude={"title", "author"}) == read[1]
