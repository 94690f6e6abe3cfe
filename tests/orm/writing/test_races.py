"""What a database refuses that `full_clean` has let pass, on every database."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, models
from fastapi import FastAPI

from django_fastapi.exceptions import Conflict, InvalidInput, WriteRefused
from django_fastapi.orm import ModelSchema, create_schema, delete
from django_fastapi.threads import Threads
from django_fastapi.types import ASGIApp
from tests.databases import ALIAS
from tests.project.workshop.models import Maker, Material, Tool
from tests.request_threads import asking

CLIENTS = 50


pytestmark = pytest.mark.usefixtures("vendor")


def test_what_another_comes_to_refer_to_in_between_is_not_deleted() -> None:
    maker = Maker.objects.create(name="Forge")

    def use(**_: Any) -> None:
        Tool.objects.create(code="h", name="Hammer", maker=maker)

    models.signals.pre_delete.connect(use, sender=Maker)
    try:
        with pytest.raises(Conflict, match="others refer to it"):
            delete(maker)
    finally:
        models.signals.pre_delete.disconnect(use, sender=Maker)
    assert (Maker.objects.count(), Tool.objects.count()) == (1, 0)


class MakerIn(ModelSchema):
    class Meta:
        model = Maker
        fields = ["name"]


class MakerOut(MakerIn):
    class Meta:
        fields = ["id", "name"]


class ToolIn(ModelSchema):
    class Meta:
        model = Tool
        fields = ["code", "name", "maker", "material", "price", "rack", "place", "serial", "retired"]


class ToolPatch(ToolIn, partial=True):
    pass


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have validation see nothing, as when another request is quicker."""
    for name in ("validate_unique", "validate_constraints"):
        monkeypatch.setattr(models.Model, name, lambda _self, exclude=None: None)  # noqa: ARG005 (Django's signature)


def told(refused: pytest.ExceptionInfo[WriteRefused]) -> list[tuple[Any, ...]]:
    return [(one.loc, one.kind, one.context.get("fields")) for one in refused.value.faults]


@pytest.mark.parametrize(
    ("values", "told_as"),
    [
        ({"code": "H0"}, (("body", "code"), "unique", None)),
        ({"rack": 1, "place": 1}, (("body",), "unique_together", ["rack", "place"])),
        ({"serial": "s"}, (("body", "serial"), "unique", None)),
        ({"name": "SAW"}, (("body",), "unique", None)),
    ],
)
@pytest.mark.usefixtures("blind")
def test_a_clash_that_only_the_database_sees_is_told_as_validation_does(
    vendor: str, values: dict[str, Any], told_as: tuple[Any, ...]
) -> None:
    features = connections[ALIAS].features
    if "serial" in values and not features.supports_partial_indexes:
        return
    if "name" in values and not features.supports_expression_indexes:
        return
    maker = Maker.objects.create(name="Forge")
    Tool.objects.create(code="H0", name="Saw", maker=maker, rack=1, place=1, serial="s")
    body = ToolIn.model_validate({"code": "H1", "name": "Hammer", "maker": maker.pk, **values})
    with pytest.raises(Conflict) as refused:
        body.create()
    assert told(refused) == [told_as], vendor
    assert str(refused.value.faults[0])
    assert Tool.objects.count() == 1
    other = Tool.objects.create(code="H2", name="Other", maker=maker)
    with pytest.raises(Conflict) as refused:
        ToolPatch.model_validate(values).update(other)
    assert told(refused) == [told_as], vendor


@pytest.mark.usefixtures("blind")
def test_a_natural_key_that_only_the_database_sees(vendor: str) -> None:
    Material.objects.create(code="FE", name="Iron")
    schema = create_schema(Material, fields=["code", "name"])
    with pytest.raises(Conflict) as refused:
        schema.model_validate({"code": "FE", "name": "Other"}).create()
    assert told(refused) == [(("body", "code"), "unique", None)], vendor


@pytest.mark.usefixtures("blind")
def test_a_check_of_the_database_is_told_in_the_words_of_the_model(vendor: str) -> None:
    maker = Maker.objects.create(name="Forge")
    with pytest.raises(InvalidInput) as refused:
        ToolIn.model_validate({"code": "H", "name": "H", "maker": maker.pk, "price": -1}).create()
    assert [str(one) for one in refused.value.faults] == ["The price must not be negative."], vendor


def test_an_object_that_goes_while_it_is_named_does_not_exist(vendor: str) -> None:
    maker = Maker.objects.create(name="Forge")

    def take_away(**_: Any) -> None:
        with connections[ALIAS].cursor() as cursor:
            cursor.execute("DELETE FROM workshop_maker")

    models.signals.pre_save.connect(take_away, sender=Tool)
    try:
        with pytest.raises(InvalidInput) as refused:
            ToolIn.model_validate({"code": "H", "name": "H", "maker": maker.pk}).create()
    finally:
        models.signals.pre_save.disconnect(take_away, sender=Tool)
    assert [one.kind for one in refused.value.faults] == ["does_not_exist"]
    # SQLite does not say which reference it means.
    assert refused.value.faults[0].loc == (("body",) if vendor == "sqlite" else ("body", "maker"))
    assert not Tool.objects.exists()


def test_concurrent_creates_of_one_object_make_one(
    vendor: str, threads: Threads, api: FastAPI, build: Callable[[], ASGIApp], bare_django: Callable[..., None]
) -> None:
    del threads
    if vendor == "sqlite":
        return  # its database is in the memory of one connection
    gate = threading.Barrier(8, timeout=20)
    arrived = iter(range(CLIENTS))

    def meet(**_: Any) -> None:
        """Have several requests wait for each other between validation and the row."""
        if next(arrived) < gate.parties:
            gate.wait()

    @api.post("/makers", status_code=201)
    def add(data: MakerIn) -> MakerOut:
        made: MakerOut = data.create()
        return made

    bare_django()
    app = build()

    async def ask_all() -> list[Any]:
        async with asking(app) as ask:
            return await asyncio.gather(*(ask("/makers", "POST", json={"name": "Forge"}) for _ in range(CLIENTS)))

    models.signals.pre_save.connect(meet, sender=Maker)
    try:
        answers = asyncio.run(ask_all())
    finally:
        models.signals.pre_save.disconnect(meet, sender=Maker)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: CLIENTS - 1}
    refused = [answer.json()["detail"] for answer in answers if answer.status_code == 409]
    assert all([one["loc"] for one in errors] == [["body", "name"]] for errors in refused)
    assert {errors[0]["msg"] for errors in refused} == {"Maker with this Name already exists."}
    assert Maker.objects.count() == 1
