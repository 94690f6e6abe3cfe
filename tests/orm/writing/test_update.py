import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import connection
from django.db.models import ProtectedError
from django.db.models.signals import m2m_changed, pre_save
from django.http import Http404
from django.test.utils import CaptureQueriesContext
from pydantic import ValidationError

from django_fastapi.exceptions import Conflict, InvalidInput
from django_fastapi.orm import ModelSchema, create_schema, delete
from django_fastapi.orm.writing import Item, writing
from tests.project.library.models import Everything
from tests.project.workshop.models import Label, Maker, Material, Part, Tool

from .test_create import ToolIn, told, tool_in

pytestmark = pytest.mark.django_db


class ToolPatch(ToolIn, partial=True):
    pass


@pytest.fixture
def maker() -> Maker:
    return Maker.objects.create(name="Forge")


@pytest.fixture
def tool(maker: Maker) -> Tool:
    iron = Material.objects.create(code="FE", name="Iron")
    tool: Tool = Tool.objects.create(
        code="H1", name="Hammer", maker=maker, material=iron, price=5, rack=1, place=1, serial="s", retired=True
    )
    tool.labels.set([Label.objects.create(name="red"), Label.objects.create(name="blue")])
    return tool


def state(tool: Tool) -> dict[str, Any]:
    values: dict[str, Any] = Tool.objects.filter(pk=tool.pk).values().get()
    values.pop("changed")
    return {**values, "labels": sorted(tool.labels.values_list("name", flat=True))}


def test_a_patch_writes_what_was_sent_and_null_is_a_value(tool: Tool) -> None:
    before = state(tool)
    ToolPatch.model_validate({"material": None, "price": "7.25"}).update(tool)
    assert state(tool) == {**before, "material_id": None, "price": Decimal("7.25")}
    ToolPatch.model_validate({"labels": []}).update(tool)
    assert state(tool)["labels"] == []


def test_an_empty_patch_writes_nothing(tool: Tool) -> None:
    before = Tool.objects.values().get()
    with CaptureQueriesContext(connection) as captured:
        ToolPatch.model_validate({}).update(tool)
    assert not any("UPDATE" in one["sql"] for one in captured)
    assert Tool.objects.values().get() == before


def test_null_is_refused_where_the_column_takes_none(tool: Tool) -> None:
    for key in ("code", "maker", "labels", "retired"):
        with pytest.raises(ValidationError):
            ToolPatch.model_validate({key: None})
    assert tool.pk


def test_the_dynamic_form_of_a_patch_is_the_same(tool: Tool) -> None:
    ToolIn.partial().model_validate({"name": "Mallet"}).update(tool, made_by="bob")
    tool.refresh_from_db()
    assert (tool.name, tool.made_by, tool.price) == ("Mallet", "bob", Decimal(5))


def test_an_update_with_all_fields_replaces(tool: Tool, maker: Maker) -> None:
    tool_in(maker).update(tool)
    assert state(tool) == {
        "id": tool.pk,
        "code": "H1",
        "name": "Hammer",
        "maker_id": maker.pk,
        "material_id": None,
        "price": Decimal(0),
        "rack": None,
        "place": None,
        "serial": "",
        "retired": False,
        "labels": [],
        "made_by": "nobody",
        "version": 0,
    }


def test_columns_that_were_not_sent_are_left_to_others(tool: Tool) -> None:
    mine = Tool.objects.get(pk=tool.pk)
    Tool.objects.filter(pk=tool.pk).update(name="Changed", price=99)
    ToolPatch.model_validate({"rack": 2}).update(mine)
    assert (state(tool)["name"], state(tool)["price"], state(tool)["rack"]) == ("Changed", Decimal(99), 2)


def test_a_time_stamp_and_what_clean_changes_are_saved_too(tool: Tool) -> None:
    long_ago = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
    Tool.objects.filter(pk=tool.pk).update(changed=long_ago)
    Tool.objects.filter(pk=tool.pk).update(name=" Hammer ")
    tool.refresh_from_db()
    ToolPatch.model_validate({"rack": 2}).update(tool)
    tool.refresh_from_db()
    assert tool.changed > long_ago
    assert tool.name == "Hammer"


def test_a_list_moves_the_time_stamp_too(tool: Tool) -> None:
    long_ago = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
    Tool.objects.filter(pk=tool.pk).update(changed=long_ago)
    tool.refresh_from_db()
    ToolPatch.model_validate({"labels": []}).update(tool)
    assert Tool.objects.get(pk=tool.pk).changed > long_ago


def test_columns_that_were_not_loaded_are_not_saved(tool: Tool) -> None:
    part = Tool.objects.only("code").get(pk=tool.pk)
    with CaptureQueriesContext(connection) as captured:
        ToolPatch.model_validate({"name": "Mallet"}).update(part)
    (update,) = [one["sql"] for one in captured if one["sql"].startswith("UPDATE")]
    assert ('"name" =' in update, '"price" =' in update) == (True, False)
    loads = [one["sql"] for one in captured if 'FROM "workshop_tool"' in one["sql"] and '"made_by"' in one["sql"]]
    assert len(loads) == 1
    gone = Tool.objects.only("code").get(pk=tool.pk)
    tool.delete()
    with pytest.raises(Http404):
        ToolPatch.model_validate({"name": "Mallet"}).update(gone)


def test_what_a_hook_changes_in_place_is_saved() -> None:
    one = Everything.objects.create(json={"words": [1]})

    def count(changed: Everything) -> None:
        changed.json["words"].append(2)

    patch = create_schema(Everything, fields=["char"]).partial()
    with writing(Everything) as writer:
        writer.save([Item(patch.model_validate({"char": "x"}), one)], before=count)
    assert Everything.objects.get().json == {"words": [1, 2]}
    codes = create_schema(Everything, fields=["code"]).partial()
    with pytest.raises(InvalidInput), writing(Everything) as writer:
        writer.save([Item(codes.model_construct({"code"}, code="small"), one)], before=count)
    assert one.json == {"words": [1, 2]}


def test_columns_that_were_not_sent_are_not_checked_but_their_constraints_are(tool: Tool, maker: Maker) -> None:
    Tool.objects.create(code="H2", name="Saw", maker=maker, rack=2, place=1)
    Tool.objects.filter(pk=tool.pk).update(code="")
    tool.refresh_from_db()
    ToolPatch.model_validate({"price": 1}).update(tool)
    with pytest.raises(Conflict) as refused:
        ToolPatch.model_validate({"rack": 2}).update(tool)
    assert told(refused) == [(("body",), "unique_together")]


def test_uniqueness_of_what_is_not_written_is_not_asked_for(tool: Tool) -> None:
    with CaptureQueriesContext(connection) as captured:
        ToolPatch.model_validate({"price": 1}).update(tool)
    assert not any('"workshop_tool"."rack" = 1' in one["sql"] for one in captured)
    assert not any("\"code\" = 'H1'" in one["sql"] for one in captured)


def test_a_reference_that_stays_is_not_looked_up(tool: Tool, maker: Maker) -> None:
    Maker.objects.update(is_open=False)
    tool_in(maker).update(tool)
    other = Maker.objects.create(name="Closed", is_open=False)
    with pytest.raises(InvalidInput):
        tool_in(other).update(tool)


def test_an_object_is_as_it_was_when_nothing_comes_of_it(tool: Tool) -> None:
    before = {name: value for name, value in vars(tool).items() if name != "_state"}
    with pytest.raises(InvalidInput):
        ToolPatch.model_validate({"name": "Changed", "price": -1}).update(tool)
    assert {name: value for name, value in vars(tool).items() if name != "_state"} == before


def test_an_object_that_is_gone_is_not_found(tool: Tool) -> None:
    mine = Tool.objects.get(pk=tool.pk)
    tool.delete()
    with pytest.raises(Http404, match="No Tool matches the given query"):
        ToolPatch.model_validate({"price": 1}).update(mine)


def test_a_key_stays_what_it_is(tool: Tool) -> None:
    schema = create_schema(Material, fields=["code", "name"])
    iron = tool.material
    assert schema.model_validate({"code": "FE", "name": "Ferrum"}).update(iron).name == "Ferrum"
    with pytest.raises(InvalidInput) as refused:
        schema.model_validate({"code": "AU", "name": "Gold"}).update(iron)
    assert told(refused) == [(("body", "code"), "immutable")]
    assert list(Material.objects.values_list("code", "name")) == [("FE", "Ferrum")]


def test_a_chosen_key_that_is_left_out_stays() -> None:
    one = Everything.objects.create(char="a")
    schema = create_schema(Everything, fields=["id", "char"])
    assert schema.model_validate({"char": "b"}).update(one).char == "b"
    with pytest.raises(InvalidInput) as refused:
        schema.model_validate({"id": uuid.uuid4(), "char": "c"}).update(one)
    assert told(refused) == [(("body", "id"), "immutable")]
    assert list(Everything.objects.values_list("pk", "char")) == [(one.pk, "b")]


def test_only_the_changes_of_a_list_are_written(tool: Tool) -> None:
    sent: list[Any] = []
    red, green = Label.objects.get(name="red"), Label.objects.create(name="green")

    def note(action: str, pk_set: set[int], **_: Any) -> None:
        sent.append((action, pk_set))

    m2m_changed.connect(note, sender=Tool.labels.through)
    try:
        ToolPatch.model_validate({"labels": [red.pk, green.pk]}).update(tool)
    finally:
        m2m_changed.disconnect(note, sender=Tool.labels.through)
    blue = Label.objects.get(name="blue")
    assert sent == [
        ("pre_remove", {blue.pk}),
        ("post_remove", {blue.pk}),
        ("pre_add", {green.pk}),
        ("post_add", {green.pk}),
    ]


def test_the_other_side_of_a_list_can_be_written(tool: Tool) -> None:
    class LabelIn(ModelSchema):
        tools: list[int]

        class Meta:
            model = Label
            fields = ["name"]

    assert list(LabelIn.model_validate({"name": "new", "tools": [tool.pk]}).create().tools.all()) == [tool]


def test_update_takes_the_fields_that_are_saved_from_django(tool: Tool) -> None:
    seen: list[Any] = []

    def note(update_fields: Any, **_: Any) -> None:
        seen.append(update_fields)

    pre_save.connect(note, sender=Tool)
    try:
        ToolPatch.model_validate({"price": 1}).update(tool)
    finally:
        pre_save.disconnect(note, sender=Tool)
    assert seen == [frozenset({"price", "changed"})]


def test_what_is_held_is_not_deleted_and_the_holder_is_named(tool: Tool, maker: Maker) -> None:
    for held, holder in ((maker, "tools"), (tool.material, "tools")):
        with pytest.raises(Conflict) as refused:
            delete(held)
        assert told(refused) == [(("path",), "protected")]
        assert refused.value.faults[0].context == {"held_by": ["workshop.tool"]}
        assert str(refused.value.faults[0]) == f"This cannot be deleted, since {holder} refer to it."
    assert isinstance(refused.value.__cause__, Exception)
    assert not isinstance(refused.value, ProtectedError | DjangoValidationError)
    Part.objects.create(tool=tool, number=1, name="head")
    delete(tool)
    assert not Part.objects.exists()
