"""S6: a `def` endpoint with nothing in it."""

from typing import Any

from bench.work import Work

WORK = Work("S6: `def` endpoint, nothing in it", "/ping")


def fastapi(api: Any) -> None:
    @api.get("/ping")
    def ping() -> dict[str, str]:
        return {"ping": "pong"}


ours = fastapi


def ninja(api: Any) -> None:
    @api.get("/ping", response=dict[str, str])
    def ping(request: Any) -> Any:
        return {"ping": "pong"}


def bolt(api: Any) -> None:
    @api.get("/ping")
    def ping() -> dict[str, str]:
        return {"ping": "pong"}


def floor(app: Any) -> None:
    @app.get("/ping")
    async def ping(request: Any) -> Any:
        return {"ping": "pong"}
