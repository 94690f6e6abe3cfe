"""Generic foreign keys: objects of several models under one name, in a fixed number of queries."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_fastapi.orm import ModelSchema, plan_query
from tests.project.library.models import Author, Book, Review, Tag


class AuthorOut(ModelSchema):
    class Meta:
        model = Author
        fields = ["name"]


class TagOut(ModelSchema):
    class Meta:
        model = Tag
        fields = ["name"]


class BookOut(ModelSchema):
    author: AuthorOut
    tags: list[TagOut]

    class Meta:
        model = Book
        fields = ["title"]


class ReviewOut(ModelSchema):
    subject: BookOut | TagOut

    class Meta:
        model = Review
        fields = ["text"]


class AnyReview(ModelSchema):
    subject: Any

    class Meta:
        model = Review
        fields = ["text"]


@pytest.fixture(autouse=True)
def reviews(library: SimpleNamespace) -> None:
    ContentType.objects.clear_cache()
    for subject in (library.first, library.second, library.third, library.red, library.blue):
        Review.objects.create(subject=subject, text="good")


def queries(function: Callable[[], object]) -> int:
    ContentType.objects.get_for_models(Book, Tag)
    with CaptureQueriesContext(connection) as context:
        function()
    return len(context)


def test_the_number_of_queries_is_that_of_models_and_lists() -> None:
    # The reviews, their books with authors, the tags of these, and the tags that are reviewed.
    assert queries(lambda: ReviewOut.from_queryset(Review.objects.all())) == 4
    assert queries(lambda: ReviewOut.from_queryset(Review.objects.filter(text="none"))) == 1
    read = ReviewOut.from_queryset(Review.objects.all())
    assert [type(one.subject) for one in read] == [BookOut] * 3 + [TagOut] * 2
    assert read[0].model_dump()["subject"] == {
        "title": "First",
        "author": {"name": "Ann"},
        "tags": [{"name": "red"}, {"name": "blue"}],
    }


def test_instances_get_what_they_lack_all_at_once() -> None:
    found = list(Review.objects.all())
    assert queries(lambda: [ReviewOut.from_orm(one) for one in found[:1]]) == 2
    assert queries(lambda: ReviewOut.from_queryset(_evaluated())) == 4


def _evaluated() -> Any:
    queryset = Review.objects.all()
    list(queryset)
    return queryset


def test_a_prefetch_of_the_users_own_is_respected() -> None:
    chosen = GenericPrefetch("subject", [Book.objects.filter(title="First"), Tag.objects.all()])
    queryset = Review.objects.prefetch_related(chosen)
    assert [one.subject and one.subject.pk for one in queryset][1] is None
    read = AnyReview.from_queryset(queryset)
    assert [one.subject is None for one in read] == [False, True, True, False, False]


def test_the_plan_tells_of_them() -> None:
    assert plan_query(ReviewOut).explain().splitlines() == [
        "ReviewOut of Review: by instances",
        "  because `ReviewOut.subject` takes instances",
        "  columns: text",
        "  query: subject as the instance, which Pydantic reads",
        "    a BookOut",
        "      columns: title",
        "      join: author as AuthorOut",
        "        columns: name",
        "      query: tags as TagOut",
        "        columns: name",
        "    a TagOut",
        "      columns: name",
    ]
