"""Django's technical 404 page, with the routes of the APIs beside its URL patterns."""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from django.urls import is_valid_path
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.datastructures import MutableHeaders
from starlette.routing import Mount, WebSocketRoute

from django_fastapi.registry import RegisteredAPI, get_registry
from django_fastapi.types import Message, Scope

from .rendering import render

_BEGINNING: Final = '<main id="info">'
_END: Final = "</main>"
_WORDS: Final = {
    "<title>Page not found": "<title>Method not allowed",
    "Page not found <small>(404)</small>": "Method not allowed <small>(405)</small>",
}


@dataclass(frozen=True, slots=True)
class ListedRoute:
    """A route of an API.

    Args:
        methods: Its methods; `WEBSOCKET` or `MOUNT` for what has none.
        path: Its whole path, the prefix of the API included.
        name: Its name, as `reverse()` knows it.
        endpoint: The dotted name of its endpoint.
    """

    methods: Sequence[str]
    path: str
    name: str
    endpoint: str


def add_routes(messages: Sequence[Message], scope: Scope, declined: Message) -> list[Message]:
    """Return Django's answer to an unknown path with the APIs' routes on the page, and what is wrong with the request.

    Args:
        messages: The answer. If it is not Django's technical page, it stays as it is.
        scope: The scope of the request.
        declined: The start of the answer that an API would have given: 404, or 405 with the methods it allows.
    """
    # Django spells the names as its own code does.
    start = {**messages[0], "headers": [(name.lower(), value) for name, value in messages[0]["headers"]]}
    headers = MutableHeaders(raw=start["headers"])
    body = b"".join(message.get("body", b"") for message in messages[1:])
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
        del headers["content-encoding"]
    page = body.decode("utf-8", "replace")
    if _BEGINNING not in page or not headers.get("content-type", "").startswith("text/html"):
        return list(messages)
    context = {"remarks": list(_remarks(scope)), "apis": [(api, _list(api)) for api in get_registry().all()]}
    page = page.replace(_BEGINNING, f"{_BEGINNING}{render('not_found_remarks.html', context)}", 1)
    page = page.replace(_END, f"{render('not_found_routes.html', context)}{_END}", 1)
    if declined["status"] == HTTPStatus.METHOD_NOT_ALLOWED:
        start["status"] = declined["status"]
        for not_found, not_allowed in _WORDS.items():
            page = page.replace(not_found, not_allowed, 1)
        headers["allow"] = MutableHeaders(raw=declined["headers"]).get("allow", "")
    content = page.encode()
    headers["content-length"] = str(len(content))
    return [start, {"type": "http.response.body", "body": content}]


def _list(registered: RegisteredAPI) -> list[ListedRoute]:
    return [_describe(context, registered.prefix) for context in iter_route_contexts(registered.api.routes)]


def _describe(context: RouteContext, prefix: str) -> ListedRoute:
    methods = sorted(_methods(context))
    if isinstance(context.original_route, WebSocketRoute):
        methods = ["WEBSOCKET"]
    elif isinstance(context.original_route, Mount):
        methods = ["MOUNT"]
    endpoint: Any = context.endpoint or getattr(context.original_route, "app", None)
    name = getattr(endpoint, "__qualname__", type(endpoint).__qualname__)
    module = getattr(endpoint, "__module__", "")
    return ListedRoute(methods, f"{prefix}{context.path or ''}", context.name or "", f"{module}.{name}")


def _methods(context: RouteContext) -> set[str]:
    """Return the methods of a route, without a HEAD that goes with GET."""
    methods = set(context.methods or ())
    return methods - {"HEAD"} if "GET" in methods else methods


def _remarks(scope: Scope) -> Iterator[str]:
    """Yield what is wrong with the request, if it is little."""
    path: str = scope["path"]
    root_path: str = scope.get("root_path", "")
    local = path.removeprefix(root_path)
    methods: set[str] = set()
    for context, rest in _contexts(local):
        if context.path_regex.match(rest):
            methods |= _methods(context)
    if methods:
        yield f"Only the method is wrong: {path} takes {', '.join(sorted(methods))}, not {scope['method']}."
    other = local.rstrip("/") if local.endswith("/") else f"{local}/"
    is_known = any(context.path_regex.match(rest) for context, rest in _contexts(other))
    if other and (is_known or is_valid_path(other)):
        yield f"Only the slash at the end is wrong: there is {root_path}{other}."


def _contexts(path: str) -> Iterator[tuple[RouteContext, str]]:
    """Yield the routes with endpoints of all APIs whose prefix a path has, and the rest of the path."""
    for registered in get_registry().all():
        if path.startswith(registered.prefix):
            rest = path.removeprefix(registered.prefix)
            yield from ((one, rest) for one in iter_route_contexts(registered.api.routes) if one.methods)
