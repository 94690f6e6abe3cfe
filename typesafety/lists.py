"""What a type checker tells the users of lookups and lists; checked by `make types`, never run."""

from typing import Annotated, assert_type

from django.contrib.auth.models import Group, Permission
from django.db.models import QuerySet
from fastapi import Depends, Query

from django_fastapi.orm import (
    CursorPage,
    CursorParams,
    FilterSchema,
    LimitOffsetPage,
    LimitOffsetParams,
    Lookup,
    OrderBy,
    Ordering,
    Page,
    PageParams,
    Search,
)
from django_fastapi.shortcuts import (
    ObjectOr404,
    aget_list_or_404,
    aget_object_or_404,
    get_list_or_404,
    get_object_or_404,
)

assert_type(get_object_or_404(Group, pk=1), Group)
assert_type(get_object_or_404(Group.objects.filter(name="x"), pk=1), Group)
assert_type(get_list_or_404(Group.objects, name="x"), list[Group])
assert_type(ObjectOr404(Group)(pk="1"), Group)


class PermissionFilter(FilterSchema):
    """Every kind of field."""

    codename: str | None = None
    app: Annotated[str | None, Lookup("content_type__app_label")] = None
    search: Annotated[str | None, Search("name", "codename")] = None


# With its plugin django-stubs takes what follows a model in `Annotated` for annotations of a queryset.
def permissions(
    filters: Annotated[PermissionFilter, Query()],
    order: Annotated[Ordering, OrderBy("name", "-codename")],
    page: PageParams,
    group: Group = Depends(ObjectOr404(Group, lookup="name")),  # noqa: B008 (FastAPI's older form)
) -> Page[Permission]:
    found = order.apply(filters.apply(Permission.objects.filter(group=group)))
    assert_type(found, QuerySet[Permission, Permission])
    return page.paginate(found)


async def more_permissions(window: LimitOffsetParams, cursor: CursorParams) -> None:
    assert_type(await aget_object_or_404(Permission, pk=1), Permission)
    assert_type(await aget_list_or_404(Permission), list[Permission])
    assert_type(await window.apaginate(Permission.objects.all()), LimitOffsetPage[Permission])
    assert_type(cursor.paginate(Permission.objects.all()), CursorPage[Permission])
    assert_type(await cursor.apaginate(Permission.objects.all()), CursorPage[Permission])
