import os
import threading
from collections.abc import Iterator

import pytest
from django.apps import apps
from pytest_django import Settings

from django_fastapi.exceptions import ConfigurationError
from django_fastapi.leases import Lease
from django_fastapi.threads import Threads, get_pool, get_threads

LONG = 60.0


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads()
    yield threads
    assert threads.close(LONG)


def run_on(threads: Threads) -> str:
    lease = Lease(threads.pool(), "test", get_wait_seconds=lambda: LONG)
    try:
        return lease.submit(lambda: threading.current_thread().name).result(LONG)
    finally:
        lease.end()


def test_the_pool_is_made_once_with_the_size_of_the_setting(threads: Threads, settings: Settings) -> None:
    settings.FASTAPI_THREADS = 3
    pool = threads.pool()
    assert pool.size == 3
    assert threads.pool() is pool


def test_a_wrong_size_is_a_configuration_error(threads: Threads, settings: Settings) -> None:
    settings.FASTAPI_THREADS = 0
    with pytest.raises(ConfigurationError, match="FASTAPI_THREADS must be a whole number greater than 0"):
        threads.pool()


def test_the_setting_of_the_wait_is_followed(threads: Threads, settings: Settings) -> None:
    assert threads.wait_seconds() == 10
    settings.FASTAPI_THREAD_WAIT = 3
    assert threads.wait_seconds() == 3
    settings.FASTAPI_THREAD_WAIT = "3"
    with pytest.raises(ConfigurationError, match="FASTAPI_THREAD_WAIT must be"):
        threads.wait_seconds()


def test_closing_ends_all_threads_and_the_next_use_makes_a_new_pool(threads: Threads) -> None:
    name = run_on(threads)
    assert threads.close(LONG)
    assert name not in [thread.name for thread in threading.enumerate()]
    assert run_on(threads) != name


def test_closing_twice_or_without_a_pool_is_fine(threads: Threads) -> None:
    assert threads.close()
    assert threads.close()


def test_closing_tells_when_a_thread_does_not_end_in_time(threads: Threads) -> None:
    may_end = threading.Event()
    lease = Lease(threads.pool(), "test", get_wait_seconds=lambda: LONG)
    future = lease.submit(may_end.wait, LONG)
    pool = threads.pool()
    assert not threads.close(0)
    may_end.set()
    assert future.result(LONG)
    lease.end()
    assert pool.join(LONG)


def test_the_app_config_owns_the_pool_of_the_process() -> None:
    assert get_threads() is apps.get_app_config("django_fastapi").threads  # type: ignore[attr-defined]
    assert get_pool() is get_threads().pool()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # that is the case held here
def test_a_forked_process_has_a_pool_of_its_own_and_the_parent_keeps_its(threads: Threads) -> None:
    name = run_on(threads)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, run_on(threads).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        assert answer.read().startswith("django_fastapi-")
    os.waitpid(child, 0)
    assert run_on(threads) == name
