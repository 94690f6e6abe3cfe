"""FastAPI or Django: who answers a request."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from django.conf import settings as django_settings
from starlette.routing import Match

from . import settings
from .debug import add_routes
from .edge import Guard, leave_to_django, refuse
from .handlers import UNRESOLVED
from .known_routes import KnownRoutes
from .lifecycle import announce
from .negotiation import prefers_json
from .repeating import RepeatableBody
from .reports import note_logged
from .seam import enter_api
from .types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class ServedAPI:
    """One API as the dispatcher sees it.

    Args:
        app: The application to call.
        routes: What knows its routes.
        prefix: The path it is served under; empty, or "/" and more.
        root_path: Where a proxy in front has put the site, or empty.
        state: What the application's lifespan left for its requests.
    """

    app: ASGIApp
    routes: KnownRoutes
    prefix: str = ""
    root_path: str = ""
    state: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def enter(self, scope: Scope) -> Scope | None:
        """Return the scope that the application is called with, or None if the path is not under its prefix."""
        if not self.prefix and not self.root_path and not self.state and "root_path" in scope:
            return scope
        root_path = self.root_path or scope.get("root_path", "")
        child = {**scope, "root_path": root_path}
        if self.state:
            child["state"] = {**scope.get("state", {}), **self.state}
        if self.prefix or self.root_path:
            path: str = scope["path"]
            local = path.removeprefix(root_path) if f"{path}/".startswith(f"{root_path}/") else path
            if not f"{local}/".startswith(f"{self.prefix}/"):
                return None
            child["root_path"] = child["app_root_path"] = root_path + self.prefix
            # The ASGI specification has `path` include `root_path`, though a proxy may have cut it off.
            child["path"] = root_path + local
        return child


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

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request or WebSocket."""
        try:
            api, child, is_match = self._choose(scope)
        except ValueError:
            # A path convertor refused what its own pattern took, such as five thousand digits for an integer.
            return _NOT_FOUND(scope, receive, send)
        if not is_match and scope["type"] != "websocket" and settings.DJANGO_FALLBACK.get():
            return self._ask_django(api, child, scope, receive, send)
        answer = send if is_match else _with_methods(api, child, send)
        announcement = announce(child)
        if announcement is not None:
            return _serve_after(announcement, api, child, receive, answer)
        enter_api(child)
        return api.app(child, receive, answer)

    async def _ask_django(self, api: ServedAPI, child: Scope, scope: Scope, receive: Receive, send: Send) -> None:
        held, body = _HeldNotFound(dict(scope), send), RepeatableBody(receive)
        try:
            await self._get_django()(held.scope, body, held)
            if held.messages and (declined := await _offer(api, child, body.repeat, send)) is not None:
                await held.release(declined)
        finally:
            body.close()

    def _choose(self, scope: Scope) -> "_Choice":
        """Return the API that has a route for the request, else one that knows the path, else the nearest."""
        preflight = _preflight_method(scope) if scope.get("method") == "OPTIONS" else None
        second_best: _Choice | None = None
        nearest: _Choice | None = None
        for api in self._apis:
            child = api.enter(scope)
            if child is None:
                continue
            fit = api.routes.match(child if preflight is None else {**child, "method": preflight})
            if fit is Match.FULL:
                return api, child, True
            if fit is Match.PARTIAL:
                second_best = second_best or (api, child, False)
            nearest = nearest or (api, child, False)
        choice = second_best or nearest
        assert choice is not None  # the last API has no prefix
        return choice


_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


async def _serve_after(
    announcement: Awaitable[object], api: ServedAPI, scope: Scope, receive: Receive, send: Send
) -> None:
    await announcement
    enter_api(scope)
    await api.app(scope, receive, send)


_Choice = tuple[ServedAPI, Scope, bool]


async def _answer_not_found(scope: Scope, receive: Receive, send: Send) -> None:
    await refuse(scope, receive, send, HTTPStatus.NOT_FOUND, HTTPStatus.NOT_FOUND.phrase)


_NOT_FOUND = Guard(_answer_not_found)


def _preflight_method(scope: Scope) -> str | None:
    """Return the method that a CORS preflight asks for; None if it is none."""
    for name, value in scope["headers"]:
        if name == b"access-control-request-method":
            requested: bytes = value
            return requested.decode("latin-1")
    return None


class _HeldNotFound:
    """`send` for Django's handler, holding back a 404 that says only that no URL pattern fits."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self.messages: list[Message] = []
        self._send = send

    async def __call__(self, message: Message) -> None:
        status = message.get("status", 0)
        is_not_found = status == HTTPStatus.NOT_FOUND and self.scope.get(UNRESOLVED, False)
        if status >= HTTPStatus.BAD_REQUEST and not is_not_found:
            note_logged(self.scope, status)  # Django has done it
        if is_not_found or self.messages:
            self.messages.append(message)
        else:
            leave_to_django(self.scope)
            await self._send(message)

    async def release(self, declined: Message) -> None:
        leave_to_django(self.scope)
        messages = add_routes(self.messages, self.scope, declined) if django_settings.DEBUG else self.messages
        for message in messages:
            await self._send(message)


async def _offer(api: ServedAPI, scope: Scope, receive: Receive, send: Send) -> Message | None:
    """Let an API answer what neither it nor Django has a route for.

    All it has to say may be 404, while the client is a browser, which rather gets Django's page. With `DEBUG` that goes
    for 405 as well: the page tells of the right methods.

    Returns:
        The start of the answer that was not sent; None if one was.
    """
    declined: Message | None = None
    takes_not_found = prefers_json(scope)

    async def send_unless_declined(message: Message) -> None:
        nonlocal declined
        status = message.get("status")
        is_unknown = status == HTTPStatus.NOT_FOUND and "endpoint" not in scope
        if not takes_not_found and (is_unknown or (status == HTTPStatus.METHOD_NOT_ALLOWED and django_settings.DEBUG)):
            declined = message
        if declined is None:
            await send(message)

    await api.app(scope, receive, _with_methods(api, scope, send_unless_declined))
    return declined


def _with_methods(api: ServedAPI, scope: Scope, send: Send) -> Send:
    """Return `send` for a request that no route fits, with all methods of its path in the header `Allow` of a 405.

    Starlette's has those of the first route that has the path (RFC 9110, section 15.5.6, wants all).
    """
    asked = dict(scope)

    async def send_with_methods(message: Message) -> None:
        if message.get("status") == HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = [one for one in _METHODS if api.routes.match({**asked, "method": one}) is Match.FULL]
            headers = message.get("headers", ())
            others = [(name, value) for name, value in headers if name.lower() != b"allow" or not allowed]
            message["headers"] = [*others, (b"allow", ", ".join(allowed).encode())] if allowed else others
        await send(message)

    return send_with_methods
