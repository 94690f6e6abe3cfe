"""S6: an `async def` endpoint with nothing in it."""

from typing import Any

from bench.work import Work

WORK = Work("S6: `async def` endpoint, nothing in it", "/aping")


def fastapi(api: Any) -> None:
    @api.get("/aping")
    async def aping() -> dict[str, str]:
        return {"ping": "pong"}


ours = fastapi


def bolt(api: Any) -> None:
    @api.get("/aping")
    async def aping() -> dict[str, str]:
        return {"ping": "pong"}
