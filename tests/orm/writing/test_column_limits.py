"""Values that pass validation and do not fit into their columns."""

from typing import Annotated, Any

import pytest
from fastapi import FastAPI

from django_fastapi.crud import crud_router
from django_fastapi.orm import Missing, ModelSchema
from django_fastapi.testing import Client
from tests.project.workshop.models import Gauge, Label, Maker, Reading


class MakerIn(ModelSchema):
    class Meta:
        model = Maker
        fields = ["name"]


class LabelIn(ModelSchema):
    class Meta:
        model = Label
        fields = ["name"]


class ReadingIn(ModelSchema):
    class Meta:
        model = Reading
        fields = ["value"]


class GaugeIn(ModelSchema):
    maker: MakerIn
    labels: Annotated[list[LabelIn], Missing.KEEP] = []
    readings: Annotated[list[ReadingIn], Missing.DELETE] = []

    class Meta:
        model = Gauge
        fields = ["name", "limit"]


class GaugeOut(ModelSchema):
    class Meta:
        model = Gauge
        fields = ["id", "name", "limit"]


@pytest.fixture
def client(vendor: str, api: FastAPI, site_client: Client) -> Client:
    del vendor
    api.include_router(crud_router(Gauge, read=GaugeOut, write=GaugeIn, permissions=[], prefix="/gauges", bulk=5))
    return site_client


def body(**values: Any) -> dict[str, Any]:
    return {"name": "heat", "maker": {"name": "Forge"}, "labels": [{"name": "red"}], **values}


def told(answer: Any, vendor: str) -> list[list[Any]]:
    if vendor == "sqlite":  # it takes anything
        assert answer.is_success
        return []
    assert answer.status_code == 422, answer.text
    assert [(one["type"], one["msg"]) for one in answer.json()["detail"]] == [("invalid", "Enter a valid value.")]
    return [one["loc"] for one in answer.json()["detail"]]


def counts() -> list[int]:
    return [model._base_manager.count() for model in (Gauge, Maker, Label, Reading)]


# MariaDB names the column. PostgreSQL tells the type alone, so that the object is all that is known.
@pytest.mark.parametrize(
    ("values", "loc", "key"),
    [
        ({"name": "pressure"}, [], "name"),
        ({"limit": 40_000}, [], "limit"),
        ({"readings": [{"value": 1}, {"value": -40_000}]}, ["readings", 1], "value"),
    ],
)
def test_a_value_that_only_the_database_refuses_is_told_and_nothing_is_written(
    vendor: str, client: Client, values: dict[str, Any], loc: list[Any], key: str
) -> None:
    expected = ["body", *loc, *([key] if vendor == "mariadb" else [])]
    locs = told(client.post("/gauges", json=body(**values)), vendor)
    if vendor == "sqlite":
        return
    assert locs == [expected]
    assert counts() == [0, 0, 0, 0]
    several = [body(), body(maker={"name": "Other"}, labels=[], **values)]
    assert told(client.post("/gauges/bulk/create", json=several), vendor) == [["body", 1, *expected[1:]]]
    assert counts() == [0, 0, 0, 0]
    made = client.post("/gauges", json=body(readings=[{"value": 7}]))
    assert (made.status_code, counts()) == (201, [1, 1, 1, 1])
    for method, sent in (("PATCH", values), ("PUT", body(maker={"name": "Third"}, labels=[], **values))):
        path = made.headers["Location"]
        assert told(client.request(method, path, json=sent), vendor) == [expected]
        assert client.get(path).json() == {"id": made.json()["id"], "name": "heat", "limit": 0}
        assert [one.value for one in Reading.objects.all()] == [7]
        assert counts() == [1, 1, 1, 1]
