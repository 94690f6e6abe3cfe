import pytest
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from django_fastapi.problems import install_handlers

from .conftest import fetch

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def api() -> FastAPI:
    api = FastAPI()

    @api.post("/numbers")
    def numbers(numbers: list[int]) -> int:
        return sum(numbers)

    install_handlers(api)
    return api


def test_an_invalid_body_is_answered_as_fastapi_does(api: FastAPI) -> None:
    answer = fetch(api, "/numbers", "POST", content=b'["x"]', headers=JSON)
    assert answer.status_code == 422
    [detail] = answer.json()["detail"]
    assert (detail["loc"], detail["type"], detail["input"]) == (["body", 0], "int_parsing", "x")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\xff", {}),
        (b"\xff", {"Content-Type": "text/plain"}),
        (rb'["\ud800"]', JSON),
        (b"[NaN]", JSON),
        (b"[1e400]", JSON),
    ],
)
def test_a_value_without_a_form_in_json_is_left_out(api: FastAPI, body: bytes, headers: dict[str, str]) -> None:
    answer = fetch(api, "/numbers", "POST", content=body, headers=headers)
    assert answer.status_code == 422
    [detail] = answer.json()["detail"]
    assert detail["loc"][0] == "body"
    assert "input" not in detail


def test_a_handler_of_the_projects_own_stays() -> None:
    api = FastAPI()

    @api.exception_handler(RequestValidationError)
    async def mine(_request: Request, _error: Exception) -> Response:
        return PlainTextResponse("mine", 400)

    @api.get("/{number}")
    def read(number: int) -> int:
        return number

    install_handlers(api)
    assert fetch(api, "/x").text == "mine"
