from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from pytest_django import Settings

from django_fastapi.factory import apply_settings
from django_fastapi.problem_schemas import document_form
from django_fastapi.registry import APIRegistry
from django_fastapi.types import ASGIApp

from .conftest import fetch

DETAILS = "application/problem+json"


class Reason(BaseModel):
    why: str


def api_with(*, model: type[BaseModel] = Reason) -> FastAPI:
    api = FastAPI()

    @api.get("/{number}", responses={404: {"description": "Not here."}, 409: {"model": model}, 200: {}})
    async def read(number: int) -> int:
        return number

    @api.get("/", responses={"4XX": {"description": "Your fault."}, "default": {"description": "Anything."}})
    async def index() -> int:
        return 0

    return api


def contents(document: dict[str, Any], path: str) -> dict[str, dict[str, Any]]:
    """Return the schema of each documented content by status and media type."""
    responses = document["paths"][path]["get"]["responses"]
    return {
        status: {kind: content["schema"].get("$ref", "").split("/")[-1] for kind, content in one["content"].items()}
        for status, one in responses.items()
        if "content" in one
    }


def test_by_default_the_document_is_fastapis() -> None:
    api = api_with()
    document_form(api)
    assert api.openapi() == api_with().openapi()


def test_errors_are_documented_as_problem_details(settings: Settings) -> None:
    settings.FASTAPI_PROBLEM_DETAILS = True
    api = api_with()
    document_form(api)
    document = api.openapi()
    assert contents(document, "/{number}") == {
        "200": {"application/json": ""},
        "404": {DETAILS: "Problem"},
        "409": {"application/json": "Reason"},
        "422": {DETAILS: "ValidationProblem"},
    }
    assert contents(document, "/") == {"200": {"application/json": ""}, "4XX": {DETAILS: "Problem"}}
    schemas = document["components"]["schemas"]
    assert set(schemas) == {"Problem", "Reason", "ValidationError", "ValidationProblem"}
    assert schemas["ValidationProblem"]["properties"]["errors"]["items"] == {
        "$ref": "#/components/schemas/ValidationError"
    }


@pytest.mark.parametrize("prefix", ["", "/sub"])
def test_what_is_documented_is_what_comes(settings: Settings, registry: APIRegistry, prefix: str) -> None:
    settings.FASTAPI_PROBLEM_DETAILS = True
    api = FastAPI() if prefix else api_with()
    if prefix:
        api.mount(prefix, api_with())
    registry.set_default(api)
    apply_settings(registry)
    document = fetch(api, f"{prefix}/openapi.json").json()
    answered = fetch(api, f"{prefix}/x")
    assert list(contents(document, "/{number}")["422"]) == [answered.headers["content-type"]]
    schema = document["components"]["schemas"]["ValidationProblem"]
    assert set(answered.json()) <= set(schema["properties"])
    assert set(schema["required"]) <= set(answered.json())


def test_what_auth_adds_has_the_form_too(settings: Settings, api: FastAPI, build: Callable[[], ASGIApp]) -> None:
    from django_fastapi.auth import current_user  # noqa: PLC0415 (imports models)

    @api.get("/me", dependencies=[Depends(current_user)])
    async def me() -> None:
        """Be described."""

    settings.FASTAPI_PROBLEM_DETAILS = True
    build()
    document = api.openapi()
    for status in ("401", "403"):
        assert contents(document, "/me")[status] == {DETAILS: "Problem"}
    build()
    assert api.openapi() == document


def test_the_setting_is_read_each_time(settings: Settings) -> None:
    api = api_with()
    document_form(api)
    document_form(api)
    before = api.openapi()
    settings.FASTAPI_PROBLEM_DETAILS = True
    assert api.openapi() != before
    assert api.openapi() is api.openapi()
    settings.FASTAPI_PROBLEM_DETAILS = False
    assert api.openapi() == before

    @api.get("/new")
    async def new() -> None:
        """Come later."""

    settings.FASTAPI_PROBLEM_DETAILS = True
    assert "/new" in api.openapi()["paths"]


def test_a_model_of_the_project_keeps_its_name(settings: Settings) -> None:
    class Problem(BaseModel):
        mine: str

    settings.FASTAPI_PROBLEM_DETAILS = True
    api = api_with(model=Problem)
    document_form(api)
    document = api.openapi()
    assert contents(document, "/{number}")["404"] == {DETAILS: "ProblemDetails"}
    assert "mine" in document["components"]["schemas"]["Problem"]["properties"]


def test_a_document_of_the_projects_own_is_changed_too(settings: Settings) -> None:
    settings.FASTAPI_PROBLEM_DETAILS = True
    api = api_with()
    stock = api.openapi
    api.openapi = lambda: {**stock(), "x-mine": True}  # type: ignore[method-assign]
    document_form(api)
    assert api.openapi()["x-mine"]
    assert contents(api.openapi(), "/{number}")["404"] == {DETAILS: "Problem"}


def test_without_errors_nothing_is_added(settings: Settings) -> None:
    settings.FASTAPI_PROBLEM_DETAILS = True
    api = FastAPI()
    document_form(api)
    assert api.openapi()["paths"] == {}
