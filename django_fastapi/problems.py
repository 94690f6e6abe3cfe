"""The one error form of the API: FastAPI's, or problem details (RFC 9457)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import client
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext
from fastapi.encoders import jsonable_encoder
from fastapi.utils import is_body_allowed_for_status_code
from starlette.responses import JSONResponse, Response

from . import request_ids, settings
from .languages import is_english, language_of, speaking
from .negotiation import preferred_type
from .types import Scope

MEDIA_TYPE: Final = "application/problem+json"

# Django's words for what HTTP calls by another name: there are translations for these.
_DJANGO_WORDS: Final = {403: "Forbidden", 404: "Page not found", 500: "Server error"}


@dataclass(frozen=True, slots=True)
class Problem:
    """An error, before it has a form.

    Args:
        status: The status of the answer.
        detail: What to tell the client, in words or as anything that has a form in JSON; the phrase of the status if
            None. A lazily translated text is translated.
        headers: Headers of the answer, such as `Retry-After`.
        errors: What is wrong with the single values of the request, as FastAPI lists it for 422.
        is_logged: Whether the log has a record of it: then the answer names the id of the request.
        extensions: Further members of the answer (RFC 9457, section 3.2), the same in both forms.
    """

    status: int
    detail: Any = None
    headers: Mapping[str, str] | None = None
    errors: Sequence[Mapping[str, Any]] | None = None
    is_logged: bool = False
    extensions: Mapping[str, Any] | None = None

    @property
    def says_more(self) -> bool:
        """Whether the detail says more than the status; an `HTTPException` without one has the phrase."""
        return self.detail is not None and self.detail != client.responses.get(self.status)


def error_response(
    scope: Scope, status: int, detail: Any = None, *, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the answer for an error that was found outside of the applications.

    Args:
        scope: The scope of the request, HTTP or WebSocket.
        status: The status of the answer.
        detail: What to tell the client; the phrase of the status if None.
        headers: Headers of the answer, such as `Retry-After`.

    Returns:
        A response; it is an ASGI application, to be called with `scope`, `receive` and `send`.
    """
    return respond(scope, Problem(status, detail, headers))


def respond(scope: Scope, problem: Problem) -> Response:
    """Return the answer for an error, in the form and the language that the client gets.

    The form is FastAPI's `{"detail": ...}`, or problem details if `FASTAPI_PROBLEM_DETAILS` is on or the client's
    `Accept` prefers them.

    Args:
        scope: The scope of the request, HTTP or WebSocket.
        problem: The error.
    """
    if not is_body_allowed_for_status_code(problem.status):
        return Response(status_code=problem.status, headers=problem.headers)
    is_always = settings.PROBLEM_DETAILS.get()
    takes_details = is_always or _prefers_details(scope)
    language = language_of(scope)
    with speaking(language):
        content = _details(problem, language) if takes_details else _fastapi_form(problem, language)
    if problem.is_logged:
        content["request_id"] = request_ids.request_id(scope)
    content.update(problem.extensions or {})
    media_type = MEDIA_TYPE if takes_details else None
    response = _ErrorResponse(content, problem.status, headers=problem.headers, media_type=media_type)
    if problem.is_logged:
        response.headers[request_ids.HEADER] = content["request_id"]
    if not is_always:
        response.headers.add_vary_header("Accept")
    if language is not None:
        response.headers.add_vary_header("Accept-Language")
        response.headers.setdefault("Content-Language", language)
    return response


class _ErrorResponse(JSONResponse):
    """A response in JSON, with question marks for lone surrogates: an error may repeat what a client sent."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )


def _prefers_details(scope: Scope) -> bool:
    return preferred_type(scope, ["application/json", MEDIA_TYPE]) == MEDIA_TYPE


def _fastapi_form(problem: Problem, language: str | None) -> dict[str, Any]:
    if problem.errors is not None:
        return {"detail": problem.errors}
    return {"detail": _encoded(problem.detail) if problem.says_more else _phrase(problem.status, language)}


def _details(problem: Problem, language: str | None) -> dict[str, Any]:
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": _phrase(problem.status, language),
        "status": problem.status,
    }
    if problem.says_more:
        detail = _encoded(problem.detail)
        # RFC 9457, section 3.1.4: `detail` is a string.
        content["detail" if isinstance(detail, str) else "errors"] = detail
    if problem.errors is not None:
        content["errors"] = problem.errors
    return content


def _phrase(status: int, language: str | None) -> str:
    phrase = client.responses.get(status, "Error")
    if is_english(language) or status not in _DJANGO_WORDS:
        return phrase
    translated = gettext(_DJANGO_WORDS[status])
    return phrase if translated == _DJANGO_WORDS[status] else translated


def _encoded(detail: Any) -> Any:
    return detail if isinstance(detail, str) else jsonable_encoder(detail, custom_encoder={Promise: str})
