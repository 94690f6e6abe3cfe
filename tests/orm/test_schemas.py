import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Annotated, Any, Generic, TypeVar

import pytest
from django.apps import apps
from django.db import models
from pydantic import AliasPath, BaseModel, BeforeValidator, Field, ValidationError, computed_field, field_validator

from django_fastapi.orm import ModelSchema, SchemaError, create_schema, plan_query
from tests.project.library.models import Author, Book, Category, Clashing, Everything, Novel, Shelf, Tag

T = TypeVar("T")


class TagOut(ModelSchema):
    class Meta:
        model = Tag
        fields = ["id", "name"]


class AuthorOut(ModelSchema):
    class Meta:
        model = Author
        fields = ["id", "name"]


class BookOut(ModelSchema):
    author: AuthorOut
    tags: list[TagOut]

    class Meta:
        model = Book
        fields = ["id", "title", "price"]


def test_a_schema_is_read_from_an_instance(library: SimpleNamespace) -> None:
    assert BookOut.from_orm(library.first).model_dump(mode="json") == {
        "id": library.first.pk,
        "title": "First",
        "price": "9.50",
        "author": {"id": library.ann.pk, "name": "Ann"},
        "tags": [{"id": library.red.pk, "name": "red"}, {"id": library.blue.pk, "name": "blue"}],
    }


def test_a_schema_has_these_names_of_its_own_and_no_others() -> None:
    names = {name for base in ModelSchema.__mro__[: ModelSchema.__mro__.index(BaseModel)] for name in vars(base)}
    assert {name for name in names if not name.startswith("_")} == {
        *("from_orm", "from_orm_async", "from_queryset", "from_queryset_async", "partial"),
        *("create", "acreate", "update", "aupdate", "model_config"),
    }


def test_pydantic_reads_instances_wherever_it_meets_them(library: SimpleNamespace) -> None:
    class Envelope(BaseModel):
        best: BookOut
        rest: list[BookOut]

    envelope = Envelope.model_validate({"best": library.first, "rest": [library.second]})
    assert envelope.best.title == "First"
    assert envelope.rest[0].author.name == "Böb"
    with pytest.raises(ValidationError, match="no instance of the schema's model, but Tag"):
        BookOut.model_validate(library.red)


def test_relations_are_keys_where_no_schema_is_nested(library: SimpleNamespace) -> None:
    class Flat(ModelSchema):
        class Meta:
            model = Book
            fields = ["author", "editor_id", "tags", "chapter_set"]

    assert Flat.from_orm(library.first).model_dump() == {
        "author": library.ann.pk,
        "editor_id": None,
        "tags": [library.red.pk, library.blue.pk],
        "chapter_set": list(library.first.chapter_set.values_list("pk", flat=True)),
    }


def test_every_column_and_forward_many_to_many_are_all_the_fields() -> None:
    class Whole(ModelSchema):
        class Meta:
            model = Book
            fields = "__all__"

    class ButSome(ModelSchema):
        class Meta:
            model = Book
            exclude = ["price", "tags"]

    assert list(Whole.model_fields) == ["id", "title", "author", "editor", "status", "price", "stock", "tags"]
    assert list(ButSome.model_fields) == ["id", "title", "author", "editor", "status", "stock"]


def meta(**options: Any) -> Any:
    return type("Meta", (), options)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"fields": ["autor"], "model": Book}, r"`Book.autor` does not exist; did you mean `author`\?"),
        ({"fields": ["shout"], "model": Author}, r"`Author.shout` is no field.*declare it in `Wrong`"),
        ({"exclude": ["autor"], "model": Book}, r"`Book.autor`, which is none of its fields; did you mean `author`\?"),
        ({"fields": ["id"]}, "names no model"),
        ({"model": Book}, "says nothing of fields"),
        ({"model": Book, "fields": ["id"], "exclude": ["title"]}, "both `fields` and `exclude`"),
        ({"model": Book, "fields": "title"}, 'must be a list of names or "__all__"'),
        ({"model": Book, "feilds": ["id"]}, r"`Wrong.Meta.feilds` means nothing; did you mean `fields`\?"),
        ({"model": BaseModel, "fields": ["id"]}, "must be a Django model"),
        ({"model": Book, "fields": ["id"], "depth": -1}, "must be a number of relations"),
    ],
)
def test_a_wrong_meta_is_an_error_at_the_class_statement(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SchemaError, match=complaint):
        type(ModelSchema)(
            "Wrong", (ModelSchema,), {"__module__": __name__, "__qualname__": "Wrong", "Meta": meta_of(options)}
        )


def meta_of(options: dict[str, Any]) -> type:
    return type("Meta", (), {**options, "__module__": __name__, "__qualname__": "Wrong.Meta"})


def test_a_misspelt_relation_is_an_error_at_the_class_statement() -> None:
    with pytest.raises(SchemaError, match=r"`Wrong`: `Book.autor` does not exist; did you mean `author`\?"):

        class Wrong(ModelSchema):
            autor: AuthorOut

            class Meta:
                model = Book
                fields = ["id"]


def test_an_unknown_field_class_is_an_error_that_names_the_cure() -> None:
    class Strange(models.Field):
        def get_internal_type(self) -> str:
            return "Strange"

    class Thing(models.Model):  # noqa: DJ008 (nobody prints it)
        strange = Strange()

        class Meta:
            app_label = "library_strange"

    with pytest.raises(SchemaError, match=r"library_strange.Thing.strange` is a `Strange`.*register_field\(Strange"):
        create_schema(Thing, fields=["strange"])


def test_a_schema_before_the_apps_are_ready_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "models_ready", False)
    with pytest.raises(SchemaError, match="`TagSchema` is defined before Django's apps are ready"):
        create_schema(Tag, fields=["id"])


@pytest.mark.django_db
def test_fields_whose_name_is_taken_get_an_underscore_and_an_alias() -> None:
    class ClashingOut(ModelSchema):
        class Meta:
            model = Clashing
            fields = ["json", "copy", "update", "model_dump", "_order"]

    assert list(ClashingOut.model_fields) == ["json_", "copy_", "update_", "model_dump_", "order_"]
    owner = Category.objects.create(name="owner")
    read = ClashingOut.from_orm(Clashing.objects.create(json="j", owner=owner))
    assert read.model_dump(by_alias=True) == {"json": "j", "copy": 0, "update": False, "model_dump": "", "_order": 0}
    assert ClashingOut.model_validate({"json": "x"}).model_dump()["json_"] == "x"


def test_declared_annotations_go_before_the_models(library: SimpleNamespace) -> None:
    class Declared(ModelSchema):
        title: str = Field(max_length=3, serialization_alias="headline")
        writer: str = Field(validation_alias=AliasPath("author", "name"))
        shouted: str = Field(validation_alias=AliasPath("author", "shout"))
        kind: str = "book"

        class Meta:
            model = Book
            fields = ["id", "title"]

        @computed_field
        def label(self) -> str:
            return f"{self.title} by {self.writer}"

        @field_validator("kind")
        @classmethod
        def loud(cls, value: str) -> str:
            return value.upper()

    library.first.title = "One"
    assert Declared.from_orm(library.first).model_dump(by_alias=True) == {
        "id": library.first.pk,
        "headline": "One",
        "writer": "Ann",
        "shouted": "ANN",
        "kind": "book",
        "label": "One by Ann",
    }


@pytest.mark.usefixtures("library")
def test_properties_of_the_model_are_read_with_whole_rows(django_assert_num_queries: Any) -> None:
    class Loud(ModelSchema):
        shout: str

        class Meta:
            model = Author
            fields = ["id"]

    with django_assert_num_queries(1):
        assert [one.shout for one in Loud.from_queryset(Author.objects.all())] == ["ANN", "BÖB"]


def test_schemas_inherit_fields_model_and_options(library: SimpleNamespace) -> None:
    class Stamped(ModelSchema):
        stock: int

    class Short(Stamped):
        class Meta:
            model = Book
            fields = ["id", "stock"]

    class Long(Short):
        author: AuthorOut

        class Meta(Short.Meta):
            fields = [*Short.Meta.fields, "title"]

    class OfNovels(Long):
        class Meta:
            model = Novel
            fields = ["id", "stock", "title", "genre"]

    assert list(Long.model_fields) == ["stock", "id", "title", "author"]
    novel = Novel.objects.create(title="N", author=library.bob, genre="noir")
    assert OfNovels.from_orm(novel).model_dump() == {
        "stock": 0,
        "id": novel.pk,
        "title": "N",
        "genre": "noir",
        "author": {"id": library.bob.pk, "name": "Böb"},
    }
    with pytest.raises(SchemaError, match="leaves out `id`, which `Less` inherits"):

        class Less(Long):
            class Meta:
                fields = ["title"]

    with pytest.raises(SchemaError, match="is `Tag`, which is no `Book`"):

        class Other(Short):
            class Meta:
                model = Tag


class Described(ModelSchema, Generic[T]):
    extra: T | None = None

    class Meta:
        model = Tag
        fields = ["name"]


def test_schemas_may_be_generic(library: SimpleNamespace) -> None:
    assert Described[int].from_orm(library.red).model_dump() == {"extra": None, "name": "red"}
    assert Described[int].model_validate({"name": "x", "extra": "3"}).extra == 3


class CategoryOut(ModelSchema):
    children: list["CategoryOut"]
    parent: "ParentOut | None"

    class Meta:
        model = Category
        fields = ["name"]
        depth = 1


class ParentOut(ModelSchema):
    class Meta:
        model = Category
        fields = ["name"]


@pytest.mark.django_db
def test_forward_references_and_a_schema_that_nests_itself() -> None:
    top = Category.objects.create(name="top")
    middle = Category.objects.create(name="middle", parent=top)
    Category.objects.create(name="bottom", parent=middle)
    assert CategoryOut.from_orm(top).model_dump() == {
        "name": "top",
        "children": [{"name": "middle", "children": [], "parent": {"name": "top"}}],
        "parent": None,
    }


def test_a_schema_that_nests_itself_without_an_end_is_an_error() -> None:
    with pytest.raises(
        SchemaError, match=r"`Endless.children` nests `Endless` in itself without an end: set `Endless.Meta.depth`"
    ):

        class Endless(ModelSchema):
            children: list["Endless"]

            class Meta:
                model = Category
                fields = ["name"]


def test_depth_makes_objects_of_relations_without_their_secrets(library: SimpleNamespace) -> None:
    deep = create_schema(Book, name="DeepBook", fields=["title", "author"], depth=2)
    assert deep.from_orm(library.first).model_dump() == {
        "title": "First",
        "author": {
            "id": library.ann.pk,
            "name": "Ann",
            "email": "ann@example.com",
            "publisher": {"id": library.press.pk, "code": "press", "name": "The Press", "parent": None},
        },
    }


def test_create_schema_makes_a_new_class_at_each_call() -> None:
    class Base(ModelSchema):
        extra: int = 1

    first, second = create_schema(Tag, fields=["name"]), create_schema(Tag, fields=["name"], base=Base)
    assert first.__name__ == second.__name__ == "TagSchema"
    assert list(first.model_fields) == ["name"]
    assert list(second.model_fields) == ["extra", "name"]
    assert list(create_schema(Tag, fields=["name"], declared={"books": list[int]}).model_fields) == ["name", "books"]


def test_limits_bind_input_only(library: SimpleNamespace) -> None:
    class BookIn(ModelSchema):
        class Meta:
            model = Book
            fields = ["title", "status", "price"]

    with pytest.raises(ValidationError, match="at most 200 characters"):
        BookIn(title="x" * 201)
    with pytest.raises(ValidationError, match="should be one of 'draft', 'published'"):
        BookIn.model_validate({"title": "x", "status": "lost"})
    with pytest.raises(ValidationError, match="no more than 2 decimal places"):
        BookIn(title="x", price=Decimal("1.999"))
    for bad in ("", "a\x00", "\ud800"):
        with pytest.raises(ValidationError):
            BookIn(title=bad)
    Book.objects.filter(pk=library.first.pk).update(title="", status="lost")
    library.first.refresh_from_db()
    assert BookIn.from_orm(library.first).title == ""
    assert BookIn.from_queryset(Book.objects.filter(pk=library.first.pk))[0].status == "lost"
    everything = Everything(at_least=1, slug="no slug!", email="no address", char="x" * 300)
    assert create_schema(Everything, fields=["at_least", "slug", "email", "char"]).from_orm(
        everything
    ).model_dump() == {
        "at_least": 1,
        "slug": "no slug!",
        "email": "no address",
        "char": "x" * 300,
    }


def test_required_optional_read_only_and_partial() -> None:
    class BookIn(ModelSchema):
        class Meta:
            model = Book
            fields = ["id", "title", "author", "editor", "status", "stock"]
            read_only = ["stock"]

    class BookPatch(BookIn, partial=True):
        note: str

    class Loose(BookIn):
        class Meta:
            optional = "__all__"

    schema = BookIn.model_json_schema()
    assert schema["required"] == ["title", "author"]
    assert schema["properties"]["id"]["readOnly"] is True
    assert schema["properties"]["stock"]["readOnly"] is True
    assert schema["properties"]["status"]["default"] == "draft"
    assert "required" not in BookPatch.model_json_schema()
    assert BookPatch.model_validate({"title": "x"}).model_dump(exclude_unset=True) == {"title": "x"}
    with pytest.raises(ValidationError):
        BookPatch.model_validate({"title": None})
    assert BookIn.partial() is BookIn.partial()
    assert BookIn.partial()().model_dump(exclude_unset=True) == {}
    assert "required" not in Loose.model_json_schema()


def test_choices_are_named_enums_in_the_documents() -> None:
    schema = create_schema(Book, name="B", fields=["status"]).model_json_schema()
    assert schema["$defs"]["BookStatus"]["enum"] == ["draft", "published"]
    assert schema["properties"]["status"]["$ref"] == "#/$defs/BookStatus"


@pytest.mark.django_db
def test_a_composite_primary_key_is_read() -> None:
    class ShelfOut(ModelSchema):
        class Meta:
            model = Shelf
            fields = ["pk", "label"]

    Shelf.objects.create(room="a", number=1)
    assert ShelfOut.from_queryset(Shelf.objects.all())[0].model_dump(mode="json") == {"pk": ["a", 1], "label": ""}


def test_every_field_has_a_type_and_the_json_schema_is_sound() -> None:
    schema = create_schema(Everything, fields="__all__")
    for mode in ("validation", "serialization"):
        described = schema.model_json_schema(mode=mode)  # type: ignore[arg-type]
        assert described["properties"].keys() >= {"big", "binary", "json", "loud", "tags"}
        json.dumps(described)
    properties = schema.model_json_schema(mode="validation")["properties"]
    assert properties["email"]["format"] == "email"
    assert properties["url"]["format"] == "uri"
    assert properties["loud"]["readOnly"] is True
    assert properties["positive_small"]["maximum"] == 10
    assert "default" not in properties["stamped"]


Hidden = Annotated[str, BeforeValidator(lambda _value: "***")]


class Contact(ModelSchema):
    class Meta:
        model = Author
        fields = ["name", "email"]


class Masked(Contact):
    email: Hidden


class Below(Masked):
    books: list[int]


class WithMeta(Masked):
    class Meta:
        model = Author
        fields = ["name", "email"]
        read_only = ["name"]


class Mask(BaseModel):
    email: Hidden


class PlainMask:
    email: Hidden = "none"


class Mixed(Mask, Contact):
    pass


class MixedWithMeta(Mask, Contact):
    class Meta:
        model = Author
        fields = ["name", "email"]
        optional = ["name"]


class MixedPartial(Mask, Contact, partial=True):
    pass


class MixedPlainly(PlainMask, Contact):
    pass


class OfBoth(Masked, Contact):
    pass


class BelowPartial(Masked.partial()):  # type: ignore[misc]
    pass


@pytest.mark.parametrize(
    "schema",
    [
        Masked,
        Below,
        WithMeta,
        Mixed,
        MixedWithMeta,
        MixedPartial,
        MixedPlainly,
        OfBoth,
        BelowPartial,
        Masked.partial(),
        Below.partial(),
        Mixed.partial(),
        create_schema(Author, base=Masked, fields=["name", "email"]),
        create_schema(Author, base=Masked, fields=["name", "email", "id"]),
    ],
)
def test_a_redeclared_field_stays_so_in_every_class_below(library: SimpleNamespace, schema: type[ModelSchema]) -> None:
    assert f"`{schema.__name__}.email` has a type of its own" in plan_query(schema).explain()
    assert schema.from_orm(library.ann).model_dump()["email"] == "***"


def test_a_redeclared_field_is_not_left_out_in_silence() -> None:
    with pytest.raises(SchemaError, match="leaves out `email`, which `AuthorSchema` inherits"):
        create_schema(Author, base=Masked, fields=["name"])


def test_a_redeclared_alias_stays_so_in_every_class_below(library: SimpleNamespace) -> None:
    class Named(ModelSchema):
        class Meta:
            model = Author
            fields = ["name"]

    class Mid(Named):
        name: str = Field(validation_alias="email")

    class Child(Mid):
        pass

    class ChildWithMeta(Mid):
        class Meta:
            model = Author
            fields = ["name", "id"]

    for schema in (Mid, Child, ChildWithMeta, Mid.partial(), create_schema(Author, base=Mid, fields=["name"])):
        assert schema.from_orm(library.ann).model_dump()["name"] == "ann@example.com"
        assert "columns: email" in plan_query(schema).explain()


def test_a_redeclared_field_whose_name_was_taken_stays_so_in_every_class_below() -> None:
    class Base(ModelSchema):
        class Meta:
            model = Clashing
            fields = ["json"]

    class Mid(Base):
        json_: Hidden = Field(alias="json")

    for schema in (Mid, Mid.partial(), create_schema(Clashing, base=Mid, fields=["json", "copy"])):
        assert schema.from_orm(Clashing(json="secret")).model_dump()["json_"] == "***"


def test_a_field_is_derived_again_below_one_that_derives_it(library: SimpleNamespace) -> None:
    class Left(Contact):
        pass

    class Back(Left, Masked):
        pass

    # Pydantic takes a field from the first base that has it.
    assert Back.from_orm(library.ann).model_dump()["email"] == "ann@example.com"
    assert "by rows" in plan_query(Back).explain()
