"""What a client is told of a write, over HTTP."""

from typing import Any

import pytest
from django.db.models import Model
from django.utils import translation
from fastapi import FastAPI

from django_fastapi.orm import ModelSchema, delete
from django_fastapi.shortcuts import get_object_or_404
from django_fastapi.testing import Client
from tests.project.library.models import Everything
from tests.project.workshop.models import Label, Maker, Tool

pytestmark = pytest.mark.django_db


class MakerOut(ModelSchema):
    class Meta:
        model = Maker
        fields = ["id", "name"]


class ToolIn(ModelSchema):
    class Meta:
        model = Tool
        fields = ["code", "name", "maker", "price", "rack", "labels"]


class ToolOut(ModelSchema):
    maker: MakerOut

    class Meta:
        model = Tool
        fields = ["id", "code", "name", "price", "labels", "made_by"]


class EverythingIn(ModelSchema):
    class Meta:
        model = Everything
        fields = ["float", "json", "decimal", "integer", "duration", "char", "moment", "time", "positive_small"]


@pytest.fixture
def client(api: FastAPI, site_client: Client) -> Client:
    @api.post("/tools", status_code=201)
    def add(data: ToolIn) -> ToolOut:
        made: ToolOut = data.create(made_by="ann")
        return made

    @api.patch("/tools/{pk}")
    async def change(pk: int, data: ToolIn.partial()) -> ToolOut:  # type: ignore[valid-type] # made at run time
        tool = await get_object_or_404(Tool, pk=pk)  # type: ignore[misc] # awaitable on the event loop
        return await data.aupdate(tool)  # type: ignore[no-any-return,attr-defined]

    @api.delete("/makers/{pk}", status_code=204)
    def remove(pk: int) -> None:
        delete(get_object_or_404(Maker, pk=pk))

    @api.post("/everything", status_code=201)
    def add_everything(data: EverythingIn) -> None:
        data.create()

    return site_client


def errors(answer: Any) -> list[tuple[list[Any], str]]:
    return [(one["loc"], one["msg"]) for one in answer.json()["detail"]]


def count(model: type[Model]) -> int:
    return model._default_manager.count()


def test_what_was_written_is_the_answer(client: Client) -> None:
    maker, label = Maker.objects.create(name="Forge"), Label.objects.create(name="red")
    answer = client.post("/tools", json={"code": "H", "name": "Hammer", "maker": maker.pk, "labels": [label.pk]})
    assert answer.status_code == 201
    pk = Tool.objects.get().pk
    expected = {
        "id": pk,
        "code": "H",
        "name": "Hammer",
        "price": "0.00",
        "made_by": "ann",
        "maker": {"id": maker.pk, "name": "Forge"},
        "labels": [label.pk],
    }
    assert answer.json() == {**expected, "price": answer.json()["price"]}
    changed = client.patch(f"/tools/{pk}", json={"price": "2.50", "labels": []})
    assert changed.json() == {**expected, "price": "2.50", "labels": []}


def test_errors_have_the_form_of_fastapi(client: Client) -> None:
    maker = Maker.objects.create(name="Forge")
    Tool.objects.create(code="H", name="Hammer", maker=maker)
    clash = client.post("/tools", json={"code": "H", "name": "Saw", "maker": maker.pk})
    assert (clash.status_code, clash.json()) == (
        409,
        {"detail": [{"type": "unique", "loc": ["body", "code"], "msg": "Tool with this Code already exists."}]},
    )
    wrong = client.post("/tools", json={"code": "H", "name": "Forge", "maker": 10**6, "price": "-1", "labels": [7]})
    words = Tool._meta.get_field("maker").error_messages["invalid"]
    no_maker = words % {"model": "maker", "field": "id", "value": 10**6}
    assert wrong.status_code == 422
    assert errors(wrong) == [
        (["body", "maker"], no_maker),
        (["body", "labels", 0], "Select a valid choice. 7 is not one of the available choices."),
        (["body", "code"], "Tool with this Code already exists."),
        (["body"], "The price must not be negative."),
    ]
    assert "input" not in wrong.text
    assert count(Tool) == 1


def test_errors_are_told_in_the_language_of_the_client(client: Client) -> None:
    maker = Maker.objects.create(name="Forge")
    Tool.objects.create(code="H", name="Hammer", maker=maker)
    german = {"Accept-Language": "de"}
    clash = client.post("/tools", json={"code": "H", "name": "Saw", "maker": maker.pk}, headers=german)
    with translation.override("de"):
        words = str(Tool().unique_error_message(Tool, ("code",)).messages[0])
    assert errors(clash) == [(["body", "code"], words)]
    assert "existiert bereits" in words
    long = client.post("/tools", json={"code": "H" * 21, "name": "Saw", "maker": maker.pk}, headers=german)
    assert (long.status_code, long.headers["Content-Language"]) == (422, "de")
    assert errors(long)[0][1].startswith("Bitte sicherstellen, dass der Wert aus höchstens 20 Zeichen besteht.")


def test_errors_are_problem_details_for_who_wants_them(client: Client) -> None:
    Maker.objects.create(name="Forge")
    answer = client.post(
        "/tools", json={"code": "H", "name": "Saw", "maker": 10**6}, headers={"Accept": "application/problem+json"}
    )
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == 422
    assert answer.json()["errors"][0]["loc"] == ["body", "maker"]


def test_what_is_held_is_a_conflict(client: Client) -> None:
    maker = Maker.objects.create(name="Forge")
    Tool.objects.create(code="H", name="Hammer", maker=maker)
    answer = client.delete(f"/makers/{maker.pk}")
    assert (answer.status_code, answer.json()["detail"][0]["ctx"]) == (409, {"held_by": ["workshop.tool"]})
    assert client.delete("/makers/1_0").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        '{"float": NaN}',
        '{"float": Infinity}',
        '{"float": 1e400}',
        '{"json": NaN}',
        '{"json": {"a": [-Infinity]}}',
        '{"json": {"a\\u0000": 1}}',
        '{"json": ["\\ud800"]}',
        '{"decimal": "NaN"}',
        '{"decimal": "Infinity"}',
        '{"decimal": "sNaN"}',
        f'{{"decimal": {10**30}}}',
        '{"decimal": 1e999999}',
        '{"decimal": "1.23456"}',
        f'{{"integer": {10**30}}}',
        f'{{"integer": {2**64}}}',
        '{"positive_small": -1}',
        '{"duration": "P999999999D"}',
        '{"char": "\\u0000"}',
        '{"char": "\\udfff"}',
        f'{{"char": "{"x" * 5_000_000}"}}',
        '{"moment": "0001-01-01T00:00:00+14:00"}',
        '{"time": "12:00:00+02:00"}',
        "[" * 10_000 + "]" * 10_000,
        '{"json": ' + "[" * 10_000 + "]" * 10_000 + "}",
        '{"json": ' + '{"a":' * 10_000 + "1" + "}" * 10_000 + "}",
        '{"integer": 1' + "0" * 5000 + "}",
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
        "",
        "null",
        "7",
    ],
    ids=lambda body: body[:40].encode("unicode_escape").decode(),
)
def test_what_cannot_be_stored_is_refused(client: Client, body: str) -> None:
    answer = client.post("/everything", content=body.encode(), headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500, answer.text[:300]
    assert count(Everything) == 0
