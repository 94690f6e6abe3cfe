"""Options of which nothing else tells that they are heeded."""

from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Header
from starlette.routing import NoMatchFound

from django_fastapi.crud import Hooks, crud_router
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.orm import ModelSchema
from django_fastapi.testing import Client
from tests.project.workshop.models import Maker, Tool

pytestmark = pytest.mark.django_db

OPERATIONS = ("list", "create", "retrieve", "put", "patch", "delete", "bulk_create", "bulk_update", "bulk_delete")


class ToolSchema(ModelSchema):
    class Meta:
        model = Tool
        fields = ["code", "name", "maker", "made_by"]


def add_tools(api: FastAPI, **options: Any) -> None:
    options = {"write": ToolSchema, "permissions": [], "prefix": "/tools", "bulk": 5, **options}
    api.include_router(crud_router(Tool, read=ToolSchema, **options))


def test_the_names_of_routes_begin_with_the_name(api: FastAPI) -> None:
    add_tools(api, name="gear")
    add_tools(api, prefix="/others")
    for name, prefix in (("gear", "/tools"), ("tool", "/others")):
        paths = {one: api.url_path_for(f"{name}_{one}", **({"pk": 7} if _is_on_one(one) else {})) for one in OPERATIONS}
        assert paths["list"] == paths["create"] == prefix
        assert paths["retrieve"] == paths["delete"] == f"{prefix}/7"
        assert paths["bulk_update"] == f"{prefix}/bulk/update"
    with pytest.raises(NoMatchFound):
        api.url_path_for("gear", pk=7)
    ids = [operation["operationId"] for item in api.openapi()["paths"].values() for operation in item.values()]
    assert sum(one.startswith("gear_") for one in ids) == sum(one.startswith("tool_") for one in ids) == len(OPERATIONS)


def _is_on_one(operation: str) -> bool:
    return operation in ("retrieve", "put", "patch", "delete")


def who(x_who: Annotated[str, Header()]) -> str:
    return x_who


def own(user: Any) -> Any:
    return Tool.objects.filter(made_by=user)


def open_to(user: Any) -> Any:
    return Maker.objects.filter(email=f"{user}@example.com")


def sign(instance: Tool, user: Any) -> None:
    instance.made_by = user


def test_the_user_is_who_the_dependency_says(api: FastAPI, site_client: Client) -> None:
    add_tools(api, user=who, get_queryset=own, related={Maker: open_to}, hooks=Hooks(before_save=sign))
    maker = Maker.objects.create(name="Forge", email="ann@example.com")
    body = {"code": "H1", "name": "Hammer", "maker": maker.pk}
    assert site_client.post("/tools", json=body, headers={"X-Who": "ann"}).json()["made_by"] == "ann"
    assert site_client.post("/tools", json={**body, "code": "H2"}, headers={"X-Who": "bob"}).json()["detail"][0][
        "loc"
    ] == [
        "body",
        "maker",
    ]
    seen = {name: site_client.get("/tools", headers={"X-Who": name}).json()["total"] for name in ("ann", "bob")}
    assert seen == {"ann": 1, "bob": 0}
    # What the dependency itself needs is asked of the client.
    missing = site_client.get("/tools")
    assert (missing.status_code, missing.json()["detail"][0]["loc"]) == (422, ["header", "x-who"])
    parameters = api.openapi()["paths"]["/tools"]["get"]["parameters"]
    assert {"name": "x-who", "in": "header"}.items() <= next(p for p in parameters if p["name"] == "x-who").items()


def test_further_answers_are_in_the_document_of_every_operation(api: FastAPI) -> None:
    add_tools(api, responses={402: {"description": "Pay first."}, 409: {"description": "As we say."}})
    operations = [operation for item in api.openapi()["paths"].values() for operation in item.values()]
    assert len(operations) == len(OPERATIONS)
    for operation in operations:
        assert operation["responses"]["402"]["description"] == "Pay first."
        assert operation["responses"]["409"]["description"] == "As we say."
    assert operations[0]["responses"]["422"]


def test_an_option_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="did you mean `get_queryset`"):
        crud_router(Tool, read=ToolSchema, get_query_set=own)  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match="there are write, "):
        crud_router(Tool, read=ToolSchema, zzz=1)  # type: ignore[call-arg]


def test_a_body_cannot_say_which_version_it_is() -> None:
    class VersionedIn(ModelSchema):
        class Meta:
            model = Tool
            fields = ["code", "version"]

    with pytest.raises(ConfigurationError, match="`VersionedIn` writes `version`"):
        crud_router(Tool, read=ToolSchema, write=VersionedIn, etag="version")
