"""What Django's shortcuts are to its views, for FastAPI's endpoints."""

from . import messages as messages
from .dependencies import ObjectOr404 as ObjectOr404
from .localizing import localize as localize
from .objects import (
    aget_list_or_404 as aget_list_or_404,
    aget_object_or_404 as aget_object_or_404,
    get_list_or_404 as get_list_or_404,
    get_object_or_404 as get_object_or_404,
)
from .redirects import redirect as redirect, reverse as reverse
from .rendering import arender as arender, render as render
from .sessions import Session as Session

__all__ = [
    "ObjectOr404",
    "Session",
    "aget_list_or_404",
    "aget_object_or_404",
    "arender",
    "get_list_or_404",
    "get_object_or_404",
    "localize",
    "messages",
    "redirect",
    "render",
    "reverse",
]
