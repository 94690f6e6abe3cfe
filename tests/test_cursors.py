"""Abandoned iterators: whoever notices, their cursors are closed by the thread that opened them."""

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections as django_connections
from pytest_django import DjangoDbBlocker

from django_fastapi import connections
from django_fastapi.cursors import ChunkedCursors
from tests.project.archive.models import Tag

from .databases import archive_on

_ROWS = 3
_SECONDS = 20.0


@pytest.fixture(scope="module")
def postgres(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Give the alias of a database whose cursors are the server's: the connection has a lock."""
    del django_db_setup
    with django_db_blocker.unblock(), archive_on("postgresql") as alias:
        Tag.objects.using(alias).bulk_create(Tag(name=str(number)) for number in range(_ROWS))
        yield alias


def on_thread(function: Callable[[], None]) -> None:
    """Run a function on a thread of its own; one that hangs is left there."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 (it is for the thread that waits)
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(_SECONDS)
    assert not thread.is_alive(), "it hangs"
    if failures:
        raise failures[0]


def begin_to_read(alias: str) -> Iterator[Tag]:
    rows = Tag.objects.using(alias).iterator(chunk_size=1)
    next(rows)
    return rows


def abandon_in_a_circle(alias: str) -> None:
    circle: list[Any] = [begin_to_read(alias)]
    circle.append(circle)


def count_cursors(alias: str) -> int:
    with django_connections[alias].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_cursors")
        return int(cursor.fetchone()[0])


def test_one_that_the_garbage_collector_finds_amid_a_query_is_closed_after_it(postgres: str) -> None:
    def request() -> None:
        connections.begin()
        abandon_in_a_circle(postgres)
        with django_connections[postgres].connection.lock:  # as psycopg has it during a query
            gc.collect()
        assert count_cursors(postgres) == 1
        assert not connections.has_open_work()
        assert count_cursors(postgres) == 0

    gc.disable()
    try:
        on_thread(request)
    finally:
        gc.enable()


def test_one_that_was_closed_with_the_request_is_not_closed_again(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(django_connections.settings[postgres], name="CONN_MAX_AGE", value=None)

    def requests() -> None:
        connections.begin()
        rows: list[Iterator[Tag]] = [begin_to_read(postgres)]
        connections.give_back()
        connections.begin()
        assert count_cursors(postgres) == 0
        with django_connections[postgres].connection.lock:
            rows.clear()
        assert not connections.has_open_work()

    on_thread(requests)


def test_one_that_another_thread_drops_is_closed_by_its_own(postgres: str) -> None:
    rows: list[Iterator[Tag]] = []

    def request() -> None:
        connections.begin()
        rows.append(begin_to_read(postgres))
        on_thread(rows.clear)
        assert count_cursors(postgres) == 1
        assert not connections.has_open_work()
        assert count_cursors(postgres) == 0

    on_thread(request)


def test_on_a_thread_that_serves_no_requests_it_is_closed_where_it_is_dropped(postgres: str) -> None:
    rows: list[Iterator[Tag]] = []

    def command() -> None:
        rows.append(begin_to_read(postgres))
        on_thread(rows.clear)
        assert count_cursors(postgres) == 0

    on_thread(command)


def test_a_close_that_fails_is_logged_and_the_others_are_closed(caplog: pytest.LogCaptureFixture) -> None:
    class Cursor:
        def close(self) -> None:
            raise OSError("gone")

    cursors, connection = ChunkedCursors(), django_connections["default"]
    for _ in range(2):
        cursors.add(Cursor(), connection)
    cursors.close_all()
    assert not cursors
    assert caplog.text.count("A cursor could not be closed.") == 2
