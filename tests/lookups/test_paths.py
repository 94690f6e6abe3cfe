from typing import Any

import pytest
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db.models import Count, F, Model
from django.test.utils import isolate_apps

from django_fastapi.exceptions import ConfigurationError, UnfitValue
from django_fastapi.lookups import check_order, resolve_lookup
from tests.project.archive.models import Author, Book, Copy, Entry, Profile, Seat


@pytest.mark.parametrize(
    ("model", "name", "column", "lookup"),
    [
        (Book, "title", "archive.Book.title", None),
        (Book, "title__icontains", "archive.Book.title", "icontains"),
        (Book, "pk", "archive.Book.id", None),
        (Book, "author", "archive.Author.id", None),
        (Book, "author_id__in", "archive.Author.id", "in"),
        (Book, "author__isnull", "archive.Author.id", "isnull"),
        (Book, "author__genre__rank__gte", "archive.Genre.rank", "gte"),
        (Profile, "pk", "archive.Author.id", None),
        (Author, "profile__motto", "archive.Profile.motto", None),
        (Seat, "pk", "archive.Seat.pk", None),
    ],
)
def test_a_path_leads_to_a_column(model: type[Model], name: str, column: str, lookup: str | None) -> None:
    path = resolve_lookup(model, name)
    assert (str(path.column), path.lookup) == (column, lookup)


def test_a_path_leads_over_transforms() -> None:
    assert resolve_lookup(Book, "published__date__gte").column.get_internal_type() == "DateField"
    assert resolve_lookup(Book, "published__year").is_year
    assert resolve_lookup(Book, "published__year__lte").lookup == "lte"
    assert resolve_lookup(Book, "extra__publisher__name__icontains").lookup == "icontains"


def test_a_path_begins_at_an_annotation() -> None:
    annotations = Book.objects.annotate(count=Count("copies")).query.annotations
    assert resolve_lookup(Book, "count__gte", annotations).column.get_internal_type() == "IntegerField"


@pytest.mark.parametrize(
    ("name", "is_key", "is_multivalued"),
    [
        ("pk", True, False),
        ("isbn", True, False),
        ("isbn__exact", True, False),
        ("author", True, False),
        ("author__in", True, False),
        ("author__name", False, False),
        ("isbn__startswith", False, False),
        ("tags", True, True),
        ("tags__name", True, True),
        ("copies__key", True, True),
        ("author__books__title", False, True),
    ],
)
def test_keys_and_relations_to_many_are_told(name: str, is_key: bool, is_multivalued: bool) -> None:  # noqa: FBT001
    path = resolve_lookup(Book, name)
    assert (path.is_key, path.is_multivalued) == (is_key, is_multivalued)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("titel", "`titel`: `Book` has no `titel`; did you mean `title`?"),
        ("author__nam", "`author__nam`: `Author` has no `nam`; did you mean `name`?"),
        ("title__icontain", "`Book.title` has no `icontain`; did you mean `icontains`?"),
        ("title__contains__exact", "`Book.title` has no `contains`"),
        ("published__yeer__gte", "`Book.published` has no `yeer`; did you mean `year`?"),
        ("", "`Book` has no ``."),
        ("title__", "has no ``"),
        ("title__regex", "`title__regex` lets clients send regular expressions"),
        ("author__name__iregex", "`author__name__iregex` lets clients send regular expressions"),
    ],
)
def test_what_does_not_exist_is_named_with_the_cure(name: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve_lookup(Book, name)
    assert complaint in str(caught.value)


@isolate_apps("tests.project.archive")
def test_a_generic_foreign_key_cannot_be_followed() -> None:
    from django.db import models  # noqa: PLC0415 (a model of this test)

    class Note(models.Model):  # noqa: DJ008 (nobody reads it)
        content_type = models.ForeignKey(ContentType, models.CASCADE)
        object_id = models.IntegerField()
        subject = GenericForeignKey()

        class Meta:
            app_label = "archive"

    with pytest.raises(ConfigurationError, match="generic foreign key: name its two columns"):
        resolve_lookup(Note, "subject__title")


@pytest.mark.parametrize(
    ("name", "value", "condition"),
    [
        ("stock", 5, ("stock", 5)),
        ("stock", [1, 2], ("stock__in", [1, 2])),
        ("stock__in", (1, 2), ("stock__in", [1, 2])),
        ("stock__range", (1, 2), ("stock__range", [1, 2])),
        ("author", "7", ("author", 7)),
        ("title__icontains", "50%", ("title__icontains", "50%")),
        ("author__isnull", True, ("author__isnull", True)),
        ("published__year", 2024, ("published__year", 2024)),
    ],
)
def test_a_condition_has_the_fitted_value(name: str, value: object, condition: tuple[str, object]) -> None:
    assert resolve_lookup(Book, name).condition(value, "default") == condition


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stock", 10**30),
        ("stock__in", [1, 10**30]),
        ("stock__range", [1]),
        ("author", "1_0"),
        ("title__icontains", "a\0"),
        ("title__icontains", "a" * 10_001),
        ("title__iregex", "\ud800"),
        *[("published__year", year) for year in (0, -1, 1, 9999, 10**9)],
        *[("published__iso_year__gte", year) for year in (0, 10_000)],
        ("extra__pages__gte", 10**30),
    ],
)
def test_a_condition_refuses_what_no_row_meets(name: str, value: object) -> None:
    with pytest.raises(UnfitValue):
        resolve_lookup(Book, name, allow_regex=True).condition(value, "default")


@pytest.mark.parametrize("name", ["title", "author__name", "author", "published__year", "pk", "extra__pages"])
def test_rows_can_be_ordered_by_it(name: str) -> None:
    check_order(Book, name)


@pytest.mark.parametrize(
    ("model", "name", "complaint"),
    [
        (Book, "tags__name", "leads over a relation to many"),
        (Author, "books", "leads over a relation to many"),
        (Book, "title__exact", "compares something"),
        (Book, "titel", "did you mean `title`"),
        (Copy, "book__titel", "did you mean `title`"),
    ],
)
def test_rows_cannot_be_ordered_by_it(model: type[Model], name: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        check_order(model, name)


def test_rows_can_be_ordered_by_an_annotation() -> None:
    annotations: dict[str, Any] = Entry.objects.annotate(double=F("number") * 2).query.annotations
    check_order(Entry, "double", annotations)
