"""Lists, page by page: by number, by offset, and by cursor."""

from .cursors import (
    CursorBy as CursorBy,
    CursorPage as CursorPage,
    CursorParams as CursorParams,
    CursorWindow as CursorWindow,
)
from .pages import (
    LimitOffsetBy as LimitOffsetBy,
    LimitOffsetPage as LimitOffsetPage,
    LimitOffsetParams as LimitOffsetParams,
    LimitOffsetWindow as LimitOffsetWindow,
    Page as Page,
    PageBy as PageBy,
    PageParams as PageParams,
    PageWindow as PageWindow,
)

__all__ = [
    "CursorBy",
    "CursorPage",
    "CursorParams",
    "CursorWindow",
    "LimitOffsetBy",
    "LimitOffsetPage",
    "LimitOffsetParams",
    "LimitOffsetWindow",
    "Page",
    "PageBy",
    "PageParams",
    "PageWindow",
]
