import asyncio
import inspect
from typing import Annotated, Any

import pytest
from asgiref.sync import async_to_sync
from django.db.models import QuerySet
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from pytest_django import DjangoAssertNumQueries

from django_fastapi.orm import (
    LimitOffsetBy,
    LimitOffsetPage,
    LimitOffsetParams,
    LimitOffsetWindow,
    Page,
    PageBy,
    PageParams,
    PageWindow,
)
from django_fastapi.testing import Client
from tests.project.archive.models import Author, Book, Tag

pytestmark = pytest.mark.django_db


class BookOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    title: str


@pytest.fixture
def books() -> QuerySet[Book]:
    Book.objects.bulk_create([Book(pk=pk, title=f"Book {pk}", stock=pk % 2) for pk in range(1, 8)])
    return Book.objects.order_by("stock")


def titles(answer: dict[str, Any]) -> list[int]:
    return [int(item["title"].removeprefix("Book ")) for item in answer["items"]]


@pytest.mark.parametrize(
    ("page", "size", "items"),
    [(1, 3, [2, 4, 6]), (2, 3, [1, 3, 5]), (3, 3, [7]), (4, 3, []), (1, 100, [2, 4, 6, 1, 3, 5, 7])],
)
def test_a_page_is_a_window_with_the_total(books: QuerySet[Book], page: int, size: int, items: list[int]) -> None:
    found = PageWindow(page, size).paginate(books)
    assert [book.pk for book in found.items] == items
    assert (found.total, found.page, found.size, found.pages) == (7, page, size, -(-7 // size))


@pytest.mark.parametrize(("limit", "offset", "items"), [(2, 0, [2, 4]), (2, 5, [5, 7]), (9, 6, [7]), (5, 7, [])])
def test_a_window_by_offset(books: QuerySet[Book], limit: int, offset: int, items: list[int]) -> None:
    found = LimitOffsetWindow(limit, offset).paginate(books)
    assert [book.pk for book in found.items] == items
    assert (found.total, found.limit, found.offset) == (7, limit, offset)


def test_it_takes_one_query_to_count_and_one_for_the_rows(
    books: QuerySet[Book], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1) as queries:
        page = PageWindow(2, 3).paginate(books)
    assert queries[0]["sql"] == 'SELECT COUNT(*) AS "__count" FROM "archive_book"'
    with django_assert_num_queries(1) as queries:
        assert len(page.items) == 3
    assert queries[0]["sql"].endswith('ORDER BY "archive_book"."stock" ASC, "archive_book"."id" ASC LIMIT 3 OFFSET 3')


def test_past_the_end_the_rows_take_no_query(
    books: QuerySet[Book], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for window in (PageWindow(4, 3), LimitOffsetWindow(3, 7)):
        with django_assert_num_queries(1):
            assert list(window.paginate(books).items) == []


@pytest.mark.parametrize("window", [PageWindow(1, 3, count=False), LimitOffsetWindow(3, 0, count=False)])
def test_the_count_can_be_left_out(
    books: QuerySet[Book],
    window: PageWindow | LimitOffsetWindow,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(1):
        page = window.paginate(books)
        assert (page.total, len(page.items)) == (None, 3)
    assert window.paginate(books, count=True).total == 7
    assert PageWindow(1, 3).paginate(books, count=False).pages is None


def test_managers_and_relations_have_pages() -> None:
    author = Author.objects.create(name="Ada")
    Book.objects.create(title="Notes", author=author).tags.add(Tag.objects.create(name="red"))
    assert PageWindow(1, 3).paginate(Book.objects).total == 1
    assert LimitOffsetWindow(3, 0).paginate(author.books).total == 1


def test_slices_unions_and_values_have_pages_too(books: QuerySet[Book]) -> None:
    assert [book.pk for book in PageWindow(2, 2).paginate(books.order_by("pk")[1:6]).items] == [4, 5]
    union = Book.objects.filter(pk__lt=3).union(Book.objects.filter(pk=5)).order_by("title")
    assert [book.pk for book in PageWindow(1, 2).paginate(union).items] == [1, 2]
    grouped: Any = books.values("stock").order_by("stock")
    assert PageWindow(1, 9).paginate(grouped.distinct()).total == 2
    assert list(PageWindow(1, 9).paginate(grouped.distinct()).items) == [{"stock": 0}, {"stock": 1}]


@pytest.mark.django_db(transaction=True)
def test_async_code_has_pages(books: QuerySet[Book]) -> None:
    async def ask() -> tuple[int | None, int | None]:
        page = await PageWindow(1, 3).apaginate(books)
        window = await LimitOffsetWindow(3, 0).apaginate(books, count=False)
        return page.total, window.total

    assert async_to_sync(ask)() == (7, None)


def test_endpoints_serve_pages(
    api: FastAPI, site_client: Client, books: QuerySet[Book], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    @api.get("/pages", response_model=Page[BookOut])
    def pages(page: PageParams) -> Page[Book]:
        return page.paginate(books)

    @api.get("/windows", response_model=LimitOffsetPage[BookOut])
    def windows(page: LimitOffsetParams) -> LimitOffsetPage[Book]:
        return page.paginate(books)

    with django_assert_num_queries(2):
        answer = site_client.get("/pages?page=2&size=3").json()
    assert titles(answer) == [1, 3, 5]
    assert (answer["total"], answer["page"], answer["size"], answer["pages"]) == (7, 2, 3, 3)
    with django_assert_num_queries(2):
        answer = site_client.get("/windows?limit=2&offset=5").json()
    assert titles(answer) == [5, 7]
    assert (answer["total"], answer["limit"], answer["offset"]) == (7, 2, 5)
    with django_assert_num_queries(1):
        answer = site_client.get("/pages?count=false").json()
    assert (answer["total"], answer["page"], answer["size"], answer["pages"]) == (None, 1, 20, None)
    assert site_client.get("/windows?count=0").json()["total"] is None


NUMBERS = ["0", "-1", str(10**30), "NaN", "Infinity", "1.5", "", "x", "1\0", "\ud800".encode("utf-8", "surrogatepass")]


@pytest.mark.parametrize(
    ("path", "name"), [("pages", "page"), ("pages", "size"), ("windows", "limit"), ("windows", "offset")]
)
def test_what_is_out_of_bounds_is_refused_with_its_name(
    api: FastAPI, site_client: Client, path: str, name: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    @api.get("/pages", response_model=Page[BookOut])
    def pages(page: PageParams) -> Page[Book]:
        return page.paginate(Book.objects)

    @api.get("/windows", response_model=LimitOffsetPage[BookOut])
    def windows(page: LimitOffsetParams) -> LimitOffsetPage[Book]:
        return page.paginate(Book.objects)

    assert site_client.get(f"/{path}").status_code == 200
    beyond = {"page": "5002", "size": "101", "limit": "101", "offset": "100001"}[name]
    with django_assert_num_queries(0):
        for value in [*(number for number in NUMBERS if (name, number) != ("offset", "0")), beyond]:
            answer = site_client.get(f"/{path}", params={name: value})  # type: ignore[dict-item]
            assert answer.status_code == 422, value
            assert [detail["loc"] for detail in answer.json()["detail"]] == [["query", name]]


def test_bounds_and_defaults_can_be_set(books: QuerySet[Book]) -> None:
    page_by, limit_by = PageBy(size=2, max_size=4, max_offset=10), LimitOffsetBy(limit=2, max_limit=4, count=False)
    parameters = inspect.signature(page_by.dependency).parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {"page": 1, "size": 2, "count": True}
    assert "count" not in inspect.signature(limit_by.dependency).parameters
    assert asyncio.run(page_by.dependency(page=3, size=4)) == PageWindow(3, 4, count=False)
    with pytest.raises(RequestValidationError) as caught:
        asyncio.run(page_by.dependency(page=4, size=4))
    [error] = caught.value.errors()
    assert (error["loc"], error["msg"]) == (("query", "page"), "Input must be at most 3 with this size")
    assert asyncio.run(limit_by.dependency(limit=2, offset=0)).paginate(books).total is None


def test_an_override_finds_an_equal_dependency() -> None:
    assert PageBy(size=5).dependency == PageBy(size=5).dependency != PageBy(size=6).dependency
    assert hash(LimitOffsetBy().dependency) == hash(LimitOffsetBy().dependency)


def test_the_documentation_shows_bounds_and_pages(api: FastAPI) -> None:
    @api.get("/pages", response_model=Page[BookOut])
    def pages(page: Annotated[PageWindow, PageBy(max_size=7)]) -> Page[Book]:
        return page.paginate(Book.objects)

    documented = api.openapi()
    parameters = {one["name"]: one["schema"] for one in documented["paths"]["/pages"]["get"]["parameters"]}
    assert (parameters["size"]["minimum"], parameters["size"]["maximum"]) == (1, 7)
    assert parameters["page"]["minimum"] == 1
    assert parameters["count"]["type"] == "boolean"
    assert set(documented["components"]["schemas"]["Page_BookOut_"]["properties"]) == {
        *("items", "total", "page", "size", "pages")
    }
