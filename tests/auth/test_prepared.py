import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, connections, models
from pytest_django import DjangoAssertNumQueries

from django_fastapi.auth.prepared import find_row, forget_statements, has_stock_manager
from tests.project.archive import models as archive

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def test_the_row_is_that_of_the_manager(ada: "User", django_assert_num_queries: DjangoAssertNumQueries) -> None:
    users: Any = type(ada)._default_manager
    with django_assert_num_queries(1):
        found = find_row(users, id=ada.pk)
    plain = users.get(pk=ada.pk)
    assert found == plain
    assert {**vars(found), "_state": None} == {**vars(plain), "_state": None}
    assert find_row(users, id=0) is None
    assert find_row(users, username="ada", email="ada@example.test") == plain
    assert find_row(users, username="ada@example.test", email="ada") is None


MOMENT = datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=UTC)
KEY = uuid.UUID("0e9b9d1a-0000-4000-8000-00000000000a")


@pytest.fixture(autouse=True)
def no_statements() -> None:
    """Begin with none: an alias is another database in the next test."""
    forget_statements()


def rows(alias: str) -> list[models.Model]:
    """Give a row of each kind of key and column."""
    genre = archive.Genre.objects.using(alias).create(code="Ünïcode", rank=-3)
    book = archive.Book.objects.using(alias).create(
        title="Notes",
        isbn="1",
        price=Decimal("12.50"),
        stock=2,
        weight=1.5,
        published=MOMENT,
        reading_time=timedelta(days=1, microseconds=7),
        address="2001:db8::1",
        extra={"a": [1, None, "ü"]},
    )
    copy = archive.Copy.objects.using(alias).create(key=KEY, book=book)
    return [genre, book, copy]


def test_it_is_so_for_keys_and_columns_of_every_kind_and_on_every_database(alias: str) -> None:
    for row in rows(alias):
        model = type(row)
        users: Any = model._default_manager.db_manager(alias)
        plain = users.get(pk=row.pk)
        found = find_row(users, **{str(model._meta.pk.name): row.pk})
        assert {**vars(found), "_state": None} == {**vars(plain), "_state": None}
        state: Any = vars(found)["_state"]
        assert (state.db, state.adding) == (alias, False)
    missing: list[tuple[type[models.Model], dict[str, object]]] = [
        (archive.Genre, {"code": "x"}),
        (archive.Book, {"id": 0}),
        (archive.Copy, {"key": uuid.uuid4()}),
    ]
    for model, lookup in missing:
        assert find_row(model._default_manager.db_manager(alias), **lookup) is None


def test_a_time_is_compared_as_django_does_on_every_database(alias: str) -> None:
    rows(alias)
    books: Any = archive.Book._default_manager.db_manager(alias)
    for second in (-1, 0, 1):
        moment = MOMENT + timedelta(seconds=second)
        found = find_row(books, isbn="1", published__gt=moment)
        assert (found is not None) == books.filter(isbn="1", published__gt=moment).exists() == (second < 0)


def test_the_sql_is_djangos_on_every_database(alias: str) -> None:
    copies: Any = archive.Copy._default_manager.db_manager(alias)
    with connections[alias].execute_wrapper(note := Statements()):
        find_row(copies, key=KEY)
        list(copies.order_by().filter(key=KEY)[:2])
    ours, plain = note.seen
    assert plain.startswith(ours)


def test_keys_of_a_kind_of_their_own_are_left_to_django() -> None:
    assert all(has_stock_manager(model) for model in (archive.Genre, archive.Book, archive.Copy))
    assert not has_stock_manager(archive.Shelf)
    assert not has_stock_manager(archive.Profile)  # it is that of another model, whatever that is
    assert not has_stock_manager(archive.Seat)


def test_the_sql_is_djangos(ada: "User") -> None:
    with connection.execute_wrapper(note := Statements()):
        find_row(type(ada)._default_manager, id=ada.pk)
        type(ada)._default_manager.order_by().get(pk=ada.pk)
    ours, plain = note.seen
    assert plain.startswith(ours)  # and then a LIMIT


class Statements:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 (Django's)
        self.seen.append(sql)
        return execute(sql, params, many, context)


@pytest.mark.usefixtures("db")
def test_other_managers_are_left_to_django() -> None:
    from django.contrib.auth.models import User  # noqa: PLC0415 (Django is not set up before)

    class Active(models.Manager[User]):
        def get_queryset(self) -> models.QuerySet[User]:
            return super().get_queryset().filter(is_active=True)

    class ActiveUser(User):
        objects = Active()

        class Meta:
            proxy = True
            app_label = "library"

    assert has_stock_manager(User)
    assert not has_stock_manager(ActiveUser)
