"""What stands before an API: a user for all routes that need one, whatever else is wrong with the request."""

from collections.abc import Awaitable
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI
from fastapi.routing import RouteContext
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import HTTPConnection

from django_fastapi.matches import find_route
from django_fastapi.types import ASGIApp, Message, Receive, Scope, Send

from .dependencies import UserDependency, current_user
from .routes import read_auth
from .settings import get_auth_settings

_ABOUT_REQUEST: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)


class Gate:
    """Have those who are not logged in told so, and nothing else.

    With `FASTAPI_AUTH["REQUIRED"]` every route not marked `public` needs a user, before it reads the body. And FastAPI
    reads a body before it runs dependencies: so where a request without a valid credential would be answered that its
    body or its path is wrong, though the route wants a user, the answer is 401.

    Args:
        app: The application inside.
        api: The API, whose exception handlers answer.
    """

    def __init__(self, app: ASGIApp, api: FastAPI) -> None:
        self.app = app
        self._api = api

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request or WebSocket."""
        if get_auth_settings().required:
            return self._serve_user(scope, receive, send)
        return self._serve(scope, receive, send)

    def _serve(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        answer = _Answer(self, scope, receive, send) if scope["type"] == "http" else send
        return self.app(scope, receive, answer)

    async def _serve_user(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._require_user(scope)
        except HTTPException as error:
            await self.refuse(error, scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _require_user(self, scope: Scope) -> None:
        route = find_route(self._api.routes, scope)
        asked = read_auth(route)
        if asked is None or asked.is_public:
            return
        everybody = () if current_user in self._api.dependency_overrides else (current_user,)
        for source in self._users_of(route) if asked.users else everybody:
            await source.ask(HTTPConnection(scope))

    async def find_refusal(self, scope: Scope) -> HTTPException | None:
        """Return what a request is told whose route wants a user, if it does not show a valid credential."""
        for source in self._users_of(find_route(self._api.routes, scope)):
            try:
                refusal = await source.find_refusal(HTTPConnection(scope))
            except Exception:  # noqa: BLE001 (whatever the body or the database has to do with it, there is an answer)
                return None
            if refusal is not None:
                return refusal
        return None

    async def refuse(self, error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the API's own handlers."""

        async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
            raise error

        handling = ExceptionMiddleware(fail, handlers=dict(self._api.exception_handlers))
        await handling({**scope, "app": self._api}, receive, send)

    def _users_of(self, route: RouteContext | None) -> tuple[UserDependency, ...]:
        """Return the dependencies that give the user of a route, without those in whose place others are asked."""
        asked = read_auth(route, self._api.dependency_overrides)
        return () if asked is None else asked.users


class _Answer:
    """`send`, with a 401 in the place of an answer that complains about a request without a valid credential."""

    __slots__ = ("_gate", "_is_refused", "_receive", "_scope", "_send")

    def __init__(self, gate: Gate, scope: Scope, receive: Receive, send: Send) -> None:
        self._gate = gate
        self._scope = scope
        self._receive = receive
        self._send = send
        self._is_refused = False

    def __call__(self, message: Message) -> Awaitable[None]:
        if self._is_refused or (message["type"] == "http.response.start" and message["status"] in _ABOUT_REQUEST):
            return self._look_at(message)
        return self._send(message)

    async def _look_at(self, message: Message) -> None:
        if self._is_refused:
            return
        refusal = await self._gate.find_refusal(self._scope)
        if refusal is None:
            await self._send(message)
        else:
            self._is_refused = True
            await self._gate.refuse(refusal, self._scope, self._receive, self._send)
