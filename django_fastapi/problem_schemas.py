"""The error form in an API's OpenAPI document."""

import copy
from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI

from .documents import ERRORS, Document, change_document
from .problems import MEDIA_TYPE
from .settings import PROBLEM_DETAILS

_REF: Final = "#/components/schemas/"
_FASTAPI_ERRORS: Final = {"schema": {"$ref": f"{_REF}HTTPValidationError"}}
_METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"})
_PROBLEM: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "Problem details (RFC 9457).",
    "type": "object",
    "properties": {
        "type": {"title": "Type", "type": "string", "format": "uri-reference", "default": "about:blank"},
        "title": {"title": "Title", "type": "string"},
        "status": {"title": "Status", "type": "integer"},
        "detail": {"title": "Detail", "type": "string"},
        "errors": {"title": "Errors"},
        "request_id": {"title": "Request Id", "type": "string"},
    },
    "required": ["type", "title", "status"],
}
_VALIDATION_PROBLEM: Final[dict[str, Any]] = {
    **_PROBLEM,
    "title": "ValidationProblem",
    "properties": {
        **_PROBLEM["properties"],
        "errors": {"title": "Errors", "type": "array", "items": {"$ref": f"{_REF}ValidationError"}},
    },
    "required": ["type", "title", "status", "errors"],
}


def document_form(api: FastAPI) -> None:
    """Have `api.openapi()` describe errors in the form they have when it is asked.

    With `FASTAPI_PROBLEM_DETAILS` that goes for FastAPI's 422 and for all documented errors without a content of their
    own. Otherwise, and for the rest, it is what FastAPI or the project's own `api.openapi` returns.
    """
    change_document(api, ERRORS, _Form())


class _Form:
    """A document in the form of the moment."""

    def __init__(self) -> None:
        self._source: Document | None = None
        self._changed: Document = {}

    def __call__(self, document: Document) -> Document:
        if not PROBLEM_DETAILS.get():
            return document
        if document is not self._source:  # FastAPI makes it once
            self._source, self._changed = document, with_problems(document)
        return self._changed


def with_problems(document: Document) -> Document:
    """Return a copy of an OpenAPI document in which errors are problem details."""
    changed = copy.deepcopy(document)
    schemas: dict[str, Any] = changed.setdefault("components", {}).setdefault("schemas", {})
    names = {"Problem": _free("Problem", schemas), "ValidationProblem": _free("ValidationProblem", schemas)}
    used: set[str] = set()
    for status, response in _responses(changed):
        if response.get("content") == {"application/json": _FASTAPI_ERRORS}:
            kind = "ValidationProblem"
        elif status[0] in "45" and not response.get("content"):
            kind = "Problem"
        else:
            continue
        response["content"] = {MEDIA_TYPE: {"schema": {"$ref": _REF + names[kind]}}}
        used.add(kind)
    if "ValidationProblem" in used:
        if _FASTAPI_ERRORS["schema"]["$ref"] not in str(changed["paths"]):
            schemas.pop("HTTPValidationError", None)
        schemas[names["ValidationProblem"]] = _VALIDATION_PROBLEM
    if "Problem" in used:
        schemas[names["Problem"]] = _PROBLEM
    return changed


def _free(name: str, schemas: dict[str, Any]) -> str:
    """Return a name that no model of the project has."""
    while name in schemas:
        name += "Details"
    return name


def _responses(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each documented response with its status, such as "404", "4XX" or "default"."""
    for item in document.get("paths", {}).values():
        for method, operation in item.items():
            if method in _METHODS:
                yield from operation.get("responses", {}).items()
