"""An instance whose columns are all that a response reads is serialized where it is, without a thread."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from django.db import models
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, computed_field, field_validator

from django_fastapi.orm import ModelSchema
from django_fastapi.orm.loaded import read_loaded
from django_fastapi.orm.serving import OrmWriter
from django_fastapi.registry import APIRegistry
from django_fastapi.types import ASGIApp
from tests.conftest import fetch
from tests.project.library.models import Author, Book, Everything
from tests.request_threads import own_threads

pytestmark = pytest.mark.django_db(transaction=True)


class Plain(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str


class Flat(ModelSchema):
    class Meta:
        model = Author
        fields = ["id", "name", "publisher"]


class WithProperty(Plain):
    shout: str


class WithLazyProperty(Plain):
    publisher_name: str


class WithAlias(Plain):
    title: str = Field(validation_alias="name")


class WithValidator(Plain):
    @field_validator("name")
    @classmethod
    def _as_it_is(cls, name: str) -> str:
        return name


class WithComputed(Plain):
    @computed_field
    def double(self) -> str:
        return self.name * 2


class PlainPublisher(BaseModel):
    name: str


class Nested(Plain):
    publisher: PlainPublisher | None


class NestedSchema(ModelSchema):
    author: Flat

    class Meta:
        model = Book
        fields = ["id", "title"]


class WithValidatedName(Flat):
    @field_validator("name")
    @classmethod
    def _as_it_is(cls, name: str) -> str:
        return name


class FileOut(BaseModel):
    size: int


class WithFile(BaseModel):
    id: int
    file: FileOut | None


LOADED = [Plain, Flat, Plain | None, Annotated[Flat, "whatever"]]
NOT_LOADED = [
    WithProperty,
    WithLazyProperty,
    WithAlias,
    WithValidator,
    WithComputed,
    Nested,
    WithValidatedName,
    NestedSchema,
    list[Plain],
    Plain | Flat,
    dict[str, Any],
    Any,
]


@pytest.mark.parametrize("annotation", LOADED)
def test_it_is_if_all_columns_are_there(library: SimpleNamespace, annotation: Any) -> None:
    assert read_loaded(Author.objects.get(pk=library.ann.pk), annotation) is not None
    assert read_loaded(Author.objects.only("email").get(pk=library.ann.pk), annotation) is None


@pytest.mark.parametrize("annotation", NOT_LOADED)
def test_it_is_not_if_anything_else_is_read_or_run(library: SimpleNamespace, annotation: Any) -> None:
    assert read_loaded(Author.objects.get(pk=library.ann.pk), annotation) is None


def test_a_file_asks_its_storage() -> None:
    assert read_loaded(Everything(pk=1), WithFile) is None


def test_a_value_that_is_none_of_a_column_may_run_code(library: SimpleNamespace) -> None:
    library.ann.name = SimpleNamespace()
    assert read_loaded(library.ann, Plain) is None


def test_a_model_that_looks_at_each_attribute_may_run_code() -> None:
    class Nosy(Author):
        class Meta:
            proxy = True
            app_label = "library"

        def __getattribute__(self, name: str) -> Any:
            return super().__getattribute__(name)

    assert read_loaded(Nosy(pk=1, name="Nosy"), Plain) is None


@pytest.fixture
def api(registry: APIRegistry, monkeypatch: pytest.MonkeyPatch) -> Iterator[FastAPI]:
    with own_threads(monkeypatch):
        yield registry.get_default()


@pytest.mark.parametrize("annotation", [*LOADED, WithProperty, WithLazyProperty, Nested, WithValidatedName])
def test_the_answer_is_the_same_with_and_without_a_thread(
    api: FastAPI,
    build: Callable[[], ASGIApp],
    monkeypatch: pytest.MonkeyPatch,
    library: SimpleNamespace,
    annotation: Any,
) -> None:
    writes = 0
    write = OrmWriter.write

    def count(self: OrmWriter, *args: Any) -> bytes | None:
        nonlocal writes
        writes += 1
        return write(self, *args)

    monkeypatch.setattr(OrmWriter, "write", count)  # it is called on the thread

    @api.get("/", response_model=annotation)
    async def endpoint() -> models.Model:
        return await Author.objects.aget(pk=library.ann.pk)

    site = build()
    first = fetch(site, "/")
    assert first.status_code == 200, first.text
    assert writes == (annotation not in LOADED)
    monkeypatch.setattr("django_fastapi.orm.serving.read_loaded", lambda *_: None)
    assert fetch(site, "/").text == first.text
    assert writes == 1 + (annotation not in LOADED)


def test_an_instance_that_does_not_fit_is_an_error_all_the_same(
    api: FastAPI, build: Callable[[], ASGIApp], library: SimpleNamespace
) -> None:
    class Strict(BaseModel):
        name: int

    @api.get("/", response_model=Strict)
    async def endpoint() -> models.Model:
        return await Author.objects.aget(pk=library.ann.pk)

    assert fetch(build(), "/").status_code == 500
