"""Routes that set state: on the connection, and of the language and the time zone."""

import asyncio
from collections.abc import Iterator

from asgiref.sync import sync_to_async
from django.db import connection
from django.utils import timezone, translation
from django.utils.translation import gettext
from fastapi import APIRouter, Depends

from django_fastapi import hold_thread

router = APIRouter(prefix="/load")

ROLE = "pg_read_all_data"


def tenant_of(tenant: str) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('search_path', %s, false)", [tenant])
        cursor.execute(f"SET ROLE {ROLE}")
    yield


def seen() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('search_path'), current_user")
        return list(cursor.fetchone())


_TENANT = [Depends(hold_thread), Depends(tenant_of)]


@router.get("/tenant/def", dependencies=_TENANT)
def read_of_tenant() -> list[list[str]]:
    return [seen()]


@router.get("/tenant/async", dependencies=_TENANT)
async def aread_of_tenant() -> list[list[str]]:
    looks: list[list[str]] = []
    for _ in range(3):
        looks.append(await sync_to_async(seen)())
        await asyncio.sleep(0.002)
    return looks


async def atenant_of(tenant: str) -> None:
    def enter() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('search_path', %s, false)", [tenant])
            cursor.execute(f"SET ROLE {ROLE}")

    await sync_to_async(enter)()


@router.get("/tenant/plain-dependency", dependencies=[Depends(hold_thread), Depends(atenant_of)])
async def aread_of_tenant_without_exit() -> list[list[str]]:
    await asyncio.sleep(0.002)
    return [await sync_to_async(seen)()]


@router.get("/no-tenant/def")
def read_of_all() -> list[list[str]]:
    return [seen()]


@router.get("/no-tenant/async")
async def aread_of_all() -> list[list[str]]:
    return [await sync_to_async(seen)()]


def speak(language: str, zone: str) -> None:
    translation.activate(language)
    timezone.activate(zone)


def heard() -> list[str]:
    return [translation.get_language(), timezone.get_current_timezone_name(), gettext("Yes")]


_SPEAK = Depends(speak)


@router.get("/language/def", dependencies=[_SPEAK])
def in_language() -> list[list[str]]:
    return [heard()]


@router.get("/language/async", dependencies=[_SPEAK])
async def ain_language() -> list[list[str]]:
    looks = [heard(), await sync_to_async(heard)()]
    await asyncio.sleep(0.002)
    return [*looks, heard(), await sync_to_async(heard)()]


@router.get("/language/none/def")
def in_no_language() -> list[list[str]]:
    return [heard()]


@router.get("/language/none/async")
async def ain_no_language() -> list[list[str]]:
    return [heard(), await sync_to_async(heard)()]
