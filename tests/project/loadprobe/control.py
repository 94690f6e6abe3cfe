"""Routes that take no request thread: by them a test sees and steers the others."""

import os

from fastapi import APIRouter

from django_fastapi.concurrency import current_lease
from django_fastapi.threads import get_pool

from .gates import gate

router = APIRouter(prefix="/load")
first = APIRouter()


@first.get("/probe/only-get")
async def is_there() -> str:
    """Answer what a server is asked until it has started."""
    return "got"


@router.get("/gates/{name}")
async def look(name: str) -> dict[str, int]:
    return {"arrived": gate(name).arrived, "left": gate(name).left}


@router.post("/gates/{name}")
async def open_gate(name: str) -> None:
    gate(name).open()


@router.get("/threads")
async def threads() -> dict[str, int]:
    counts, lease = get_pool().counts(), current_lease()
    # With ATOMIC_REQUESTS this route has one as well.
    counts["idle"] += lease is not None and lease.has_worker
    return counts


@router.get("/pid")
async def pid() -> int:
    return os.getpid()
