from collections.abc import Callable

import pytest
from fastapi import APIRouter, FastAPI
from starlette.convertors import IntegerConvertor

from django_fastapi.convertors import BoundedIntegerConvertor
from django_fastapi.types import ASGIApp

from .conftest import fetch


@pytest.mark.parametrize("prefix", ["", "/router", "/sub"])
@pytest.mark.parametrize(("digits", "status"), [(1, 200), (4300, 200), (4301, 404), (5000, 404)])
def test_a_number_that_python_does_not_read_is_in_no_route(
    api: FastAPI, build: Callable[[], ASGIApp], prefix: str, digits: int, status: int
) -> None:
    sub, router = FastAPI(), APIRouter()
    for one in (api, router, sub):
        one.get("/number/{number:int}")(lambda number: number.bit_length())
    api.mount("/sub", sub)
    api.include_router(router, prefix="/router")
    assert fetch(build(), f"{prefix}/number/{'7' * digits}").status_code == status


def test_apart_from_that_it_is_starlettes() -> None:
    ours, theirs = BoundedIntegerConvertor(), IntegerConvertor()
    assert [ours.convert("07"), ours.to_string(7)] == [theirs.convert("07"), theirs.to_string(7)] == [7, "7"]
