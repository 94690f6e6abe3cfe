"""What FastAPI cannot know of auth in an API's OpenAPI document: answers 401 and 403, and who is needed everywhere."""

import copy
from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.routing import iter_route_contexts

from django_fastapi.documents import AUTH, Document, change_document

from .dependencies import current_user
from .routes import RouteAuth, read_auth
from .settings import get_auth_settings

_ANSWERS: Final = {"401": "Not authenticated", "403": "Not permitted"}
_TOO_MANY: Final = {"429": "Too many tries"}


def document_auth(api: FastAPI) -> None:
    """Have `api.openapi()` tell what auth answers; calling it again changes nothing.

    Operations with a scheme have the answers 401 and 403, and 429 where it limits tries, unless the project documents
    its own. With `FASTAPI_AUTH["REQUIRED"]` all operations have the schemes that are not marked `public`.
    """
    change_document(api, AUTH, _Auth(api))


class _Auth:
    """A document with what auth adds."""

    def __init__(self, api: FastAPI) -> None:
        self._api = api
        self._source: Document | None = None
        self._changed: Document = {}

    def __call__(self, document: Document) -> Document:
        if document is not self._source:  # FastAPI makes it once
            self._source, self._changed = document, copy.deepcopy(document)
            is_required = get_auth_settings().required
            if is_required:
                _add_schemes(self._changed, self._api)
            for operation in _operations(self._changed):
                if operation.get("security"):
                    _add_answers(operation, _ANSWERS)
            for operation, asked in _with_auth(self._changed, self._api):
                everybody = (current_user,) if is_required and not asked.is_public else ()
                sources = asked.users or everybody
                if any(scheme.limits_tries for source in sources for scheme in source.resolved_schemes):
                    _add_answers(operation, _TOO_MANY)
        return self._changed


def _add_schemes(document: Document, api: FastAPI) -> None:
    schemes = current_user.resolved_schemes
    models = {scheme.scheme_name: scheme.model for scheme in schemes}
    components: dict[str, Any] = document.setdefault("components", {}).setdefault("securitySchemes", {})
    for name, model in models.items():
        components.setdefault(name, jsonable_encoder(model, by_alias=True, exclude_none=True))
    for operation, asked in _with_auth(document, api):
        if not asked.is_public:
            operation.setdefault("security", [{name: []} for name in models])


def _with_auth(document: Document, api: FastAPI) -> Iterator[tuple[dict[str, Any], RouteAuth]]:
    """Yield the operations, each with what its route asks of users."""
    for route in iter_route_contexts(api.routes):
        asked = read_auth(route)
        item = document.get("paths", {}).get(route.path_format, {})
        for method in route.methods or ():
            operation = item.get(method.lower())
            if operation is not None and asked is not None:
                yield operation, asked


def _add_answers(operation: dict[str, Any], answers: dict[str, str]) -> None:
    for status, description in answers.items():
        operation["responses"].setdefault(status, {"description": description})


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in document.get("paths", {}).values():
        for operation in item.values():
            if isinstance(operation, dict) and "responses" in operation:
                yield operation
