"""A small site over Django's groups, whose endpoints come in every colour."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from fastapi import Depends, FastAPI
from starlette.types import ASGIApp

from django_fastapi.registry import APIRegistry

PATHS = ["/sync", "/async", "/django/", "/django/async/"]


@dataclass
class GroupSite:
    """The application, and the names of what happened in it."""

    app: ASGIApp
    api: FastAPI
    events: list[str] = field(default_factory=list)


@csrf_exempt
def django_groups(request: HttpRequest) -> JsonResponse:
    from django.contrib.auth.models import Group  # noqa: PLC0415 (Django is not set up when pytest imports this)

    if request.method == "POST":
        Group.objects.create(name=request.GET["name"])
    return JsonResponse(list(Group.objects.values_list("name", flat=True)), safe=False)


@csrf_exempt
async def adjango_groups(request: HttpRequest) -> JsonResponse:
    from django.contrib.auth.models import Group  # noqa: PLC0415

    if request.method == "POST":
        await Group.objects.acreate(name=request.GET["name"])
    return JsonResponse([name async for name in Group.objects.values_list("name", flat=True)], safe=False)


def add_groups(api: FastAPI) -> None:
    """Add endpoints that list and create groups, each with a dependency that counts them first."""
    from django.contrib.auth.models import Group  # noqa: PLC0415

    def count() -> Iterator[int]:
        yield Group.objects.count()

    async def acount() -> int:
        return await Group.objects.acount()

    @api.get("/sync")
    def read(before: Annotated[int, Depends(count)]) -> list[str]:
        names = list(Group.objects.values_list("name", flat=True))
        assert len(names) == before
        return names

    @api.post("/sync")
    def create(name: str, before: Annotated[int, Depends(count)]) -> list[str]:
        Group.objects.create(name=name)
        assert Group.objects.count() == before + 1
        return list(Group.objects.values_list("name", flat=True))

    @api.get("/async")
    async def aread(before: Annotated[int, Depends(acount)]) -> list[str]:
        names = [name async for name in Group.objects.values_list("name", flat=True)]
        assert len(names) == before
        return names

    @api.post("/async")
    async def acreate(name: str, before: Annotated[int, Depends(acount)], also: Annotated[int, Depends(count)]) -> Any:
        await Group.objects.acreate(name=name)
        assert await Group.objects.acount() == before + 1 == also + 1
        return [name async for name in Group.objects.values_list("name", flat=True)]


@pytest.fixture
def site(
    registry: APIRegistry, bare_django: Callable[..., None], build: Callable[[], ASGIApp], settings: Any
) -> GroupSite:
    settings.ALLOWED_HOSTS = ["*"]
    bare_django(path("django/", django_groups), path("django/async/", adjango_groups))
    api = registry.get_default()
    add_groups(api)
    return GroupSite(build(), api)
