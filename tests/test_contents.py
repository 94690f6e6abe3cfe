from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from atlas.models import Language
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    computed_field,
    field_serializer,
    field_validator,
    model_serializer,
)

from django_fastapi.contents import PlainFields, holds_orm, is_small_and_plain


class Plain(BaseModel):
    number: int = 1
    text: Annotated[str, Field(max_length=3)] = ""
    price: Decimal | None = None
    at: datetime | None = None
    below: "list[Plain]" = []
    names: list[str] = Field(default_factory=list)


class Validated(Plain):
    @field_validator("number")
    @classmethod
    def check(cls, value: int) -> int:
        return value


class Computed(Plain):
    @computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> int:
        return 2 * self.number


class Serialized(Plain):
    @field_serializer("number")
    def as_text(self, value: int) -> str:
        return str(value)


class Wrapped(Plain):
    @model_serializer(mode="wrap")
    def wrap(self, handler: Any) -> Any:
        return handler(self)


class Finished(Plain):
    def model_post_init(self, context: Any, /) -> None:
        pass


class Made(Plain):
    def __init__(self, **values: Any) -> None:
        super().__init__(**values)


@pytest.mark.parametrize(
    "value", [None, "text", 1.5, {}, {"a": [1, {"b": (True, None)}]}, list(range(99)), datetime.now().astimezone()]
)
def test_what_is_made_of_pythons_own_types_is_plain(value: object) -> None:
    assert is_small_and_plain(value)


@pytest.mark.parametrize(
    "value", [list(range(100)), [[0] * 60, [0] * 60], Plain(), [Language()], {1}, object(), type("Text", (str,), {})()]
)
def test_what_is_large_or_has_code_of_its_own_is_not(value: object) -> None:
    assert not is_small_and_plain(value)


@pytest.mark.parametrize(
    "value",
    [
        Language(),
        Language.objects,
        Language.objects.all(),
        [1, Language()],
        {"a": {"b": (1, Language())}},
        {Language(pk=1)},
    ],
)
def test_the_orm_is_found_down_to_the_third_level(value: object) -> None:
    assert holds_orm(value)


@pytest.mark.parametrize("value", [None, 1, "text", [{"a": 1}] * 3, {"a": {"b": [[Language()]]}}, Plain()])
def test_nothing_else_is_taken_for_it(value: object) -> None:
    assert not holds_orm(value)


def response_field(model: Any) -> object:
    app = FastAPI()

    @app.get("/", response_model=model)
    def endpoint() -> None:
        """Answer nothing."""

    (route,) = [route for route in app.routes if isinstance(route, APIRoute)]
    return route.response_field


@pytest.mark.parametrize("model", [None, int, dict[str, str], Plain, list[Plain], Plain | None, dict[str, Any]])
def test_a_field_without_code_is_plain(model: Any) -> None:
    assert response_field(model) in PlainFields()


@pytest.mark.parametrize(
    "model",
    [Validated, list[Computed], Serialized | None, Wrapped, Finished, Made, Annotated[int, AfterValidator(abs)]],
)
def test_a_field_with_a_validator_a_serializer_or_a_hook_is_not(model: Any) -> None:
    fields, field = PlainFields(), response_field(model)
    assert field not in fields
    assert field not in fields  # nor when asked again


def test_private_name_type_adapter_of_fastapis_fields() -> None:
    assert hasattr(response_field(int), "_type_adapter")


def test_a_field_that_cannot_be_looked_into_counts_as_one_with_code() -> None:
    class Field:
        """A field of another FastAPI."""

    assert Field() not in PlainFields()
