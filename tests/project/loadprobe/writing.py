"""Routes that write in a transaction and then succeed or fail, each way of both."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from django.db import connection, transaction
from fastapi import APIRouter, Depends, HTTPException
from starlette.responses import JSONResponse, Response

from django_fastapi import atomic

from .gates import gate
from .models import Row
from .threads import here

router = APIRouter(prefix="/load/write")

Outcome = Literal["commit", "refuse", "raise", "http", "deferred"]
_NO_PARENT = 2_000_000_000


class BrokenError(Exception):
    """What an endpoint raises."""


def own() -> Iterator[None]:
    """Open a transaction as a project does without this package's help."""
    before = here()
    with transaction.atomic():
        yield
    if here() != before:
        raise RuntimeError("exit on another thread")


def write(note: str, outcome: Outcome = "commit") -> Response:
    Row.objects.create(note=note, parent_id=_NO_PARENT if outcome == "deferred" else None)
    return _end(outcome)


async def awrite(note: str, outcome: Outcome = "commit") -> Response:
    await Row.objects.acreate(note=note, parent_id=_NO_PARENT if outcome == "deferred" else None)
    await asyncio.sleep(0)
    return _end(outcome)


def _end(outcome: Outcome) -> Response:
    if outcome == "raise":
        raise BrokenError
    if outcome == "http":
        raise HTTPException(409)
    if outcome == "refuse":
        return JSONResponse({}, 400)
    return JSONResponse({}, 201)


def write_twice(note: str, name: str) -> Response:
    """Write, wait for the gate, and write again."""
    Row.objects.create(note=note)
    gate(name).pass_through()
    Row.objects.create(note=note)
    return _end("commit")


async def awrite_twice(note: str, name: str) -> Response:
    await Row.objects.acreate(note=note)
    await gate(name).apass_through()
    await Row.objects.acreate(note=note)
    return _end("commit")


def write_slowly(note: str, seconds: float = 2.0) -> Response:
    """Write, wait in the database, and write again."""
    Row.objects.create(note=note)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])
    Row.objects.create(note=note)
    return _end("commit")


WAYS: dict[str, list[Any]] = {
    "plain": [],  # for ATOMIC_REQUESTS
    "atomic": [atomic()],
    "own-function": [Depends(own, scope="function")],
    "own-request": [Depends(own)],
}
for way, dependencies in WAYS.items():
    router.add_api_route(f"/{way}/def", write, methods=["POST"], dependencies=dependencies, name=way)
    router.add_api_route(f"/{way}/async", awrite, methods=["POST"], dependencies=dependencies, name=way)
    router.add_api_route(f"/{way}/twice/def", write_twice, methods=["POST"], dependencies=dependencies, name=way)
    router.add_api_route(f"/{way}/twice/async", awrite_twice, methods=["POST"], dependencies=dependencies, name=way)
router.add_api_route("/atomic/slowly", write_slowly, methods=["POST"], dependencies=[atomic()])

_exits: list[str] = []


def noted(name: str) -> Iterator[None]:
    """Open a transaction, and write down when and where it is left."""
    before = here()
    try:
        with transaction.atomic():
            Row.objects.create(note=name)
            gate(f"{name}-enter").pass_through()
            yield
    finally:
        _exits.append(f"{name} {here() == before}")


@router.post("/noted/{name}")
async def write_noted(name: str, _: Annotated[None, Depends(noted)]) -> None:
    await gate(name).apass_through()


@router.get("/exits/{name}")
async def exits(name: str) -> list[str]:
    return [note for note in _exits if note.startswith(f"{name} ")]
