import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Generic, NotRequired, TypeVar

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, RootModel, dataclasses as pydantic_dataclasses, field_validator
from typing_extensions import TypeAliasType, TypedDict

from django_fastapi.orm import ModelSchema, plan_query
from django_fastapi.orm.serving import OrmWriter
from django_fastapi.registry import APIRegistry
from django_fastapi.threads import Threads
from django_fastapi.types import ASGIApp
from tests.conftest import fetch
from tests.project.library.models import Author, Book, Tag
from tests.request_threads import own_threads

if TYPE_CHECKING:
    from django.db.models import Manager, QuerySet

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")


class TagOut(ModelSchema):
    class Meta:
        model = Tag
        fields = ["id", "name"]


class AuthorOut(ModelSchema):
    class Meta:
        model = Author
        fields = ["name"]


class BookOut(ModelSchema):
    author: AuthorOut
    tags: list[TagOut]
    subtitle: str | None = Field(None, serialization_alias="subTitle")

    class Meta:
        model = Book
        fields = ["id", "title"]


class CheckedTagOut(TagOut):
    @field_validator("name")
    @classmethod
    def _as_it_is(cls, name: str) -> str:
        return name


class Envelope(BaseModel):
    items: list[BookOut]
    total: int = 0
    best: BookOut | None = None


class Many(BaseModel, Generic[T]):
    items: list[T]
    total: int = 0


class Typed(TypedDict):
    items: list[BookOut]


@dataclasses.dataclass
class Box:
    items: "QuerySet[Book]"
    total: int


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threads]:
    with own_threads(monkeypatch) as threads:
        yield threads


@pytest.fixture
def api(registry: APIRegistry) -> FastAPI:
    return registry.get_default()


TITLES = ["First", "Second", "Third"]


def titles(items: list[dict[str, Any]]) -> list[str]:
    assert all(item["author"]["name"] for item in items)
    return [item["title"] for item in items]


def books() -> "QuerySet[Book]":
    return Book.objects.all()


RESULTS: dict[str, tuple[Any, Callable[[], Any], Callable[[Any], Any]]] = {
    "a queryset": (list[BookOut], books, lambda body: body),
    "a manager": (list[BookOut], lambda: Book.objects, lambda body: body),
    "a tuple of instances": (tuple[BookOut, ...], lambda: tuple(books()), lambda body: body),
    "an envelope": (Envelope, lambda: {"items": books(), "total": 3}, lambda body: body["items"]),
    "an envelope of FastAPI's kind": (Many[BookOut], lambda: {"items": books()}, lambda body: body["items"]),
    "a typed dictionary": (Typed, lambda: {"items": books()}, lambda body: body["items"]),
    "a dictionary": (dict[str, list[BookOut]], lambda: {"all": books()}, lambda body: body["all"]),
    "a dataclass": (Many[BookOut], lambda: Box(books(), 3), lambda body: body["items"]),
    "an object of Pydantic's": (
        Many[BookOut],
        lambda: Many[Any].model_construct(items=books(), total=3),
        lambda body: body["items"],
    ),
    "raw": (list[BookOut], lambda: Book.objects.raw("SELECT * FROM library_book"), lambda body: body),
    "lists in a list": (list[list[BookOut]], lambda: [books()], lambda body: body[0]),
}


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.usefixtures("library")
def test_an_endpoint_returns(api: FastAPI, build: Callable[[], ASGIApp], result: str, kind: str) -> None:
    model, make, find = RESULTS[result]

    def sync() -> Any:
        return make()

    async def asynchronous() -> Any:
        return books() if result == "a tuple of instances" else make()

    api.get("/", response_model=model)(sync if kind == "def" else asynchronous)
    response = fetch(build(), "/")
    assert response.status_code == 200, response.text
    assert titles(find(response.json())) == TITLES


class Tags(RootModel[list[TagOut]]):
    pass


class Deep(BaseModel):
    by_name: dict[str, list[TagOut]]
    inner: Tags | None = None
    pair: tuple[list[TagOut], TagOut] | None = None


def red() -> "QuerySet[Tag]":
    return Tag.objects.filter(name="red")


RED = {"name": "red"}

MODELS: dict[str, tuple[Any, Callable[[], Any], Any]] = {
    "a list or nothing": (list[TagOut] | None, red, [RED]),
    "nothing": (list[TagOut] | None, lambda: None, None),
    "a list or something else": (list[TagOut] | Envelope, red, [RED]),
    "a list of a union": (list[AuthorOut | TagOut], red, [RED]),
    "one of a union": (AuthorOut | TagOut, red, RED),
    "annotated": (Annotated[list[TagOut], "noted"], red, [RED]),
    "a root model": (Tags, red, [RED]),
    "a sequence": (Sequence[TagOut], red, [RED]),
    "lists deep inside": (
        Deep,
        lambda: {"by_name": {"r": red()}, "inner": red(), "pair": (red(), red())},
        {"by_name": {"r": [RED]}, "inner": [RED], "pair": [[RED], RED]},
    ),
    "values": (list[TagOut], lambda: red().values("id", "name"), [RED]),
    "one of values": (TagOut, lambda: red().values("id", "name"), RED),
    "flat values": (list[str], lambda: red().values_list("name", flat=True), ["red"]),
    "a generator": (list[TagOut], lambda: (tag for tag in red()), [RED]),
    "objects and instances": (list[TagOut], lambda: [*red(), *map(TagOut.from_orm, red())], [RED, RED]),
}


@pytest.mark.parametrize("case", MODELS)
@pytest.mark.usefixtures("library")
def test_a_response_model_of_any_form_takes_querysets(api: FastAPI, build: Callable[[], ASGIApp], case: str) -> None:
    model, make, expected = MODELS[case]

    @api.get("/", response_model=model)
    def endpoint() -> Any:
        return make()

    assert without_keys(fetch(build(), "/").json()) == expected


def without_keys(body: Any) -> Any:
    """Leave out the keys of the database, at every level."""
    if isinstance(body, dict):
        return {name: without_keys(value) for name, value in body.items() if name != "id"}
    return [without_keys(one) for one in body] if isinstance(body, list) else body


@pytest.mark.usefixtures("library")
def test_several_response_models_and_response_classes(api: FastAPI, build: Callable[[], ASGIApp]) -> None:
    class Pretty(JSONResponse):
        def render(self, content: Any) -> bytes:
            return json.dumps(content, indent=1).encode()

    @api.get("/pretty", response_model=list[AuthorOut], response_class=Pretty)
    def pretty() -> "QuerySet[Author]":
        return Author.objects.filter(name="Ann")

    @api.get("/either", response_model=list[AuthorOut], responses={202: {"model": TagOut}})
    def either(*, done: bool) -> Any:
        if done:
            return Author.objects.filter(name="Ann")
        return JSONResponse(TagOut.from_orm(Tag.objects.get(name="red")).model_dump(), 202)

    site = build()
    assert fetch(site, "/pretty").text == '[\n {\n  "name": "Ann"\n }\n]'
    assert fetch(site, "/either?done=1").json() == [{"name": "Ann"}]
    assert fetch(site, "/either?done=0").json()["name"] == "red"
    responses = fetch(site, "/openapi.json").json()["paths"]["/either"]["get"]["responses"]
    assert responses["202"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/TagOut"}


@pytest.mark.parametrize("name", ["First", "Nothing"])
@pytest.mark.usefixtures("library")
def test_an_endpoint_returns_an_instance_or_nothing(api: FastAPI, build: Callable[[], ASGIApp], name: str) -> None:
    @api.get("/", response_model=BookOut | None)
    async def endpoint() -> Book | None:
        return await Book.objects.filter(title=name).afirst()

    body = fetch(build(), "/").json()
    assert (body["author"] if body else body) == ({"name": "Ann"} if name == "First" else None)


@pytest.mark.parametrize(("model", "way"), [(TagOut, "by rows"), (CheckedTagOut, "by instances")])
@pytest.mark.usefixtures("library")
def test_a_queryset_is_one_object_where_the_response_is_one(
    api: FastAPI, build: Callable[[], ASGIApp], model: type[ModelSchema], way: str
) -> None:
    assert way in plan_query(model).explain()

    @api.get("/{name}", response_model=model)
    async def endpoint(name: str) -> "QuerySet[Tag]":
        return Tag.objects.filter(name=name)

    @api.get("/maybe/{name}", response_model=model | None)
    def maybe(name: str) -> "QuerySet[Tag]":
        return Tag.objects.filter(name=name)

    site = build()
    assert fetch(site, "/red").json()["name"] == fetch(site, "/maybe/red").json()["name"] == "red"
    response = fetch(site, "/none")
    assert (response.status_code, response.json()) == (404, {"detail": "No Tag matches the given query."})
    response = fetch(site, "/maybe/none")
    assert (response.status_code, response.json()) == (200, None)


@pytest.mark.usefixtures("library")
def test_several_objects_where_the_response_is_one_are_an_error(
    api: FastAPI, build: Callable[[], ASGIApp], caplog: pytest.LogCaptureFixture
) -> None:
    @api.get("/", response_model=BookOut)
    def endpoint() -> "Manager[Book]":
        return Book.objects

    assert fetch(build(), "/").status_code == 500
    assert "its queryset gives several" in caplog.text


def test_a_union_takes_the_schema_of_the_instance(
    api: FastAPI, build: Callable[[], ASGIApp], library: SimpleNamespace
) -> None:
    @api.get("/", response_model=list[AuthorOut | TagOut])
    async def endpoint() -> list[Any]:
        return [library.red, library.ann]

    assert fetch(build(), "/").json() == [{"id": library.red.pk, "name": "red"}, {"name": "Ann"}]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"response_model_exclude": {"id", "tags"}}, {"title": "First", "author": {"name": "Ann"}, "subTitle": None}),
        ({"response_model_include": {"title"}}, {"title": "First"}),
        ({"response_model_include": {"subtitle"}, "response_model_by_alias": False}, {"subtitle": None}),
        ({"response_model_exclude_none": True, "response_model_include": {"title", "subtitle"}}, {"title": "First"}),
        ({"response_model_exclude_unset": True, "response_model_include": {"title", "subtitle"}}, {"title": "First"}),
        (
            {"response_model_exclude_defaults": True, "response_model_include": {"title", "subtitle"}},
            {"title": "First"},
        ),
        ({"response_class": JSONResponse, "response_model_include": {"title"}}, {"title": "First"}),
    ],
)
@pytest.mark.usefixtures("library")
def test_the_options_of_the_route_hold(
    api: FastAPI, build: Callable[[], ASGIApp], options: dict[str, Any], expected: dict[str, Any]
) -> None:
    @api.get("/one", response_model=BookOut, **options)
    async def one() -> Book:
        return await Book.objects.aget(title="First")

    inside = ("response_model_include", "response_model_exclude")
    per_item = {name: {"__all__": value} if name in inside else value for name, value in options.items()}

    @api.get("/many", response_model=list[BookOut], **per_item)
    async def many() -> "QuerySet[Book]":
        return Book.objects.filter(title="First")

    for path, answer in (("/one", expected), ("/many", [expected])):
        body = fetch(build(), path).json()
        assert drop_keys(body) == answer


def drop_keys(body: Any) -> Any:
    """Leave out the keys of the database, which differ from run to run."""
    if isinstance(body, list):
        return [drop_keys(one) for one in body]
    return {name: value for name, value in body.items() if name != "id"}


@pytest.mark.usefixtures("library")
def test_status_headers_and_cookies_of_the_injected_response_hold(api: FastAPI, build: Callable[[], ASGIApp]) -> None:
    @api.get("/", response_model=list[TagOut], status_code=203)
    def endpoint(response: Response) -> "QuerySet[Tag]":
        response.headers["x-own"] = "yes"
        response.set_cookie("seen", "1")
        return Tag.objects.all()

    response = fetch(build(), "/")
    assert response.status_code == 203
    assert response.headers["x-own"] == "yes"
    assert response.cookies["seen"] == "1"
    assert response.headers["content-type"] == "application/json"
    assert [tag["name"] for tag in response.json()] == ["red", "blue"]


def test_what_is_not_in_the_response_model_is_never_seen(
    api: FastAPI, build: Callable[[], ASGIApp], caplog: pytest.LogCaptureFixture
) -> None:
    User.objects.create_user("ann", password="secret")

    @api.get("/", response_model=None)
    async def endpoint() -> Any:
        return User.objects.all()

    response = fetch(build(), "/")
    assert response.status_code == 500
    assert "pbkdf2" not in response.text
    assert "returns a queryset of `User` without a response model" in caplog.text


@pytest.mark.usefixtures("library")
def test_plain_models_of_pydantic_read_querysets_too(api: FastAPI, build: Callable[[], ASGIApp]) -> None:
    class Plain(BaseModel):
        model_config = {"from_attributes": True}
        name: str

    @api.get("/", response_model=list[Plain])
    async def endpoint() -> "Manager[Tag]":
        return Tag.objects

    assert fetch(build(), "/").json() == [{"name": "red"}, {"name": "blue"}]


@pytest.mark.usefixtures("library")
def test_the_openapi_document_names_the_schemas(api: FastAPI, build: Callable[[], ASGIApp]) -> None:
    @api.get("/", response_model=list[BookOut])
    def endpoint() -> "QuerySet[Book]":
        return Book.objects.all()

    components = fetch(build(), "/openapi.json").json()["components"]["schemas"]
    assert {"BookOut", "AuthorOut", "TagOut"} <= components.keys()
    assert components["BookOut"]["required"] == ["id", "title", "author", "tags", "subTitle"]


def test_input_is_bound_by_the_limits_of_the_model(
    api: FastAPI, build: Callable[[], ASGIApp], library: SimpleNamespace
) -> None:
    class BookIn(ModelSchema):
        class Meta:
            model = Book
            fields = ["title", "author", "status", "price", "stock", "tags"]

    @api.post("/")
    def endpoint(book: BookIn) -> BookIn:
        return book

    site = build()
    good = {"title": "New", "author": library.ann.pk, "price": "1.50"}
    assert fetch(site, "/", "POST", json=good).json() == {**good, "status": "draft", "stock": 0, "tags": []}
    bad = {"title": "a\u0000", "author": 10**30, "status": "lost", "price": "1.999", "stock": -1}
    response = fetch(site, "/", "POST", json=bad)
    assert response.status_code == 422
    assert {error["loc"][-1] for error in response.json()["detail"]} == bad.keys()
    document = fetch(site, "/openapi.json").json()["components"]["schemas"]
    assert document["BookStatus"]["enum"] == ["draft", "published"]


@dataclasses.dataclass
class BoxOut:
    items: list[BookOut]
    total: int = 0


@dataclasses.dataclass
class QuotedBoxOut:
    items: "list[BookOut]"


@pydantic_dataclasses.dataclass
class CheckedBoxOut:
    items: list[BookOut] = Field(alias="Items")


class MaybeTyped(TypedDict):
    items: NotRequired[list[BookOut]]


Books = TypeAliasType("Books", list[BookOut])
ListOf = TypeAliasType("ListOf", list[T], type_params=(T,))  # type: ignore[valid-type]
MaybeBooks = TypeAliasType("MaybeBooks", Books | None)


class AliasedEnvelope(BaseModel):
    items: Books


@pytest.mark.parametrize(
    ("model", "make"),
    [
        (BoxOut, lambda: Box(books(), 3)),
        (BoxOut, lambda: {"items": books()}),
        (QuotedBoxOut, lambda: {"items": books()}),
        (CheckedBoxOut, lambda: {"Items": books()}),
        (MaybeTyped, lambda: {"items": books()}),
        (AliasedEnvelope, lambda: {"items": books()}),
        (Books, books),
        (MaybeBooks, books),
        (ListOf[BookOut], books),
        (Annotated[Books, "noted"], books),
        (Sequence[BookOut], books),
    ],
)
@pytest.mark.usefixtures("library")
def test_lists_are_read_at_once_wherever_they_are(model: Any, make: Callable[[], Any]) -> None:
    field = SimpleNamespace(field_info=SimpleNamespace(annotation=model, metadata=[]))
    with CaptureQueriesContext(connection) as queries:
        prepared = OrmWriter().prepare(make(), {"field": field})
    assert len(queries) <= 3, [query["sql"] for query in queries]
    while isinstance(prepared, dict):
        (prepared,) = (value for value in prepared.values() if not isinstance(value, int))
    assert [type(one) for one in prepared] == [BookOut] * 3


class Noted(BaseModel):
    model_config = ConfigDict(extra="allow")
    items: list[TagOut]
    note: str | None = None
    stamp: int = 7


class MoreNoted(Noted):
    hidden: str = "no"


def noted(**values: Any) -> Noted:
    return Noted.model_construct(items=red(), stamp=0, **values)


@pytest.mark.parametrize("exclude_unset", [False, True])
@pytest.mark.parametrize(
    ("model", "make", "expected"),
    [
        (Noted, noted, {"items": [RED], "note": None, "stamp": 0}),
        (Noted, lambda: noted(hint="x"), {"items": [RED], "note": None, "stamp": 0, "hint": "x"}),
        (
            Noted,
            lambda: {"items": red(), "stamp": 0, "hint": "x"},
            {"items": [RED], "note": None, "stamp": 0, "hint": "x"},
        ),
        (
            Noted,
            lambda: MoreNoted.model_construct(items=red(), stamp=0, hint="x"),
            {"items": [RED], "note": None, "stamp": 0, "hint": "x"},
        ),
        (
            Noted | None,
            lambda: Noted.model_construct(items=red(), note="n", hint="x"),
            {"items": [RED], "note": "n", "stamp": 7, "hint": "x"},
        ),
    ],
)
@pytest.mark.usefixtures("library")
def test_an_envelope_keeps_what_is_set_and_what_is_extra(  # noqa: PLR0913, PLR0917 (fixtures and parameters)
    api: FastAPI,
    build: Callable[[], ASGIApp],
    model: Any,
    make: Callable[[], Any],
    expected: dict[str, Any],
    exclude_unset: bool,  # noqa: FBT001 (a parameter of pytest's)
) -> None:
    @api.get("/", response_model=model, response_model_exclude_unset=exclude_unset)
    def endpoint() -> Any:
        return make()

    unset = "stamp" if expected["note"] else "note"
    body = without_keys(fetch(build(), "/").json())
    assert body == {name: value for name, value in expected.items() if not (exclude_unset and name == unset)}
