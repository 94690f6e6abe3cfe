from collections.abc import Awaitable, Callable
from typing import Any

import fastapi.routing
import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, WebSocket
from hypothesis import given, settings as hypothesis_settings, strategies as st
from pydantic import create_model
from starlette.convertors import Convertor, register_url_convertor
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Match, Mount, Route, Router

from django_fastapi.known_routes import KnownRoutes
from django_fastapi.types import Receive, Scope, Send

from .asgi import make_scope

pytestmark = pytest.mark.anyio

Answer = tuple[int, str]


async def ask(api: FastAPI, path: str, method: str = "GET", **headers: str) -> Answer:
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        answer = await client.request(method, path, headers=headers)
    return answer.status_code, answer.text


def says(text: str) -> Callable[..., Awaitable[PlainTextResponse]]:
    async def endpoint() -> PlainTextResponse:
        return PlainTextResponse(text)

    return endpoint


def is_known(known: KnownRoutes, path: str) -> bool:
    """Ask as the dispatcher does, and return whether the router is to be handed the request at once."""
    known.match(make_scope(path))
    return any(key[-1] == path and one.is_foreseeable for key, one in known._known.items())  # noqa: SLF001


def small_api() -> FastAPI:
    api, router, inner = FastAPI(), APIRouter(), APIRouter()
    api.add_api_route("/first", says("first"))
    inner.add_api_route("/deep/{number:int}", says("deep"))
    router.add_api_route("/item/{name}", says("item"))
    router.add_api_route("/item/{name}", says("put"), methods=["PUT"])
    router.include_router(inner, prefix="/inner")
    api.include_router(router, prefix="/router")
    api.router.routes.append(Mount("/mount", Router([Route("/", lambda _: PlainTextResponse("mounted"))])))
    api.add_api_route("/last/{name}", says("last"))
    return api


PATHS = ["/first", "/router/item/a", "/router/inner/deep/7", "/mount/", "/last/a", "/none", "/first/", "/router/item/b"]


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "OPTIONS"])
async def test_the_second_answer_is_the_first_and_that_of_a_plain_application(method: str) -> None:
    plain, api = small_api(), small_api()
    known = KnownRoutes.of(api.router)
    for path in PATHS * 2:
        known.match(make_scope(path, method=method))
        assert await ask(api, path, method) == await ask(plain, path, method)


async def test_what_a_known_route_finds_in_its_scope_is_what_fastapi_leaves_there() -> None:
    api, router = FastAPI(), APIRouter()
    seen: list[dict[str, Any]] = []

    class Noting(fastapi.routing.APIRoute):
        async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
            seen.append({key: scope.get(key) for key in ("endpoint", "path_params", "route", "router", "app")})
            await super().handle(scope, receive, send)

    router.route_class = api.router.route_class = Noting
    router.add_api_route("/included/{number:int}", says("included"))
    api.include_router(router)
    api.add_api_route("/own/{number:int}", says("own"))
    api.add_api_route("/constant", says("constant"))
    known = KnownRoutes.of(api.router)
    for path in ("/included/7", "/own/7", "/constant"):
        seen.clear()
        for _ in range(2):
            await ask(api, path)
            assert is_known(known, path)
        assert seen[0] == seen[1]
        assert seen[0]["router"] is api.router


async def test_what_an_application_outside_has_found_is_kept() -> None:
    api = FastAPI()
    scopes: list[Any] = []

    @api.get("/constant")
    async def endpoint(request: Request) -> dict[str, Any]:
        scopes.append(request.scope)
        return request.path_params

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: object) -> None:
        """Drop the answer."""

    known = KnownRoutes.of(api.router)
    for outside in ({}, {"path_params": {"tenant": "a"}}, {}, {"path_params": {"tenant": "b"}}):
        scope = {**make_scope("/constant"), **outside}
        assert known.match(scope) is Match.FULL
        await api(scope, receive, send)
    assert [scope["path_params"] for scope in scopes] == [{}, {"tenant": "a"}, {}, {"tenant": "b"}]
    assert scopes[0]["path_params"] is not scopes[2]["path_params"], "an endpoint may change it"


async def test_a_route_that_is_added_later_is_found_where_it_stands() -> None:
    api, router, inner = FastAPI(), APIRouter(), APIRouter()
    router.include_router(inner)
    api.include_router(router)
    api.add_api_route("/{path}", says("last"))
    known = KnownRoutes.of(api.router)
    for path, target, text in (("/a", inner, "inner"), ("/b", router, "router"), ("/a", inner, "inner")):
        is_new = not any(route.path == path for route in target.routes if isinstance(route, Route))
        assert await ask(api, path) == (200, "last" if is_new else text)
        assert is_known(known, path)
        if is_new:
            target.add_api_route(path, says(text))
        known.match(make_scope(path))
        assert await ask(api, path) == (200, text)


async def test_a_route_that_is_taken_away_is_found_no_longer() -> None:
    api = FastAPI()
    api.add_api_route("/a", says("first"))
    api.add_api_route("/{path}", says("second"))
    known = KnownRoutes.of(api.router)
    assert is_known(known, "/a")
    assert await ask(api, "/a") == (200, "first")
    api.router.routes[:] = [route for route in api.router.routes if getattr(route, "path", None) != "/a"]
    known.match(make_scope("/a"))
    assert await ask(api, "/a") == (200, "second")


def test_that_no_route_fits_is_remembered_until_there_is_another() -> None:
    api, router = FastAPI(), APIRouter()
    router.add_api_route("/a", says("a"), methods=["PUT"])
    api.include_router(router)
    known = KnownRoutes.of(api.router)
    counts = {"matches": 0}

    class Counting(Route):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            counts["matches"] += 1
            return super().matches(scope)

    for _ in range(2):
        assert known.match(make_scope("/a")) is Match.PARTIAL
        assert known.match(make_scope("/b")) is Match.NONE
    router.add_api_route("/b", says("b"))
    assert known.match(make_scope("/b")) is Match.FULL
    assert known.match(make_scope("/c")) is Match.NONE
    api.router.routes.append(Counting("/c", says("c"), methods=["POST"]))
    for number in range(2):
        assert known.match(make_scope("/c")) is Match.PARTIAL
        assert counts["matches"] == number + 1, "a route of the project's own making may change its mind"


def test_a_route_in_the_place_of_another_is_found() -> None:
    api = FastAPI()
    api.add_api_route("/a", says("a"))
    api.add_api_route("/{path}", says("any"), methods=["POST"])
    known = KnownRoutes.of(api.router)
    assert known.match(make_scope("/a")) is Match.FULL
    assert known.match(make_scope("/b")) is Match.PARTIAL
    api.router.routes[-2] = Route("/b", says("b"))
    assert known.match(make_scope("/b")) is Match.FULL
    assert known.match(make_scope("/a")) is Match.PARTIAL


async def test_a_route_that_differs_from_the_one_before_in_its_answer_alone_is_found() -> None:
    api = FastAPI()

    async def endpoint() -> Any:
        return {"name": "a", "secret": "b"}

    def add(fields: list[str]) -> None:
        model = create_model("Answer", **dict.fromkeys(fields, (str, ...)))  # type: ignore[call-overload]
        api.add_api_route("/a", endpoint, response_model=model)

    add(["name", "secret"])
    known = KnownRoutes.of(api.router)
    assert is_known(known, "/a")
    assert await ask(api, "/a") == (200, '{"name":"a","secret":"b"}')
    del api.router.routes[-1]
    add(["name"])
    for _ in range(2):
        assert await ask(api, "/a") == (200, '{"name":"a"}')
        assert is_known(known, "/a")


class ByHeader(BaseRoute):
    """A route of a project's own making."""

    path = "/a"

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.FULL if (b"x-special", b"yes") in scope["headers"] else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("special")(scope, receive, send)


@pytest.mark.parametrize("is_included", [False, True])
async def test_where_a_route_before_it_looks_at_headers_each_request_is_looked_at(*, is_included: bool) -> None:
    api, router = FastAPI(), APIRouter()
    others = Router([Route("/a", lambda _: PlainTextResponse("other host"))])
    if is_included:
        router.routes.append(Host("other.test", others))
        api.include_router(router)
    else:
        api.router.routes += [ByHeader(), Host("other.test", others)]
    api.add_api_route("/a", says("usual"))
    known = KnownRoutes.of(api.router)
    assert not is_known(known, "/a")
    assert await ask(api, "/a") == (200, "usual")
    assert await ask(api, "/a", host="other.test") == (200, "other host")
    if not is_included:
        assert await ask(api, "/a", **{"x-special": "yes"}) == (200, "special")


async def test_the_path_that_a_middleware_has_changed_counts() -> None:
    class Rewriting:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app({**scope, "path": "/new", "raw_path": b"/new"}, receive, send)

    api = FastAPI(middleware=[Middleware(Rewriting)])
    api.add_api_route("/old", says("old"))
    api.add_api_route("/new", says("new"))
    known = KnownRoutes.of(api.router)
    for path in ("/old", "/new", "/old"):
        assert is_known(known, path)
        assert await ask(api, path) == (200, "new")


async def test_a_convertor_is_asked_each_time() -> None:
    values = iter(range(10))

    class Counting(Convertor[int]):
        regex = "[a-z]+"

        def convert(self, _: str) -> int:
            return next(values)

        def to_string(self, value: int) -> str:
            return str(value)

    register_url_convertor("counting", Counting())
    api = FastAPI()

    @api.get("/{value:counting}")
    async def endpoint(value: int) -> int:
        return value

    known = KnownRoutes.of(api.router)
    assert is_known(known, "/a")
    assert await ask(api, "/a") != await ask(api, "/a")


async def test_websockets_are_known_too() -> None:
    api, router = FastAPI(), APIRouter()

    @router.websocket("/ws")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    api.include_router(router)
    known = KnownRoutes.of(api.router)
    for _ in range(2):
        scope = make_scope("/ws", type="websocket", subprotocols=[])
        assert known.match(scope) is Match.FULL
        sent: list[str] = []

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any, sent: list[str] = sent) -> None:
            sent.append(message["type"])

        await api(scope, receive, send)
        assert sent == ["websocket.accept", "websocket.close"]


def test_a_router_has_one_memory_and_one_with_middleware_of_its_own_is_left_alone() -> None:
    api = FastAPI()
    assert KnownRoutes.of(api.router) is KnownRoutes.of(api.router) is api.router.middleware_stack
    router = APIRouter(max_body_size=10)
    before = router.middleware_stack
    assert before != router.app
    KnownRoutes.of(router)
    assert router.middleware_stack is before


def test_no_more_than_a_thousand_paths_are_remembered() -> None:
    api = FastAPI()
    api.add_api_route("/{text}", says("text"))
    known = KnownRoutes(api.router)
    for number in range(1500):
        assert known.match(make_scope(f"/{number}")) is Match.FULL
    assert known.match(make_scope("/" + "x" * 300)) is Match.FULL
    paths = [path for *_, path in known._known]  # noqa: SLF001 (what is kept shows nowhere else)
    assert paths == [f"/{number}" for number in range(1000, 1500)]


_segments = st.sampled_from(["a", "b", "{x}", "{n:int}"])
_places = st.lists(st.tuples(st.sampled_from(["own", "router", "inner"]), _segments, _segments), min_size=1, max_size=6)


@given(places=_places, later=_places)
@hypothesis_settings(max_examples=25, deadline=None)
async def test_whatever_routes_there_are_it_finds_what_fastapi_finds(
    places: list[tuple[str, str, str]], later: list[tuple[str, str, str]]
) -> None:
    def build() -> tuple[FastAPI, dict[str, Any]]:
        api, router, inner = FastAPI(), APIRouter(), APIRouter()
        router.include_router(inner)
        api.include_router(router)
        return api, {"own": api.router, "router": router, "inner": inner}

    (plain, plain_targets), (api, targets) = build(), build()
    known = KnownRoutes.of(api.router)
    for number, some in enumerate((places, later)):
        for target, first, second in some:
            path = f"/{first}/{second.replace('x', 'y').replace('{n', '{m')}"
            for group in (plain_targets, targets):
                group[target].add_api_route(path, says(f"{number} {target} {path}"))
        for _ in range(2):
            for path in ("/a/a", "/a/b", "/1/a", "/b/1", "/c/c", "/1/2"):
                known.match(make_scope(path))
                assert await ask(api, path) == await ask(plain, path)


async def test_private_names_of_fastapi() -> None:
    api, router = FastAPI(), APIRouter()
    api.include_router(router)
    included = api.router.routes[-1]
    assert type(included) is fastapi.routing.__dict__["_IncludedRouter"]
    assert vars(included)["original_router"] is router
    before = vars(router)["_routes_version"]
    router.add_api_route("/a", says("a"))
    router.include_router(APIRouter())
    assert vars(router)["_routes_version"] >= before + 2
