"""The permissions of `django.contrib.auth`, once with `def` and once with `async def`."""

from typing import Any

from django.contrib.auth.models import Permission
from pydantic import BaseModel

from django_fastapi import api
from django_fastapi.orm import ModelSchema


class PermissionOut(ModelSchema):
    """A permission: its key and its human-readable name."""

    class Meta:
        model = Permission
        fields = ["pk", "name"]


class PermissionsOut(BaseModel):
    """Every permission of the site."""

    items: list[PermissionOut]


@api.get("/permissions", response_model=PermissionsOut, tags=["permissions"])
def list_permissions() -> Any:
    """List all permissions."""
    # The model's own ordering would join the content types.
    return {"items": Permission.objects.order_by("pk")}


@api.get("/async/permissions", response_model=PermissionsOut, tags=["permissions"])
async def list_permissions_async() -> Any:
    """List all permissions, from an asynchronous endpoint that goes through them itself."""
    return {"items": [permission async for permission in Permission.objects.only("pk", "name").order_by("pk")]}
