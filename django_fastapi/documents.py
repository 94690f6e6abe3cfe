"""An API's OpenAPI document, as several parts of this package change it."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI

Document = dict[str, Any]
Change = Callable[[Document], Document]
"""Returns a changed copy of a document, the same one as long as it is given the same one."""

AUTH: Final = 0
ERRORS: Final = 1
"""After what auth has added: its answers are errors too."""


def change_document(api: FastAPI, order: int, change: Change) -> None:
    """Have `api.openapi()` return a changed document, whoever else changes it, and whoever came first.

    Args:
        api: The API; what its project has made of `api.openapi` is what is changed.
        order: `AUTH` or `ERRORS`. There is one change of each.
        change: What changes it. One that is there already stays.
    """
    made = api.openapi
    if not isinstance(made, _Changed):
        made = _Changed(made)
        api.openapi = made  # type: ignore[method-assign]  # FastAPI's documented way to change the document
    made.changes.setdefault(order, change)


class _Changed:
    """`api.openapi`, with the changes."""

    def __init__(self, make: Callable[[], Document]) -> None:
        self.changes: dict[int, Change] = {}
        self._make = make

    def __call__(self) -> Document:
        document = self._make()
        for _, change in sorted(self.changes.items()):
            document = change(document)
        return document
