"""When rows take the place of instances, when they must not, and every way two equal keys could be wrong."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.db import connection, models, router
from django.db.models import CharField, Count, F, Func, OuterRef, Prefetch, QuerySet, Subquery, Value
from django.db.models.functions import ExtractHour, TruncDay
from django.db.models.signals import post_init
from django.test.utils import CaptureQueriesContext, isolate_apps, override_settings
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy
from pydantic import BaseModel, Field, computed_field, field_serializer, field_validator

from django_fastapi.orm import ModelSchema, SchemaError, create_schema, plan_query
from django_fastapi.orm.layouts import NoRowsError, layout_of
from django_fastapi.orm.querysets import with_columns
from django_fastapi.orm.responses import write_rows
from django_fastapi.orm.rows import read_rows
from django_fastapi.orm.statements import Statements
from tests.project.library.models import Author, Book, Everything, Publisher, Review, Shelf, Tag

pytestmark = pytest.mark.django_db

Rows = Callable[["QuerySet[Any]"], list[Any] | None]


class TagOut(ModelSchema):
    class Meta:
        model = Tag
        fields = ["name"]


class AuthorOut(ModelSchema):
    class Meta:
        model = Author
        fields = ["name"]


class BookOut(ModelSchema):
    author: AuthorOut
    tags: list[TagOut]

    class Meta:
        model = Book
        fields = ["title"]


class BookFlat(ModelSchema):
    class Meta:
        model = Book
        fields = ["title"]


@pytest.fixture(autouse=True)
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    statements = Statements()
    monkeypatch.setattr(apps.get_app_config("django_fastapi"), "statements", statements)
    return statements


def rows(schema: type[ModelSchema], queryset: "QuerySet[Any]") -> list[Any] | None:
    return read_rows(plan_query(schema, queryset.model), queryset)


def assert_right(schema: type[ModelSchema], queryset: "QuerySet[Any]") -> list[Any]:
    """Read rows, and see that they are what instances give."""
    found = rows(schema, queryset.all())
    assert found is not None, plan_query(schema).explain()
    assert found == [one.model_dump() for one in schema.from_queryset(queryset.all())]
    return found


@contextmanager
def compiled(count: int, statements: Statements) -> Iterator[None]:
    before = len(statements)
    yield
    assert len(statements) - before == count


# What is pinned


def test_the_sql_is_that_of_instances(library: SimpleNamespace) -> None:
    del library
    with CaptureQueriesContext(connection) as by_rows:
        assert rows(BookOut, Book.objects.filter(stock__gte=0)) is not None
    with CaptureQueriesContext(connection) as by_instances:
        BookOut.from_queryset(Book.objects.filter(stock__gte=0))
    first, tags = (query["sql"] for query in by_rows)
    assert first == by_instances[0]["sql"]
    # The keys are filled up to a power of two, so that few lengths need to be compiled.
    assert tags.replace(", 3, 3)", ", 3)").split(" IN ")[0] == by_instances[1]["sql"].split(" IN ")[0]
    assert len(by_rows) == 2


def test_a_statement_is_compiled_once(library: SimpleNamespace, statements: Statements) -> None:
    with compiled(3, statements):
        # The list, its tags, and that the list has no conditions.
        for _ in range(3):
            assert_right(BookOut, Book.objects.all())
            assert_right(BookFlat, Book.objects.filter(pk=library.first.pk))
            assert_right(BookFlat, Book.objects.filter(pk=library.second.pk))


# Where instances are needed


class Validated(BookFlat):
    @field_validator("title")
    @classmethod
    def shout(cls, value: str) -> str:
        return value.upper()


class Serialized(BookFlat):
    @field_serializer("title")
    def shout(self, value: str) -> str:
        return value.upper()


class Computed(BookFlat):
    @computed_field
    def loud(self) -> str:
        return self.title.upper()


class Configured(BookFlat):
    model_config = {"str_to_upper": True}


class Constrained(BookFlat):
    title: str = Field(max_length=100)


class Retyped(BookFlat):
    stock: float


class Strict(BookFlat):
    editor: AuthorOut


class NeverNull(BookFlat):
    editor_id: int


class OfAProperty(BookFlat):
    reading: str = Field(validation_alias="__str__")


class WithHook(BookFlat):
    def model_post_init(self, _context: Any) -> None:
        self.title = "changed"


@pytest.mark.parametrize(
    "schema",
    [Validated, Serialized, Computed, Configured, Constrained, Retyped, Strict, NeverNull, OfAProperty, WithHook],
)
@pytest.mark.usefixtures("library")
def test_a_schema_with_ways_of_its_own_needs_instances(schema: type[ModelSchema]) -> None:
    assert "by instances\n  because `" in plan_query(schema).explain()
    assert rows(schema, Book.objects.all()) is None
    assert write_rows(Book.objects.all(), list[schema], {}) is None  # type: ignore[valid-type]


def test_config_of_no_consequence_is_no_obstacle() -> None:
    class Titled(BookFlat):
        model_config = {"title": "A book", "frozen": True}

        label: str = Field(validation_alias="title", serialization_alias="Label")

    assert "by rows" in plan_query(Titled).explain()


@pytest.mark.usefixtures("library")
def test_querysets_that_only_instances_do_justice_to() -> None:
    books = Book.objects.all()
    evaluated = books.all()
    list(evaluated)
    author = Author.objects.get(name="Ann")
    for queryset in (
        evaluated,
        books.values("title"),
        books.union(books),
        books.select_for_update(),
        books.prefetch_related(Prefetch("tags", Tag.objects.filter(name="red"))),
        author.books.all(),
        Loud(Book).all(),
    ):
        assert rows(BookOut, queryset) is None
    assert write_rows(Book.objects.raw("SELECT * FROM library_book"), list[BookOut], {}) is None
    assert rows(create_schema(Shelf, fields=["pk"]), Shelf.objects.all()) is None
    assert rows(create_schema(Book, fields=["reviews"]), books) is None
    assert rows(create_schema(Review, fields=["text"], declared={"subject": BookOut}), Review.objects.all()) is None


class Loud(QuerySet[Book] if False else QuerySet):  # type: ignore[misc,type-arg]
    """A queryset that gives more than the database has."""

    def __iter__(self) -> Iterator[Any]:
        yield from []


@pytest.mark.usefixtures("library")
def test_a_receiver_of_new_instances_needs_instances() -> None:
    def receiver(instance: Any, **_: Any) -> None:
        instance.title = "changed"

    post_init.connect(receiver, sender=Book)
    try:
        assert rows(BookFlat, Book.objects.all()) is None
    finally:
        post_init.disconnect(receiver, sender=Book)
    assert rows(BookFlat, Book.objects.all()) is not None


@isolate_apps("tests.project.library")
def test_a_model_that_makes_its_instances_itself_needs_instances() -> None:
    class FromDb(models.Model):  # noqa: DJ008
        name = models.CharField(max_length=10)

        class Meta:
            app_label = "library"

        @classmethod
        def from_db(cls, db: Any, field_names: Any, values: Any) -> Any:
            return super().from_db(db, field_names, values)

    class Descriptor(models.CharField):
        class descriptor_class(models.query_utils.DeferredAttribute):  # noqa: N801 (Django's name)
            """What a translation package puts in the place of a column."""

    class Described(models.Model):  # noqa: DJ008
        name = Descriptor(max_length=10)

        class Meta:
            app_label = "library"

    class Initialised(models.Model):  # noqa: DJ008
        name = models.CharField(max_length=10)

        class Meta:
            app_label = "library"

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.name = self.name.upper()

    class Replaced(models.Model):  # noqa: DJ008
        name = models.CharField(max_length=10)

        class Meta:
            app_label = "library"

    Replaced.name = property(lambda one: vars(one)["name"].upper(), lambda one, name: vars(one).update(name=name))  # type: ignore[assignment]

    assert "`FromDb.from_db` is the project's own" in plan_query(create_schema(FromDb, fields=["name"])).explain()
    assert "`Initialised.__init__` is the" in plan_query(create_schema(Initialised, fields=["name"])).explain()
    assert "`Replaced.name` is an" in plan_query(create_schema(Replaced, fields=["name"])).explain()
    assert (
        "`Described.name` is an attribute of its own kind"
        in plan_query(create_schema(Described, fields=["name"])).explain()
    )


@pytest.mark.usefixtures("library")
def test_a_null_where_the_schema_has_no_place_for_it_needs_instances() -> None:
    class Edited(ModelSchema):
        edited_by: str

        class Meta:
            model = Book
            fields = ["title"]

    class OtherType(Edited):
        edited_by: int  # type: ignore[assignment]

    queryset = Book.objects.annotate(edited_by=F("editor__name"))
    assert rows(Edited, queryset) is None
    assert rows(Edited, queryset.filter(editor__isnull=False)) is not None
    assert rows(OtherType, queryset) is None
    assert rows(Edited, Book.objects.all()) is None


def test_an_annotation_of_the_queryset_is_not_that_of_a_joined_object(library: SimpleNamespace) -> None:
    del library

    class Totalled(ModelSchema):
        total: int

        class Meta:
            model = Author
            fields = ["name"]

    class Outer(ModelSchema):
        total: int
        author: Totalled

        class Meta:
            model = Book
            fields = ["title"]

    queryset = Book.objects.annotate(total=Count("tags"))
    assert rows(Outer, queryset.all()) is None
    with pytest.raises(SchemaError):
        Outer.from_queryset(queryset.all())
    with pytest.raises(NoRowsError):
        layout_of(plan_query(Outer), compiled_query(Outer, queryset))


@pytest.mark.usefixtures("library")
def test_a_column_that_was_not_selected_needs_instances() -> None:
    with pytest.raises(NoRowsError):
        layout_of(plan_query(BookFlat), compiled_query(create_schema(Book, fields=["stock"]), Book.objects.all()))


def compiled_query(schema: type[ModelSchema], queryset: "QuerySet[Any]") -> Any:
    compiler = with_columns(plan_query(schema), queryset).query.get_compiler(using="default")
    compiler.as_sql()
    return compiler


def test_an_annotation_that_is_a_file_needs_instances() -> None:
    class Attached(ModelSchema):
        attachment: str

        class Meta:
            model = Everything
            fields = []

    Everything.objects.create(file="a.txt")
    assert rows(Attached, Everything.objects.annotate(attachment=F("file"))) is None
    assert_right(Attached, Everything.objects.annotate(attachment=F("slug")))


# Keys: what could be equal and must not


@pytest.mark.usefixtures("library")
def test_the_time_zone_is_part_of_a_key() -> None:
    class Days(ModelSchema):
        day: dt.datetime | None

        class Meta:
            model = Everything
            fields = ["char"]

    Everything.objects.create(char="a", moment=dt.datetime(2020, 1, 1, 20, tzinfo=dt.UTC))
    queryset = Everything.objects.annotate(day=TruncDay("moment"))
    here = assert_right(Days, queryset)
    with timezone.override("Asia/Tokyo"):
        assert assert_right(Days, queryset) != here
        assert assert_right(Days, Everything.objects.filter(moment__day=2).annotate(day=F("moment"))) != []
    assert assert_right(Days, Everything.objects.filter(moment__day=2).annotate(day=F("moment"))) == []


@pytest.mark.usefixtures("library")
def test_values_are_taken_in_the_order_of_the_sql(statements: Statements) -> None:
    for title, stock in (("First", 3), ("Second", 0), ("Third", 0), ("First", 1)):
        assert_right(BookFlat, Book.objects.filter(title=title, stock__gte=stock))
        assert_right(BookFlat, Book.objects.filter(stock__gte=stock, title=title))
    assert len(statements) == 1


@pytest.mark.usefixtures("library")
def test_only_plain_values_in_range_are_parameters() -> None:
    for stock in (3, 0, None, True, 10**30, -1, 2**31, 3.0, "3"):
        assert_right(BookFlat, Book.objects.filter(stock=stock))
    for pk in (1, 10**30, -(10**30), None):
        assert_right(BookFlat, Book.objects.filter(pk=pk))
    for title in ("First", "", None, 5, gettext_lazy("First")):
        assert_right(BookFlat, Book.objects.filter(title=title))


def test_lists_of_plain_values_are_parameters(library: SimpleNamespace, statements: Statements) -> None:
    pks = [library.first.pk, library.second.pk, library.third.pk]
    for found in ([pks[0], pks[1]], [pks[1], pks[2]], [pks[2], 10**9]):
        assert_right(BookFlat, Book.objects.filter(pk__in=found))
        assert_right(BookFlat, Book.objects.filter(author__in=found).exclude(title="Third"))
    for titles in (["First", "Third"], ["Third", "None"]):
        assert_right(BookFlat, Book.objects.filter(title__in=titles, stock__gte=0))
    assert len([one for one in vars(statements)["_kept"].values() if one]) == 5
    for odd in ([], [pks[0], pks[0]], [None, pks[0]], [True, pks[1]], [str(pk) for pk in pks], [-1]):
        assert_right(BookFlat, Book.objects.filter(pk__in=odd))
    for odd_titles in (["", "First"], [None, "First"], [gettext_lazy("First"), "Second"], ("First",), {"First"}):
        assert_right(BookFlat, Book.objects.filter(title__in=odd_titles))
    assert_right(BookFlat, Book.objects.filter(pk__in=Book.objects.values("pk")[:1]))


def test_the_conditions_are_part_of_a_key(library: SimpleNamespace) -> None:
    ann, first = library.ann.pk, library.first.pk
    seen = [
        assert_right(BookFlat, queryset)
        for queryset in (
            Book.objects.filter(pk=first),
            Book.objects.filter(author=ann),
            Book.objects.filter(author_id=ann, pk=first),
            Book.objects.exclude(pk=first),
            Book.objects.filter(models.Q(pk=first) | models.Q(author=ann)),
            Book.objects.filter(models.Q(pk=first) ^ models.Q(author=ann)),
            Book.objects.filter(pk__gt=first),
            Book.objects.filter(pk__in=[first, first, None, library.second.pk]),
            Book.objects.filter(pk__in=[first]),
            Book.objects.filter(pk=first)[:0],
            Book.objects.order_by("-title"),
            Book.objects.reverse(),
        )
    ]
    assert seen[0] != seen[1]


@pytest.mark.usefixtures("library")
def test_a_lookup_is_not_changed_by_being_read() -> None:
    queryset = Book.objects.filter(title="First")
    lookup = queryset.query.where.children[0]
    before = lookup.rhs  # type: ignore[union-attr]
    assert_right(BookFlat, queryset)
    assert_right(BookFlat, queryset.filter(stock=3))
    assert queryset.query.where.children == [lookup]
    assert lookup.rhs == before  # type: ignore[union-attr]


@pytest.mark.usefixtures("library")
def test_keys_that_never_come_again_are_given_up(statements: Statements) -> None:
    class Marked(ModelSchema):
        mark: str

        class Meta:
            model = Book
            fields = ["title"]

    for _ in range(100):
        assert rows(Marked, Book.objects.annotate(mark=Value("a", output_field=CharField()))) is not None
    assert len(statements) < 70
    plan = plan_query(Marked)
    assert not statements.is_used_by(plan)
    assert [statements.is_used_by(plan) for _ in range(1100)][-1]


@pytest.mark.usefixtures("library")
def test_what_cannot_be_pickled_or_is_too_large_has_no_key(statements: Statements) -> None:
    class Odd(Func):
        function = "UPPER"

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.odd = lambda: None

    class Upper(ModelSchema):
        upper: str

        class Meta:
            model = Book
            fields = ["title"]

    assert_right(Upper, Book.objects.annotate(upper=Odd(F("title"), output_field=CharField())))
    assert_right(BookFlat, Book.objects.filter(pk__in=range(5000)))
    assert len(statements) == 0


_suffix: ContextVar[str] = ContextVar("suffix", default="!")


class Suffixed(Func):
    """Reads a context variable when it is compiled."""

    template = "%(expressions)s"

    def as_sql(self, compiler: Any, *_: Any, **__: Any) -> Any:
        sql, params = compiler.compile(self.source_expressions[0])
        return f"{sql} || '{_suffix.get()}'", params


@pytest.mark.usefixtures("library")
def test_sql_of_the_projects_own_making_is_never_kept() -> None:
    class Marked(ModelSchema):
        mark: str

        class Meta:
            model = Book
            fields = []

    queryset = Book.objects.annotate(mark=Suffixed(F("title"), output_field=CharField()))
    assert assert_right(Marked, queryset)[0] == {"mark": "First!"}
    token = _suffix.set("?")
    assert assert_right(Marked, queryset)[0] == {"mark": "First?"}
    _suffix.reset(token)


@pytest.mark.usefixtures("library")
def test_lazy_texts_are_translated_each_time() -> None:
    class Answered(ModelSchema):
        answer: str

        class Meta:
            model = Book
            fields = []

    queryset = Book.objects.annotate(answer=Value(gettext_lazy("Yes"), output_field=CharField()))
    assert assert_right(Answered, queryset)[0] == {"answer": "Yes"}
    with translation.override("de"):
        assert assert_right(Answered, queryset)[0] == {"answer": "Ja"}


class EverythingChar(ModelSchema):
    class Meta:
        model = Everything
        fields = ["char"]


class BookOfEverything(ModelSchema):
    everything_set: list[EverythingChar]

    class Meta:
        model = Book
        fields = ["title"]


def test_an_order_of_the_model_depends_on_the_time_zone_at_every_level(
    library: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Everything._meta, "ordering", [ExtractHour("moment")])
    for char, hour in (("a", 1), ("b", 20)):
        Everything.objects.create(char=char, book=library.first, moment=dt.datetime(2020, 1, 1, hour, tzinfo=dt.UTC))
    books = Book.objects.filter(pk=library.first.pk)
    here = assert_right(BookOfEverything, books)
    with timezone.override("Asia/Tokyo"):
        assert assert_right(BookOfEverything, books) != here
    assert assert_right(BookOfEverything, books) == here


class WithLast(ModelSchema):
    last: str | None

    class Meta:
        model = Book
        fields = ["title"]


@contextmanager
def set_to(variable: ContextVar[str], value: str) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


_direction: ContextVar[str] = ContextVar("direction", default="ASC")


class Directed(Func):
    """Reads a context variable when it is compiled, to order by."""

    def as_sql(self, compiler: Any, *_: Any, **__: Any) -> Any:
        sql, params = compiler.compile(self.source_expressions[0])
        return f"CASE WHEN '{_direction.get()}' = 'ASC' THEN {sql} ELSE -{sql} END", params * 2


@pytest.mark.parametrize("wrap", [lambda order: order, lambda order: order.asc(), lambda order: -order])
def test_an_order_of_the_model_that_is_of_the_projects_own_making_is_never_kept(
    library: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, wrap: Callable[[Any], Any]
) -> None:
    monkeypatch.setattr(Everything._meta, "ordering", [wrap(Directed(F("small"), output_field=models.IntegerField()))])
    monkeypatch.setattr(Book._meta, "ordering", ["everything", "pk"])
    for char, small in (("a", 1), ("b", 2)):
        Everything.objects.create(char=char, book=library.first, small=small)
    Everything.objects.create(char="c", book=library.second, small=3)
    last: Any = Everything.objects.filter(book=OuterRef("pk")).values("char")[:1]
    for queryset, schema in (
        (Everything.objects.all, EverythingChar),
        (lambda: Everything.objects.filter(small__gt=0), EverythingChar),
        (lambda: Everything.objects.filter(pk__isnull=False), EverythingChar),
        (lambda: Book.objects.filter(pk=library.first.pk), BookOfEverything),
        (lambda: Book.objects.filter(pk__in=[library.second.pk, library.first.pk]), BookFlat),
        (lambda: Book.objects.order_by("everything").filter(everything__char__in=["b", "c"]), BookFlat),
        (lambda: Book.objects.filter(pk=library.first.pk).annotate(last=Subquery(last)), WithLast),
    ):
        here = assert_right(schema, queryset())
        with set_to(_direction, "DESC"):
            assert assert_right(schema, queryset()) != here
        assert assert_right(schema, queryset()) == here


_prefix: ContextVar[str] = ContextVar("prefix", default="Fir")


class TenantField(CharField):
    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:  # noqa: FBT001, FBT002 (Django's)
        return f"{_prefix.get()}{super().get_db_prep_value(value, connection, prepared)}"


@pytest.mark.usefixtures("library")
def test_values_that_a_field_of_the_projects_own_prepares_are_never_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Book._meta.get_field("title"), "__class__", TenantField)
    for queryset in (
        lambda: Book.objects.filter(title="st"),
        lambda: Book.objects.filter(title__in=["st", "x"]),
        lambda: Book.objects.filter(author__books__title="st").distinct().order_by("pk")[:1],
    ):
        assert assert_right(BookFlat, queryset()) == [{"title": "First"}]
        with set_to(_prefix, "Xir"):
            assert assert_right(BookFlat, queryset()) == []


class RouterOfBooks:
    """Sends tags to a database by what the instance is that they belong to."""

    def __init__(self, choose: Callable[[Any], str]) -> None:
        self._choose = choose

    def db_for_read(self, model: type[Any], **hints: Any) -> str | None:
        return self._choose(hints["instance"]) if model is Tag and "instance" in hints else None

    def allow_relation(self, *_: Any, **__: Any) -> bool:
        return True


def test_a_router_sees_the_key_of_the_first_row(library: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def by_key(instance: Any) -> str:
        seen.append(instance.pk)
        return "default"

    monkeypatch.setattr(router, "routers", [RouterOfBooks(by_key)])
    for queryset in (Book.objects.all(), Book.objects.order_by("-pk")[:2]):
        for _cold_and_warm in range(2):
            seen.clear()
            by_rows = rows(BookOut, queryset.all())
            asked = list(dict.fromkeys(seen))
            seen.clear()
            assert by_rows == [one.model_dump() for one in BookOut.from_queryset(queryset.all())]
            assert asked == list(dict.fromkeys(seen)) == [queryset[0].pk]
    del library


@pytest.mark.usefixtures("library")
def test_a_router_that_reads_more_than_the_key_needs_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router, "routers", [RouterOfBooks(lambda book: "default" if book.title else "other")])
    assert rows(BookOut, Book.objects.all()) is None
    BookOut.from_queryset(Book.objects.all())


def test_two_models_of_one_name_are_not_taken_for_each_other() -> None:
    def make() -> Any:
        with isolate_apps("tests.project.library"):

            class Twin(models.Model):  # noqa: DJ008
                name = models.CharField(max_length=10, db_column="title")

                class Meta:
                    app_label = "library"
                    db_table = "library_book"

        return Twin

    Book.objects.create(title="x", author=Author.objects.create(name="a"))
    for model in (make(), make()):
        assert rows(create_schema(model, fields=["name"]), model.objects.all()) == [{"name": "x"}]


@pytest.mark.usefixtures("library")
def test_changed_settings_and_new_models_empty_the_cache(statements: Statements) -> None:
    from django.core.signals import setting_changed  # noqa: PLC0415 (for this test alone)

    setting_changed.connect(statements.clear)
    assert_right(BookFlat, Book.objects.all())
    assert len(statements) == 1
    with override_settings(USE_TZ=django_settings.USE_TZ):
        assert len(statements) == 0
    setting_changed.disconnect(statements.clear)


_tenant: ContextVar[str] = ContextVar("tenant", default="")


def test_a_manager_that_filters_by_a_tenant_never_shows_anothers_rows(
    library: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_tenant(_manager: Any) -> "QuerySet[Tag]":
        return QuerySet(Tag).filter(name=_tenant.get())

    monkeypatch.setattr(type(Tag.objects), "get_queryset", by_tenant)
    for tenant in ("red", "blue", "red", "none"):
        _tenant.set(tenant)
        found = rows(BookOut, Book.objects.filter(pk=library.first.pk))
        assert found is not None
        assert found[0]["tags"] == ([{"name": tenant}] if tenant != "none" else [])


@pytest.mark.usefixtures("library")
def test_the_users_manager_decides_for_lists_too() -> None:
    assert assert_right(TagOut, Tag.objects.all()) == [{"name": "red"}, {"name": "blue"}]


def test_data_is_never_kept(library: SimpleNamespace) -> None:
    for title in ("a", "b"):
        Book.objects.filter(pk=library.first.pk).update(title=title)
        assert assert_right(BookFlat, Book.objects.filter(pk=library.first.pk)) == [{"title": title}]


@pytest.mark.usefixtures("library")
def test_envelopes_are_written_with_rows() -> None:
    class Envelope(BaseModel):
        items: list[BookFlat]
        total: int = Field(ge=0)
        note: str | None = Field(None, serialization_alias="Note")

    content = {"items": Book.objects.filter(title="First"), "total": "1"}
    assert write_rows(content, Envelope, {"by_alias": True}) == b'{"items":[{"title":"First"}],"total":1,"Note":null}'
    assert write_rows({**content, "total": -1}, Envelope, {}) is None
    assert write_rows({"items": [], "total": 1}, Envelope, {}) is not None


@pytest.mark.django_db(transaction=True)
def test_threads_share_statements_but_not_the_converters_of_a_connection(library: SimpleNamespace) -> None:
    priced = create_schema(Book, fields=["title", "price"])
    pks = [library.first.pk, library.second.pk, library.third.pk]
    for price, pk in enumerate(pks):
        Book.objects.filter(pk=pk).update(price=price)
    expected = {pk: assert_right(priced, Book.objects.filter(pk=pk)) for pk in pks}
    wrong: list[Any] = []

    def read() -> None:
        try:
            for turn in range(30):
                pk = pks[turn % 3]
                if rows(priced, Book.objects.filter(pk=pk)) != expected[pk]:
                    wrong.append(pk)
        except Exception as error:  # noqa: BLE001 (the test names it)
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.usefixtures("library")
def test_a_key_that_is_no_number_finds_the_objects_of_a_relation() -> None:
    class PublisherOut(ModelSchema):
        authors: list[AuthorOut]

        class Meta:
            model = Publisher
            fields = ["code"]

    class EverythingOut(ModelSchema):
        tags: list[TagOut]

        class Meta:
            model = Everything
            fields = ["id"]

    everything = Everything.objects.create(char="a")
    everything.tags.set(Tag.objects.all())
    assert assert_right(PublisherOut, Publisher.objects.all())[0]["authors"] == [{"name": "Ann"}]
    assert len(assert_right(EverythingOut, Everything.objects.all())[0]["tags"]) == 2
    assert_right(create_schema(Book, declared={"n": int}, fields=[]), Book.objects.annotate(n=Count("tags")))
