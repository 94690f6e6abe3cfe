"""The queryset of a plan, when the user has lookups of their own or a schema reads a relation twice."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.db.models import Prefetch, QuerySet
from pydantic import Field
from pytest_django import DjangoAssertNumQueries

from django_fastapi.orm import ModelSchema, create_schema, plan_query
from django_fastapi.orm.querysets import completed
from tests.project.library.models import Author, Book, Publisher, Tag


class TagOut(ModelSchema):
    class Meta:
        model = Tag
        fields = ["name"]


class TagId(ModelSchema):
    class Meta:
        model = Tag
        fields = ["id"]


class AuthorName(ModelSchema):
    class Meta:
        model = Author
        fields = ["name"]


class AuthorId(ModelSchema):
    class Meta:
        model = Author
        fields = ["id"]


class Tagged(ModelSchema):
    tags: list[TagOut]

    class Meta:
        model = Book
        fields = ["title"]


class Tree(ModelSchema):
    books: list[Tagged]

    class Meta:
        model = Author
        fields = ["name"]


@pytest.mark.parametrize(
    ("schema", "queryset"),
    [
        (Tagged, Book.objects.prefetch_related("tags__books")),
        (Tagged, Book.objects.prefetch_related("tags__books", "tags")),
        (Tagged, Book.objects.prefetch_related("author", "tags__books__author", Prefetch("tags__books"))),
        (Tagged, Book.objects.prefetch_related(Prefetch("tags__books", to_attr="others"))),
        (Tree, Author.objects.prefetch_related("books__tags__books")),
    ],
)
@pytest.mark.usefixtures("library")
def test_a_deeper_lookup_of_the_users_comes_after_ours(schema: type[ModelSchema], queryset: "QuerySet[Any]") -> None:
    expected = [one.model_dump() for one in schema.from_queryset(queryset.model.objects.all())]
    assert [one.model_dump() for one in schema.from_queryset(queryset)] == expected


class Twice(ModelSchema):
    author: AuthorName
    writer: AuthorId = Field(validation_alias="author")
    tags: list[TagOut]
    ids: list[TagId] = Field(validation_alias="tags")

    class Meta:
        model = Book
        fields = ["title"]


def values_of(library: SimpleNamespace) -> list[dict[str, Any]]:
    return [
        {
            "title": book.title,
            "author": {"name": book.author.name},
            "writer": {"id": book.author.pk},
            "tags": [{"name": tag.name} for tag in tags],
            "ids": [{"id": tag.pk} for tag in tags],
        }
        for book, tags in [
            (library.first, [library.red, library.blue]),
            (library.second, [library.blue]),
            (library.third, []),
        ]
    ]


def test_a_relation_under_two_names_is_read_once(
    library: SimpleNamespace, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    expected = values_of(library)
    with django_assert_num_queries(2):
        assert [one.model_dump() for one in Twice.from_queryset(Book.objects.all())] == expected
    loaded = list(Book.objects.all())
    with django_assert_num_queries(2):
        completed(plan_query(Twice), loaded)
    with django_assert_num_queries(0):
        assert [Twice.from_orm(one).model_dump() for one in loaded] == expected
    with django_assert_num_queries(2):
        assert (
            Twice.from_orm(Book.objects.defer().select_related("author").get(pk=library.first.pk)).model_dump()
            == (expected[0])
        )


@pytest.mark.usefixtures("library")
def test_relations_below_a_relation_under_two_names_are_read_all(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    class PublisherCode(ModelSchema):
        class Meta:
            model = Publisher
            fields = ["code"]

    class WithPublisher(AuthorName):
        publisher: PublisherCode | None

    class WithPublisherName(AuthorId):
        publisher: create_schema(Publisher, fields=["name"]) | None  # type: ignore[valid-type]
        books: list[int]

    class Doubled(ModelSchema):
        author: WithPublisher
        writer: WithPublisherName = Field(validation_alias="author")

        class Meta:
            model = Book
            fields = ["title"]

    (first, *_others) = loaded = list(Book.objects.all())
    expected = {
        "title": "First",
        "author": {"name": "Ann", "publisher": {"code": "press"}},
        "writer": {
            "id": first.author_id,
            "publisher": {"name": "The Press"},
            "books": [one.pk for one in loaded if one.author_id == first.author_id],
        },
    }
    with django_assert_num_queries(2):
        assert Doubled.from_queryset(Book.objects.all())[0].model_dump() == expected
    with django_assert_num_queries(2):
        completed(plan_query(Doubled), loaded)
    with django_assert_num_queries(0):
        assert Doubled.from_orm(first).model_dump() == expected
