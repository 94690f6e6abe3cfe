from collections.abc import Callable

import pytest
from django.urls import clear_url_caches, include, path, reverse
from fastapi import APIRouter, FastAPI, Request, WebSocket

from django_fastapi import DjangoRequest
from django_fastapi.matches import match
from django_fastapi.registry import APIRegistry
from django_fastapi.requests import django_request
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp
from django_fastapi.urls import APIResolver

Build = Callable[[], ASGIApp]


def add_routes(api: FastAPI) -> None:
    inner = APIRouter(prefix="/books")

    @inner.get("/{pk}", name="read_book")
    def read_book(pk: str, request: DjangoRequest) -> list[object]:
        found = request.resolver_match
        assert found is not None
        assert found.func is read_book
        assert found.kwargs == {"pk": pk}
        assert found is request.resolver_match
        return [found.view_name, found.url_name, found.namespace, found.route, found.kwargs, list(found.args)]

    outer = APIRouter(prefix="/v1")
    outer.include_router(inner)
    api.include_router(outer)
    api.include_router(inner)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/v1/books/7", ["api:read_book", "read_book", "api", "v1/books/{pk}", {"pk": "7"}, []]),
        ("/books/a%20b", ["api:read_book", "read_book", "api", "books/{pk}", {"pk": "a b"}, []]),
        ("/second/books/7", ["second:read_book", "read_book", "second", "second/books/{pk}", {"pk": "7"}, []]),
    ],
)
def test_the_route_is_told_as_djangos_resolver_tells_it(
    url: str, expected: list[object], registry: APIRegistry, build: Build
) -> None:
    second = FastAPI()
    registry.register(second, "second", "/second")
    add_routes(registry.get_default())
    add_routes(second)
    assert Client(build()).get(url).json() == expected


def test_the_match_can_be_reversed(registry: APIRegistry, build: Build, bare_django: Callable[..., None]) -> None:
    bare_django(path("", include([APIResolver()])))
    clear_url_caches()

    @registry.get_default().get("/at/{year:int}/{rest:path}")
    def at(request: DjangoRequest) -> str:
        assert request.resolver_match is not None
        return reverse(request.resolver_match.view_name, kwargs=request.resolver_match.kwargs)

    assert Client(build()).get("/at/2024/a/b").json() == "/at/2024/a/b"


def test_there_is_a_match_once_there_is_a_route(registry: APIRegistry, build: Build) -> None:
    api, seen = registry.get_default(), []

    @api.middleware("http")
    async def look(request: Request, call_next: object) -> object:
        seen.append(django_request(request).resolver_match)
        response = await call_next(request)
        seen.append(django_request(request).resolver_match.url_name)
        return response

    @api.get("/here")
    async def here(request: DjangoRequest) -> None:
        assert request.resolver_match is not None

    assert Client(build()).get("/here").status_code == 200
    assert seen == [None, "here"]


def test_a_websocket_has_one_too(registry: APIRegistry, build: Build) -> None:
    @registry.get_default().websocket("/chat/{room}")
    async def chat(websocket: WebSocket, request: DjangoRequest) -> None:
        assert request.resolver_match is not None
        await websocket.accept()
        await websocket.send_json([request.resolver_match.view_name, request.resolver_match.kwargs])
        await websocket.close()

    with Client(build()).websocket_connect("/chat/1") as socket:
        assert socket.receive_json() == ["api:chat", {"room": "1"}]


def test_a_route_of_an_application_that_is_not_registered_has_no_namespace() -> None:
    app = FastAPI()

    @app.get("/here")
    def here() -> None: ...

    route = next(route for route in app.routes if getattr(route, "endpoint", None) is here)
    found = match({"type": "http", "path": "/here", "endpoint": here, "route": route, "app": app})
    assert found is not None
    assert (found.view_name, found.route) == ("here", "here")
