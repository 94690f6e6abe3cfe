"""FastAPI or Django: who answers a request."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Match

from . import settings
from .concurrency import current_lease
from .handlers import UNRESOLVED
from .lifecycle import announce
from .requests import prefers_json
from .types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class ServedAPI:
    """One API as the dispatcher sees it.

    Args:
        app: The application to call.
        routes: Its routes, a list that may still grow.
        prefix: The path it is served under; empty, or "/" and more.
        root_path: Where a proxy in front has put the site, or empty.
        state: What the application's lifespan left for its requests.
    """

    app: ASGIApp
    routes: Sequence[BaseRoute]
    prefix: str = ""
    root_path: str = ""
    state: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def enter(self, scope: Scope) -> Scope | None:
        """Return the scope that the application is called with, or None if the path is not under its prefix."""
        root_path = self.root_path or scope.get("root_path", "")
        child = {**scope, "root_path": root_path, "state": {**scope.get("state", {}), **self.state}}
        if self.prefix:
            path: str = scope["path"]
            local = path.removeprefix(root_path) if f"{path}/".startswith(f"{root_path}/") else path
            if not f"{local}/".startswith(f"{self.prefix}/"):
                return None
            child["root_path"] = child["app_root_path"] = root_path + self.prefix
            # The ASGI specification has `path` include `root_path`, though a proxy may have cut it off.
            child["path"] = root_path + local
        return child

    def match(self, scope: Scope) -> Match:
        """Return how well the routes fit: fully, by path but not by method, or not at all."""
        best = Match.NONE
        for route in self.routes:
            fit, _ = route.matches(scope)
            if fit is Match.FULL:
                return fit
            if fit is Match.PARTIAL:
                best = fit
        return best


class Dispatcher:
    """Give each request to the API that has a route for it, and all others to Django.

    APIs are asked in their order. Django's handler is given what none of them matches, whole: middleware, views, static
    files. When Django does not know the path either, the nearest API has the last word, since it may answer what is
    neither a route of its own nor a page of Django's: a path under another method (405), a path with a slash too many
    or too few, or a 404 in JSON.

    Args:
        apis: The longest prefix first; the last one has no prefix.
        get_django: Returns Django's handler; asked when it is first needed.
    """

    def __init__(self, apis: Sequence[ServedAPI], get_django: Callable[[], ASGIApp]) -> None:
        self._apis = apis
        self._get_django = get_django

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        try:
            api, child, is_match = self._choose(scope)
        except ValueError:
            # A path convertor refused what its own pattern took, such as five thousand digits for an integer.
            await JSONResponse({"detail": "Not Found"}, HTTPStatus.NOT_FOUND)(scope, receive, send)
            return
        if is_match or scope["type"] == "websocket" or not settings.DJANGO_FALLBACK.get():
            await announce(child)
            await api.app(child, receive, send)
            return
        held = _HeldNotFound(dict(scope), send)
        try:
            await self._get_django()(held.scope, receive, held)
        finally:
            held.let_go()
        if held.messages and not await _offer(api, child, receive, send):
            await held.release()

    def _choose(self, scope: Scope) -> "_Choice":
        """Return the API that has a route for the request, else one that knows the path, else the nearest."""
        method = _intended_method(scope)
        second_best: _Choice | None = None
        nearest: _Choice | None = None
        for api in self._apis:
            child = api.enter(scope)
            if child is None:
                continue
            fit = api.match({**child, "method": method})
            if fit is Match.FULL:
                return api, child, True
            if fit is Match.PARTIAL:
                second_best = second_best or (api, child, False)
            nearest = nearest or (api, child, False)
        choice = second_best or nearest
        assert choice is not None  # noqa: S101 (the last API has no prefix)
        return choice


_Choice = tuple[ServedAPI, Scope, bool]


def _intended_method(scope: Scope) -> str | None:
    """Return the method, or for a CORS preflight that of the request it asks for."""
    method: str | None = scope.get("method")
    if method == "OPTIONS":
        for name, value in scope["headers"]:
            if name == b"access-control-request-method":
                requested: bytes = value
                return requested.decode("latin-1")
    return method


class _HeldNotFound:
    """`send` for Django's handler, holding back a 404 that says only that no URL pattern fits."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self.messages: list[Message] = []
        self._send = send
        # Middleware may leave something on the thread's connection while the view awaits.
        self._lease = current_lease()
        if self._lease is not None:
            self._lease.hold_firmly()

    def let_go(self) -> None:
        """Hold the thread no longer."""
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.release_firm()

    async def __call__(self, message: Message) -> None:
        self.let_go()
        is_not_found = message.get("status") == HTTPStatus.NOT_FOUND and self.scope.get(UNRESOLVED, False)
        if is_not_found or self.messages:
            self.messages.append(message)
        else:
            await self._send(message)

    async def release(self) -> None:
        for message in self.messages:
            await self._send(message)


async def _offer(api: ServedAPI, scope: Scope, receive: Receive, send: Send) -> bool:
    """Let an API answer what neither it nor Django has a route for; return whether it did.

    It did not if all it has to say is 404 and the client is a browser, which rather gets Django's page.
    """
    is_declined = False
    takes_not_found = prefers_json(scope)

    async def send_unless_declined(message: Message) -> None:
        nonlocal is_declined
        if message.get("status") == HTTPStatus.NOT_FOUND and "endpoint" not in scope:
            is_declined = not takes_not_found
        if not is_declined:
            await send(message)

    await api.app(scope, _after_body(receive), send_unless_declined)
    return not is_declined


def _after_body(receive: Receive) -> Receive:
    """Return `receive` for an application that comes second: the body has been read."""
    is_told = False

    async def receive_rest() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return receive_rest
