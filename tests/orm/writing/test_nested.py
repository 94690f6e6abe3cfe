import datetime as dt
from typing import Annotated, Any

import pytest
from pydantic import ValidationError

from django_fastapi.exceptions import Conflict, InvalidInput
from django_fastapi.orm import Missing, ModelSchema, SchemaError, create_schema
from django_fastapi.orm.writing import Item, writing
from tests.project.library.models import Category
from tests.project.workshop.models import Inspection, Label, Maker, Manual, Material, Part, Repair, Tool

from .test_create import told

pytestmark = pytest.mark.django_db


class MakerIn(ModelSchema):
    id: int | None = None

    class Meta:
        model = Maker
        fields = ["name"]


class MaterialIn(ModelSchema):
    class Meta:
        model = Material
        fields = ["code", "name"]


class PartIn(ModelSchema):
    id: int | None = None

    class Meta:
        model = Part
        fields = ["number", "name"]


class LabelIn(ModelSchema):
    id: int | None = None

    class Meta:
        model = Label
        fields = ["name"]


class ManualIn(ModelSchema):
    class Meta:
        model = Manual
        fields = ["text"]


class ToolIn(ModelSchema):
    maker: MakerIn
    material: MaterialIn | None = None
    parts: Annotated[list[PartIn], Missing.DELETE] = []
    labels: Annotated[list[LabelIn], Missing.DETACH] = []
    manual: Annotated[ManualIn | None, Missing.DELETE] = None

    class Meta:
        model = Tool
        fields = ["code", "name"]


class ToolPatch(ToolIn, partial=True):
    pass


class Branch(ModelSchema):
    children: Annotated[list["Branch"], Missing.KEEP] = []

    class Meta:
        model = Category
        fields = ["name"]
        depth = 3


WHOLE: dict[str, Any] = {
    "code": "H1",
    "name": "Hammer",
    "maker": {"name": "Forge"},
    "material": {"code": "FE", "name": "Iron"},
    "parts": [{"number": 1, "name": "head"}, {"number": 2, "name": "handle"}],
    "labels": [{"name": "red"}, {"name": "blue"}],
    "manual": {"text": "Hit."},
}


@pytest.fixture
def tool() -> Tool:
    made: Tool = ToolIn.model_validate(WHOLE).create()
    return made


def test_nested_objects_are_made(tool: Tool) -> None:
    read = Tool.objects.get()
    assert (read.maker.name, read.material.name, read.manual.text) == ("Forge", "Iron", "Hit.")
    assert [part.name for part in read.parts.all()] == ["head", "handle"]
    assert [label.name for label in read.labels.all()] == ["blue", "red"]
    assert tool.pk == read.pk


def test_nested_objects_are_changed_by_key_and_the_rule_says_what_becomes_of_others(tool: Tool) -> None:
    head, blue = tool.parts.get(number=1), Label.objects.get(name="blue")
    maker = tool.maker
    ToolPatch.model_validate(
        {
            "maker": {"id": maker.pk, "name": "Smithy"},
            "material": {"code": "FE", "name": "Steel"},
            "parts": [{"id": head.pk, "number": 1, "name": "peen"}, {"number": 3, "name": "wedge"}],
            "labels": [{"id": blue.pk, "name": "azure"}, {"name": "green"}],
            "manual": {"text": "Hit well."},
        }
    ).update(tool)
    tool = Tool.objects.get()
    assert (tool.maker_id, tool.maker.name, tool.material.name) == (maker.pk, "Smithy", "Steel")
    assert list(Material.objects.values_list("code", flat=True)) == ["FE"]
    assert [(part.pk == head.pk, part.name) for part in tool.parts.all()] == [(True, "peen"), (False, "wedge")]
    assert Part.objects.count() == 2
    assert [label.name for label in tool.labels.all()] == ["azure", "green"]
    assert Label.objects.filter(name="red").exists()
    assert Manual.objects.get().text == "Hit well."


def test_nothing_in_the_place_of_one_object_follows_the_rule(tool: Tool) -> None:
    ToolPatch.model_validate({"manual": None, "material": None}).update(tool)
    assert not Manual.objects.exists()
    assert Tool.objects.get().material is None
    assert Material.objects.exists()


def test_an_object_without_a_key_is_a_new_one(tool: Tool) -> None:
    ToolPatch.model_validate({"maker": {"name": "Other"}}).update(tool)
    assert sorted(Maker.objects.values_list("name", flat=True)) == ["Forge", "Other"]


def test_faults_say_where_at_every_level() -> None:
    Maker.objects.create(name="Forge")
    Label.objects.create(name="red")
    other = Tool.objects.create(code="X", name="X", maker=Maker.objects.create(name="X"))
    part = Part.objects.create(tool=other, number=9, name="of another")
    with pytest.raises(InvalidInput) as refused:
        ToolIn.model_validate(
            {
                **WHOLE,
                "code": "X",
                "parts": [{"id": part.pk, "number": 1, "name": "stolen"}],
                "labels": [{"id": 10**9, "name": "lost"}, {"name": "red"}],
            }
        ).create()
    assert sorted(told(refused), key=str) == [
        (("body", "code"), "unique"),
        (("body", "labels", 0, "id"), "does_not_exist"),
        (("body", "labels", 1, "name"), "unique"),
        (("body", "maker", "name"), "unique"),
        (("body", "parts", 0, "id"), "does_not_exist"),
    ]
    assert (Tool.objects.count(), Maker.objects.count(), Part.objects.get().tool_id) == (1, 2, other.pk)


def test_unknown_and_read_only_keys_are_refused_at_every_level() -> None:
    with pytest.raises(ValidationError, match=r"parts\.0\.tool\n"):
        ToolIn.model_validate({**WHOLE, "parts": [{"number": 1, "name": "x", "tool": 5}]})
    with pytest.raises(InvalidInput) as refused:
        ToolIn.model_validate({**WHOLE, "manual": {"text": "x"}, "maker": {"id": 77, "name": "x"}}).create()
    assert told(refused) == [(("body", "maker", "id"), "does_not_exist")]


def test_two_of_the_same_in_one_list_are_a_conflict_of_the_second_and_nothing_is_left() -> None:
    parts = [{"number": 1, "name": "a"}, {"number": 1, "name": "b"}]
    with pytest.raises(Conflict) as refused:
        ToolIn.model_validate({**WHOLE, "parts": parts}).create()
    assert told(refused) == [(("body", "parts", 1), "unique_together")]
    assert [model.objects.count() for model in (Tool, Maker, Material, Part, Label, Manual)] == [0] * 6


def test_one_object_is_named_once(tool: Tool) -> None:
    head = tool.parts.get(number=1)
    part = {"id": head.pk, "number": 1, "name": "x"}
    with pytest.raises(InvalidInput) as refused:
        ToolPatch.model_validate({"parts": [part, part]}).update(tool)
    assert told(refused) == [(("body", "parts", 1), "repeated")]


def test_related_objects_outside_of_what_the_client_sees_are_not_found(tool: Tool) -> None:
    body = ToolPatch.model_validate({"maker": {"id": tool.maker_id, "name": "Mine"}})
    with pytest.raises(InvalidInput) as refused:
        body.update(tool, {Maker: Maker.objects.none()})
    assert told(refused) == [(("body", "maker", "id"), "does_not_exist")]
    assert Maker.objects.get().name == "Forge"


def test_a_list_keeps_or_detaches_what_it_does_not_have(tool: Tool) -> None:
    class RepairIn(ModelSchema):
        class Meta:
            model = Repair
            fields = ["text"]

    class Keeping(ModelSchema):
        repairs: Annotated[list[RepairIn], Missing.KEEP]

        class Meta:
            model = Tool
            fields = []

    class Detaching(Keeping):
        repairs: Annotated[list[RepairIn], Missing.DETACH]

    Repair.objects.create(tool=tool, text="first")
    Keeping.model_validate({"repairs": [{"text": "second"}]}).update(tool)
    assert tool.repairs.count() == 2
    Detaching.model_validate({"repairs": [{"text": "third"}]}).update(tool)
    assert [one.text for one in tool.repairs.all()] == ["third"]
    assert Repair.objects.count() == 3


def test_a_list_without_a_rule_is_an_error_that_names_the_cure() -> None:
    class Ruleless(ModelSchema):
        parts: list[PartIn]

        class Meta:
            model = Tool
            fields = ["code"]

    with pytest.raises(SchemaError, match=r"`Ruleless.parts` does not say .*Annotated\[list\[PartIn\], Missing.KEEP\]"):
        Ruleless.model_validate({"code": "x", "parts": []}).create()

    class Impossible(ModelSchema):
        parts: Annotated[list[PartIn], Missing.DETACH]

        class Meta:
            model = Tool
            fields = ["code"]

    with pytest.raises(SchemaError, match=r"`workshop.Part.tool` must refer to one. Take DELETE"):
        Impossible.model_validate({"code": "x", "parts": []}).create()


def test_nothing_in_the_place_of_nothing_is_nothing_to_do() -> None:
    lone = ToolIn.model_validate({key: value for key, value in WHOLE.items() if key != "manual"}).create()
    ToolPatch.model_validate({"manual": None, "name": "Mallet"}).update(lone)
    assert (Tool.objects.get().name, Manual.objects.exists()) == ("Mallet", False)


def test_what_the_server_gives_stands_against_a_nested_object() -> None:
    fixed = Maker.objects.create(name="Fixed")
    assert ToolIn.model_validate(WHOLE).create(maker=fixed).maker == fixed
    Tool.objects.all().delete()
    Label.objects.all().delete()
    Material.objects.all().delete()
    ToolIn.model_validate(WHOLE).create(maker_id=fixed.pk)
    assert Tool.objects.get().maker == fixed
    assert list(Maker.objects.all()) == [fixed]


@pytest.mark.parametrize("name", ["maker", "maker_id"])
def test_what_a_hook_gives_stands_against_a_nested_object(name: str) -> None:
    mine = Maker.objects.create(name="Mine")

    def give(made: Tool) -> None:
        setattr(made, name, mine if name == "maker" else mine.pk)

    with writing(Tool) as writer:
        writer.save([Item(ToolIn.model_validate(WHOLE))], before=give)
    assert Tool.objects.get().maker == mine
    assert list(Maker.objects.all()) == [mine]


def test_the_same_list_again_replaces_what_it_made(tool: Tool) -> None:
    before = {part.pk for part in tool.parts.all()}
    ToolPatch.model_validate({"parts": WHOLE["parts"]}).update(tool)
    assert [part.name for part in tool.parts.all()] == ["head", "handle"]
    assert before.isdisjoint({part.pk for part in tool.parts.all()})
    handle = tool.parts.get(number=2)
    ToolPatch.model_validate({"parts": [{"id": handle.pk, "number": 1, "name": "handle"}]}).update(tool)
    assert [(part.pk, part.number) for part in tool.parts.all()] == [(handle.pk, 1)]


def test_nothing_of_a_list_is_replaced_if_something_is_wrong(tool: Tool) -> None:
    Inspection.objects.create(part=tool.parts.get(number=1))
    before = list(tool.parts.values())
    with pytest.raises(InvalidInput) as refused:
        ToolPatch.model_validate({"parts": WHOLE["parts"], "maker": {"id": 77, "name": "x"}}).update(tool)
    assert told(refused) == [(("body", "maker", "id"), "does_not_exist")]
    with pytest.raises(Conflict) as held:
        ToolPatch.model_validate({"parts": WHOLE["parts"]}).update(tool)
    assert told(held) == [(("path",), "protected")]
    Label.objects.create(name="taken")
    with pytest.raises(Conflict) as taken:
        ToolPatch.model_validate({"labels": [{"name": "taken"}]}).update(tool)
    assert told(taken) == [(("body", "labels", 0, "name"), "unique")]
    assert (list(tool.parts.values()), tool.labels.count()) == (before, 2)


def test_a_list_takes_nothing_away_that_the_client_may_not_name(tool: Tool) -> None:
    class Deleting(ModelSchema):
        labels: Annotated[list[LabelIn], Missing.DELETE]

        class Meta:
            model = Tool
            fields = []

    seen = {Label: Label.objects.exclude(name="red")}
    ToolPatch.model_validate({"labels": [{"name": "green"}]}).update(tool, seen)
    assert [label.name for label in tool.labels.all()] == ["green", "red"]
    Deleting.model_validate({"labels": []}).update(tool, seen)
    assert [label.name for label in tool.labels.all()] == ["red"]
    blue = Label.objects.get(name="blue")
    create_schema(Tool, fields=["labels"]).model_validate({"labels": [blue.pk]}).update(tool, seen)
    assert [label.name for label in tool.labels.all()] == ["blue", "red"]


def test_a_nested_object_is_one_that_the_field_may_refer_to(tool: Tool) -> None:
    closed = Maker.objects.create(name="Closed", is_open=False)
    body = ToolPatch.model_validate({"maker": {"id": closed.pk, "name": "Changed"}})
    with pytest.raises(InvalidInput) as refused:
        body.update(tool)
    assert told(refused) == [(("body", "maker", "id"), "does_not_exist")]
    Tool.objects.update(maker=closed)
    body.update(Tool.objects.get())
    assert Maker.objects.get(pk=closed.pk).name == "Changed"


def test_an_object_shows_what_has_become_of_its_relations(tool: Tool) -> None:
    tool = Tool.objects.select_related("manual").prefetch_related("parts", "labels").get()
    ToolPatch.model_validate(
        {"manual": None, "parts": [{"number": 5, "name": "wedge"}], "labels": [{"name": "green"}]}
    ).update(tool)
    assert not hasattr(tool, "manual")
    assert [part.name for part in tool.parts.all()] == ["wedge"]
    assert [label.name for label in tool.labels.all()] == ["green"]


@pytest.mark.parametrize(
    "change", [{"parts": []}, {"labels": []}, {"manual": None}, {"manual": {"text": "x"}}, {"maker": {"name": "x"}}]
)
def test_whatever_is_nested_moves_the_time_stamp(tool: Tool, change: dict[str, Any]) -> None:
    Tool.objects.update(changed=dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
    ToolPatch.model_validate(change).update(Tool.objects.get(pk=tool.pk))
    assert Tool.objects.get().changed.year > 2000


def test_objects_are_not_nested_without_an_end() -> None:
    body: dict[str, Any] = {"name": "leaf"}
    for number in range(200):
        body = {"name": str(number), "children": [body]}
    with pytest.raises(InvalidInput) as refused:
        Branch.model_validate(body).create()
    assert [kind for _, kind in told(refused)] == ["too_deep"]
    assert not Category.objects.exists()
    body = {"name": "leaf"}
    for number in range(31):
        body = {"name": str(number), "children": [body]}
    Branch.model_validate(body).create()
    assert Category.objects.count() == 32
