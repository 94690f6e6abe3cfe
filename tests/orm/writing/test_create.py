import uuid
from decimal import Decimal
from typing import Annotated, Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.signals import m2m_changed, post_save, pre_save
from django.test.utils import CaptureQueriesContext
from pydantic import ConfigDict, ValidationError

from django_fastapi.exceptions import Conflict, InvalidInput, WriteRefused
from django_fastapi.orm import Missing, ModelSchema, SchemaError, create_schema
from django_fastapi.orm.writing import Item, writing
from django_fastapi.orm.writing.references import visible
from tests.project.library.models import Author, Book, Chapter, CheapBook, Everything, Novel
from tests.project.workshop.models import Label, Maker, Material, Person, Tool

pytestmark = pytest.mark.django_db


class ToolIn(ModelSchema):
    class Meta:
        model = Tool
        fields = ["code", "name", "maker", "material", "price", "rack", "place", "serial", "retired", "labels"]


@pytest.fixture
def maker() -> Maker:
    return Maker.objects.create(name="Forge")


def tool_in(maker: Maker, /, **values: Any) -> ToolIn:
    return ToolIn.model_validate({"code": "H1", "name": "Hammer", "maker": maker.pk, **values})


def told(refused: pytest.ExceptionInfo[WriteRefused]) -> list[tuple[tuple[str | int, ...], str]]:
    return [(fault.loc, fault.kind) for fault in refused.value.faults]


def test_an_object_is_made_with_its_relations(maker: Maker) -> None:
    iron = Material.objects.create(code="FE", name="Iron")
    red, blue = Label.objects.create(name="red"), Label.objects.create(name="blue")
    tool = tool_in(maker, material="FE", price="9.50", labels=[red.pk, blue.pk]).create(made_by="ann")
    read = Tool.objects.get(pk=tool.pk)
    assert (read.maker, read.material, read.price, read.made_by) == (maker, iron, Decimal("9.50"), "ann")
    assert list(read.labels.all()) == [blue, red]


def test_all_foreign_keys_are_looked_up_in_one_query_and_each_list_in_another(
    maker: Maker,
) -> None:
    Material.objects.create(code="FE", name="Iron")
    labels = [Label.objects.create(name=str(number)).pk for number in range(5)]
    body = tool_in(maker, material="FE", rack=1, place=2, labels=labels)
    with CaptureQueriesContext(connection) as captured:
        body.create()
    statements = [one["sql"] for one in captured if "SAVEPOINT" not in one["sql"]]
    looked_up = [one for one in statements if "UNION ALL" in one or 'FROM "workshop_label"' in one]
    assert len(looked_up) == 2
    # The maker is what `Tool.clean` asks for, and then there are five rules to be checked.
    assert [one.split()[0] for one in statements] == ["SELECT"] * (2 + 1 + 5) + ["INSERT"] * 2


def test_what_is_named_and_does_not_exist_is_told_all_at_once(maker: Maker) -> None:
    label = Label.objects.create(name="red")
    hidden = Label.objects.create(name="hidden", hidden=True)
    body = tool_in(maker, maker=maker.pk + 9, material="XX", labels=[label.pk, hidden.pk, 10**9], rack=10)
    with pytest.raises(InvalidInput) as refused:
        body.create()
    assert sorted(told(refused), key=str) == [
        (("body", "labels", 1), "does_not_exist"),
        (("body", "labels", 2), "does_not_exist"),
        (("body", "maker"), "does_not_exist"),
        (("body", "material"), "does_not_exist"),
    ]
    assert not Tool.objects.exists()


def test_what_a_field_must_not_refer_to_does_not_exist(maker: Maker) -> None:
    Maker.objects.filter(pk=maker.pk).update(is_open=False)
    with pytest.raises(InvalidInput) as refused:
        tool_in(maker).create()
    assert told(refused) == [(("body", "maker"), "does_not_exist")]


def test_what_the_client_may_not_see_does_not_exist(maker: Maker) -> None:
    label = Label.objects.create(name="red")
    with pytest.raises(InvalidInput) as refused:
        tool_in(maker, labels=[label.pk]).create({Maker: Maker.objects.none(), Label: Label.objects.none()})
    assert told(refused) == [(("body", "maker"), "does_not_exist"), (("body", "labels", 0), "does_not_exist")]
    assert tool_in(maker, labels=[label.pk]).create({Maker: Maker.objects.all()}).pk


@pytest.mark.parametrize(
    ("values", "loc", "kind"),
    [
        ({"price": "-1"}, ("body",), "invalid"),
        ({"name": "Forge"}, ("body", "name"), "same"),
    ],
)
def test_rules_of_the_model_are_told(maker: Maker, values: dict[str, Any], loc: tuple[str, ...], kind: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        tool_in(maker, **values).create()
    assert told(refused) == [(loc, kind)]


@pytest.mark.parametrize(
    ("values", "loc", "kind", "fields"),
    [
        ({"code": "H0", "serial": "x"}, ("body", "code"), "unique", None),
        ({"rack": 1, "place": 1}, ("body",), "unique_together", ["rack", "place"]),
        ({"serial": "s"}, ("body", "serial"), "unique", None),
        ({"name": "SAW"}, ("body",), "unique", None),
    ],
)
def test_what_exists_already_is_a_conflict(
    maker: Maker, values: dict[str, Any], loc: tuple[str, ...], kind: str, fields: list[str] | None
) -> None:
    Tool.objects.create(code="H0", name="Saw", maker=maker, rack=1, place=1, serial="s")
    with pytest.raises(Conflict) as refused:
        tool_in(maker, **values).create()
    assert told(refused) == [(loc, kind)]
    assert refused.value.faults[0].context.get("fields") == fields
    assert Tool.objects.count() == 1


def test_a_conflict_and_something_wrong_are_something_wrong(maker: Maker) -> None:
    Tool.objects.create(code="H1", name="Saw", maker=maker)
    with pytest.raises(InvalidInput) as refused:
        tool_in(maker, price="-1").create()
    assert told(refused) == [(("body", "code"), "unique"), (("body",), "invalid")]


@pytest.mark.parametrize("key", ["id", "version", "unknown", "is_superuser", "maker_id"])
def test_unknown_keys_are_refused(maker: Maker, key: str) -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        tool_in(maker, **{key: 1})


def test_read_only_keys_are_refused_unless_the_schema_ignores_them(maker: Maker) -> None:
    class Strict(ToolIn):
        class Meta(ToolIn.Meta):
            fields = [*ToolIn.Meta.fields, "id", "changed", "version"]
            read_only = ["version"]

    class Loose(Strict):
        model_config = ConfigDict(extra="ignore")

    body = {"code": "H", "name": "H", "maker": maker.pk, "id": 77, "changed": "2020-01-01T00:00:00Z", "version": 9}
    with pytest.raises(InvalidInput) as refused:
        Strict.model_validate(body).create()
    assert told(refused) == [((("body", key)), "read_only") for key in ("id", "changed", "version")]
    tool = Loose.model_validate({**body, "unknown": 1}).create()
    assert (tool.pk == 77, tool.version) == (False, 0)


def test_rights_and_owners_are_not_written_unless_they_are_named() -> None:
    whole = create_schema(Person, fields="__all__")
    values = {"id": 7, "is_staff": True, "is_superuser": True, "password": "x", "last_login": None, "user": None}
    for key, value in values.items():
        with pytest.raises(InvalidInput) as refused:
            whole.model_validate({"name": "Ann", key: value}).create()
        assert told(refused) == [(("body", key), "read_only")]
    named = create_schema(Person, fields=["name", "is_staff"])
    assert named.model_validate({"name": "Ann", "is_staff": True}).create().is_staff is True
    for model_fields in ("groups", "user_permissions", "is_superuser", "last_login"):
        assert create_schema(User, exclude=["password"]).model_json_schema()["properties"][model_fields]["readOnly"]


def test_a_password_is_not_stored_as_it_was_sent() -> None:
    schema = create_schema(User, fields=["username", "password"])
    with pytest.raises(SchemaError, match="call `set_password`"):
        schema.model_validate({"username": "ann", "password": "secret"}).create()


def test_a_field_that_the_schema_lacks_is_the_projects_fault(maker: Maker) -> None:
    schema = create_schema(Tool, name="Short", fields=["name", "maker"])
    body = schema.model_validate({"name": "Hammer", "maker": maker.pk})
    with pytest.raises(SchemaError, match=r"`Tool.code` needs a value that `Short` does not have.*`create\(code="):
        body.create()
    assert body.create(code="H").code == "H"
    with pytest.raises(SchemaError, match=r"`Tool.maker` needs a value"):
        create_schema(Tool, fields=["name"]).model_validate({"name": "x"}).create(code="y")
    with pytest.raises(SchemaError, match=r"`Tool.cod` is no field that can be given; did you mean `code`\?"):
        body.create(cod="H")


def test_signals_are_sent_as_django_sends_them(maker: Maker) -> None:
    sent: list[tuple[str, Any]] = []
    label = Label.objects.create(name="red")

    def on_save(sender: Any, **options: Any) -> None:
        sent.append((sender.__name__, options.get("created")))

    def on_m2m(action: str, **_: Any) -> None:
        sent.append(("labels", action))

    signals: list[tuple[Any, Any, Any]] = [
        (pre_save, on_save, Tool),
        (post_save, on_save, Tool),
        (m2m_changed, on_m2m, Tool.labels.through),
    ]
    for signal, receiver, sender in signals:
        signal.connect(receiver, sender=sender)
    try:
        tool_in(maker, labels=[label.pk]).create()
    finally:
        for signal, receiver, sender in signals:
            signal.disconnect(receiver, sender=sender)
    assert sent == [("Tool", None), ("Tool", True), ("labels", "pre_add"), ("labels", "post_add")]


def test_nothing_is_written_where_a_receiver_fails(maker: Maker) -> None:
    label = Label.objects.create(name="red")

    def fail(**_: Any) -> None:
        raise RuntimeError("no")

    m2m_changed.connect(fail, sender=Tool.labels.through)
    try:
        with pytest.raises(RuntimeError):
            tool_in(maker, labels=[label.pk]).create()
    finally:
        m2m_changed.disconnect(fail, sender=Tool.labels.through)
    assert not Tool.objects.exists()


def test_a_natural_key_is_written_and_a_second_object_does_not_take_the_place_of_the_first() -> None:
    schema = create_schema(Material, fields=["code", "name"])
    assert schema.model_validate({"code": "FE", "name": "Iron"}).create().pk == "FE"
    with pytest.raises(Conflict) as refused:
        schema.model_validate({"code": "FE", "name": "Other"}).create()
    assert told(refused) == [(("body", "code"), "unique")]
    assert Material.objects.get().name == "Iron"


@pytest.mark.anyio
@pytest.mark.django_db(transaction=True)
async def test_async_code_creates_and_updates() -> None:
    maker = await Maker.objects.acreate(name="Forge")
    tool = await tool_in(maker).acreate()
    assert (await tool_in(maker, name="Mallet").aupdate(tool)).name == "Mallet"
    assert (await Tool.objects.aget()).name == "Mallet"


def test_an_object_of_a_derived_model_is_made_and_changed_with_the_row_above_it() -> None:
    schema = create_schema(Novel, fields=["title", "author", "genre"])
    body = {"title": "First", "author": Author.objects.create(name="Ann").pk, "genre": "crime"}
    novel = schema.model_validate(body).create()
    schema.model_validate({**body, "title": "Second", "genre": "love"}).update(novel)
    assert list(Novel.objects.values_list("title", "genre")) == [("Second", "love")]
    assert [book.pk for book in Book.objects.all()] == [novel.pk]


def test_what_a_client_may_name_holds_for_proxies_too() -> None:
    ann = Author.objects.create(name="Ann")
    seen, hidden = (Book.objects.create(title=title, author=ann) for title in ("seen", "hidden"))
    schema = create_schema(Chapter, fields=["book", "number", "title"])
    scopes = {CheapBook: CheapBook.objects.filter(title="seen")}
    schema.model_validate({"book": seen.pk, "number": 1, "title": "x"}).create(scopes)
    with pytest.raises(InvalidInput) as refused:
        schema.model_validate({"book": hidden.pk, "number": 2, "title": "x"}).create(scopes)
    assert told(refused) == [(("body", "book"), "does_not_exist")]
    found = visible(CheapBook, "default", {Book: Book.objects.filter(title="seen"), Author: Author.objects.none()})
    assert [type(one) for one in found] == [CheapBook]
    assert [one.title for one in found] == ["seen"]


def test_json_is_no_deeper_than_can_be_read_again() -> None:
    def nested(levels: int) -> Any:
        value: Any = 1
        for number in range(levels):
            value = [value] if number % 2 else {"x": value}
        return value

    schema = create_schema(Everything, fields=["json"])
    made = schema.model_construct({"json"}, json=nested(200)).create()
    assert schema.from_orm(Everything.objects.get(pk=made.pk)).model_dump_json()
    with pytest.raises(InvalidInput) as refused:
        schema.model_construct({"json"}, json=nested(201)).create()
    assert told(refused) == [(("body", "json"), "value_error")]


def test_the_clean_of_a_model_finds_every_column_in_order(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    class Racked(ModelSchema):
        rack: int

        class Meta:
            model = Tool
            fields = ["code", "name", "maker"]

    def clean(tool: Tool) -> None:
        assert tool.rack is not None

    monkeypatch.setattr(Tool, "clean", clean)
    with pytest.raises(InvalidInput) as refused:
        Racked.model_validate({"code": "x", "name": "x", "maker": maker.pk, "rack": 10**30}).create()
    assert told(refused) == [(("body", "rack"), "value_error")]


def test_a_hook_is_given_no_object_that_names_what_is_not_there(maker: Maker) -> None:
    def look(tool: Tool) -> None:
        assert tool.maker.name == "Forge"
        tool.made_by = tool.maker.name

    with pytest.raises(InvalidInput) as refused, writing(Tool) as writer:
        writer.save([Item(tool_in(Maker(pk=10**6))), Item(tool_in(maker))], before=look)
    assert told(refused) == [(("body", "maker"), "does_not_exist")]


def test_what_only_a_hook_would_have_given_is_not_missed(maker: Maker) -> None:
    def give(tool: Tool) -> None:
        tool.maker = maker

    schema = create_schema(Tool, fields=["code", "name", "material"])
    body = schema.model_construct({"code", "name", "material"}, code="", name="x", material="FE")
    with pytest.raises(InvalidInput) as refused, writing(Tool) as writer:
        writer.save([Item(body)], before=give)
    assert told(refused) == [(("body", "material"), "does_not_exist"), (("body", "code"), "blank")]


def test_a_chosen_key_may_be_left_out() -> None:
    class EverythingIn(ModelSchema):
        id: uuid.UUID | None = None

        class Meta:
            model = Everything
            fields = ["char"]

    class BookIn(ModelSchema):
        everything_set: Annotated[list[EverythingIn], Missing.DELETE]

        class Meta:
            model = Book
            fields = ["title", "author"]

    assert EverythingIn.model_validate({"char": "a"}).create().pk
    assert EverythingIn.model_validate({"char": "a", "id": None}).create().pk
    chosen = uuid.uuid4()
    assert EverythingIn.model_validate({"char": "a", "id": chosen}).create().pk == chosen
    ann = Author.objects.create(name="Ann")
    body = {"title": "x", "author": ann.pk, "everything_set": [{"char": "in"}, {"char": "in", "id": None}]}
    assert BookIn.model_validate(body).create().everything_set.count() == 2
