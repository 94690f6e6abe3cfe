"""The site behind a layer that cancels requests, as servers and middleware with a time limit do.

A request with the header `x-cancel` is cancelled by `POST /cancel/` and the value of that header.
"""

import asyncio
from typing import Any

from django_fastapi import get_asgi_application
from django_fastapi.types import Receive, Scope, Send

site = get_asgi_application()
_tasks: dict[str, asyncio.Task[Any]] = {}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    path: str = scope.get("path", "")
    if path.startswith("/cancel/"):
        status = 200 if _tasks[path.removeprefix("/cancel/")].cancel() else 410
        await _answer(send, status)
        return
    name = dict(scope.get("headers", ())).get(b"x-cancel")
    if name is None:
        await site(scope, receive, send)
        return
    task = _tasks[name.decode()] = asyncio.create_task(site(scope, receive, send))
    await asyncio.wait({task})
    if task.cancelled():
        await _answer(send, 504)


async def _answer(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})
