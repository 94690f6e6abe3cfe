"""What docs/errors.md says is so."""

import json
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import Group as Book
from fastapi import FastAPI

from .conftest import BROWSER, CLIENT, Show

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDE = (DOCS / "errors.md").read_text()
SECRET = "4111-1111-1111"


def block(language: str, containing: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    [one] = [text for text in found if containing in text]
    return str(one)


def test_the_json_of_the_guide_is_that_of_an_answer(api: FastAPI, show: Show) -> None:
    @api.get("/book")
    async def book(pk: int = 1) -> None:
        return Book.objects.get(pk=pk)

    told, expected = show("/book", CLIENT).json(), json.loads(block("json", "exception"))
    assert told.keys() == expected.keys()
    exception, described = told["exception"], expected["exception"]
    assert exception.keys() == described.keys()
    assert (exception["type"], exception["message"]) == (described["type"], described["message"])
    assert exception["frames"][0].keys() == described["frames"][0].keys()
    assert exception["frames"][0]["code"] == described["frames"][0]["code"]
    for name in ("code", "cures"):
        assert exception["hint"][name] == described["hint"][name]


@pytest.mark.django_db(transaction=True)
def test_the_header_and_the_warning_of_the_guide_are_those_there_are(
    api: FastAPI, show: Show, caplog: pytest.LogCaptureFixture
) -> None:
    @api.get("/books")
    def books() -> list[int]:
        return [Book.objects.filter(pk=pk).count() for pk in range(3)]

    def shape(text: str) -> str:
        text = re.sub(r"at [^ ]+:\d+", "at FILE", text)
        return re.sub(r"[\d.]+", "N", text.partition(": SELECT")[0]).strip()

    answer = show("/books", CLIENT)
    [warning] = [record.getMessage() for record in caplog.records if record.name == "django_fastapi.queries"]
    assert shape(f"Server-Timing: {answer.headers['server-timing']}") == shape(block("http", "Server-Timing"))
    assert shape(warning) == shape(block("text", "GET /books made"))


def test_the_parameters_of_the_guide_are_masked(api: FastAPI, show: Show) -> None:
    code = block("python", "sensitive_post_parameters").replace(
        " ...\n", "\n    raise RuntimeError(f'{card} {request.POST}')\n"
    )
    exec(code, {"__name__": __name__})  # noqa: S102 (it is the guide's)
    assert api.routes
    answer = show("/order", BROWSER, "POST", data={"card": SECRET})
    assert answer.status_code == 500
    assert SECRET not in answer.text


def test_the_pictures_of_the_guide_are_there_and_small() -> None:
    names = re.findall(r"!\[.*?\]\((.*?)\)", GUIDE)
    assert len(names) == 2
    for name in names:
        assert 10_000 < (DOCS / name).stat().st_size < 200_000
