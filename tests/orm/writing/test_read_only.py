from typing import Any

import pytest

from django_fastapi.exceptions import InvalidInput
from django_fastapi.orm import ModelSchema, create_schema
from django_fastapi.orm.writing import plan_write
from tests.project.workshop.models import Manual, Person, Tool

from .test_create import told
from .test_nested import WHOLE, MakerIn, ToolIn

pytestmark = pytest.mark.django_db


@pytest.fixture
def tool() -> Tool:
    made: Tool = ToolIn.model_validate(WHOLE).create()
    return made


class ReadOnlyDerived(ModelSchema):
    class Meta:
        model = Manual
        fields = ["text", "tool"]
        read_only = ["tool"]
        depth = 1


class ReadOnlyDeclared(ModelSchema):
    maker: MakerIn

    class Meta:
        model = Tool
        fields = ["code", "name"]
        read_only = ["maker"]


class ReadOnlyColumn(ModelSchema):
    code: str

    class Meta:
        model = Tool
        fields = ["code", "name"]
        read_only = ["code"]


class Deep(ModelSchema):
    class Meta:
        model = Tool
        fields = ["code", "name", "maker"]
        depth = 1


class ReadOnlyInherited(Deep):
    class Meta:
        read_only = ["maker"]


class ReadOnlyLater(ToolIn):
    class Meta:
        read_only = ["maker"]


@pytest.mark.parametrize(
    ("schema", "key", "value"),
    [
        (ReadOnlyDerived, "tool", {"code": "stolen", "name": "x", "maker": None}),
        (ReadOnlyDeclared, "maker", {"name": "stolen"}),
        (ReadOnlyColumn, "code", "stolen"),
        (ReadOnlyInherited, "maker", {"name": "stolen"}),
        (ReadOnlyLater, "maker", {"name": "stolen"}),
    ],
)
def test_what_is_read_only_is_not_written_where_it_nests(
    tool: Tool, schema: type[ModelSchema], key: str, value: Any
) -> None:
    body = schema.partial().model_construct({key}, **{key: value})
    with pytest.raises(InvalidInput) as refused:
        body.update(tool.manual if schema is ReadOnlyDerived else tool)
    assert told(refused) == [(("body", key), "read_only")]


def test_rights_are_not_written_through_depth(django_user_model: type[Any]) -> None:
    bob = django_user_model.objects.create(username="bob")
    person = Person.objects.create(name="Bob", user=bob)
    schema = create_schema(Person, fields="__all__", depth=1).partial()
    with pytest.raises(InvalidInput) as refused:
        schema.model_validate({"user": {"username": "ann", "is_superuser": True}}).update(person)
    assert told(refused) == [(("body", "user"), "read_only")]
    assert list(django_user_model.objects.values_list("username", "is_superuser")) == [("bob", False)]


def test_rights_are_not_written_though_depth_nests_what_is_named() -> None:
    schema = create_schema(Person, fields=["name", "user"], depth=1)
    (user,) = plan_write(schema).nested
    assert {name for name, _ in user.plan.read_only} == {"id", "is_staff", "is_superuser", "last_login"}
