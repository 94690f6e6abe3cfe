from collections.abc import Callable
from typing import Annotated, Any

import pytest
from django.db.models import Model, QuerySet
from django.http import Http404
from fastapi import Depends, FastAPI, Header
from pytest_django import DjangoAssertNumQueries
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from django_fastapi.exceptions import ConfigurationError
from django_fastapi.shortcuts import ObjectOr404
from django_fastapi.testing import Client
from tests.project.archive.models import Author, Book, Copy, Genre, Opening, Profile, Seat, Shelf

KEY = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(api: FastAPI) -> FastAPI:
    async def missing(_request: Request, _error: Exception) -> Response:
        return JSONResponse({"detail": "Not Found"}, 404)

    api.add_exception_handler(Http404, missing)
    return api


@pytest.fixture
def client(site_client: Client) -> Client:
    return site_client


@pytest.fixture
def book() -> Book:
    return Book.objects.create(pk=7, title="Notes", isbn="978", stock=1, author=Author.objects.create(name="Ada"))


def test_the_path_names_the_object(
    api: FastAPI, client: Client, book: Book, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    @api.get("/books/{pk}")
    def read(found: Annotated[Book, Depends(ObjectOr404(Book))]) -> str:
        return found.title

    @api.get("/async/books/{pk}")
    async def aread(found: Annotated[Book, Depends(ObjectOr404(Book))]) -> str:
        return found.title

    for prefix in ("", "/async"):
        with django_assert_num_queries(1):
            assert client.get(f"{prefix}/books/{book.pk}").json() == "Notes"


@pytest.mark.parametrize(
    "key",
    ["8", "1_0", "%207", "7.0", "+7", "%2B7", "07", "%D9%A7", "abc", "7%00", "%00", "%FF", str(10**30), "9" * 5000],
)
def test_what_is_no_key_is_404_for_every_verb(api: FastAPI, client: Client, book: Book, key: str) -> None:
    @api.api_route("/books/{pk}", methods=["GET", "PUT", "PATCH", "DELETE"])
    def endpoint(found: Annotated[Book, Depends(ObjectOr404(Book))]) -> str:
        return found.title

    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert client.request(method, f"/books/{book.pk}").json() == "Notes"
        answer = client.request(method, f"/books/{key}")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


def make_profile() -> Profile:
    return Profile.objects.create(motto="x", author=Author.objects.create(pk=5, name="Bo"))


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda: Genre.objects.create(code="Sci Fi"), "Sci%20Fi"),
        (lambda: Copy.objects.create(key=KEY, book=Book.objects.create(title="x")), KEY),
        (make_profile, "5"),
        (lambda: Shelf.objects.create(mark="A-12"), "A-12"),
        (lambda: Opening.objects.create(moment="2024-02-29T12:00:00Z"), "2024-02-29T12:00:00Z"),
    ],
)
def test_keys_of_every_kind_name_objects(api: FastAPI, client: Client, make: Callable[[], Model], path: str) -> None:
    model = type(make())

    @api.get("/{pk}")
    def read(found: Annotated[Any, Depends(ObjectOr404(model))]) -> bool:
        return bool(found == model._default_manager.get())

    assert client.get(f"/{path}").json() is True


def test_a_composite_key_has_a_parameter_for_each_field(api: FastAPI, client: Client) -> None:
    Seat.objects.create(room="A", number=12, note="window")

    @api.get("/rooms/{room}/seats/{number}")
    def read(seat: Annotated[Seat, Depends(ObjectOr404(Seat))]) -> str:
        return seat.note

    assert client.get("/rooms/A/seats/12").json() == "window"
    for path in ("/rooms/A/seats/012", "/rooms/B/seats/12", "/rooms/A/seats/x", "/rooms/toolong/seats/12"):
        assert client.get(path).status_code == 404


def test_another_unique_field_and_name_can_be_taken(api: FastAPI, client: Client, book: Book) -> None:
    @api.get("/authors/{author_id}/books/{isbn}")
    def read(
        author: Annotated[Author, Depends(ObjectOr404(Author, name="author_id"))],
        found: Annotated[Book, Depends(ObjectOr404(Book, lookup="isbn"))],
    ) -> list[str]:
        return [author.name, found.title]

    assert book.author
    assert client.get(f"/authors/{book.author.pk}/books/978").json() == ["Ada", "Notes"]
    assert client.get(f"/authors/{book.author.pk}/books/979").status_code == 404


def in_stock(stock: Annotated[int, Header()] = 1) -> QuerySet[Book]:
    return Book.objects.filter(stock__gte=stock)


async def async_in_stock(stock: Annotated[int, Header()] = 1) -> QuerySet[Book]:
    return Book.objects.filter(stock__gte=stock)


@pytest.mark.parametrize("scope", [in_stock, async_in_stock])
def test_an_object_out_of_scope_is_answered_like_one_that_is_not_there(
    api: FastAPI, client: Client, book: Book, scope: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    @api.get("/books/{pk}")
    def read(found: Annotated[Book, Depends(ObjectOr404(Book, scope=scope))]) -> str:
        return found.title

    assert client.get(f"/books/{book.pk}").json() == "Notes"
    with django_assert_num_queries(1):
        hidden = client.get(f"/books/{book.pk}", headers={"stock": "2"})
    unknown = client.get("/books/8", headers={"stock": "2"})
    assert hidden.status_code == 404
    assert (hidden.status_code, hidden.content) == (unknown.status_code, unknown.content)


def test_a_queryset_of_the_application_is_asked_anew_by_each_request(api: FastAPI, client: Client, book: Book) -> None:
    books = Book.objects.filter(stock__gte=1)

    @api.get("/books/{pk}")
    def read(found: Annotated[Book, Depends(ObjectOr404(books))]) -> str:
        return found.title

    assert client.get(f"/books/{book.pk}").json() == "Notes"
    Book.objects.update(title="Changed")
    assert client.get(f"/books/{book.pk}").json() == "Changed"
    Book.objects.update(stock=0)
    assert client.get(f"/books/{book.pk}").status_code == 404


def test_equal_dependencies_are_one(
    api: FastAPI, client: Client, book: Book, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    def title(found: Annotated[Book, Depends(ObjectOr404(Book))]) -> str:
        return found.title

    @api.get("/books/{pk}")
    def read(found: Annotated[Book, Depends(ObjectOr404(Book))], title: Annotated[str, Depends(title)]) -> list[str]:
        return [found.title, title]

    assert ObjectOr404(Book) == ObjectOr404(Book)
    assert ObjectOr404(Book) != ObjectOr404(Book, lookup="isbn")
    assert ObjectOr404(Book.objects) == ObjectOr404(Book.objects)
    assert len({ObjectOr404(Book), ObjectOr404(Book), ObjectOr404(Author)}) == 2
    with django_assert_num_queries(1):
        assert client.get(f"/books/{book.pk}").json() == ["Notes", "Notes"]
    with client.override({ObjectOr404(Book): lambda: Book(title="Another")}):
        assert client.get("/books/1").json() == ["Another", "Another"]


@pytest.mark.parametrize(
    ("model", "options", "parameters"),
    [
        (Book, {}, {"pk": {"type": "integer"}}),
        (Book, {"lookup": "isbn", "name": "code"}, {"code": {"type": "string", "maxLength": 13}}),
        (Copy, {}, {"pk": {"type": "string", "format": "uuid"}}),
        (Profile, {}, {"pk": {"type": "integer"}}),
        (Opening, {}, {"pk": {"type": "string", "format": "date-time"}}),
        (Seat, {}, {"room": {"type": "string", "maxLength": 5}, "number": {"type": "integer"}}),
    ],
)
def test_the_documentation_shows_the_parameters_of_the_path(
    api: FastAPI, model: type[Model], options: dict[str, str], parameters: dict[str, Any]
) -> None:
    path = "".join(f"/{{{name}}}" for name in parameters)

    @api.get(path)
    def read(found: Annotated[Any, Depends(ObjectOr404(model, **options))]) -> None:
        """Read."""

    documented = api.openapi()["paths"][path]["get"]["parameters"]
    shown = {parameter["name"]: parameter["schema"] for parameter in documented}
    assert all(parameter["in"] == "path" and parameter["required"] for parameter in documented)
    assert {name: {**schema, "title": None} for name, schema in shown.items()} == {
        name: {**schema, "title": None} for name, schema in parameters.items()
    }


@pytest.mark.parametrize(
    "lookup", ["title", "author__name", "author__id", "isbn__startswith", "tags", "author", "isbn__exact"]
)
def test_a_lookup_that_names_no_single_object_is_refused(lookup: str) -> None:
    with pytest.raises(ConfigurationError, match="the lookup must be the primary key or a unique field"):
        ObjectOr404(Book, lookup=lookup)


def test_a_lookup_that_does_not_exist_is_refused_with_the_cure() -> None:
    with pytest.raises(ConfigurationError, match="`Book` has no `isbm`; did you mean `isbn`"):
        ObjectOr404(Book, lookup="isbm")
    with pytest.raises(ValueError, match="must be a model, a manager or a queryset, not 'str'"):
        ObjectOr404("Book")  # type: ignore[arg-type]
