"""The error answers of the API."""

from typing import Any

from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.exception_handlers import request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.status import HTTP_422_UNPROCESSABLE_CONTENT


def install_handlers(api: FastAPI) -> None:
    """Replace FastAPI's stock handler of invalid requests; a handler of the project's own stays."""
    if api.exception_handlers.get(RequestValidationError) is request_validation_exception_handler:
        api.exception_handlers[RequestValidationError] = _invalid_request


async def _invalid_request(request: Request, error: Exception) -> Response:
    """Answer 422 as FastAPI does, also when the rejected value cannot be written as JSON.

    FastAPI repeats the value in the answer. Bytes that are no text, lone surrogates, infinities and NaN have no form in
    JSON (RFC 8259), and the answer to a bad request would be a 500.
    """
    assert isinstance(error, RequestValidationError)  # noqa: S101 (registered for this class)
    try:
        return await request_validation_exception_handler(request, error)
    except ValueError:
        details: list[dict[str, Any]] = [
            {key: value for key, value in detail.items() if key not in ("input", "ctx")} for detail in error.errors()
        ]
        return JSONResponse({"detail": jsonable_encoder(details)}, HTTP_422_UNPROCESSABLE_CONTENT)
