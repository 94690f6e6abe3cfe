from collections.abc import Callable
from typing import Annotated, Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from fastapi import Depends, FastAPI

from django_fastapi.auth import current_user, staff_required
from django_fastapi.crud import Hooks, crud_router
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.orm import CursorPage, FilterSchema, LimitOffsetPage, ModelSchema, Search
from django_fastapi.testing import Client
from tests.project.workshop.models import Label, Maker, Material, Part, Tool

pytestmark = pytest.mark.django_db


class MakerRef(ModelSchema):
    class Meta:
        model = Maker
        fields = ["id", "name"]


class ToolOut(ModelSchema):
    maker: MakerRef

    class Meta:
        model = Tool
        fields = ["id", "code", "name", "price", "labels"]


class ToolIn(ModelSchema):
    class Meta:
        model = Tool
        fields = ["code", "name", "maker", "price", "labels", "rack", "place"]


class MaterialSchema(ModelSchema):
    class Meta:
        model = Material
        fields = ["code", "name"]


class ToolFilter(FilterSchema):
    maker: int | None = None
    search: Annotated[str | None, Search("name")] = None

    class Meta:
        model = Tool


@pytest.fixture(params=[False, True], ids=["def", "async def"])
def mount(request: pytest.FixtureRequest, api: FastAPI) -> Callable[..., None]:
    def mount(model: Any = Tool, read: Any = ToolOut, **options: Any) -> None:
        options = {"write": ToolIn, "permissions": [], "prefix": "/tools", **options}
        api.include_router(crud_router(model, read=read, run_async=request.param, **options))

    return mount


@pytest.fixture
def maker() -> Maker:
    return Maker.objects.create(name="Forge")


def hammer(maker: Maker, /, **values: Any) -> dict[str, Any]:
    return {"code": "H1", "name": "Hammer", "maker": maker.pk, **values}


def make(maker: Maker, *codes: str) -> list[Tool]:
    return [Tool.objects.create(code=code, name=f"Tool {code}", maker=maker) for code in codes]


def test_an_object_is_made_shown_replaced_changed_and_deleted(
    mount: Callable[..., None], site_client: Client, maker: Maker
) -> None:
    mount()
    label = Label.objects.create(name="red")
    made = site_client.post("/tools", json=hammer(maker, labels=[label.pk], price="5.00"))
    pk = Tool.objects.get().pk
    assert (made.status_code, made.headers["Location"]) == (201, f"/tools/{pk}")
    shown = site_client.get(made.headers["Location"])
    assert shown.json() == made.json()
    assert shown.json() == {
        "id": pk,
        "code": "H1",
        "name": "Hammer",
        "price": "5.00",
        "labels": [label.pk],
        "maker": {"id": maker.pk, "name": "Forge"},
    }
    replaced = site_client.put(f"/tools/{pk}", json=hammer(maker, name="Mallet"))
    assert (replaced.json()["name"], replaced.json()["price"], replaced.json()["labels"]) == ("Mallet", "0.00", [])
    changed = site_client.patch(f"/tools/{pk}", json={"price": "7.00"})
    assert (changed.json()["name"], changed.json()["price"]) == ("Mallet", "7.00")
    gone = site_client.delete(f"/tools/{pk}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert site_client.get(f"/tools/{pk}").status_code == 404


def test_a_list_is_filtered_ordered_and_paged(mount: Callable[..., None], site_client: Client, maker: Maker) -> None:
    mount(filters=ToolFilter, ordering=["code", "price"], read_list=MakerlessOut)
    make(maker, "a", "b", "c")
    page = site_client.get("/tools", params={"ordering": "-code", "size": 2, "maker": maker.pk}).json()
    assert [item["code"] for item in page["items"]] == ["c", "b"]
    assert (page["total"], page["pages"]) == (3, 2)
    assert "maker" not in page["items"][0]
    assert site_client.get("/tools", params={"search": "tool b"}).json()["total"] == 1
    assert site_client.get("/tools", params={"price__gt": 1}).status_code == 422


class MakerlessOut(ModelSchema):
    class Meta:
        model = Tool
        fields = ["code"]


@pytest.mark.parametrize(("page", "key"), [(LimitOffsetPage, "offset"), (CursorPage, "next")])
def test_lists_have_pages_of_every_kind(
    mount: Callable[..., None], site_client: Client, maker: Maker, page: Any, key: str
) -> None:
    mount(pagination=page)
    make(maker, "a")
    assert key in site_client.get("/tools").json()


def test_errors_of_writes_are_told(mount: Callable[..., None], site_client: Client, maker: Maker) -> None:
    mount()
    tool, other = make(maker, "H1", "H2")
    assert site_client.post("/tools", json=hammer(maker)).status_code == 409
    assert site_client.put(f"/tools/{other.pk}", json=hammer(maker)).status_code == 409
    assert site_client.patch(f"/tools/{tool.pk}", json={"maker": 10**6}).json()["detail"][0]["loc"] == ["body", "maker"]
    assert site_client.patch(f"/tools/{tool.pk}", json={"id": 5}).status_code == 422
    assert site_client.post("/tools", json=hammer(maker, version=5)).status_code == 422
    for verb in ("GET", "PUT", "PATCH", "DELETE"):
        for key in ("0", f"{tool.pk}_0", f" {tool.pk}", "x", str(10**30), "%00"):
            answer = site_client.request(verb, f"/tools/{key}", json=hammer(maker) if verb[0] == "P" else None)
            assert answer.status_code == 404, (verb, key)


def test_what_is_held_is_not_deleted(mount: Callable[..., None], site_client: Client, maker: Maker) -> None:
    mount(Maker, MakerRef, write=MakerRef, prefix="/makers")
    make(maker, "H1")
    answer = site_client.delete(f"/makers/{maker.pk}")
    assert (answer.status_code, answer.json()["detail"][0]["ctx"]) == (409, {"held_by": ["workshop.tool"]})


def only_of(user: Any) -> Any:
    return Tool.objects.filter(made_by=user.username if user else "")


def but_hidden(user: Any) -> Any:
    assert user.username == "ann"
    return Maker.objects.exclude(name="Hidden")


def give(instance: Any, user: Any) -> None:
    instance.made_by = user.username


def test_what_a_user_may_not_see_is_not_there_for_any_verb(
    mount: Callable[..., None], site_client: Client, maker: Maker
) -> None:
    hidden_maker = Maker.objects.create(name="Hidden")
    mount(
        get_queryset=only_of,
        related={Maker: but_hidden},
        hooks=Hooks(before_save=give),
        permissions=current_user,
        bulk=5,
    )
    (foreign,) = make(maker, "X")
    ann = User.objects.create_user("ann")
    site_client.force_login(ann)
    mine = site_client.post("/tools", json=hammer(maker)).json()
    assert Tool.objects.get(code="H1").made_by == "ann"
    for verb in ("GET", "PUT", "PATCH", "DELETE"):
        body = hammer(maker, code="Y") if verb == "PUT" else {"code": "Y"} if verb == "PATCH" else None
        unseen = site_client.request(verb, f"/tools/{foreign.pk}", json=body)
        unknown = site_client.request(verb, "/tools/99999", json=body)
        assert (unseen.status_code, unseen.content) == (404, unknown.content), verb
    assert [one["code"] for one in site_client.get("/tools").json()["items"]] == ["H1"]
    refused = site_client.patch(f"/tools/{mine['id']}", json={"maker": hidden_maker.pk})
    assert refused.json()["detail"][0]["type"] == "does_not_exist"
    for path, verb, several in (
        ("/tools/bulk/update", "PATCH", [{"key": foreign.pk, "values": {"price": 1}}]),
        ("/tools/bulk/delete", "POST", [mine["id"], foreign.pk]),
    ):
        answer = site_client.request(verb, path, json=several)
        assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, "does_not_exist")
    assert Tool.objects.count() == 2
    assert site_client.delete(f"/tools/{mine['id']}").status_code == 204


def test_every_operation_requires_djangos_permission(
    mount: Callable[..., None], site_client: Client, maker: Maker
) -> None:
    mount(permissions=None)
    (tool,) = make(maker, "X")
    requests: dict[str, tuple[str, str, Any]] = {
        "view": ("GET", f"/tools/{tool.pk}", None),
        "add": ("POST", "/tools", hammer(maker)),
        "change": ("PATCH", f"/tools/{tool.pk}", {"price": "1.00"}),
        "delete": ("DELETE", f"/tools/{tool.pk}", None),
    }
    for verb, path, body in requests.values():
        assert site_client.request(verb, path, json=body).status_code == 401
    assert site_client.post("/tools", json={"bad": 1}).status_code == 401
    ann = User.objects.create_user("ann")
    site_client.force_login(ann)
    for action, (verb, path, body) in requests.items():
        assert site_client.request(verb, path, json=body).status_code == 403
        ann.user_permissions.set([Permission.objects.get(codename=f"{action}_tool")])
        assert site_client.request(verb, path, json=body).status_code < 300, action
    assert site_client.get("/tools").status_code == 403


def test_permissions_are_passed_in_for_each_operation(
    mount: Callable[..., None], site_client: Client, maker: Maker
) -> None:
    mount(permissions={"list": [], "create": [Depends(staff_required)]}, operations=["list", "create", "delete"])
    (tool,) = make(maker, "X")
    assert site_client.get("/tools").status_code == 200
    site_client.force_login(User.objects.create_user("ann", is_staff=True))
    assert site_client.post("/tools", json=hammer(maker)).status_code == 201
    assert site_client.delete(f"/tools/{tool.pk}").status_code == 403
    assert site_client.put(f"/tools/{tool.pk}", json=hammer(maker)).status_code == 405


def test_hooks_are_in_the_transaction(mount: Callable[..., None], site_client: Client, maker: Maker) -> None:
    called: list[tuple[str, Any]] = []

    def note(name: str, *, fails: bool = False) -> Callable[[Any, Any], None]:
        def hook(instance: Any, user: Any) -> None:
            called.append((name, (instance.pk is None, user)))
            if fails and instance.name == "bad":
                raise ValueError("no")

        return hook

    mount(
        hooks=Hooks(note("before"), note("after", fails=True), note("before delete"), note("after delete")),
    )
    pk = site_client.post("/tools", json=hammer(maker)).json()["id"]
    site_client.delete(f"/tools/{pk}")
    assert called == [
        ("before", (True, None)),
        ("after", (False, None)),
        ("before delete", (False, None)),
        ("after delete", (True, None)),
    ]
    with pytest.raises(ValueError, match="no"):
        site_client.post("/tools", json=hammer(maker, name="bad"))
    assert not Tool.objects.exists()


def test_a_natural_key_and_another_lookup_are_in_the_path(
    mount: Callable[..., None], site_client: Client, maker: Maker
) -> None:
    mount(Material, MaterialSchema, write=MaterialSchema, prefix="/materials", name="stuff")
    mount(lookup_field="code")
    made = site_client.post("/materials", json={"code": "a/b", "name": "Odd"})
    assert made.headers["Location"] == "/materials/a%2Fb"
    site_client.post("/materials", json={"code": "FE", "name": "Iron"})
    assert site_client.put("/materials/FE", json={"code": "FE", "name": "Ferrum"}).json()["name"] == "Ferrum"
    assert site_client.put("/materials/FE", json={"code": "AU", "name": "Gold"}).status_code == 422
    assert site_client.get("/materials/fe").status_code == 404
    created = site_client.post("/tools", json=hammer(maker))
    assert created.headers["Location"] == "/tools/H1"
    assert site_client.patch("/tools/H1", json={"price": "3.00"}).json()["price"] == "3.00"


def test_several_are_written_in_one_request_or_none(
    mount: Callable[..., None], site_client: Client, maker: Maker
) -> None:
    mount(bulk=3)
    made = site_client.post("/tools/bulk/create", json=[hammer(maker), hammer(maker, code="H2", name="B")])
    assert (made.status_code, [one["code"] for one in made.json()]) == (201, ["H1", "H2"])
    keys = [one["id"] for one in made.json()]
    wrong = site_client.post(
        "/tools/bulk/create",
        json=[hammer(maker, code="H3", name="C"), hammer(maker, price="-1"), hammer(maker, code="D", maker=10**6)],
    )
    assert wrong.status_code == 422
    assert [error["loc"] for error in wrong.json()["detail"]] == [
        ["body", 1, "code"],
        ["body", 1],
        ["body", 1],
        ["body", 2, "maker"],
    ]
    same = site_client.post(
        "/tools/bulk/create", json=[hammer(maker, code="S", name="S"), hammer(maker, code="S", name="T")]
    )
    assert (same.status_code, same.json()["detail"][0]["loc"]) == (409, ["body", 1, "code"])
    assert Tool.objects.count() == 2
    changed = site_client.patch(
        "/tools/bulk/update",
        json=[{"key": key, "values": {"price": f"{number}.00"}} for number, key in enumerate(keys)],
    )
    assert [one["price"] for one in changed.json()] == ["0.00", "1.00"]
    bad = site_client.patch(
        "/tools/bulk/update",
        json=[
            {"key": keys[0], "values": {"price": "9.00"}},
            {"key": keys[1], "values": {"price": "-2.00"}},
        ],
    )
    assert (bad.status_code, bad.json()["detail"][0]["loc"]) == (422, ["body", 1, "values"])
    assert Tool.objects.get(pk=keys[0]).price == 0
    repeated = site_client.post("/tools/bulk/delete", json=[keys[0], keys[0], 10**30])
    assert [(one["loc"], one["type"]) for one in repeated.json()["detail"]] == [
        (["body", 2], "does_not_exist"),
        (["body", 1], "repeated"),
    ]
    assert site_client.post("/tools/bulk/delete", json=[1, 2, 3, 4]).status_code == 422
    assert site_client.post("/tools/bulk/create", json=[]).status_code == 422
    assert site_client.post("/tools/bulk/delete", json=keys).status_code == 204
    assert not Tool.objects.exists()


def test_the_document_names_every_status(mount: Callable[..., None], api: FastAPI) -> None:
    mount(permissions=None, bulk=2, etag="version", require_match=True, idempotency=True)
    paths = api.openapi()["paths"]
    told = {
        (path, method): set(operation["responses"])
        for path, item in paths.items()
        for method, operation in item.items()
    }
    assert told == {
        ("/tools", "get"): {"200", "401", "403", "422"},
        ("/tools", "post"): {"400", "413", "201", "401", "403", "409", "422"},
        ("/tools/bulk/create", "post"): {"400", "413", "201", "401", "403", "409", "422"},
        ("/tools/bulk/update", "patch"): {"400", "413", "200", "401", "403", "409", "422"},
        ("/tools/bulk/delete", "post"): {"400", "413", "204", "401", "403", "409", "422"},
        ("/tools/{pk}", "get"): {"200", "304", "401", "403", "404", "422"},
        ("/tools/{pk}", "put"): {"400", "413", "200", "401", "403", "404", "409", "412", "422", "428"},
        ("/tools/{pk}", "patch"): {"400", "413", "200", "401", "403", "404", "409", "412", "422", "428"},
        ("/tools/{pk}", "delete"): {"204", "401", "403", "404", "409", "412", "422", "428"},
    }
    assert paths["/tools"]["post"]["tags"] == ["tools"]
    body = paths["/tools"]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert api.openapi()["components"]["schemas"][body]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"operations": ["lists"]}, "names 'lists'; there are list, retrieve"),
        ({"operations": ["bulk_create"], "write": ToolIn}, "needs `bulk=`"),
        ({"operations": ["create"]}, "needs `write=`"),
        ({"pagination": list}, "`pagination` is `Page`"),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_the_cure(options: Any, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        crud_router(Tool, read=ToolOut, **options)


def test_an_answer_takes_as_many_queries_as_its_schema_has_lists(
    mount: Callable[..., None], site_client: Client, maker: Maker, django_assert_num_queries: Any
) -> None:
    mount()
    tools = make(maker, "a", "b", "c")
    Part.objects.create(tool=tools[0], number=1, name="p")
    site_client.get("/tools")
    with django_assert_num_queries(3):
        site_client.get("/tools")
    with django_assert_num_queries(2):
        site_client.get(f"/tools/{tools[0].pk}")


@pytest.mark.django_db(transaction=True)
def test_a_post_with_a_key_is_done_once(mount: Callable[..., None], site_client: Client) -> None:
    cache.clear()
    mount(idempotency=True, permissions=current_user)
    maker = Maker.objects.create(name="Forge")
    answers = []
    for name in ("ann", "ann", "bob"):
        user, _ = User.objects.get_or_create(username=name)
        site_client.force_login(user)
        body = hammer(maker)
        answers.append(site_client.post("/tools", json=body, headers={"Idempotency-Key": "once"}))
    assert [answer.status_code for answer in answers] == [201, 201, 409]
    assert answers[0].content == answers[1].content
    assert answers[1].headers["Location"] == answers[0].headers["Location"]
    assert Tool.objects.count() == 1


def test_an_object_that_the_default_manager_hides_is_shown_to_who_made_it(api: FastAPI, site_client: Client) -> None:
    class LabelSchema(ModelSchema):
        class Meta:
            model = Label
            fields = ["id", "name", "hidden"]

    api.include_router(crud_router(Label, read=LabelSchema, write=LabelSchema, permissions=[], prefix="/labels"))
    made = site_client.post("/labels", json={"name": "x", "hidden": True})
    assert (made.status_code, made.json()["hidden"]) == (201, True)
    assert site_client.get(f"/labels/{made.json()['id']}").status_code == 404
