"""Lists of keys that an instance has not loaded are read as rows: the same as its managers give, in as many queries."""

from types import SimpleNamespace

from django.db.models import Prefetch
from django.db.models.signals import post_init
from pytest_django import DjangoAssertNumQueries

from django_fastapi.orm import ModelSchema
from django_fastapi.orm.planning import plan_query
from django_fastapi.orm.rows import read_key_lists
from tests.project.library.models import Author, Book, Tag


class BookOut(ModelSchema):
    class Meta:
        model = Book
        fields = ("id", "tags")


class AuthorOut(ModelSchema):
    books: list[int]
    awards: list[int]

    class Meta:
        model = Author
        fields = ("name",)


def names_of_lists(*instances: Book | Author) -> set[str]:
    schema = BookOut if isinstance(instances[0], Book) else AuthorOut
    return set(read_key_lists(plan_query(schema, type(instances[0])), instances))


def test_they_are_what_the_managers_give(
    library: SimpleNamespace, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    books = list(Book.objects.all())
    expected = [[tag.pk for tag in book.tags.all()] for book in books]
    assert expected == [[library.red.pk, library.blue.pk], [library.blue.pk], []]
    assert names_of_lists(*books) == {"tags"}
    for book, tags in zip(books, expected, strict=True):
        with django_assert_num_queries(1):
            assert BookOut.from_orm(book).tags == tags  # type: ignore[attr-defined]  # a field of the model


def test_each_relation_has_a_query(library: SimpleNamespace, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    assert names_of_lists(library.ann) == {"books", "awards"}
    with django_assert_num_queries(2):
        found = AuthorOut.from_orm(library.ann)
    assert (found.books, found.awards) == ([library.first.pk, library.third.pk], [])


def test_what_is_loaded_stays(library: SimpleNamespace, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    own = Prefetch("tags", Tag.objects.filter(name="blue"))
    book = Book.objects.prefetch_related(own).get(pk=library.first.pk)
    assert names_of_lists(book) == set()
    with django_assert_num_queries(0):
        assert BookOut.from_orm(book).tags == [library.blue.pk]  # type: ignore[attr-defined]  # a field of the model


def test_an_object_without_a_row_has_no_lists() -> None:
    assert names_of_lists(Book(title="New")) == set()


def test_who_listens_to_new_instances_hears_of_them(library: SimpleNamespace) -> None:
    def hear(**_: object) -> None:
        """Be a receiver of the signal."""

    post_init.connect(hear, sender=Tag)
    try:
        assert names_of_lists(library.first) == set()
    finally:
        post_init.disconnect(hear, sender=Tag)
