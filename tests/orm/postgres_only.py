"""Fields of `django.contrib.postgres`; `test_other_databases.py` runs this on PostgreSQL."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.postgres.fields import (
    ArrayField,
    BigIntegerRangeField,
    DateRangeField,
    DateTimeRangeField,
    DecimalRangeField,
    HStoreField,
    IntegerRangeField,
)
from django.contrib.postgres.search import SearchVectorField
from django.contrib.postgres.signals import get_hstore_oids, register_type_handlers
from django.db import connection, models
from django.db.backends.postgresql.psycopg_any import DateRange, NumericRange
from django.test.utils import isolate_apps
from pydantic import TypeAdapter

from django_fastapi.orm import ModelSchema, create_schema
from django_fastapi.orm.responses import write_rows
from tests.project.library.models import Everything

pytestmark = pytest.mark.django_db


def make_model() -> type[models.Model]:
    with isolate_apps("tests.project.library"):

        class Special(models.Model):  # noqa: DJ008 (nobody prints it)
            numbers = ArrayField(models.IntegerField(), default=list)
            grid = ArrayField(ArrayField(models.CharField(max_length=5)), null=True)
            days = ArrayField(models.DateField(), null=True)
            attributes = HStoreField(null=True)
            integers = IntegerRangeField(null=True)
            bigs = BigIntegerRangeField(null=True)
            decimals = DecimalRangeField(null=True)
            dates = DateRangeField(null=True)
            moments = DateTimeRangeField(null=True)
            vector = SearchVectorField(null=True)

            class Meta:
                app_label = "library"
                ordering = ["pk"]

    return Special


@pytest.fixture
def special() -> Iterator[Any]:
    model = make_model()
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS hstore")
    # What `django.contrib.postgres` does at each connection, where it is installed.
    get_hstore_oids.cache_clear()
    register_type_handlers(connection)
    with connection.schema_editor() as editor:
        editor.create_model(model)
    yield model
    with connection.schema_editor() as editor:
        editor.delete_model(model)


def test_the_fields_of_postgresql_are_read_both_ways(special: Any) -> None:
    special.objects.create(
        numbers=[1, 2],
        grid=[["a"], ["b"]],
        days=[dt.date(2020, 1, 2)],
        attributes={"a": "1", "b": None},
        integers=NumericRange(1, 5),
        bigs=NumericRange(None, 5),
        decimals=NumericRange(Decimal("1.5"), None),
        dates=DateRange(dt.date(2020, 1, 1), dt.date(2020, 1, 1)),
    )
    special.objects.create()
    schema = create_schema(special, fields="__all__")
    read: list[ModelSchema] = schema.from_queryset(special.objects.all())
    assert read[0].model_dump(mode="json", exclude={"id"}) == {
        "numbers": [1, 2],
        "grid": [["a"], ["b"]],
        "days": ["2020-01-02"],
        "attributes": {"a": "1", "b": None},
        "integers": {"lower": 1, "upper": 5, "bounds": "[)"},
        "bigs": {"lower": None, "upper": 5, "bounds": "()"},
        "decimals": {"lower": "1.5", "upper": None, "bounds": "[)"},
        "dates": {"lower": None, "upper": None, "bounds": "empty"},
        "moments": None,
        "vector": None,
    }
    annotation = list[schema]  # type: ignore[valid-type]
    written = write_rows(special.objects.all(), annotation, {"by_alias": True})
    assert written == TypeAdapter(annotation).dump_json(read, by_alias=True)
    properties = schema.model_json_schema()["properties"]
    assert properties["numbers"]["items"]["anyOf"][0] == {"type": "integer"}
    assert properties["vector"]["readOnly"] is True


def test_numbers_that_are_none_are_null_in_json_both_ways() -> None:
    for value in ("NaN", "Infinity", "-Infinity"):
        Everything.objects.create(float=float(value))
    schema = create_schema(Everything, fields=["float"])
    annotation = list[schema]  # type: ignore[valid-type]
    read: list[ModelSchema] = schema.from_queryset(Everything.objects.all())
    written = write_rows(Everything.objects.all(), annotation, {"by_alias": True})
    assert (
        written
        == TypeAdapter(annotation).dump_json(read, by_alias=True)
        == b"[" + b",".join([b'{"float":null}'] * 3) + b"]"
    )
