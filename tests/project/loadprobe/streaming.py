"""Streams, server-sent events and WebSockets."""

from collections.abc import AsyncIterator, Iterator

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

from .gates import gate
from .models import Row
from .reading import User

router = APIRouter(prefix="/load")
_CHUNK = 50
_PADDING = "x" * 4000


@router.get("/events/{name}")
async def events(name: str, user: User) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        yield f"data: {await Row.objects.filter(note=user[0]).acount()}\n\n"
        await gate(name).apass_through()
        yield f"data: {await Row.objects.filter(note=user[0]).acount()}\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


@router.websocket("/socket/{name}")
async def socket(websocket: WebSocket, name: str) -> None:
    await _converse(websocket, name)


@router.websocket("/socket-with-user/{name}")
async def socket_with_user(websocket: WebSocket, name: str, user: User) -> None:
    await _converse(websocket, name + user[0][:0])


async def _converse(websocket: WebSocket, name: str) -> None:
    await websocket.accept()
    await websocket.send_json(await Row.objects.acount() >= 0)
    place = gate(name)
    place.arrived += 1
    try:
        while True:
            note = await websocket.receive_text()
            await websocket.send_json(await Row.objects.filter(note=note).acount())
    except WebSocketDisconnect:
        place.left += 1


@router.get("/rows/aiterator")
async def arows(note: str) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        async for row in Row.objects.filter(note=note).order_by("pk").aiterator(chunk_size=_CHUNK):
            yield f"{row.pk}\n"

    return StreamingResponse(lines(), media_type="text/plain")


@router.get("/rows/iterator")
async def rows(note: str) -> StreamingResponse:
    return StreamingResponse(_lines(note), media_type="text/plain")


@router.get("/rows/iterator-def")
def rows_of_def(note: str) -> StreamingResponse:
    return StreamingResponse(_lines(note), media_type="text/plain")


@router.get("/rows/fat-iterator")
def fat_rows(note: str) -> StreamingResponse:
    """Send more than a socket buffers."""
    return StreamingResponse((f"{line[:-1]} {_PADDING}\n" for line in _lines(note)), media_type="text/plain")


@router.get("/rows/fat-aiterator")
async def fat_arows(note: str) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        async for row in Row.objects.filter(note=note).order_by("pk").aiterator(chunk_size=_CHUNK):
            yield f"{row.pk} {_PADDING}\n"

    return StreamingResponse(lines(), media_type="text/plain")


def _lines(note: str) -> Iterator[str]:
    for row in Row.objects.filter(note=note).order_by("pk").iterator(chunk_size=_CHUNK):
        yield f"{row.pk}\n"
