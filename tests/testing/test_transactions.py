import threading
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection, transaction
from fastapi import HTTPException
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from django_fastapi import atomic
from django_fastapi.testing import Client

from .conftest import PATHS, GroupSite

each_path = pytest.mark.parametrize("path", PATHS)


def see_each_other(client: Client, path: str) -> None:
    Group.objects.create(name="from the test")
    assert client.get(path).json() == ["from the test"]
    assert sorted(client.post(path, params={"name": "from the site"}).json()) == ["from the site", "from the test"]
    assert Group.objects.filter(name="from the site").exists()
    Group.objects.all().delete()
    assert client.get(path).json() == []


@pytest.mark.django_db
@each_path
def test_test_and_endpoint_see_each_other_in_a_test_transaction(site: GroupSite, path: str) -> None:
    see_each_other(Client(site.app), path)
    assert connection.in_atomic_block


@pytest.mark.django_db(transaction=True)
@each_path
def test_test_and_endpoint_see_each_other_without_a_test_transaction(site: GroupSite, path: str) -> None:
    see_each_other(Client(site.app), path)
    assert not connection.in_atomic_block


@pytest.mark.django_db
@each_path
def test_the_connection_is_the_one_of_the_test(
    site: GroupSite, path: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = Client(site.app)
    expected = 1 if "django" in path else 2
    with django_assert_num_queries(expected):
        client.get(path)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/sync", "/async"])
def test_nothing_runs_on_a_worker(site: GroupSite, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a worker was asked for")

    with Client(site.app) as client:
        monkeypatch.setattr("django_fastapi.concurrency.new_lease", refuse)
        monkeypatch.setattr("django_fastapi.application.new_lease", refuse)
        assert client.get(path).json() == []


@pytest.mark.django_db
def test_callbacks_on_commit_are_captured(
    site: GroupSite, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    calls: list[str] = []

    @site.api.post("/later")
    async def later() -> None:
        await sync_to_async(transaction.on_commit)(lambda: calls.append("later"))

    @site.api.post("/soon")
    def soon() -> None:
        transaction.on_commit(lambda: calls.append("soon"))

    client = Client(site.app)
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        client.post("/soon")
        client.post("/later")
        assert calls == []
    assert len(callbacks) == 2
    assert calls == ["soon", "later"]


@pytest.mark.django_db
def test_an_atomic_dependency_rolls_back_to_its_savepoint(site: GroupSite) -> None:

    @site.api.post("/fails", dependencies=[atomic()])
    def fails() -> None:
        Group.objects.create(name="not kept")
        raise HTTPException(409)

    Group.objects.create(name="kept")
    assert Client(site.app).post("/fails").status_code == 409
    assert [group.name for group in Group.objects.all()] == ["kept"]


@pytest.mark.django_db
@pytest.mark.parametrize("number", [1, 2])
def test_a_rolled_back_test_leaves_nothing(site: GroupSite, number: int) -> None:
    client = Client(site.app)
    for path in PATHS:
        assert client.post(path, params={"name": f"{path} {number}"}).status_code == 200
    assert Group.objects.count() == len(PATHS)


def test_without_the_mark_the_database_is_as_forbidden_as_ever(site: GroupSite) -> None:
    with pytest.raises(RuntimeError, match="Database access not allowed"):
        Client(site.app).get("/sync")


@pytest.mark.django_db
@each_path
def test_the_signals_of_a_request_are_sent_once_and_on_the_tests_thread(site: GroupSite, path: str) -> None:
    seen: list[tuple[str, int]] = []

    def started(**_: Any) -> None:
        seen.append(("started", threading.get_ident()))

    def finished(**_: Any) -> None:
        seen.append(("finished", threading.get_ident()))

    request_started.connect(started)
    request_finished.connect(finished)
    try:
        Client(site.app).get(path)
    finally:
        request_started.disconnect(started)
        request_finished.disconnect(finished)
    assert seen == [("started", threading.get_ident()), ("finished", threading.get_ident())]


@pytest.mark.django_db(transaction=True)
@each_path
def test_old_connections_are_not_closed_meanwhile_and_are_afterwards(site: GroupSite, path: str) -> None:
    connection.close()
    connection.settings_dict["CONN_MAX_AGE"] = 0
    connection.ensure_connection()
    before = connection.connection
    Client(site.app).get(path)
    assert connection.connection is before
    for signal in (request_started, request_finished):
        assert signal.disconnect(close_old_connections)
        signal.connect(close_old_connections)
