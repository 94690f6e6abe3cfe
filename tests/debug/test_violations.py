from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Query, WebSocket
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from pydantic import BaseModel, Field
from pytest_django import Settings
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.types import ASGIApp

from .conftest import BROWSER, CLIENT, TERMINAL, Show


class Author(BaseModel):
    name: str
    born: int


class Person(BaseModel):
    first_name: str = Field(alias="firstName")


class Book(BaseModel):
    title: str
    author: Author
    translators: list[Person] = []
    publisher: Author | Person | None = None


class Search(BaseModel):
    page: int = 1
    size: int = 10


EMMA = {"title": "Emma", "author": {"name": "Jane Austen", "born": 1775}}


def violations(show: Show, path: str, **options: Any) -> list[dict[str, str]]:
    return show(path, CLIENT, **options).json()["exception"]["violations"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("returned", "model", "field", "location", "value"),
    [
        ([{**EMMA, "title": None}], "Book", "title", "response.0.title", "None"),
        (
            [EMMA, {**EMMA, "author": {"name": "x", "born": "long ago"}}],
            "Author",
            "born",
            "response.1.author.born",
            "'long ago'",
        ),
        (
            [{**EMMA, "translators": [{"firstName": 3}]}],
            "Person",
            "firstName",
            "response.0.translators.0.firstName",
            "3",
        ),
        (["x"], "Book", "response", "response.0", "'x'"),
    ],
)
def test_a_response_names_model_field_and_value(  # noqa: PLR0913, PLR0917 (one for each column)
    api: FastAPI, show: Show, returned: Any, model: str, field: str, location: str, value: str
) -> None:
    @api.get("/books", response_model=list[Book])
    def books() -> Any:
        return returned

    [violation] = violations(show, "/books")
    assert violation["message"].startswith("Input should be")
    del violation["message"]
    assert violation == {"model": model, "field": field, "location": location, "value": value}


def test_a_union_names_the_field_of_each_of_its_members(api: FastAPI, show: Show) -> None:
    @api.get("/book", response_model=Book)
    def book() -> Any:
        return {**EMMA, "publisher": {"name": "Murray", "born": "x"}}

    found = {(one["model"], one["field"]) for one in violations(show, "/book")}
    assert found == {("Author", "born"), ("Person", "firstName")}


@pytest.fixture
def strict_api(api: FastAPI) -> FastAPI:
    """Give an API whose own handler raises what is wrong with a request."""

    @api.exception_handler(RequestValidationError)
    async def raise_it(_request: Request, error: RequestValidationError) -> Response:
        raise error

    @api.post("/books/{shelf}")
    def add(shelf: int, book: Book) -> None:
        """Add it."""

    @api.get("/search")
    def search(search: Annotated[Search, Query()]) -> None:
        """Search."""

    return api


@pytest.mark.usefixtures("strict_api")
def test_a_request_names_model_field_and_value(show: Show) -> None:
    found = violations(show, "/books/one", method="POST", json={**EMMA, "author": {"name": "x", "born": "y"}})
    assert [(one["model"], one["field"], one["location"], one["value"]) for one in found] == [
        ("", "path.shelf", "path.shelf", "'one'"),
        ("Author", "born", "body.author.born", "'y'"),
    ]
    [found_page] = violations(show, "/search?page=x")
    assert (found_page["model"], found_page["field"], found_page["value"]) == ("Search", "page", "'x'")


@pytest.mark.usefixtures("strict_api")
def test_every_kind_of_page_has_the_violations(show: Show) -> None:
    body = {**EMMA, "author": {"name": "x", "born": "y"}}
    page = show("/books/1", BROWSER, "POST", json=body).text.split('<div id="violations">')[1]
    assert "<td>Author</td><td><code>born</code></td><td><code>body.author.born</code></td>" in page
    text = show("/books/1", TERMINAL, "POST", json=body).text
    assert "Author.born (body.author.born): Input should be a valid integer" in text


def test_a_model_in_the_code_names_field_and_value(api: FastAPI, show: Show) -> None:
    @api.get("/author")
    def author() -> str:
        return Author.model_validate({"name": "x", "born": "y", "password": "z"}).name

    [violation] = violations(show, "/author")
    assert (violation["model"], violation["field"], violation["value"]) == ("Author", "born", "'y'")


def test_a_websocket_that_raises_it_says_so_when_it_is_denied(
    api: FastAPI, build: Callable[[], ASGIApp], settings: Settings
) -> None:
    @api.exception_handler(WebSocketRequestValidationError)
    async def raise_it(_websocket: WebSocket, error: WebSocketRequestValidationError) -> None:
        raise error

    @api.websocket("/news")
    async def news(websocket: WebSocket, page: int) -> None:
        del page
        await websocket.accept()

    settings.DEBUG = True
    with pytest.raises(WebSocketDenialResponse) as caught, TestClient(build()).websocket_connect("/news?page=x"):
        pass
    [violation] = caught.value.json()["exception"]["violations"]
    assert (violation["field"], violation["value"]) == ("query.page", "'x'")
