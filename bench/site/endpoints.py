"""The endpoints, the same objects for this project and for plain FastAPI."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from .models import Permission

router = APIRouter()


class PermissionOut(BaseModel):
    """A permission."""

    model_config = ConfigDict(from_attributes=True)

    pk: int
    name: str


class Permissions(BaseModel):
    """All permissions."""

    items: list[PermissionOut]


@router.get("/ping")
def ping() -> dict[str, str]:
    """Answer on a thread."""
    return {"ping": "pong"}


@router.get("/aping")
async def aping() -> dict[str, str]:
    """Answer on the event loop."""
    return {"ping": "pong"}


@router.get("/permissions", response_model=Permissions)
def permissions() -> Any:
    """Answer 36 instances."""
    return {"items": list(Permission.objects.all())}


@router.get("/apermissions", response_model=Permissions)
async def apermissions() -> Any:
    """Answer 36 instances, loaded with the async ORM."""
    return {"items": [permission async for permission in Permission.objects.all()]}
