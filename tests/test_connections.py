from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from atlas.models import Language
from django.db import OperationalError, connection, connections as django_connections, transaction
from pytest_django import Settings

from django_fastapi import connections

pytestmark = pytest.mark.usefixtures("transactional_db", "kept")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> None:  # noqa: ARG001
    """Keep connections open between requests."""
    monkeypatch.setitem(django_connections.settings["default"], name="CONN_MAX_AGE", value=None)


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    """A worker thread of a test's own."""
    with ThreadPoolExecutor(1) as executor:
        yield executor
        executor.submit(connections.close_all).result()


def raw() -> object:
    connection.ensure_connection()
    return connection.connection


def fail() -> None:
    with pytest.raises(OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM nothing")
    assert connection.errors_occurred


def die() -> None:
    """Leave the connection as a restart of the database does: an error has occurred, and it is of no use."""
    fail()
    connection.is_usable = lambda: False  # type: ignore[method-assign]


def test_a_connection_is_kept_from_one_request_to_the_next(thread: ThreadPoolExecutor) -> None:
    def request() -> object:
        connections.begin()
        used = raw()
        assert not connections.give_back()
        return used

    assert thread.submit(request).result() is thread.submit(request).result()


def test_one_that_is_too_old_is_closed_when_it_is_given_back(
    thread: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(django_connections.settings["default"], name="CONN_MAX_AGE", value=0)

    def request() -> object:
        connections.begin()
        raw()
        assert not connections.give_back()
        return connection.connection

    assert thread.submit(request).result() is None


def test_the_list_of_queries_starts_anew_with_each_request(thread: ThreadPoolExecutor, settings: Settings) -> None:
    settings.DEBUG = True

    def request() -> int:
        connections.begin()
        Language.objects.count()
        return len(connection.queries)

    assert [thread.submit(request).result() for _ in range(2)] == [1, 1]


def test_a_leaked_transaction_is_rolled_back_and_the_next_request_has_a_connection_that_works(
    thread: ThreadPoolExecutor,
) -> None:
    def leak() -> None:
        connections.begin()
        transaction.atomic().__enter__()
        Language.objects.create(code="x")
        assert connections.has_open_work()
        assert not connections.give_back()

    def look() -> tuple[bool, bool, int]:
        connections.begin()
        return connections.has_open_work(), connection.in_atomic_block, Language.objects.count()

    thread.submit(leak).result()
    assert thread.submit(look).result() == (False, False, 0)


def test_autocommit_that_was_switched_off_is_open_work_and_is_on_again_afterwards(thread: ThreadPoolExecutor) -> None:
    def leak() -> None:
        connections.begin()
        transaction.set_autocommit(False)
        Language.objects.create(code="x")
        assert connections.has_open_work()
        connections.give_back()

    def look() -> tuple[bool, int]:
        connections.begin()
        return transaction.get_autocommit(), Language.objects.count()

    thread.submit(leak).result()
    assert thread.submit(look).result() == (True, 0)


def test_a_chunked_cursor_is_open_work_from_its_first_row_to_its_last(thread: ThreadPoolExecutor) -> None:
    Language.objects.bulk_create([Language(code=str(number)) for number in range(3)])

    def read() -> list[bool]:
        connections.begin()
        rows = Language.objects.iterator(chunk_size=1)
        seen = [connections.has_open_work()]
        for _ in range(3):
            next(rows)
            seen.append(connections.has_open_work())
        next(rows, None)
        seen.append(connections.has_open_work())
        return seen

    # The first of these is the very first use of a connection on its thread.
    for _ in range(2):
        assert thread.submit(read).result() == [False, True, True, True, False]


def test_a_cursor_that_somebody_keeps_is_no_open_work_of_the_next_request(thread: ThreadPoolExecutor) -> None:
    Language.objects.bulk_create([Language(code=str(number)) for number in range(3)])
    rows = Language.objects.iterator(chunk_size=1)

    def leave_open() -> bool:
        connections.begin()
        next(rows)
        was_open = connections.has_open_work()
        connections.give_back()
        return was_open

    assert thread.submit(leave_open).result()
    assert not thread.submit(connections.has_open_work).result()


def test_a_connection_found_dead_is_told_once_and_replaced(thread: ThreadPoolExecutor) -> None:
    def request() -> bool:
        connections.begin()
        die()
        return connections.give_back()

    assert thread.submit(request).result()
    assert not thread.submit(connections.give_back).result()
    assert thread.submit(Language.objects.count).result() == 0


@transaction.atomic
def lose_connection() -> None:
    Language.objects.count()
    connection.errors_occurred = True
    connection.close()
    raise OperationalError("server closed the connection unexpectedly")


def test_one_that_dies_inside_an_atomic_block_is_told_too(thread: ThreadPoolExecutor) -> None:
    """Django closes it at the end of the block by itself, since it cannot roll back."""

    def request() -> bool:
        connections.begin()
        with pytest.raises(OperationalError, match="unexpectedly"):
            lose_connection()
        assert connection.connection is None
        return connections.give_back()

    assert thread.submit(request).result()
    assert not thread.submit(connections.give_back).result()


def test_an_error_that_leaves_the_connection_usable_is_no_death(thread: ThreadPoolExecutor) -> None:
    def request() -> bool:
        connections.begin()
        fail()
        return connections.give_back()

    assert not thread.submit(request).result()


def test_testing_closes_what_is_dead_and_keeps_what_is_alive(thread: ThreadPoolExecutor) -> None:
    def alive() -> bool:
        used = raw()
        connections.test()
        return connection.connection is used

    def dead() -> bool:
        used = raw()
        connection.is_usable = lambda: False  # type: ignore[method-assign]
        connections.test()
        return connection.connection is used

    assert thread.submit(alive).result()
    assert not thread.submit(dead).result()
    assert thread.submit(Language.objects.count).result() == 0


def test_a_connection_that_cannot_even_be_closed_is_dropped_and_logged(
    thread: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise OperationalError("cannot close")

    def request() -> None:
        connections.begin()
        used = raw()
        connection.errors_occurred = True
        connection.is_usable = lambda: False  # type: ignore[method-assign]
        connection.close = refuse  # type: ignore[method-assign]
        connections.give_back()
        assert connection.connection is not used
        used.close()  # type: ignore[attr-defined]

    thread.submit(request).result()
    assert "cannot close" in caplog.text
    assert thread.submit(Language.objects.count).result() == 0


def test_closing_all_closes_open_transactions_and_cursors_of_this_thread_only(thread: ThreadPoolExecutor) -> None:
    mine = raw()

    def leave_open() -> None:
        transaction.atomic().__enter__()
        connections.close_all()
        assert not connections.has_open_work()
        assert connection.connection is None

    thread.submit(leave_open).result()
    assert connection.connection is mine


def test_a_connection_is_watched_once_however_often_it_begins(thread: ThreadPoolExecutor) -> None:
    def watched() -> object:
        connections.begin()
        return vars(django_connections["default"])["chunked_cursor"]

    assert thread.submit(watched).result() is thread.submit(watched).result()
