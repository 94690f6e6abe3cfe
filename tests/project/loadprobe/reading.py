"""Routes that read: on which threads and on which connection they do it."""

import asyncio
import time
from collections.abc import Iterator
from typing import Annotated

from asgiref.sync import sync_to_async
from django.db import connection, transaction
from fastapi import APIRouter, Depends, HTTPException

from .gates import gate
from .models import Row
from .threads import backend, here

router = APIRouter(prefix="/load")
_SECONDS = 0.005


def session_user() -> Iterator[list[str]]:
    """Look something up before the endpoint and after it, as a session's user is."""
    Row.objects.count()
    names = [here()]
    yield names
    Row.objects.count()
    if len({*names, here()}) != 1:
        raise RuntimeError(f"exit on {here()}, the rest on {names}")


User = Annotated[list[str], Depends(session_user)]


@router.get("/def")
def read(user: User) -> list[str]:
    Row.objects.count()
    time.sleep(_SECONDS)
    user.append(here())
    return user


@router.get("/async")
async def aread(user: User) -> list[str]:
    await Row.objects.acount()
    await asyncio.sleep(_SECONDS)
    user.append(await sync_to_async(here)())
    return user


@router.get("/bare-def")
def read_barely() -> list[str]:
    Row.objects.count()
    time.sleep(_SECONDS)
    return [here()]


@router.get("/bare-async")
async def aread_barely() -> list[str]:
    await Row.objects.acount()
    await asyncio.sleep(_SECONDS)
    await Row.objects.acount()
    return []


@router.get("/backend")
def show_backend() -> list[int]:
    return [backend()]


@router.get("/slow")
def read_slowly(seconds: float = 0.02) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])
    return [backend()]


@router.get("/timeout")
def read_too_slowly() -> None:
    """Have PostgreSQL cancel a statement, in a transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 20")
        cursor.execute("SELECT pg_sleep(60)")


@router.get("/aslow")
async def aread_slowly() -> list[int]:
    return await sync_to_async(read_slowly)()


@router.get("/hold/{name}")
def hold(name: str) -> list[str]:
    """Have a thread and a connection until the gate opens."""
    Row.objects.count()
    gate(name).pass_through()
    return [here()]


@router.get("/poll/{name}")
async def poll(name: str, user: str = "") -> int:
    """Look something up, and then wait for something to happen: a long-poll."""
    before = await Row.objects.filter(note=user).acount()
    await gate(name).apass_through()
    return await Row.objects.filter(note=user).acount() - before


async def lookup(user: str = "") -> int:
    count = await Row.objects.filter(note=user).acount()
    if count:
        raise HTTPException(403)
    return count


@router.get("/poll-with-user/{name}")
async def poll_with_user(name: str, _: Annotated[int, Depends(lookup)]) -> None:
    await gate(name).apass_through()
