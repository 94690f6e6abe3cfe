"""The layer that watches a request while it is served, with `DEBUG` only."""

from typing import Final

from starlette.datastructures import MutableHeaders

from django_fastapi.request_ids import request_line
from django_fastapi.types import ASGIApp, Message, Receive, Scope, Send

from .queries import begin_record, end_record, watch_connections
from .recordings import record_body

HEADER: Final = "Server-Timing"


class Watch:
    """Keep what the page of an error shows of the body, and tell how often the database was asked.

    The answer has a `Server-Timing` header; of a stream it tells what was asked before its beginning. A warning is
    logged when the same query is repeated.

    Args:
        app: The application inside.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        watch_connections()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        record, token = begin_record()

        async def timing_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": list(message.get("headers", ()))}
                MutableHeaders(raw=message["headers"]).append(HEADER, record.server_timing)
            await send(message)

        try:
            await self.app(scope, record_body(scope, receive), timing_send)
        finally:
            end_record(token)
            record.complain(request_line(scope))
