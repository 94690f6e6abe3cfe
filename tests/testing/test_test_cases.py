"""The clients in Django's own test cases. Each test begins with no rows, so what another left behind would be seen."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase

from django_fastapi.testing import AsyncClient, Client

from .conftest import PATHS, GroupSite


class SeesEachOther:
    site: GroupSite

    @pytest.fixture(autouse=True)
    def use_site(self, site: GroupSite) -> None:
        self.site = site

    def check(self, path: str) -> None:
        assert Group.objects.count() == 0
        Group.objects.create(name="from the test")
        client = Client(self.site.app)
        assert client.get(path).json() == ["from the test"]
        client.post(path, params={"name": "from the site"})
        assert set(Group.objects.values_list("name", flat=True)) == {"from the site", "from the test"}

    def test_def(self) -> None:
        self.check("/sync")

    def test_async_def(self) -> None:
        self.check("/async")

    def test_django_view(self) -> None:
        self.check("/django/")

    def test_async_django_view(self) -> None:
        self.check("/django/async/")

    async def test_in_an_async_test(self) -> None:
        assert await Group.objects.acount() == 0
        await Group.objects.acreate(name="from the test")
        async with AsyncClient(self.site.app) as client:
            for path in PATHS:
                assert "from the test" in (await client.get(path)).json()
                await client.post(path, params={"name": path})
                assert await Group.objects.filter(name=path).aexists()

    async def test_the_synchronous_client_below_an_async_test(self) -> None:
        await sync_to_async(self.check)("/sync")
        assert await Group.objects.acount() == 2


class TestInTestCase(SeesEachOther, TestCase):
    def test_queries_are_counted(self) -> None:
        client = Client(self.site.app)
        with self.assertNumQueries(2):
            client.get("/sync")
        with self.assertNumQueries(2):
            client.get("/async")

    def test_callbacks_on_commit_are_captured(self) -> None:
        calls: list[str] = []

        @self.site.api.post("/soon")
        def soon() -> None:
            transaction.on_commit(lambda: calls.append("soon"))

        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            Client(self.site.app).post("/soon")
        assert len(callbacks) == 1
        assert calls == ["soon"]

    def test_the_transaction_stays_open(self) -> None:
        Client(self.site.app).get("/sync")
        assert connection.in_atomic_block


class TestInTransactionTestCase(SeesEachOther, TransactionTestCase):
    def test_what_the_site_commits_is_committed(self) -> None:
        calls: list[str] = []

        @self.site.api.post("/soon")
        def soon() -> None:
            transaction.on_commit(lambda: calls.append("soon"))

        Client(self.site.app).post("/soon")
        assert calls == ["soon"]
        assert not connection.in_atomic_block
