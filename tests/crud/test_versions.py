"""No update is lost: entity tags from a counter, a time stamp, and the content; rows that are locked."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.db import connections
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from fastapi import FastAPI
from pytest_django import DjangoDbBlocker, Settings

from django_fastapi.crud import Hooks, crud_router
from django_fastapi.orm import ModelSchema
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp
from tests.databases import ALIAS, archive_on
from tests.project.workshop.models import Label, Maker, Tool
from tests.request_threads import asking, own_threads

WRITERS = 12


class MakerRef(ModelSchema):
    class Meta:
        model = Maker
        fields = ["id", "name"]


class ToolOut(ModelSchema):
    maker: MakerRef

    class Meta:
        model = Tool
        fields = ["id", "code", "name", "rack", "labels"]


class ToolIn(ModelSchema):
    class Meta:
        model = Tool
        fields = ["code", "name", "maker", "rack", "labels"]


def add_tools(api: FastAPI, **options: Any) -> None:
    api.include_router(crud_router(Tool, read=ToolOut, write=ToolIn, permissions=[], prefix="/tools", **options))


@pytest.fixture
def tool(db: None) -> Tool:  # noqa: ARG001 (asked for, not used)
    return Tool.objects.create(code="H1", name="Hammer", maker=Maker.objects.create(name="Forge"), rack=0)


@pytest.mark.parametrize("etag", ["version", "changed", "content"])
def test_a_change_is_made_to_the_version_that_the_client_has_seen(
    api: FastAPI, site_client: Client, tool: Tool, etag: str
) -> None:
    add_tools(api, etag=etag)
    path = f"/tools/{tool.pk}"
    first = site_client.get(path).headers["ETag"]
    unchanged = site_client.get(path, headers={"If-None-Match": first})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", first)
    changed = site_client.patch(path, json={"rack": 1}, headers={"If-Match": first})
    assert (changed.status_code, changed.headers["ETag"] == first) == (200, False)
    assert site_client.get(path).headers["ETag"] == changed.headers["ETag"]
    assert site_client.get(path, headers={"If-None-Match": first}).status_code == 200
    for verb, body in (("PATCH", {"rack": 2}), ("PUT", {"code": "Z", "name": "Z", "maker": tool.maker_id})):
        late = site_client.request(verb, path, json=body, headers={"If-Match": first})
        assert (late.status_code, late.json()) == (412, {"detail": "This has been changed since it was read."})
    assert site_client.delete(path, headers={"If-Match": first}).status_code == 412
    tool.refresh_from_db()
    assert (tool.rack, tool.code) == (1, "H1")
    assert site_client.delete(path, headers={"If-Match": changed.headers["ETag"]}).status_code == 204


def test_the_tag_of_the_content_tells_of_what_is_related(api: FastAPI, site_client: Client, tool: Tool) -> None:
    add_tools(api, etag="content")
    before = site_client.get(f"/tools/{tool.pk}").headers["ETag"]
    tool.labels.add(Label.objects.create(name="red"))
    assert site_client.get(f"/tools/{tool.pk}").headers["ETag"] != before


def test_a_change_may_have_to_say_which_version_it_means(api: FastAPI, site_client: Client, tool: Tool) -> None:
    add_tools(api, etag="version", require_match=True)
    answer = site_client.patch(f"/tools/{tool.pk}", json={"rack": 2})
    assert (answer.status_code, answer.json()["detail"]) == (
        428,
        "Say with If-Match which version of this is to be changed.",
    )
    assert site_client.delete(f"/tools/{tool.pk}").status_code == 428
    assert site_client.delete("/tools/0").status_code == 404
    assert site_client.patch(f"/tools/{tool.pk}", json={"rack": 2}, headers={"If-Match": "*"}).status_code == 200


class Router:
    """Has everything on the database of the test."""

    def db_for_read(self, model: Any, **_: Any) -> str:
        del model
        return ALIAS

    db_for_write = db_for_read


@pytest.fixture(params=["sqlite file", "postgresql", "mariadb"])
def workshop(
    request: pytest.FixtureRequest,
    settings: Settings,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path: Any,
) -> Iterator[str]:
    del django_db_setup
    vendor = request.param.partition(" ")[0]
    url = f"sqlite:///{tmp_path / 'workshop.sqlite3'}" if vendor == "sqlite" else None
    with django_db_blocker.unblock(), archive_on(vendor, "workshop", url=url):
        settings.DATABASE_ROUTERS = [f"{__name__}.Router"]
        yield vendor


@pytest.fixture
def build_site(
    monkeypatch: pytest.MonkeyPatch, build: Callable[[], ASGIApp], bare_django: Callable[..., None]
) -> Iterator[Callable[[], ASGIApp]]:
    """Give what builds the site, on threads of the test's own."""
    bare_django()
    with own_threads(monkeypatch):
        yield build


@pytest.mark.parametrize("etag", ["version", "content"])
def test_of_concurrent_changes_of_one_version_one_is_made(
    workshop: str, api: FastAPI, build_site: Callable[[], ASGIApp], etag: str
) -> None:
    maker = Maker.objects.create(name="Forge")
    tool = Tool.objects.create(code="H1", name="Hammer", maker=maker, rack=0)
    connections[ALIAS].close()
    add_tools(api, etag=etag)
    app = build_site()

    async def change() -> tuple[Counter[int], Any]:
        async with asking(app) as ask:
            tag = (await ask(f"/tools/{tool.pk}")).headers["ETag"]
            answers = await asyncio.gather(
                *(
                    ask(f"/tools/{tool.pk}", "PATCH", json={"rack": number}, headers={"If-Match": tag})
                    for number in range(1, WRITERS + 1)
                )
            )
            made = next(answer.json()["rack"] for answer in answers if answer.status_code == 200)
            return Counter(answer.status_code for answer in answers), made

    statuses, rack = asyncio.run(change())
    assert statuses == {200: 1, 412: WRITERS - 1}, workshop
    tool.refresh_from_db()
    assert tool.rack == rack


def test_concurrent_writers_who_try_again_lose_nothing(
    workshop: str, api: FastAPI, build_site: Callable[[], ASGIApp]
) -> None:
    tool = Tool.objects.create(code="H1", name="Hammer", maker=Maker.objects.create(name="Forge"), rack=0)
    connections[ALIAS].close()
    add_tools(api, etag="version", require_match=True)
    app = build_site()
    path = f"/tools/{tool.pk}"

    async def count_up(ask: Any) -> None:
        for _ in range(200):
            seen = await ask(path)
            answer = await ask(
                path, "PATCH", json={"rack": seen.json()["rack"] + 1}, headers={"If-Match": seen.headers["ETag"]}
            )
            if answer.status_code == 200:
                return
            assert answer.status_code == 412, answer.text
        raise AssertionError("somebody else was quicker 200 times")

    async def run() -> None:
        async with asking(app) as ask:
            await asyncio.gather(*(count_up(ask) for _ in range(WRITERS)))

    asyncio.run(run())
    tool.refresh_from_db()
    assert (tool.rack, tool.version) == (WRITERS, WRITERS), workshop


def changes_of(tool: Tool) -> list[tuple[str, str, Any]]:
    whole = {"code": tool.code, "name": "Mallet", "maker": tool.maker_id}
    return [
        ("PUT", f"/{tool.pk}", whole),
        ("PATCH", f"/{tool.pk}", {"name": "Sledge"}),
        ("PATCH", "/bulk/update", [{"key": tool.pk, "values": {"name": "Gavel"}}]),
        ("POST", "/bulk/delete", [tool.pk]),
        ("DELETE", f"/{tool.pk}", None),
    ]


def test_rows_are_locked_before_they_are_changed_where_that_is_asked_for(
    workshop: str, api: FastAPI, site_client: Client
) -> None:
    api.include_router(crud_router(Tool, read=ToolOut, write=ToolIn, permissions=[], prefix="/free", bulk=5))
    add_tools(api, bulk=5, select_for_update=True)
    maker = Maker.objects.create(name="Forge")
    # SQLite has no locks of rows: a statement that changes nothing takes the lock of the database.
    lock = "WHERE 1 = 0" if workshop == "sqlite" else "FOR UPDATE"

    def locks(method: str, path: str, body: Any = None) -> int:
        with CaptureQueriesContext(connections[ALIAS]) as queries:
            assert site_client.request(method, path, json=body).is_success
        locking = [one["sql"] for one in queries if lock in one["sql"]]
        assert all("workshop_tool" in one for one in locking)
        return len(locking)

    for number in range(len(changes_of(Tool(maker=maker)))):
        for prefix, expected in (("/tools", 1), ("/free", 0)):
            tool = Tool.objects.create(code=f"{prefix}{number}", name=f"{prefix}{number}", maker=maker)
            method, path, body = changes_of(tool)[number]
            assert locks(method, prefix + path, body) == expected, (workshop, method, path)
            Tool.objects.filter(pk=tool.pk).delete()
    assert locks("GET", "/tools") == 0


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_changes_of_one_object_wait_for_each_other(
    workshop: str, api: FastAPI, build_site: Callable[[], ASGIApp], method: str
) -> None:
    tool = Tool.objects.create(code="H1", name="Hammer", maker=Maker.objects.create(name="Forge"))
    connections[ALIAS].close()
    both = threading.Barrier(2)

    def count_up(instance: Tool, user: Any) -> None:
        """Change what was read, after giving another request time to read the same."""
        del user
        with suppress(threading.BrokenBarrierError):
            both.wait(timeout=1)
        instance.version += 1

    add_tools(api, select_for_update=True, hooks=Hooks(before_save=count_up))
    app = build_site()
    body = {"code": "H1", "name": "Hammer", "maker": tool.maker_id} if method == "PUT" else {"name": "Hammer"}

    async def change_twice() -> list[int]:
        async with asking(app) as ask:
            answers = await asyncio.gather(*(ask(f"/tools/{tool.pk}", method, json=body) for _ in range(2)))
        return [answer.status_code for answer in answers]

    assert asyncio.run(change_twice()) == [200, 200]
    assert both.broken, "both had read the row"
    tool.refresh_from_db()
    assert tool.version == 2, workshop


def test_a_version_may_be_named_in_one_of_several_lines(api: FastAPI, site_client: Client, tool: Tool) -> None:
    add_tools(api, etag="version")
    url = f"/tools/{tool.pk}"
    tag = site_client.get(url).headers["ETag"]
    lines = [("If-Match", '"other"'), ("If-Match", tag)]
    assert site_client.patch(url, json={"rack": 1}, headers=lines).status_code == 200
    tag = site_client.get(url).headers["ETag"]
    assert site_client.get(url, headers=[("If-None-Match", '"other"'), ("If-None-Match", tag)]).status_code == 304


class ReplicaRouter:
    """Reads from a database that nothing is copied to."""

    def db_for_read(self, model: type[Model], **_: Any) -> str:
        return ALIAS if model._meta.app_label == "workshop" else "default"

    def db_for_write(self, model: type[Model], **_: Any) -> str:  # noqa: ARG002 (Django's signature)
        return "default"

    def allow_relation(self, *_: Any, **__: Any) -> bool:
        return True


class PlainToolOut(ModelSchema):
    class Meta:
        model = Tool
        fields = ["id", "code", "rack"]


class PlainToolIn(ModelSchema):
    class Meta:
        model = Tool
        fields = ["code", "rack"]


@pytest.fixture
def replica(django_db_setup: None, django_db_blocker: DjangoDbBlocker, settings: Settings) -> Iterator[None]:  # noqa: ARG001
    with django_db_blocker.unblock(), archive_on("sqlite", "workshop"):
        settings.DATABASE_ROUTERS = [f"{__name__}.ReplicaRouter"]
        yield
        for model in (Tool, Maker):
            model.objects.using("default").all().delete()


@pytest.mark.usefixtures("replica")
def test_what_is_written_is_looked_at_where_it_is_written(api: FastAPI, site_client: Client) -> None:
    api.include_router(
        crud_router(
            Tool,
            read=PlainToolOut,
            write=PlainToolIn,
            permissions=[],
            prefix="/tools",
            etag="version",
            hooks=Hooks(before_save=lambda one, _: setattr(one, "maker_id", 1)),
        )
    )
    for alias in ("default", ALIAS):
        Maker(pk=1, name="Forge").save(using=alias)
        Tool(pk=1, code="a", name="a", maker_id=1, rack=0).save(using=alias)
    tag = {"If-Match": site_client.get("/tools/1").headers["ETag"]}
    changed = site_client.patch("/tools/1", json={"rack": 1}, headers=tag)
    assert (changed.status_code, changed.json()["rack"]) == (200, 1)
    assert site_client.patch("/tools/1", json={"rack": 2}, headers=tag).status_code == 412
    assert site_client.delete("/tools/1", headers=tag).status_code == 412
