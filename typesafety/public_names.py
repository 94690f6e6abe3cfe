"""What a type checker tells the users of the public names; checked by `make types`, never run."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, assert_type
from wsgiref.types import WSGIApplication

from django.http import HttpRequest, HttpResponse
from fastapi import APIRouter as FastAPIRouter, Depends, FastAPI, Request, WebSocket
from starlette.types import ASGIApp

import django_fastapi
from django_fastapi import (
    APIRouter,
    DjangoRequest,
    api,
    django_request,
    get_asgi_application,
    get_default_api,
    get_wsgi_application,
    hold_thread,
    spawn,
)

assert_type(api, FastAPI)
assert_type(get_default_api(), FastAPI)
assert_type(APIRouter(), FastAPIRouter)
assert_type(get_wsgi_application(), WSGIApplication)
assert_type(hold_thread(), AsyncIterator[None])

site: ASGIApp = get_asgi_application()

django_fastapi.register_api(FastAPI(), name="v2", prefix="/v2")
django_fastapi.set_default_api(FastAPI())


async def answer() -> int:
    return 42


async def spawning() -> None:
    assert_type(spawn(answer()), asyncio.Task[int])


@api.get("/typed", dependencies=[django_fastapi.atomic(), django_fastapi.atomic_requests()])
def endpoint(held: Annotated[Any, Depends(hold_thread)]) -> dict[str, str]:
    return {"hello": "world", "held": str(held)}


@api.post("/django")
async def with_django_request(request: DjangoRequest, starlette_request: Request) -> bytes:
    as_django: HttpRequest = request
    assert_type(request.response, HttpResponse)
    assert_type(await request.aload_body(), None)
    return as_django.body + django_request(starlette_request).body


@api.websocket("/socket")
async def socket(websocket: WebSocket) -> None:
    as_django: HttpRequest = django_request(websocket)
    await websocket.send_text(as_django.get_host())
