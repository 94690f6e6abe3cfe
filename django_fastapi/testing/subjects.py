"""The application under test, and how a client wants to see it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypedDict

import httpx

from django_fastapi.types import ASGIApp

from .exchanges import Exchange
from .lifespans import get_lifespans, get_site
from .overrides import overridden
from .runs import Run
from .scopes import http_scope, websocket_scope
from .sessions import add_csrf_token
from .websockets import AsyncWebSocketSession


class ClientOptions(TypedDict, total=False):
    """What a client takes besides, as httpx has it."""

    auth: tuple[str, str] | httpx.Auth | None
    cookies: dict[str, str] | httpx.Cookies | None
    follow_redirects: bool
    headers: Mapping[str, str] | httpx.Headers | None
    params: Mapping[str, Any] | httpx.QueryParams | None


@dataclass(eq=False)
class Subject:
    """An application under test, as one client sees it.

    Args:
        given_app: The application; None is the whole site.
        raises: Whether an exception that the application did not catch is raised in the test.
        enforces_csrf: Whether requests come without a CSRF token of their own.
    """

    given_app: ASGIApp | None
    raises: bool
    enforces_csrf: bool

    @cached_property
    def app(self) -> ASGIApp:
        """The application; the site is built now if no client has asked for it yet."""
        return self.given_app or get_site()

    async def begin(self) -> dict[str, Any]:
        """Begin the lifespan, unless another client has; return what it leaves for the requests.

        Raises:
            LifespanFailed: The application could not start; what it raised is the cause.
        """
        return await get_lifespans().hold(self.app, self)

    async def end(self) -> None:
        """End the lifespan, unless another client needs it.

        Raises:
            LifespanFailed: The application failed while it ended; what it raised is the cause.
        """
        await get_lifespans().release(self.app, self)

    def overridden(self, replacements: Mapping[Callable[..., Any], Callable[..., Any]]) -> AbstractContextManager[None]:
        """Replace dependencies within the block."""
        return overridden(self.app, replacements)

    async def open_exchange(self, request: httpx.Request, chunks: list[bytes]) -> Exchange:
        """Return the exchange for a request, the lifespan begun."""
        state = await self.begin()
        if not self.enforces_csrf:
            add_csrf_token(request)
        return Exchange(self.app, http_scope(request, state), chunks, raises=self.raises)

    async def open_websocket(self, request: httpx.Request, subprotocols: Sequence[str]) -> AsyncWebSocketSession:
        """Return an open WebSocket, the lifespan begun.

        Raises:
            WebSocketDenied: The application did not accept it.
        """
        scope = websocket_scope(request, await self.begin(), subprotocols)
        session = AsyncWebSocketSession(Run(self.app, scope, raises=self.raises))
        await session.begin()
        return session
