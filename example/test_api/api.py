"""The permissions of `django.contrib.auth`, once with `def` and once with `async def`."""

from django.contrib.auth.models import Permission
from django.db.models import QuerySet
from pydantic import BaseModel, ConfigDict

from django_fastapi import api


class PermissionOut(BaseModel):
    """A permission: its key and its human-readable name."""

    model_config = ConfigDict(from_attributes=True)

    pk: int
    name: str


class PermissionsOut(BaseModel):
    """Every permission of the site."""

    items: list[PermissionOut]


def permissions() -> QuerySet[Permission]:
    """Select what `PermissionOut` reads; the model's own ordering would join the content types."""
    return Permission.objects.order_by("pk").only("pk", "name")


@api.get("/permissions", tags=["permissions"])
def list_permissions() -> PermissionsOut:
    """List all permissions."""
    return PermissionsOut(items=[PermissionOut.model_validate(permission) for permission in permissions()])


@api.get("/async/permissions", tags=["permissions"])
async def list_permissions_async() -> PermissionsOut:
    """List all permissions, read asynchronously."""
    return PermissionsOut(items=[PermissionOut.model_validate(permission) async for permission in permissions()])
