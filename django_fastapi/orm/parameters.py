"""The query parameters of lists: the names they have, and what is said of a wrong one."""

from collections.abc import Iterable
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Any, Final

from fastapi.exceptions import RequestValidationError

PAGE: Final = "page"
SIZE: Final = "size"
LIMIT: Final = "limit"
OFFSET: Final = "offset"
CURSOR: Final = "cursor"
COUNT: Final = "count"
ORDERING: Final = "ordering"

LIST_PARAMETERS: Final = frozenset({PAGE, SIZE, LIMIT, OFFSET, CURSOR, COUNT, ORDERING})


@dataclass(frozen=True, slots=True)
class WrongParameter:
    """A query parameter that was read, and cannot be used.

    Args:
        name: Its name in the query.
        value: What the client sent.
        problem: What is wrong, as the rest of a sentence that begins with `Input`.
        kind: The type of the error, for programs.
    """

    name: str
    value: object
    problem: str
    kind: str = "value_error"


def refuse(parameters: Iterable[WrongParameter]) -> RequestValidationError:
    """Return the exception that FastAPI answers with 422, in the form of its own."""
    return RequestValidationError(
        [
            {"type": wrong.kind, "loc": ("query", wrong.name), "msg": f"Input {wrong.problem}", "input": wrong.value}
            for wrong in parameters
        ]
    )


def query_signature(**parameters: tuple[Any, Any]) -> Signature:
    """Return the signature of a dependency that reads query parameters, each given by its annotation and its default.

    FastAPI reads a dependency's parameters from its signature; that of a configured one is only known at run time.
    """
    return Signature(
        [
            Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
            for name, (annotation, default) in parameters.items()
        ]
    )
