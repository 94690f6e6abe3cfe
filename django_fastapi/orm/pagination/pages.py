"""Pages by number and by offset: a window on a list, and how many rows there are in all."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Generic, TypeAlias, TypeVar

from asgiref.sync import sync_to_async
from django.db.models import Manager, Model, QuerySet
from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict

from django_fastapi.orm.ordering import ordered
from django_fastapi.orm.parameters import PAGE, WrongParameter, query_signature, refuse

M = TypeVar("M", bound=Model)
T = TypeVar("T")

SIZE: Final = 20
MAX_SIZE: Final = 100
MAX_OFFSET: Final = 100_000

_Count: TypeAlias = Annotated[
    bool, Query(description="Whether to count the rows of the whole list; it is quicker without.")
]


class Page(BaseModel, Generic[T]):
    """A page of a list, by its number.

    What `paginate` returns has the queryset's slice for `items`; the rows are read when the response is written, on the
    request's thread.

    Attributes:
        items: The rows.
        total: How many rows the whole list has; None if they were not counted.
        page: The number of the page; the first is 1.
        size: How many rows a page has at most.
        pages: How many pages there are; None if the rows were not counted.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    items: list[T]
    total: int | None
    page: int
    size: int
    pages: int | None


class LimitOffsetPage(BaseModel, Generic[T]):
    """A window on a list, by its beginning; for `items` see `Page`.

    Attributes:
        items: The rows.
        total: How many rows the whole list has; None if they were not counted.
        limit: How many rows the window has at most.
        offset: How many rows are before it.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)

    items: list[T]
    total: int | None
    limit: int
    offset: int


@dataclass(frozen=True, slots=True)
class PageWindow:
    """The page that a client asked for; what `PageParams` gives an endpoint.

    Args:
        page: Its number; the first is 1.
        size: How many rows it has at most.
        count: Whether to count all rows.
    """

    page: int
    size: int
    count: bool = True

    def paginate(self, queryset: QuerySet[M] | Manager[M], *, count: bool | None = None) -> Page[M]:
        """Return the page of a queryset: one query that counts, and one for the rows when the response is written.

        Args:
            queryset: The list. Its order is completed by the primary key, so that no row is on two pages.
            count: Whether to count all rows, whatever the client asked for.
        """
        start = (self.page - 1) * self.size
        items, total = _slice(queryset, start, start + self.size, count=self.count if count is None else count)
        pages = None if total is None else -(-total // self.size)
        return Page[Any].model_construct(items=items, total=total, page=self.page, size=self.size, pages=pages)

    async def apaginate(self, queryset: QuerySet[M] | Manager[M], *, count: bool | None = None) -> Page[M]:
        """Return the page of a queryset; see `paginate`."""
        page: Page[M] = await sync_to_async(self.paginate)(queryset, count=count)
        return page


@dataclass(frozen=True, slots=True)
class LimitOffsetWindow:
    """The window that a client asked for; what `LimitOffsetParams` gives an endpoint.

    Args:
        limit: How many rows it has at most.
        offset: How many rows are before it.
        count: Whether to count all rows.
    """

    limit: int
    offset: int
    count: bool = True

    def paginate(self, queryset: QuerySet[M] | Manager[M], *, count: bool | None = None) -> LimitOffsetPage[M]:
        """Return the window on a queryset; see `PageWindow.paginate`."""
        stop = self.offset + self.limit
        items, total = _slice(queryset, self.offset, stop, count=self.count if count is None else count)
        return LimitOffsetPage[Any].model_construct(items=items, total=total, limit=self.limit, offset=self.offset)

    async def apaginate(self, queryset: QuerySet[M] | Manager[M], *, count: bool | None = None) -> LimitOffsetPage[M]:
        """Return the window on a queryset; see `PageWindow.paginate`."""
        page: LimitOffsetPage[M] = await sync_to_async(self.paginate)(queryset, count=count)
        return page


def _slice(queryset: QuerySet[M] | Manager[M], start: int, stop: int, *, count: bool) -> tuple[Any, int | None]:
    rows = ordered(queryset.all() if isinstance(queryset, Manager) else queryset)
    total = rows.count() if count else None
    if total is not None and start >= total:
        return rows.none(), total
    return rows[start:stop], total


@dataclass(frozen=True)  # no slots: FastAPI finds the signature in the dictionary of the instance
class _PageBy:
    size: int
    max_size: int
    max_offset: int
    count: bool

    def __post_init__(self) -> None:
        page = Query(ge=1, le=self.max_offset + 1, description="The number of the page; the first is 1.")
        size = Query(ge=1, le=self.max_size, description="How many rows a page has at most.")
        count = {"count": (_Count, True)} if self.count else {}
        signature = query_signature(page=(Annotated[int, page], 1), size=(Annotated[int, size], self.size), **count)
        object.__setattr__(self, "__signature__", signature)

    async def __call__(self, *, page: int, size: int, count: bool = False) -> PageWindow:
        last = self.max_offset // size + 1
        if page > last:
            raise refuse([WrongParameter(PAGE, page, f"must be at most {last} with this size", "less_than_equal")])
        return PageWindow(page, size, count)


@dataclass(frozen=True)  # no slots: FastAPI finds the signature in the dictionary of the instance
class _LimitOffsetBy:
    limit: int
    max_limit: int
    max_offset: int
    count: bool

    def __post_init__(self) -> None:
        limit = Query(ge=1, le=self.max_limit, description="How many rows to return at most.")
        offset = Query(ge=0, le=self.max_offset, description="How many rows to pass over.")
        count = {"count": (_Count, True)} if self.count else {}
        signature = query_signature(
            limit=(Annotated[int, limit], self.limit), offset=(Annotated[int, offset], 0), **count
        )
        object.__setattr__(self, "__signature__", signature)

    async def __call__(self, *, limit: int, offset: int, count: bool = False) -> LimitOffsetWindow:
        return LimitOffsetWindow(limit, offset, count)


def PageBy(  # noqa: N802 (named like FastAPI's own Query and Depends)
    *, size: int = SIZE, max_size: int = MAX_SIZE, max_offset: int = MAX_OFFSET, count: bool = True
) -> Any:
    """Return a dependency that reads `?page=2&size=50&count=false`.

    ::

        def books(page: Annotated[PageWindow, PageBy(size=50)]) -> Page[Book]:
            return page.paginate(Book.objects.all())

    Args:
        size: How many rows a page has if the client does not say.
        max_size: How many it has at most.
        max_offset: How many rows are passed over at most: the database reads them all. Further down, use cursors.
        count: Whether the rows are counted, unless the client asks for less.

    Returns:
        A `fastapi.Depends`. What is out of bounds is answered with 422.
    """
    return Depends(_PageBy(size, max_size, max_offset, count))


def LimitOffsetBy(  # noqa: N802 (named like FastAPI's own Query and Depends)
    *, limit: int = SIZE, max_limit: int = MAX_SIZE, max_offset: int = MAX_OFFSET, count: bool = True
) -> Any:
    """Return a dependency that reads `?limit=50&offset=100&count=false`; see `PageBy`."""
    return Depends(_LimitOffsetBy(limit, max_limit, max_offset, count))


PageParams: TypeAlias = Annotated[PageWindow, PageBy()]
LimitOffsetParams: TypeAlias = Annotated[LimitOffsetWindow, LimitOffsetBy()]
