import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db.models import QuerySet
from fastapi import FastAPI

from django_fastapi.orm import JSONArrayStream, JSONLinesStream, ModelSchema
from django_fastapi.registry import APIRegistry
from django_fastapi.threads import Threads
from django_fastapi.types import ASGIApp
from tests.conftest import fetch
from tests.project.library.models import Author, Book, Publisher, Tag
from tests.request_threads import own_threads

pytestmark = pytest.mark.django_db(transaction=True)

MEGABYTE = 2**20


class TagOut(ModelSchema):
    class Meta:
        model = Tag
        fields = ["name"]


class AuthorOut(ModelSchema):
    class Meta:
        model = Author
        fields = ["name"]


class BookOut(ModelSchema):
    author: AuthorOut
    tags: list[TagOut]

    class Meta:
        model = Book
        fields = ["title"]


class Loud(ModelSchema):
    shout: str
    books: list[BookOut]

    class Meta:
        model = Author
        fields = ["name"]


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threads]:
    with own_threads(monkeypatch) as threads:
        yield threads


@pytest.fixture
def api(registry: APIRegistry) -> FastAPI:
    return registry.get_default()


QUERYSETS: list[tuple[type[ModelSchema], Callable[[], Any]]] = [
    (BookOut, Book.objects.all),
    (BookOut, lambda: Book.objects),
    (BookOut, Book.objects.none),
    (BookOut, lambda: Book.objects.filter(pk__in=[])),
    (BookOut, lambda: Book.objects.prefetch_related("tags")),
    (BookOut, lambda: Book.objects.raw("SELECT * FROM library_book")),
    (Loud, Author.objects.all),
    (TagOut, lambda: Tag.objects.values("name")),
]


@pytest.mark.parametrize("chunk_size", [1, 2, 2000])
@pytest.mark.parametrize(("schema", "make"), QUERYSETS)
@pytest.mark.usefixtures("library")
def test_a_queryset_is_streamed(
    api: FastAPI, build: Callable[[], ASGIApp], schema: type[ModelSchema], make: Callable[[], Any], chunk_size: int
) -> None:
    @api.get("/array", response_model=list[schema])  # type: ignore[valid-type]
    async def array() -> JSONArrayStream:
        return JSONArrayStream(schema, make(), chunk_size=chunk_size, headers={"x-own": "yes"})

    @api.get("/lines")
    def lines() -> JSONLinesStream:
        return JSONLinesStream(schema, make(), chunk_size=chunk_size)

    expected = [one.model_dump(mode="json") for one in schema.from_queryset(make())]
    site = build()
    response = fetch(site, "/array")
    assert response.json() == expected
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-own"] == "yes"
    response = fetch(site, "/lines")
    assert [json.loads(line) for line in response.text.splitlines()] == expected
    assert response.headers["content-type"] == "application/jsonl"


@pytest.mark.usefixtures("library")
def test_fastapis_own_streams_take_instances(api: FastAPI, build: Callable[[], ASGIApp]) -> None:
    @api.get("/")
    def lines() -> Iterable[TagOut]:
        yield from Tag.objects.all()  # type: ignore[misc]

    assert fetch(build(), "/").text.splitlines() == ['{"name":"red"}', '{"name":"blue"}']


class Tree(ModelSchema):
    books: list[BookOut]

    class Meta:
        model = Author
        fields = ["name"]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    "get_queryset",
    [
        lambda _manager: QuerySet(Tag).none(),
        lambda _manager: QuerySet(Tag).filter(is_active=True).prefetch_related("books"),
    ],
)
@pytest.mark.parametrize("schema", [BookOut, Tree])
def test_what_only_instances_can_read_is_known_before_the_first_byte(
    api: FastAPI,
    build: Callable[[], ASGIApp],
    monkeypatch: pytest.MonkeyPatch,
    schema: type[ModelSchema],
    get_queryset: Callable[[Any], Any],
) -> None:
    monkeypatch.setattr(type(Tag.objects), "get_queryset", get_queryset)
    queryset: Any = schema.Meta.model.objects.all()  # type: ignore[attr-defined]

    @api.get("/")
    def array() -> JSONArrayStream:
        return JSONArrayStream(schema, queryset.all())

    expected = [one.model_dump(mode="json") for one in schema.from_queryset(queryset.all())]
    assert fetch(build(), "/").json() == expected


def resident_memory() -> int:
    """Return how much memory the process has, in bytes; Linux tells."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells of a process's memory")
def test_memory_is_bounded() -> None:
    class PublisherOut(ModelSchema):
        class Meta:
            model = Publisher
            fields = ["code", "name"]

    class Writer(ModelSchema):
        publisher: PublisherOut | None

        class Meta:
            model = Author
            fields = ["id", "name", "friends"]

    count = 100_000
    press = Publisher.objects.create(code="press", name="The Press")
    made = Author.objects.all()
    made.bulk_create((Author(name=f"{number} {'x' * 50}", publisher=press) for number in range(count)), batch_size=5000)
    for stream in (JSONArrayStream, JSONLinesStream):
        idle = highest = resident_memory()
        size = 0
        # Without the event loop's own memory.
        for chunk in stream._body(Writer, made, 2000):  # noqa: SLF001
            size += len(chunk)
            highest = max(highest, resident_memory())
        assert size > 100 * count
        assert highest - idle < 60 * MEGABYTE
