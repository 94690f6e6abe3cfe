from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from asgiref.sync import async_to_sync
from django.db.models import QuerySet
from fastapi import FastAPI, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from pytest_django import DjangoAssertNumQueries

from django_fastapi.orm import (
    CursorBy,
    CursorPage,
    CursorParams,
    CursorWindow,
    FilterSchema,
    OrderBy,
    Ordering,
)
from django_fastapi.testing import Client
from tests.project.archive.models import Author, Book

pytestmark = pytest.mark.django_db


class BookOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    title: str


class BookFilter(FilterSchema):
    stock: int | None = None


@pytest.fixture
def books() -> QuerySet[Book]:
    Book.objects.bulk_create([Book(pk=pk, title=f"{pk}", stock=pk % 2) for pk in range(1, 8)])
    return Book.objects.all()


@pytest.fixture
def client(api: FastAPI, site_client: Client, books: QuerySet[Book]) -> Client:
    @api.get("/books", response_model=CursorPage[BookOut])
    @api.get("/shops/{shop}/books", response_model=CursorPage[BookOut])
    def list_books(
        filters: Annotated[BookFilter, Query()],
        order: Annotated[Ordering, OrderBy("title", "-stock", default=["-stock", "title"])],
        page: CursorParams,
    ) -> CursorPage[Book]:
        return page.paginate(order.apply(filters.apply(books)))

    return site_client


def walk(client: Client, direction: str, **query: Any) -> Iterator[dict[str, Any]]:
    answer = client.get("/books", params=query)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    yield page
    while page[direction]:
        page = client.get("/books", params={**query, "cursor": page[direction]}).json()
        yield page


def titles(page: dict[str, Any]) -> str:
    return "".join(item["title"] for item in page["items"])


def test_a_client_follows_next_and_previous(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(6):
        pages = list(walk(client, "next", size=3))
    assert [titles(page) for page in pages] == ["135", "724", "6"]
    back = list(walk(client, "previous", size=3, cursor=pages[-1]["previous"]))
    assert [titles(page) for page in back] == ["724", "135"]
    assert pages[0]["previous"] is back[-1]["previous"] is None


def test_the_size_may_change_on_the_way(client: Client) -> None:
    first = client.get("/books?size=3").json()
    assert titles(client.get("/books", params={"size": 5, "cursor": first["next"]}).json()) == "7246"


def test_filters_and_order_go_along(client: Client) -> None:
    pages = list(walk(client, "next", size=2, stock=1, ordering="-title"))
    assert [titles(page) for page in pages] == ["75", "31"]


def test_the_same_page_is_the_same_answer(client: Client) -> None:
    assert client.get("/books?size=3").content == client.get("/books?size=3").content


def test_an_empty_cursor_is_the_first_page(client: Client) -> None:
    assert client.get("/books?cursor=&size=3").json() == client.get("/books?size=3").json()


def test_a_cursor_of_elsewhere_is_refused(client: Client) -> None:
    cursor = client.get("/books?size=3&stock=1").json()["next"]
    assert client.get("/books", params={"size": 3, "stock": 1, "cursor": cursor}).status_code == 200
    for path, query in [
        ("/books", {}),
        ("/books", {"stock": "0"}),
        ("/books", {"stock": "1", "ordering": "title"}),
        ("/shops/1/books", {"stock": "1"}),
    ]:
        answer = client.get(path, params={**query, "cursor": cursor})
        assert answer.status_code == 422
        [detail] = answer.json()["detail"]
        assert detail["loc"] == ["query", "cursor"]
        assert detail["msg"].startswith("Input must be a cursor that this list has given")


@pytest.mark.parametrize(
    "cursor", ["x", "1", "a:b", "%00", "%FF", "\ud800".encode("utf-8", "surrogatepass"), "٣", ".eJw:x", "x" * 5000]
)
def test_rubbish_is_refused_without_a_query(
    client: Client, cursor: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/books", params={"cursor": cursor})
    assert answer.status_code == 422
    assert [detail["loc"] for detail in answer.json()["detail"]] == [["query", "cursor"]]


def test_a_changed_cursor_is_refused(client: Client) -> None:
    cursor: str = client.get("/books?size=3").json()["next"]
    for changed in (cursor[1:], cursor[:-1], cursor.swapcase(), f"{cursor}A", cursor.replace(":", "."), f".{cursor}"):
        assert client.get("/books", params={"cursor": changed}).status_code == 422


@pytest.mark.parametrize("size", ["0", "-1", str(10**30), "NaN", "1.5", "", "101", "x", "1\0"])
def test_a_size_out_of_bounds_is_refused(client: Client, size: str) -> None:
    answer = client.get("/books", params={"size": size})
    assert answer.status_code == 422
    assert [detail["loc"] for detail in answer.json()["detail"]] == [["query", "size"]]


def test_a_cursor_is_good_for_one_model_and_one_order(books: QuerySet[Book]) -> None:
    cursor = CursorWindow(None, 3).paginate(books.order_by("title")).next
    assert CursorWindow(cursor, 3).paginate(books.filter(stock=1).order_by("title")).next is None
    Author.objects.create(name="Ada")
    for other in (books.order_by("-title"), books.order_by("stock"), books, Author.objects.order_by("pk")):
        with pytest.raises(RequestValidationError):
            CursorWindow(cursor, 3).paginate(other)


@pytest.mark.django_db(transaction=True)
def test_async_code_has_cursors(books: QuerySet[Book]) -> None:
    async def ask() -> list[int]:
        page = await CursorWindow(None, 3).apaginate(books.order_by("-pk"))
        items: Any = (await CursorWindow(page.next, 3).apaginate(books.order_by("-pk"))).items
        return [book.pk async for book in items]

    assert async_to_sync(ask)() == [4, 3, 2]


def test_managers_have_cursors(books: QuerySet[Book]) -> None:
    assert len(CursorWindow(None, 3).paginate(Book.objects).items) == 3
    author = Author.objects.create(name="Ada")
    books.filter(stock=1).update(author=author)
    assert [book.pk for book in CursorWindow(None, 3).paginate(author.books).items] == [1, 3, 5]


def test_the_documentation_shows_the_parameters(api: FastAPI) -> None:
    @api.get("/books", response_model=CursorPage[BookOut])
    def list_books(page: Annotated[CursorWindow, CursorBy(size=5, max_size=7)]) -> CursorPage[Book]:
        return page.paginate(Book.objects)

    parameters = {one["name"]: one["schema"] for one in api.openapi()["paths"]["/books"]["get"]["parameters"]}
    assert set(parameters) == {"cursor", "size"}
    assert (parameters["size"]["default"], parameters["size"]["maximum"]) == (5, 7)
    assert CursorBy(size=5).dependency == CursorBy(size=5).dependency
