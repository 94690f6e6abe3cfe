import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.utils import translation
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Request, Response, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from pytest_django import Settings
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint

from django_fastapi import DjangoRequest
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.middleware import DjangoMiddleware
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp, Message
from tests.conftest import fetch
from tests.middleware import makes
from tests.request_threads import Stream, asking, own_threads

Build = Callable[[], ASGIApp]
Get = Callable[[HttpRequest], HttpResponse]

HERE = "tests.middleware.makes"
ALL = ["OldStyle", "NewStyle", "Async", "factory", "sync_factory", "async_factory", "either_factory"]
EVERY_MAKE = pytest.mark.parametrize("make", ALL)
BOTH_PLACES = pytest.mark.parametrize("place", ["api", "router"])


@pytest.fixture
def on_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with own_threads(monkeypatch):
        yield


async def status_of(app: ASGIApp, path: str, query: bytes = b"") -> int:
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(b"host", b"testserver")]
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query,
        "headers": headers,
        "asgi": {"spec_version": "2.4"},
    }
    await app(scope, receive, send)
    return statuses[0]


def put(api: FastAPI, place: str, *middleware: Any) -> APIRouter | FastAPI:
    """Put middleware, the outermost first, around an API or a router; return what takes the routes."""
    if place == "api":
        for one in reversed(middleware):
            api.add_middleware(DjangoMiddleware, middleware=one)
        return api
    return APIRouter(prefix="/in", route_class=DjangoMiddleware.route_class(*middleware))


def finish(api: FastAPI, routes: APIRouter | FastAPI) -> str:
    """Include the router if it is one; return the prefix of its routes."""
    if isinstance(routes, APIRouter):
        outer = APIRouter(prefix="/out")
        outer.include_router(routes)
        api.include_router(outer)
        return "/out/in"
    return ""


@EVERY_MAKE
@BOTH_PLACES
@pytest.mark.parametrize("is_path", [True, False])
def test_every_make_sees_the_request_and_the_response(
    api: FastAPI, build: Build, make: str, place: str, *, is_path: bool
) -> None:
    routes = put(api, place, f"{HERE}.{make}" if is_path else getattr(makes, make))

    @routes.get("/def")
    def sync(request: DjangoRequest) -> str:
        request.noted = "noted"  # type: ignore[attr-defined]
        return str(vars(request)["before"])

    @routes.get("/async")
    async def asynchronous(request: DjangoRequest) -> str:
        request.noted = "noted"  # type: ignore[attr-defined]
        return str(vars(request)["before"])

    prefix = finish(api, routes)
    client = Client(build())
    for path in ("/def", "/async"):
        answer = client.get(prefix + path)
        assert answer.json() == "before"
        assert answer.headers["x-seen"] == f"{prefix}{path} 200 noted"


@pytest.mark.django_db
@EVERY_MAKE
def test_a_test_and_its_application_are_on_one_connection(api: FastAPI, build: Build, make: str) -> None:
    api.add_middleware(DjangoMiddleware, middleware=getattr(makes, make))

    @api.get("/def")
    def sync() -> int:
        return User.objects.count()

    @api.get("/async")
    async def asynchronous() -> int:
        return await User.objects.acount()

    User.objects.create_user("ada")
    client = Client(build())
    assert [client.get(path).json() for path in ("/def", "/async")] == [1, 1]


@pytest.mark.anyio
@pytest.mark.usefixtures("on_threads")
@pytest.mark.parametrize("make", ["OldStyle", "NewStyle"])
async def test_it_runs_on_the_thread_of_its_request_and_so_does_the_endpoint(
    api: FastAPI, build: Build, make: str
) -> None:
    makes.places.clear()
    api.add_middleware(DjangoMiddleware, middleware=getattr(makes, make))

    def dependency() -> Iterator[None]:
        makes.places.note()
        yield
        makes.places.note()

    @api.get("/", dependencies=[Depends(dependency)])
    def endpoint(tasks: BackgroundTasks) -> None:
        makes.places.note()
        tasks.add_task(makes.places.note)

    async with asking(build()) as ask:
        assert (await ask("/")).status_code == 200
    makes.places.assert_one_request_thread(6)


@pytest.mark.anyio
@pytest.mark.usefixtures("on_threads")
async def test_many_requests_at_once_pass_one_that_waits_on_its_thread(api: FastAPI, build: Build) -> None:
    for make in ("NewStyle", "Async", "factory", "OldStyle"):
        api.add_middleware(DjangoMiddleware, middleware=getattr(makes, make))

    @api.get("/{number}")
    def endpoint(number: int) -> int:
        return number

    async with asking(build()) as ask:
        answers = await asyncio.gather(*(ask(f"/{number}") for number in range(60)))
    assert [answer.json() for answer in answers] == list(range(60))
    assert answers[7].headers["x-seen"] == "/7 200 None"


class InTransaction:
    """A middleware that has the whole request in a transaction."""

    def __init__(self, get_response: Get) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with transaction.atomic():
            response = self.get_response(request)
            if response.status_code >= 400:
                transaction.set_rollback(True)
        return response


@pytest.mark.django_db
def test_a_transaction_around_everything(api: FastAPI, build: Build) -> None:
    api.add_middleware(DjangoMiddleware, middleware=InTransaction)

    @api.get("/{status}")
    async def endpoint(status: int) -> PlainTextResponse:
        await User.objects.acreate(username=f"user{status}")
        return PlainTextResponse("", status)

    client = Client(build())
    assert [client.get(f"/{status}").status_code for status in (200, 409)] == [200, 409]
    assert list(User.objects.values_list("username", flat=True)) == ["user200"]


def test_they_are_passed_in_their_order(api: FastAPI, build: Build) -> None:
    def named(name: str) -> Callable[[Get], Get]:
        def make(get_response: Get) -> Get:
            def middleware(request: HttpRequest) -> HttpResponse:
                vars(request).setdefault("way", []).append(f"{name} in")
                response = get_response(request)
                response.headers["X-Way"] = f"{response.headers.get('X-Way', '')} {name} out"
                return response

            return middleware

        return make

    router = APIRouter(route_class=DjangoMiddleware.route_class(named("c"), named("d")))

    @router.get("/")
    def endpoint(request: DjangoRequest) -> list[str]:
        return list(vars(request)["way"])

    api.include_router(router)
    api.add_middleware(DjangoMiddleware, middleware=named("b"))
    api.add_middleware(DjangoMiddleware, middleware=named("a"))
    answer = Client(build()).get("/")
    assert answer.json() == ["a in", "b in", "c in", "d in"]
    assert answer.headers["x-way"].split() == ["d", "out", "c", "out", "b", "out", "a", "out"]


class Gate:
    """Answers in the place of the application."""

    def __init__(self, get_response: Get) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        if request.path.endswith("/stream"):
            return StreamingHttpResponse(iter([b"a", b"b"]))
        if request.path.endswith("/crash"):
            raise PermissionDenied("No.")
        response = JsonResponse({"closed": True}, status=423)
        response.set_cookie("gate", "1")
        return response


@BOTH_PLACES
def test_it_may_answer_instead(api: FastAPI, build: Build, place: str) -> None:
    routes = put(api, place, makes.OldStyle, Gate)

    @routes.get("/{rest:path}")
    async def endpoint() -> None:
        pytest.fail("it was asked")

    prefix = finish(api, routes)
    client = Client(build())
    answer = client.get(f"{prefix}/x")
    assert (answer.status_code, answer.json(), answer.cookies["gate"]) == (423, {"closed": True}, "1")
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["x-seen"].startswith(f"{prefix}/x 423")
    assert client.get(f"{prefix}/stream").text == "ab"
    answer = client.get(f"{prefix}/crash")
    assert (answer.status_code, answer.json()) == (403, {"detail": "No."})


def test_context_variables_go_both_ways(api: FastAPI, build: Build) -> None:
    number = contextvars.ContextVar("number", default=0)
    seen: list[Any] = []

    def middleware(get_response: Get) -> Get:
        def call(request: HttpRequest) -> HttpResponse:
            number.set(1)
            translation.activate("de")
            response = get_response(request)
            seen.extend([number.get(), translation.get_language()])
            return response

        return call

    api.add_middleware(DjangoMiddleware, middleware=middleware)

    @api.get("/")
    async def endpoint() -> list[Any]:
        before = [number.get(), translation.get_language()]
        number.set(2)
        translation.activate("en")
        return before

    assert Client(build()).get("/").json() == [1, "de"]
    assert seen == [2, "en"]
    assert translation.get_language() == "en-us"


@EVERY_MAKE
def test_a_websocket_passes_by(api: FastAPI, build: Build, make: str) -> None:
    api.add_middleware(DjangoMiddleware, middleware=getattr(makes, make))

    @api.websocket("/")
    async def socket(websocket: WebSocket, request: DjangoRequest) -> None:
        await websocket.accept()
        await websocket.send_json("before" in vars(request))
        await websocket.close()

    with Client(build()).websocket_connect("/") as session:
        assert session.receive_json() is False


def test_one_that_does_not_want_to_be_used_is_left_out(api: FastAPI, build: Build) -> None:
    api.add_middleware(DjangoMiddleware, middleware=f"{HERE}.Unused")
    api.get("/")(lambda: "there")
    assert Client(build()).get("/").json() == "there"


@pytest.mark.parametrize(
    ("middleware", "words"),
    [
        ("no.such.Middleware", r"middleware='no\.such\.Middleware'.*No module named 'no'"),
        (f"{HERE}.Missing", "Missing"),
        ("nodots", "nodots"),
        (makes.nothing, r"makes\.nothing returned None"),
    ],
)
def test_a_wrong_one_is_named(middleware: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        DjangoMiddleware(FastAPI(), middleware=middleware)


def test_a_response_that_is_none_is_an_error_that_names_the_middleware(api: FastAPI, build: Build) -> None:
    def forgetful(_get_response: Get) -> Callable[[HttpRequest], None]:
        return lambda _request: None

    api.add_middleware(DjangoMiddleware, middleware=forgetful)
    with pytest.raises(ConfigurationError, match=r"forgetful returned None"):
        Client(build()).get("/docs")


def test_the_response_can_be_asked_for_once(api: FastAPI, build: Build) -> None:
    def greedy(get_response: Get) -> Get:
        def call(request: HttpRequest) -> HttpResponse:
            get_response(request)
            return get_response(request)

        return call

    api.add_middleware(DjangoMiddleware, middleware=greedy)
    api.get("/")(lambda: None)
    with pytest.raises(RuntimeError, match="once for each request"):
        Client(build()).get("/")


@pytest.mark.parametrize("place", ["router"])
def test_what_stands_outside_pays_nothing(api: FastAPI, build: Build, place: str) -> None:
    """No Django request is made, nothing is called, and no task is started."""
    routes = put(api, place, makes.NewStyle)
    routes.get("/inside")(lambda: None)
    finish(api, routes)
    tasks: list[int] = []

    @api.get("/outside")
    async def outside(request: Request) -> bool:
        tasks.append(len(asyncio.all_tasks()))
        return request.scope["django_fastapi.django_request"].request is None

    makes.places.clear()
    answer = Client(build()).get("/outside")
    assert answer.json() is True
    assert "x-seen" not in answer.headers
    assert makes.places == []


@pytest.mark.anyio
@pytest.mark.usefixtures("on_threads")
@EVERY_MAKE
async def test_a_stream_is_not_held_back(api: FastAPI, build: Build, make: str) -> None:
    """The second piece is made when the client has the first: whoever waited for more would wait for ever."""
    api.add_middleware(DjangoMiddleware, middleware=getattr(makes, make))
    has_first = asyncio.Event()

    @api.get("/")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"first"
            await has_first.wait()
            yield str(await User.objects.none().acount()).encode()
            yield b"last"

        return StreamingResponse(parts())

    answer = Stream(build(), "/")
    start = await answer.messages.get()
    assert dict(start["headers"])[b"x-seen"] == b"/ 200 None"
    assert await answer.chunk() == b"first"
    has_first.set()
    assert [await answer.chunk() for _ in range(3)] == [b"0", b"last", b""]
    await answer.task


@pytest.mark.anyio
@pytest.mark.usefixtures("on_threads")
@EVERY_MAKE
async def test_the_start_of_a_stream_is_not_held_back_either(api: FastAPI, build: Build, make: str) -> None:
    api.add_middleware(DjangoMiddleware, middleware=getattr(makes, make))
    has_start = asyncio.Event()

    @api.get("/")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            await has_start.wait()
            yield b"only"

        return StreamingResponse(parts())

    answer = Stream(build(), "/")
    assert (await answer.messages.get())["type"] == "http.response.start"
    has_start.set()
    assert await answer.chunk() == b"only"
    await answer.task


@pytest.mark.parametrize("others", [[], [BaseHTTPMiddleware]])
@EVERY_MAKE
def test_what_breaks_a_stream_is_logged_whatever_else_stands_around_it(
    api: FastAPI, build: Build, make: str, others: list[type[BaseHTTPMiddleware]], caplog: pytest.LogCaptureFixture
) -> None:
    async def pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)

    for other in others:
        api.add_middleware(other, dispatch=pass_on)
    api.add_middleware(DjangoMiddleware, middleware=getattr(makes, make))

    @api.get("/")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"first"
            raise RuntimeError("the stream broke")

        return StreamingResponse(parts())

    fetch(build(), "/")
    [record] = caplog.records
    assert (record.name, record.exc_info and str(record.exc_info[1])) == ("django.request", "the stream broke")


@pytest.mark.anyio
@pytest.mark.usefixtures("on_threads")
@pytest.mark.parametrize("make", ["NewStyle", "Async"])
async def test_a_stream_gives_its_thread_back(api: FastAPI, build: Build, make: str, settings: Settings) -> None:
    settings.FASTAPI_THREADS = 2
    api.add_middleware(DjangoMiddleware, middleware=getattr(makes, make))
    are_there = asyncio.Event()
    arrived = 0

    @api.get("/")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            nonlocal arrived
            arrived += 1
            if arrived == 6:
                are_there.set()
            yield b"a"
            await are_there.wait()
            yield b"b"

        return StreamingResponse(parts())

    async with asking(build()) as ask:
        answers = await asyncio.gather(*(ask("/") for _ in range(6)))
    assert [answer.text for answer in answers] == ["ab"] * 6


@pytest.mark.anyio
@pytest.mark.usefixtures("on_threads")
@EVERY_MAKE
async def test_a_client_that_leaves_ends_the_stream(api: FastAPI, build: Build, make: str) -> None:
    api.add_middleware(DjangoMiddleware, middleware=getattr(makes, make))
    is_closed = asyncio.Event()

    @api.get("/")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"more"
                    await asyncio.sleep(0)
            finally:
                is_closed.set()

        return StreamingResponse(parts())

    answer = Stream(build(), "/")
    assert await answer.chunk() == b"more"
    await answer.leave()
    await asyncio.wait_for(is_closed.wait(), 30)


@pytest.mark.anyio
@pytest.mark.usefixtures("on_threads")
@EVERY_MAKE
async def test_a_cancelled_request_ends_the_middleware_as_well(api: FastAPI, build: Build, make: str) -> None:
    api.add_middleware(DjangoMiddleware, middleware=getattr(makes, make))
    has_begun = asyncio.Event()

    @api.get("/")
    async def endpoint() -> None:
        has_begun.set()
        await asyncio.Event().wait()

    answer = Stream(build(), "/")
    await has_begun.wait()
    before = asyncio.all_tasks()
    answer.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answer.task
    assert len(asyncio.all_tasks()) < len(before)


@pytest.mark.anyio
@pytest.mark.usefixtures("on_threads")
async def test_one_thread_is_enough_for_middleware_in_middleware(
    api: FastAPI, build: Build, settings: Settings
) -> None:
    settings.FASTAPI_THREADS = 1
    for make in ("NewStyle", "OldStyle", "factory"):
        api.add_middleware(DjangoMiddleware, middleware=getattr(makes, make))

    @api.get("/{number}")
    def endpoint(number: int) -> int:
        return number

    async with asking(build()) as ask:
        answers = await asyncio.gather(*(ask(f"/{number}") for number in range(20)))
    assert [answer.json() for answer in answers] == list(range(20))


@pytest.mark.anyio
@pytest.mark.parametrize(("query", "status"), [(b"a=%FF", 200), (b"\xff", 400)])
async def test_a_request_that_django_cannot_read_is_400(api: FastAPI, build: Build, query: bytes, status: int) -> None:
    api.add_middleware(DjangoMiddleware, middleware=makes.NewStyle)
    api.get("/")(lambda: None)
    assert await status_of(build(), "/", query) == status


def test_a_body_that_the_middleware_reads_is_there_for_the_endpoint(api: FastAPI, build: Build) -> None:
    bodies: list[bytes] = []

    def reader(get_response: Get) -> Get:
        def call(request: HttpRequest) -> HttpResponse:
            bodies.append(request.body)
            return get_response(request)

        return call

    api.add_middleware(DjangoMiddleware, middleware=reader)

    @api.post("/")
    async def endpoint(body: dict[str, int]) -> dict[str, int]:
        return body

    assert Client(build()).post("/", json={"a": 1}).json() == {"a": 1}
    assert bodies == [b'{"a":1}']


def test_background_tasks_run_after_the_answer_has_passed(api: FastAPI, build: Build) -> None:
    order: list[str] = []

    def noting(get_response: Get) -> Get:
        def call(request: HttpRequest) -> HttpResponse:
            response = get_response(request)
            order.append("middleware")
            return response

        return call

    api.add_middleware(DjangoMiddleware, middleware=noting)

    @api.get("/")
    def endpoint(tasks: BackgroundTasks) -> None:
        tasks.add_task(order.append, "task")

    Client(build()).get("/")
    assert order == ["middleware", "task"]


def test_a_changed_content_has_its_own_length(api: FastAPI, build: Build) -> None:
    def shout(get_response: Get) -> Get:
        def call(request: HttpRequest) -> HttpResponse:
            response = get_response(request)
            response.content = response.content.upper() + b"!"
            return response

        return call

    api.add_middleware(DjangoMiddleware, middleware=shout)
    api.get("/")(lambda: PlainTextResponse("hello"))
    answer = Client(build()).get("/")
    assert (answer.text, answer.headers["content-length"]) == ("HELLO!", "6")


def test_a_stream_that_a_middleware_does_not_want_is_ended(api: FastAPI, build: Build) -> None:
    def replacing(get_response: Get) -> Get:
        def call(request: HttpRequest) -> HttpResponse:
            get_response(request)
            return HttpResponse("instead")

        return call

    api.add_middleware(DjangoMiddleware, middleware=replacing)

    @api.get("/")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            while True:
                yield b"more"

        return StreamingResponse(parts())

    assert Client(build()).get("/").text == "instead"


def test_a_stream_may_be_changed_on_its_way(api: FastAPI, build: Build) -> None:
    async def upper(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for part in parts:
            yield part.upper()

    async def plain(get_response: Callable[[HttpRequest], Awaitable[Any]], request: HttpRequest) -> Any:
        response = await get_response(request)
        response.streaming_content = upper(response.streaming_content)
        return response

    class Upper:
        async_capable = True

        def __init__(self, get_response: Any) -> None:
            self.get_response = get_response

        async def __call__(self, request: HttpRequest) -> Any:
            return await plain(self.get_response, request)

    api.add_middleware(DjangoMiddleware, middleware="django.middleware.gzip.GZipMiddleware")
    api.add_middleware(DjangoMiddleware, middleware=Upper)

    @api.get("/")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for part in (b"a", b"b"):
                yield part

        return StreamingResponse(parts())

    assert Client(build(), headers={"accept-encoding": "identity"}).get("/").text == "AB"
