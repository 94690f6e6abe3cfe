import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Annotated

from fastapi import FastAPI, Request, UploadFile, WebSocket
from fastapi.responses import StreamingResponse

from django_fastapi import APIRouter, DjangoRequest, api, register_api

from .notes import note


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, str]]:
    note("startup")
    yield {"greeting": "from the lifespan"}
    note("shutdown")


router = APIRouter(prefix="/probe", lifespan=lifespan)


@router.get("/state")
async def state(request: Request) -> dict[str, str]:
    return {"greeting": request.state.greeting}


@router.get("/crash")
def crash(word: str = "") -> None:
    raise RuntimeError(f"the sync endpoint broke {word}")


@router.get("/async-crash")
async def async_crash(word: str = "") -> None:
    raise RuntimeError(f"the async endpoint broke {word}")


@router.get("/exit")
def leave() -> None:
    sys.exit("the sync endpoint wants to end the process")


@router.get("/async-exit")
async def aleave() -> None:
    sys.exit("the async endpoint wants to end the process")


@router.get("/broken-stream")
async def broken_stream() -> StreamingResponse:
    async def halves() -> AsyncIterator[bytes]:
        yield b"the first half\n"
        raise RuntimeError("the stream broke")

    return StreamingResponse(halves(), media_type="text/plain")


@router.get("/shared")
def shared() -> str:
    return "FastAPI took GET"


@router.get("/only-get")
def only_get() -> str:
    return "got"


@router.get("/seen")
async def seen(request: Request) -> dict[str, str | list[str]]:
    client = request.client.host if request.client else ""
    return {"client": client, "url": str(request.url), "headers": sorted(request.headers)}


@router.post("/echo")
async def echo(request: Request) -> dict[str, int | str]:
    body = await request.body()
    return {"size": len(body), "sha256": sha256(body).hexdigest()}


@router.post("/json")
def take_json(numbers: list[int]) -> int:
    return sum(numbers)


@router.post("/django-json")
def take_json_of_django(request: DjangoRequest) -> int:
    return sum(json.loads(request.body))


@router.post("/upload")
def upload(file: UploadFile) -> dict[str, int | str | None]:
    return {"name": file.filename, "size": file.size, "sha256": sha256(file.file.read()).hexdigest()}


@router.post("/django-upload")
def django_upload(request: DjangoRequest) -> dict[str, int | str | None]:
    file = request.FILES["file"]
    return {"name": file.name, "size": file.size, "sha256": sha256(file.read()).hexdigest()}


@router.get("/visits")
def visits(request: DjangoRequest) -> int:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return int(request.session["visits"])


@router.get("/stream")
def stream() -> StreamingResponse:
    def lines() -> Iterator[str]:
        for number in range(5):
            yield f"line {number}\n"

    return StreamingResponse(lines(), media_type="text/plain")


@router.get("/endless")
async def endless() -> StreamingResponse:
    async def ticks() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick\n" * 100
                await asyncio.sleep(0.01)
        finally:
            note("endless ended")

    return StreamingResponse(ticks(), media_type="text/plain")


@router.get("/number/{number:int}")
def number(number: Annotated[int, "a path convertor of Starlette's"]) -> int:
    return number


@router.websocket("/socket")
async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()


api.include_router(router)

second = FastAPI(title="The second API")


@second.get("/who")
def who() -> str:
    return "second"


register_api(second, name="second", prefix="/second")
