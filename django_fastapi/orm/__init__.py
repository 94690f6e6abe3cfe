"""Schemas from models: what an API reads of the database, and in as few queries as can be.

::

    class BookOut(ModelSchema):
        author: AuthorOut

        class Meta:
            model = Book
            fields = ["id", "title"]

    @api.get("/books", response_model=list[BookOut])
    async def books() -> QuerySet[Book]:
        return Book.objects.filter(stock__gt=0)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .exceptions import SchemaError as SchemaError, UnplannedAccess as UnplannedAccess
    from .fields import Range as Range, register_field as register_field
    from .filtering import FilterSchema as FilterSchema, Lookup as Lookup, Search as Search
    from .ordering import OrderBy as OrderBy, Ordering as Ordering
    from .pagination import (
        CursorBy as CursorBy,
        CursorPage as CursorPage,
        CursorParams as CursorParams,
        CursorWindow as CursorWindow,
        LimitOffsetBy as LimitOffsetBy,
        LimitOffsetPage as LimitOffsetPage,
        LimitOffsetParams as LimitOffsetParams,
        LimitOffsetWindow as LimitOffsetWindow,
        Page as Page,
        PageBy as PageBy,
        PageParams as PageParams,
        PageWindow as PageWindow,
    )
    from .planning import Plan as Plan, plan_query as plan_query
    from .schemas import ModelSchema as ModelSchema, create_schema as create_schema
    from .streaming import JSONArrayStream as JSONArrayStream, JSONLinesStream as JSONLinesStream
    from .writing import FileLimits as FileLimits, Missing as Missing, delete as delete

__all__ = [
    "CursorBy",
    "CursorPage",
    "CursorParams",
    "CursorWindow",
    "FileLimits",
    "FilterSchema",
    "JSONArrayStream",
    "JSONLinesStream",
    "LimitOffsetBy",
    "LimitOffsetPage",
    "LimitOffsetParams",
    "LimitOffsetWindow",
    "Lookup",
    "Missing",
    "ModelSchema",
    "OrderBy",
    "Ordering",
    "Page",
    "PageBy",
    "PageParams",
    "PageWindow",
    "Plan",
    "Range",
    "SchemaError",
    "Search",
    "UnplannedAccess",
    "create_schema",
    "delete",
    "plan_query",
    "register_field",
]

_MODULES = {
    "CursorBy": ".pagination",
    "CursorPage": ".pagination",
    "CursorParams": ".pagination",
    "CursorWindow": ".pagination",
    "FileLimits": ".writing",
    "FilterSchema": ".filtering",
    "JSONArrayStream": ".streaming",
    "JSONLinesStream": ".streaming",
    "LimitOffsetBy": ".pagination",
    "LimitOffsetPage": ".pagination",
    "LimitOffsetParams": ".pagination",
    "LimitOffsetWindow": ".pagination",
    "Lookup": ".filtering",
    "Missing": ".writing",
    "ModelSchema": ".schemas",
    "OrderBy": ".ordering",
    "Ordering": ".ordering",
    "Page": ".pagination",
    "PageBy": ".pagination",
    "PageParams": ".pagination",
    "PageWindow": ".pagination",
    "Plan": ".planning",
    "Range": ".fields",
    "SchemaError": ".exceptions",
    "Search": ".filtering",
    "UnplannedAccess": ".exceptions",
    "create_schema": ".schemas",
    "delete": ".writing",
    "plan_query": ".planning",
    "register_field": ".fields",
}


def __getattr__(name: str) -> Any:
    # As in the package above: nothing is imported before it is used.
    if name in _MODULES:
        return getattr(import_module(_MODULES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
