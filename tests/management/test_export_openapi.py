import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from fastapi import FastAPI
from pydantic import BaseModel
from pytest_django import Settings

from django_fastapi.registry import APIRegistry
from django_fastapi.types import ASGIApp
from tests.conftest import fetch


class Book(BaseModel):
    title: str = "Zürich"


def list_books() -> list[Book]:
    return []


@pytest.fixture
def api(registry: APIRegistry) -> FastAPI:
    api = registry.get_default()
    api.get("/books")(list_books)
    return api


@pytest.fixture
def file(tmp_path: Path, api: FastAPI) -> Path:  # noqa: ARG001
    file = tmp_path / "openapi.json"
    call_command("export_openapi", output=file)
    return file


def export(*arguments: object) -> str:
    out = StringIO()
    call_command("export_openapi", *map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.mark.usefixtures("api")
def test_the_document_is_written_as_text_for_people_and_for_diffs() -> None:
    text = export()
    assert text.startswith('{\n  "openapi": "3.1.0",\n')
    assert text.endswith("}\n")
    assert "Zürich" in text
    assert export() == text


@pytest.mark.parametrize("has_problems", [False, True])
def test_it_is_the_one_that_the_site_serves(
    api: FastAPI, registry: APIRegistry, build: Callable[[], ASGIApp], settings: Settings, *, has_problems: bool
) -> None:
    settings.FASTAPI_PROBLEM_DETAILS = has_problems
    second = FastAPI(title="Second")
    second.get("/books/{n}")(lambda n: n)
    api.get("/numbers/{n}")(lambda n: n)
    registry.register(second, name="second", prefix="/v2")
    assert json.loads(export()) == fetch(build(), "/openapi.json").json()
    assert json.loads(export("--api", "second")) == fetch(build(), "/v2/openapi.json").json()


def test_a_file_that_is_right_passes_the_check(file: Path) -> None:
    before = file.stat().st_mtime_ns
    assert export("--output", file, "--check") == ""
    assert file.stat().st_mtime_ns == before


def test_a_stale_one_fails_and_is_left_alone(file: Path, api: FastAPI, settings: Settings) -> None:
    stale = file.read_text()
    settings.FASTAPI_TITLE = "Another"
    api.router.routes[:] = [route for route in api.router.routes if getattr(route, "path", "") != "/books"]
    api.get("/authors")(lambda: None)
    with pytest.raises(CommandError) as failure:
        export("--output", file, "--check")
    assert failure.value.returncode == 1
    assert str(failure.value).splitlines() == [
        f"{file} is stale. Write it anew with `export_openapi --output {file}`.",
        "~ info",
        "- GET /books",
        "- schemas Book",
        "+ GET /authors",
    ]
    assert file.read_text() == stale


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"{", "it is no OpenAPI document"),
        (b"\xff", "it is no OpenAPI document"),
        (None, "does not exist"),
        (b"", "the order or the layout"),
    ],
)
def test_other_files_fail_too(file: Path, text: bytes | None, words: str) -> None:
    if text is None:
        file.unlink()
    else:
        file.write_bytes(text or json.dumps(json.loads(file.read_text())).encode())
    with pytest.raises(CommandError, match=words):
        export("--output", file, "--check")


@pytest.mark.parametrize(
    ("place", "options", "reason"),
    [
        ("missing/openapi.json", (), "No such file or directory"),
        ("openapi.json/below", (), "Not a directory"),
        (".", (), "Is a directory"),
        (".", ("--check",), "Is a directory"),
    ],
)
def test_a_place_where_no_file_can_be_is_named(file: Path, place: str, options: tuple[str, ...], reason: str) -> None:
    place = str(file.parent / place)
    with pytest.raises(CommandError, match=f"^{place} cannot be used: {reason}.$"):
        export("--output", place, *options)


@pytest.mark.usefixtures("api")
def test_a_wrong_call_names_the_cure() -> None:
    with pytest.raises(CommandError, match="There is no API 'v9'; there are: api"):
        export("--api", "v9")
    with pytest.raises(CommandError, match="name it with --output"):
        export("--check")
