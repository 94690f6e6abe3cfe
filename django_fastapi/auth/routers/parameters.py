"""The parameters of a token request: a form, as OAuth 2 has it, or JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, TypeAlias, cast

from django.http import QueryDict
from fastapi import Depends
from starlette.requests import Request

from django_fastapi.content_types import URLENCODED

_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a client sent.

    Args:
        values: The parameters by name.
        is_malformed: Whether the body cannot be read, or has a parameter twice (RFC 6749, section 3.2) or one that is
            no text.
    """

    values: Mapping[str, object] = field(default_factory=dict[str, object], repr=False)
    is_malformed: bool = False

    def get(self, name: str) -> str | None:
        """Return a parameter; None if it is missing, empty or no text (RFC 6749, section 3.2: both mean the same)."""
        value = self.values.get(name)
        return value if isinstance(value, str) and value else None


async def read_parameters(request: Request) -> Parameters:
    """Return the parameters of a request; a dependency."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if kind == URLENCODED:
        form = QueryDict(body, encoding="utf-8")
        return Parameters(form.dict(), any(len(values) > 1 for _, values in form.lists()))
    try:
        values: object = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        return Parameters(is_malformed=True)
    if not isinstance(values, dict):
        return Parameters(is_malformed=True)
    members = cast("dict[str, object]", values)
    return Parameters(members, not all(isinstance(value, str) for value in members.values()))


SentParameters: TypeAlias = Annotated[Parameters, Depends(read_parameters)]
"""The parameters of a token request as a parameter of an endpoint."""


def body_of(*required: str, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what the OpenAPI document says of such a body, for `openapi_extra`."""
    schema = {
        "type": "object",
        "required": list(required),
        # RFC 6749, section 3.2: a parameter without a value is one that is missing.
        "properties": {
            **{name: {"type": "string", "minLength": 1} for name in required},
            **{name: {"type": "string"} for name in optional},
        },
        "additionalProperties": {"type": "string"},
    }
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema} for kind in (URLENCODED, _JSON)}}}
