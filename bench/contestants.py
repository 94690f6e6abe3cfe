"""Who is measured, and at what."""

from dataclasses import dataclass

OURS = "django-fastapi-bridge"
FASTAPI = "FastAPI + Django models"
DJANGO = "Django's ASGI handler"

APPLICATIONS = {
    OURS: "bench.site.ours:application",
    FASTAPI: "bench.site.plain_fastapi:application",
    DJANGO: "bench.site.plain_django:application",
}
"""The application of each contestant, as uvicorn is told."""


@dataclass(frozen=True, slots=True)
class Work:
    """One row of the table: a path that several contestants answer with the same JSON.

    Args:
        title: What is done there.
        path: Where.
        contestants: Who can do it.
    """

    title: str
    path: str
    contestants: tuple[str, ...]


ALL_WORK = (
    Work("`def` endpoint, nothing in it", "/ping", (OURS, FASTAPI)),
    Work("`async def` endpoint, nothing in it", "/aping", (OURS, FASTAPI)),
    Work("`def` endpoint, 36 rows", "/permissions", (OURS, FASTAPI)),
    Work("`async def` endpoint, 36 rows", "/apermissions", (OURS, FASTAPI)),
    Work("Django view, nothing in it", "/django/ping", (OURS, DJANGO)),
    Work("Django view, 36 rows", "/django/permissions", (OURS, DJANGO)),
)
