"""Fields that no table of ours knows: custom ones, registered ones, and those that the database or Django fills."""

import datetime as dt
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.test.utils import isolate_apps
from pydantic import TypeAdapter

from django_fastapi.orm import ModelSchema, SchemaError, create_schema, plan_query, register_field
from django_fastapi.orm.fields import FieldTypes
from django_fastapi.orm.responses import write_rows
from tests.project.library.models import Everything

pytestmark = pytest.mark.django_db(transaction=True)


class Point:
    """A value of a class of its own."""

    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y


class PointField(models.Field):
    """Has an internal type that no database knows."""

    def get_internal_type(self) -> str:
        return "PointField"

    def db_type(self, connection: Any) -> str:  # noqa: ARG002 (Django gives it)
        return "varchar(20)"

    def from_db_value(self, value: Any, *_: Any) -> Any:
        return None if value is None else Point(*map(int, value.split(",")))

    def get_prep_value(self, value: Any) -> Any:
        return f"{value.x},{value.y}" if isinstance(value, Point) else value


class NearPointField(PointField):
    """Is derived from a registered one."""


class MoneyField(models.DecimalField):
    """Is known by the class it is derived from."""


class UpperField(models.CharField):
    """Changes what comes from the database."""

    def from_db_value(self, value: Any, *_: Any) -> Any:
        return None if value is None else value.upper()


@pytest.fixture(autouse=True)
def field_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps.get_app_config("django_fastapi"), "field_types", FieldTypes())


@pytest.fixture
def place() -> Iterator[Any]:
    with isolate_apps("tests.project.library"):

        class Place(models.Model):  # noqa: DJ008 (nobody prints it)
            point = PointField(null=True)
            near = NearPointField()
            price = MoneyField(max_digits=6, decimal_places=2)
            name = UpperField(max_length=10)

            class Meta:
                app_label = "library"
                ordering = ["pk"]

    with connection.schema_editor() as editor:
        editor.create_model(Place)
    yield Place
    with connection.schema_editor() as editor:
        editor.delete_model(Place)


def test_a_registered_field_is_read_both_ways(place: Any) -> None:
    with pytest.raises(SchemaError, match=r"library.Place.point` is a `PointField`.*register_field\(PointField, str\)"):
        create_schema(place, fields="__all__")
    register_field(PointField, tuple[int, int], convert=lambda point: (point.x, point.y))
    schema = create_schema(place, fields=["point", "near", "price", "name"])
    place.objects.create(point=Point(1, 2), near=Point(3, 4), price=Decimal("1.50"), name="ann")
    place.objects.create(point=None, near=Point(0, 0), price=0, name="bob")
    read: list[ModelSchema] = schema.from_queryset(place.objects.all())
    assert [one.model_dump(mode="json") for one in read] == [
        {"point": [1, 2], "near": [3, 4], "price": "1.50", "name": "ANN"},
        {"point": None, "near": [0, 0], "price": "0.00", "name": "BOB"},
    ]
    annotation = list[schema]  # type: ignore[valid-type]
    assert "by rows" in plan_query(schema).explain()
    assert write_rows(place.objects.all(), annotation, {}) == TypeAdapter(annotation).dump_json(read)
    properties = schema.model_json_schema()["properties"]
    assert properties["near"]["maxItems"] == properties["near"]["minItems"] == 2
    assert properties["price"]["anyOf"][0]["type"] == "number"


def test_what_the_database_or_django_fills_is_not_asked_for() -> None:
    described = create_schema(Everything, fields=["id", "created", "stamped", "loud", "char"]).model_json_schema()
    assert "required" not in described
    assert {name for name, one in described["properties"].items() if one.get("readOnly")} == {"created", "loud"}


@pytest.mark.parametrize(
    ("field", "python"),
    [
        (models.PositiveBigIntegerField, int),
        (models.SlugField, str),
        (models.FilePathField, str),
        (models.TimeField, dt.time),
        (models.UUIDField, uuid.UUID),
    ],
)
def test_custom_fields_are_what_they_are_derived_from(field: type[Any], python: type) -> None:
    own = type("Own", (field,), {})
    with isolate_apps("tests.project.library"):
        meta = type("Meta", (), {"app_label": "library"})
        model: Any = type("Owner", (models.Model,), {"own": own(), "Meta": meta, "__module__": __name__})
    assert create_schema(model, fields=["own"]).model_fields["own"].annotation is python
