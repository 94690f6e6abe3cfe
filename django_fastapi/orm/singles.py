"""A queryset where one object is to be served: that object, or 404, as `QuerySet.get` has it."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar, cast

from django.http import Http404

from .contents import is_queryset, without_manager

T = TypeVar("T")

_ENOUGH: Final = 2  # to see that there are several


def limited(source: Any) -> Any:
    """Return a queryset without the rows that are too many anyway."""
    source = without_manager(source)
    is_open = is_queryset(source) and vars(source)["_result_cache"] is None and not source.query.is_sliced
    return source[:_ENOUGH] if is_open else source


def only_one(objects: Sequence[T], source: Any, *, is_optional: bool) -> T | None:
    """Return the object that a queryset gave.

    Args:
        objects: What it gave.
        source: The queryset.
        is_optional: Whether there may be none.

    Raises:
        Http404: There is none.
        MultipleObjectsReturned: There are several.
    """
    if len(objects) == 1:
        return objects[0]
    model: Any = source.model
    if objects:
        several = cast("type[Exception]", model.MultipleObjectsReturned)
        raise several(f"The response is one `{model.__name__}`, and its queryset gives several: filter it further.")
    if is_optional:
        return None
    raise Http404(f"No {model._meta.object_name} matches the given query.")
