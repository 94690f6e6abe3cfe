"""What a database looks at when the transaction ends, where somebody else has begun it.

SQLite is not asked: a transaction that has read there is not overtaken by another that writes.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Annotated, Any

import pytest
from django.db import connections, models, transaction
from django.test.utils import CaptureQueriesContext

from django_fastapi.exceptions import Conflict, InvalidInput
from django_fastapi.orm import Missing, ModelSchema, delete
from django_fastapi.routing import atomic
from django_fastapi.shortcuts import get_object_or_404
from django_fastapi.types import ASGIApp
from tests.conftest import fetch
from tests.databases import ALIAS
from tests.project.workshop.models import Inspection, Label, Maker, Part, Tool

pytestmark = [
    pytest.mark.parametrize("workshop", ["postgresql", "mariadb"], indirect=True),
    pytest.mark.usefixtures("vendor"),
]


class PartIn(ModelSchema):
    id: int | None = None

    class Meta:
        model = Part
        fields = ["number", "name"]


class ToolIn(ModelSchema):
    class Meta:
        model = Tool
        fields = ["code", "name", "maker", "labels"]


class ToolOut(ModelSchema):
    class Meta:
        model = Tool
        fields = ["code", "name"]


def elsewhere(work: Callable[[], object]) -> None:
    """Do something on another connection, and commit it."""

    def run() -> None:
        try:
            work()
        finally:
            connections[ALIAS].close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()


@contextmanager
def overtaken(signal: Any, sender: Any, work: Callable[[], object]) -> Iterator[None]:
    """Have another connection do something between the look at a row and its change."""

    def overtake(**_: Any) -> None:
        signal.disconnect(overtake, sender=sender)
        elsewhere(work)

    signal.connect(overtake, sender=sender)
    try:
        yield
    finally:
        signal.disconnect(overtake, sender=sender)


@pytest.fixture
def maker() -> Maker:
    return Maker.objects.create(name="Forge")


def body(maker: Maker, **values: Any) -> dict[str, Any]:
    return {"code": "H", "name": "Hammer", "maker": maker.pk, **values}


def told(refused: Any) -> list[tuple[Any, ...]]:
    return [(one.loc, one.kind) for one in refused.value.faults]


@pytest.fixture(params=["none", "atomic()", "ATOMIC_REQUESTS", "in the endpoint"])
def site(
    request: pytest.FixtureRequest,
    build: Callable[[], ASGIApp],
    bare_django: Callable[..., None],
    threads: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> ASGIApp:
    """Give a site whose endpoints have a transaction around them, or none."""
    del threads
    monkeypatch.setitem(connections.settings[ALIAS], "ATOMIC_REQUESTS", request.param == "ATOMIC_REQUESTS")
    api: Any = request.getfixturevalue("api")  # made by the settings
    around = [atomic(ALIAS)] if request.param == "atomic()" else []

    @api.post("/tools", status_code=201, dependencies=around)
    def add(data: ToolIn) -> ToolOut:
        if request.param == "in the endpoint":
            with transaction.atomic(using=ALIAS):
                data.create()
        else:
            data.create()
        return ToolOut(code=data.code, name=data.name)  # type: ignore[attr-defined,call-arg] # derived

    @api.delete("/makers/{pk}", status_code=204, dependencies=around)
    def remove(pk: int) -> None:
        maker = get_object_or_404(Maker, pk=pk)
        if request.param == "in the endpoint":
            with transaction.atomic(using=ALIAS):
                delete(maker)
        else:
            delete(maker)

    bare_django()
    return build()


def test_an_object_that_another_takes_away_does_not_exist(site: ASGIApp, maker: Maker) -> None:
    with overtaken(models.signals.pre_save, Tool, Maker.objects.all().delete):
        answer = fetch(site, "/tools", "POST", json=body(maker))
    assert answer.status_code == 422, answer.text
    assert [(one["loc"], one["type"]) for one in answer.json()["detail"]] == [(["body", "maker"], "does_not_exist")]
    assert not Tool.objects.exists()


def test_an_object_of_a_list_that_another_takes_away_does_not_exist(vendor: str, site: ASGIApp, maker: Maker) -> None:
    if vendor == "mariadb":
        return  # Django adds with INSERT IGNORE there, which passes over what is gone
    label = Label.objects.create(name="red")
    with overtaken(models.signals.m2m_changed, Tool.labels.through, Label.objects.all().delete):
        answer = fetch(site, "/tools", "POST", json=body(maker, labels=[label.pk]))
    assert answer.status_code == 422, answer.text
    assert [(one["loc"], one["type"]) for one in answer.json()["detail"]] == [(["body", "labels"], "does_not_exist")]
    assert not Tool.objects.exists()


def test_what_another_comes_to_refer_to_is_not_deleted(site: ASGIApp, maker: Maker) -> None:
    with overtaken(
        models.signals.pre_delete, Maker, lambda: Tool.objects.create(code="H", name="Hammer", maker_id=maker.pk)
    ):
        answer = fetch(site, f"/makers/{maker.pk}", "DELETE")
    assert answer.status_code == 409, answer.text
    assert [(one["loc"], one["type"]) for one in answer.json()["detail"]] == [(["path"], "protected")]
    assert (Maker.objects.count(), Tool.objects.count()) == (1, 1)


def test_what_is_named_stays_until_the_outer_transaction_ends(maker: Maker) -> None:
    with transaction.atomic(using=ALIAS):
        ToolIn.model_validate(body(maker)).create()
        waits = {"postgresql": "SET lock_timeout = '200ms'", "mysql": "SET innodb_lock_wait_timeout = 1"}

        def take_away() -> None:
            with connections[ALIAS].cursor() as cursor:
                cursor.execute(waits[connections[ALIAS].vendor])
                with pytest.raises(Exception, match=r"lock timeout|Lock wait timeout"):
                    cursor.execute("DELETE FROM workshop_maker")

        elsewhere(take_away)
    assert (Maker.objects.count(), Tool.objects.count()) == (1, 1)


def test_the_outer_transaction_goes_on_after_a_refusal(maker: Maker) -> None:
    other = Maker.objects.create(name="Other")
    with transaction.atomic(using=ALIAS):
        with (
            overtaken(models.signals.pre_save, Tool, Maker.objects.filter(pk=maker.pk).delete),
            pytest.raises(InvalidInput) as refused,
        ):
            ToolIn.model_validate(body(maker)).create()
        assert told(refused) == [(("body", "maker"), "does_not_exist")]
        ToolIn.model_validate(body(other)).create()
    assert [one.maker_id for one in Tool.objects.all()] == [other.pk]


@pytest.mark.parametrize("is_within", [False, True])
def test_objects_that_a_nested_list_deletes_are_held_by_what_another_adds(maker: Maker, is_within: Any) -> None:
    class Parts(ModelSchema):
        parts: Annotated[list[PartIn], Missing.DELETE]

        class Meta:
            model = Tool
            fields = ["name"]

    tool = Tool.objects.create(code="H", name="Hammer", maker=maker)
    part = Part.objects.create(tool=tool, number=1, name="head")
    with (
        overtaken(models.signals.pre_delete, Part, lambda: Inspection.objects.create(part_id=part.pk)),
        pytest.raises(Conflict) as refused,
        transaction.atomic(using=ALIAS) if is_within else nullcontext(),
    ):
        Parts.model_validate({"name": "Mallet", "parts": []}).update(tool)
    assert told(refused) == [(("path",), "protected")]
    assert (Part.objects.count(), Inspection.objects.count(), Tool.objects.get().name) == (1, 1, "Hammer")


def test_what_the_project_itself_has_still_to_mend_is_left_to_it(vendor: str, maker: Maker) -> None:
    if vendor == "mariadb":
        return  # nothing can be broken for a while
    with transaction.atomic(using=ALIAS):
        Part.objects.create(tool_id=77, number=1, name="head")
        ToolIn.model_validate(body(maker)).create()
        delete(Maker.objects.create(name="Gone"))
        Tool.objects.create(id=77, code="S", name="Saw", maker_id=88)
        Maker.objects.create(id=88, name="Smithy")
    assert (Part.objects.count(), Tool.objects.count()) == (1, 2)


def test_nothing_is_asked_without_a_transaction_around(vendor: str, maker: Maker) -> None:
    def asked(*, outer: bool) -> int:
        with CaptureQueriesContext(connections[ALIAS]) as queries:
            if outer:
                with transaction.atomic(using=ALIAS):
                    ToolIn.model_validate(body(maker, code="A", name="A")).create()
            else:
                ToolIn.model_validate(body(maker, code="B", name="B")).create()
        return len([one for one in queries if "pg_constraint" in one["sql"] or "SET CONSTRAINTS" in one["sql"]])

    assert (asked(outer=False), asked(outer=True)) == (0, 3 if vendor == "postgresql" else 0)
