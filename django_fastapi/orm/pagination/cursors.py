"""Pages by cursor: each says where the next one begins, whatever rows come and go in between."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, TypeAlias, TypeVar, cast

from asgiref.sync import sync_to_async
from django.db.models import Manager, Model, QuerySet
from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict
from starlette.requests import HTTPConnection

from django_fastapi.orm.parameters import CURSOR, SIZE as SIZE_PARAMETER, WrongParameter, query_signature, refuse

from .keyset import Keyset, make_keyset
from .pages import MAX_SIZE, SIZE
from .tokens import Place, read, write

M = TypeVar("M", bound=Model)
T = TypeVar("T")


class CursorPage(BaseModel, Generic[T]):
    """A page of a list, between two cursors; for `items` see `Page`.

    Attributes:
        items: The rows.
        next: The cursor of the page after this one; None if this is the last.
        previous: The cursor of the page before this one; None if this is the first.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    items: list[T]
    next: str | None
    previous: str | None


@dataclass(frozen=True, slots=True)
class CursorWindow:
    """The page that a client asked for; what `CursorParams` gives an endpoint.

    Args:
        cursor: Where it begins; None for the first page.
        size: How many rows it has at most.
        binding: What cursors are good for: this path with these filters.
    """

    cursor: str | None
    size: int
    binding: str = ""

    def paginate(self, queryset: QuerySet[M] | Manager[M]) -> CursorPage[M]:
        """Return the page of a queryset: one query for the keys, and one for the rows when the response is written.

        Rows that come or go between two pages change nothing for the others: none is passed over, none is repeated.

        Args:
            queryset: The list. Its order, of columns and expressions, is completed by the primary key.

        Raises:
            RequestValidationError: The cursor is not one of this list. FastAPI answers 422.
            ConfigurationError: The queryset cannot be gone through by cursors: it is sliced, combined, has windows, or
                is ordered at random or over a relation to many.
        """
        keyset = make_keyset(queryset.all() if isinstance(queryset, Manager) else queryset)
        binding = json.dumps([self.binding, keyset.queryset.model._meta.label, keyset.signature])
        place = self._place(binding)
        keys, has_more = self._keys(keyset, place)
        after, before = _neighbours(place, keys, has_more=has_more)
        return CursorPage[Any].model_construct(
            items=cast("Any", keyset.rows(keys)),
            next=write(after, binding) if after else None,
            previous=write(before, binding) if before else None,
        )

    async def apaginate(self, queryset: QuerySet[M] | Manager[M]) -> CursorPage[M]:
        """Return the page of a queryset; see `paginate`."""
        page: CursorPage[M] = await sync_to_async(self.paginate)(queryset)
        return page

    def _place(self, binding: str) -> Place | None:
        if not self.cursor:
            return None
        try:
            return read(self.cursor, binding)
        except ValueError:
            problem = "must be a cursor that this list has given, with the same filters and order"
            raise refuse([WrongParameter(CURSOR, self.cursor, problem)]) from None

    def _keys(self, keyset: Keyset[Any], place: Place | None) -> tuple[list[Any], bool]:
        """Return the keys of the page in the order of the list, and whether there are more in the direction we go."""
        if place is None:
            keys = keyset.keys(self.size + 1, None, backward=False, inclusive=False)
        else:
            keys = keyset.keys(self.size + 1, place.key, backward=place.is_backward, inclusive=place.is_inclusive)
        has_more = len(keys) > self.size
        keys = keys[: self.size]
        return (keys[::-1] if place is not None and place.is_backward else keys), has_more


def _neighbours(place: Place | None, keys: Sequence[Any], *, has_more: bool) -> tuple[Place | None, Place | None]:
    """Return the places of the next and of the previous page.

    Where we came from there is a page. If this one is empty, its rows having gone, we came from the row at its place.
    """
    if place is None:
        return (Place(keys[-1]) if has_more else None), None
    if not keys:
        back = Place(place.key, is_backward=not place.is_backward, is_inclusive=not place.is_inclusive)
        return (back, None) if place.is_backward else (None, back)
    after, before = Place(keys[-1]), Place(keys[0], is_backward=True)
    if place.is_backward:
        return after, before if has_more else None
    return after if has_more else None, before


@dataclass(frozen=True)  # no slots: FastAPI finds the signature in the dictionary of the instance
class _CursorBy:
    size: int
    max_size: int

    def __post_init__(self) -> None:
        cursor = Query(description="Where the page begins: `next` or `previous` of another page.")
        size = Query(ge=1, le=self.max_size, description="How many rows a page has at most.")
        signature = query_signature(
            cursor=(Annotated[str | None, cursor], None),
            size=(Annotated[int, size], self.size),
            connection=(HTTPConnection, ...),
        )
        object.__setattr__(self, "__signature__", signature)

    async def __call__(self, *, cursor: str | None, size: int, connection: HTTPConnection) -> CursorWindow:
        others = [item for item in connection.query_params.multi_items() if item[0] not in (CURSOR, SIZE_PARAMETER)]
        return CursorWindow(cursor, size, json.dumps([connection.scope["path"], sorted(others)]))


def CursorBy(*, size: int = SIZE, max_size: int = MAX_SIZE) -> Any:  # noqa: N802 (named like FastAPI's own)
    """Return a dependency that reads `?cursor=...&size=50`.

    ::

        async def books(page: Annotated[CursorWindow, CursorBy(max_size=500)]) -> CursorPage[Book]:
            return await page.apaginate(Book.objects.order_by("-published"))

    A cursor is good for the path, the filters and the order that it was given for, and for any size. It is signed,
    not encrypted: it shows the values of the ordering columns of one row.

    Args:
        size: How many rows a page has if the client does not say.
        max_size: How many it has at most.

    Returns:
        A `fastapi.Depends`. What is out of bounds, and a cursor from elsewhere, is answered with 422.
    """
    return Depends(_CursorBy(size, max_size))


CursorParams: TypeAlias = Annotated[CursorWindow, CursorBy()]
