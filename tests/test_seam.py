import contextvars
import functools
import importlib
import json
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from typing import Annotated, Any

import anyio
import anyio.to_thread
import fastapi.concurrency
import fastapi.dependencies.utils
import fastapi.routing
import httpx
import pytest
import starlette.concurrency
from atlas.models import Continent, Country
from django.db.models import Manager, QuerySet
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Depends,
    FastAPI,
    HTTPException,
    Request,
    Security,
    UploadFile,
    WebSocket,
)
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import SolvedDependency, get_dependant
from fastapi.openapi.models import APIKey, APIKeyIn
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel, field_validator
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from django_fastapi import seam, solving
from django_fastapi.concurrency import current_lease, enter
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.registry import APIRegistry
from django_fastapi.solving import analyse
from django_fastapi.threads import Threads
from django_fastapi.types import ASGIApp

from .conftest import fetch
from .request_threads import Places, Socket, Stream, own_threads

MEGABYTE = 2**20


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threads]:
    with own_threads(monkeypatch) as threads:
        yield threads


@pytest.fixture
def places() -> Places:
    return Places()


@pytest.fixture
def api(registry: APIRegistry) -> FastAPI:
    return registry.get_default()


# Where routes come from


class OwnRoute(APIRoute):
    """A route class of the project's own, as FastAPI's documentation has it."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        handle = super().get_route_handler()

        async def handle_and_mark(request: Request) -> Response:
            response: Response = await handle(request)
            response.headers["own"] = "route"
            return response

        return handle_and_mark


class ForeignRouter(APIRouter):
    """A router as third parties make them: it changes the endpoint on the way in."""

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        @functools.wraps(endpoint)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return endpoint(*args, **kwargs)

        super().add_api_route(path, wrapped, **options)


def add_route(router: APIRouter, places: Places) -> None:
    def dependency() -> None:
        places.note()

    def with_yield() -> Iterator[None]:
        places.note()
        yield
        places.note()

    @router.get("/place", dependencies=[Depends(dependency), Depends(with_yield)])
    def endpoint() -> str:
        places.note()
        return "here"


def plain(api: FastAPI, places: Places) -> None:
    router = APIRouter()
    add_route(router, places)
    api.include_router(router)


def included_before_its_routes(api: FastAPI, places: Places) -> None:
    router = APIRouter()
    api.include_router(router)
    add_route(router, places)


def nested(api: FastAPI, places: Places) -> None:
    outer, middle, inner = APIRouter(), APIRouter(), APIRouter()
    middle.include_router(inner)
    outer.include_router(middle)
    api.include_router(outer)
    add_route(inner, places)


def with_route_class(api: FastAPI, places: Places) -> None:
    router = APIRouter(route_class=OwnRoute)
    add_route(router, places)
    api.include_router(router)


def third_party(api: FastAPI, places: Places) -> None:
    router = ForeignRouter()
    add_route(router, places)
    api.include_router(router)


def sub_application(api: FastAPI, places: Places) -> None:
    inner = FastAPI()
    add_route(inner.router, places)
    api.mount("/", inner)


@pytest.mark.parametrize(
    "include", [plain, included_before_its_routes, nested, with_route_class, third_party, sub_application]
)
def test_routes_run_on_one_thread_wherever_they_come_from(
    api: FastAPI, build: Callable[[], ASGIApp], places: Places, include: Callable[[FastAPI, Places], None]
) -> None:
    include(api, places)
    response = fetch(build(), "/place")
    assert response.json() == "here"
    assert (response.headers.get("own") == "route") is (include is with_route_class)
    places.assert_one_request_thread(4)


def test_a_plain_application_set_as_the_default_is_pinned_too(
    registry: APIRegistry, build: Callable[[], ASGIApp], places: Places
) -> None:
    api = FastAPI()
    add_route(api.router, places)
    registry.set_default(api)
    assert fetch(build(), "/place").json() == "here"
    places.assert_one_request_thread(4)


def test_starlettes_own_routes_are_pinned_too(api: FastAPI, build: Callable[[], ASGIApp], places: Places) -> None:
    def endpoint(_request: Request) -> Response:
        places.note()
        return PlainTextResponse("here")

    api.router.routes.append(Mount("/plain", routes=[Route("/route", endpoint)]))
    assert fetch(build(), "/plain/route").text == "here"
    places.assert_one_request_thread(1)


# What a route calls


class Callable_:  # noqa: N801 (an instance of it is the dependency)
    def __init__(self, places: Places) -> None:
        self.places = places

    def __call__(self) -> None:
        self.places.note()


class YieldingCallable(Callable_):
    def __call__(self) -> Iterator[None]:  # type: ignore[override]
        self.places.note()
        yield


def note(places: Places) -> None:
    places.note()


def note_and_yield(places: Places) -> Iterator[None]:
    places.note()
    yield


def wrapped_generator(places: Places) -> Callable[[], Any]:
    def generator() -> Iterator[None]:
        places.note()
        yield

    @functools.wraps(generator)
    def wrapper() -> Any:
        return generator()

    return wrapper


def class_as_dependency(places: Places) -> Callable[[], Any]:
    class Noting:
        def __init__(self) -> None:
            places.note()

    return Noting


@pytest.mark.parametrize(
    "make",
    [
        lambda places: places.note,
        class_as_dependency,
        Callable_,
        YieldingCallable,
        lambda places: functools.partial(note, places),
        lambda places: functools.partial(note_and_yield, places),
        wrapped_generator,
    ],
    ids=["method", "class", "instance", "yielding instance", "partial", "yielding partial", "wrapped generator"],
)
@pytest.mark.parametrize("is_override", [False, True], ids=["declared", "override"])
def test_dependencies_of_all_kinds_run_on_the_thread_of_the_endpoint(
    api: FastAPI,
    build: Callable[[], ASGIApp],
    places: Places,
    make: Callable[[Places], Callable[[], Any]],
    is_override: bool,  # noqa: FBT001 (pytest passes it by name)
) -> None:
    async def replaced() -> None:
        pytest.fail("the override was not used")

    dependency = make(places)
    if is_override:
        api.dependency_overrides[replaced] = dependency

    @api.get("/", dependencies=[Depends(replaced if is_override else dependency)])
    def endpoint() -> None:
        places.note()

    assert fetch(build(), "/").status_code == 200
    places.assert_one_request_thread(2)


def test_a_cached_dependency_runs_once_and_an_uncached_one_each_time_on_the_same_thread(
    api: FastAPI, build: Callable[[], ASGIApp], places: Places
) -> None:
    def cached() -> None:
        places.note()

    def uncached() -> None:
        places.note()

    def first(_a: Annotated[None, Depends(cached)], _b: Annotated[None, Depends(uncached, use_cache=False)]) -> None:
        places.note()

    @api.get("/")
    def endpoint(
        _a: Annotated[None, Depends(first)],
        _b: Annotated[None, Depends(cached)],
        _c: Annotated[None, Depends(uncached, use_cache=False)],
    ) -> None:
        places.note()

    assert fetch(build(), "/").status_code == 200
    places.assert_one_request_thread(5)


def test_dependencies_with_limited_concurrency_run_on_the_thread(
    api: FastAPI, build: Callable[[], ASGIApp], places: Places
) -> None:
    def limited() -> None:
        places.note()

    def limited_with_yield() -> Iterator[None]:
        places.note()
        yield
        places.note()

    @api.get("/", dependencies=[Depends(limited, max_concurrency=1), Depends(limited_with_yield, max_concurrency=1)])
    def endpoint() -> None:
        places.note()

    assert fetch(build(), "/").status_code == 200
    places.assert_one_request_thread(4)


class KeyScheme(SecurityBase):
    def __init__(self, places: Places) -> None:
        self.places = places
        self.model = APIKey(**{"in": APIKeyIn.header}, name="key")
        self.scheme_name = "KeyScheme"

    def __call__(self, request: Request) -> str | None:
        self.places.note()
        return request.headers.get("key")


def test_a_security_scheme_runs_on_the_thread_and_is_still_in_openapi(
    api: FastAPI, build: Callable[[], ASGIApp], places: Places
) -> None:
    @api.get("/secret")
    def endpoint(key: Annotated[str | None, Security(KeyScheme(places))]) -> str | None:
        places.note()
        return key

    assert fetch(build(), "/secret", headers={"key": "value"}).json() == "value"
    places.assert_one_request_thread(2)
    assert api.openapi()["paths"]["/secret"]["get"]["security"] == [{"KeyScheme": []}]
    assert api.openapi()["components"]["securitySchemes"]["KeyScheme"]["in"] == "header"


def test_an_upload_too_large_for_memory_is_written_and_read_on_the_request_thread(
    api: FastAPI, build: Callable[[], ASGIApp], places: Places
) -> None:
    @api.post("/")
    async def endpoint(file: UploadFile) -> int:
        rolled = file.file
        read = rolled.read

        def noting_read(size: int = -1) -> bytes:
            places.note()
            return read(size)

        rolled.read = noting_read  # type: ignore[method-assign]
        return len(await file.read())

    before = set(threading.enumerate())
    response = fetch(build(), "/", "POST", files={"file": b"x" * (2 * MEGABYTE)})
    assert response.json() == 2 * MEGABYTE
    places.assert_one_request_thread(1)
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("AnyIO")]


def test_background_tasks_and_exception_handlers_run_on_the_thread(
    api: FastAPI, build: Callable[[], ASGIApp], places: Places
) -> None:
    def task() -> None:
        places.note()

    def add_task(tasks: BackgroundTasks) -> None:
        places.note()
        tasks.add_task(task)

    @api.exception_handler(LookupError)
    def handler(_request: Request, _error: Exception) -> Response:
        places.note()
        return JSONResponse("not there", 404)

    @api.get("/task", dependencies=[Depends(add_task)])
    def with_task(tasks: BackgroundTasks) -> None:
        places.note()
        tasks.add_task(task)

    @api.get("/error")
    def with_error() -> None:
        places.note()
        raise LookupError

    app = build()
    assert fetch(app, "/task").status_code == 200
    places.assert_one_request_thread(4)
    places.clear()
    assert fetch(app, "/error").status_code == 404
    places.assert_one_request_thread(2)


# Answers in pieces


def items(places: Places) -> Iterator[str]:
    try:
        for item in ("one", "two"):
            places.note()
            yield item
    finally:
        places.note()


def add_streams(api: FastAPI, places: Places) -> None:
    def dependency() -> None:
        places.note()

    @api.get("/sse", response_class=EventSourceResponse, dependencies=[Depends(dependency)])
    def sse() -> Iterable[str]:
        yield from items(places)

    @api.get("/lines", dependencies=[Depends(dependency)])
    def lines() -> Iterable[str]:
        yield from items(places)

    @api.get("/stream", dependencies=[Depends(dependency)])
    def stream() -> StreamingResponse:
        return StreamingResponse(items(places))

    @api.get("/async", dependencies=[Depends(dependency)])
    async def stream_of_async_endpoint() -> StreamingResponse:
        return StreamingResponse(items(places))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sse", 'data: "one"\n\ndata: "two"\n\n'),
        ("/lines", '"one"\n"two"\n'),
        ("/stream", "onetwo"),
        ("/async", "onetwo"),
    ],
)
def test_synchronous_bodies_run_on_one_thread_from_first_to_last(
    api: FastAPI, build: Callable[[], ASGIApp], places: Places, path: str, body: str
) -> None:
    add_streams(api, places)
    assert fetch(build(), path).text == body
    places.assert_one_request_thread(4)


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/sse", "/stream", "/async"])
async def test_the_body_of_a_client_that_goes_away_is_closed_on_its_thread(
    api: FastAPI, build: Callable[[], ASGIApp], places: Places, threads: Threads, path: str
) -> None:
    has_ended = threading.Event()

    def endless() -> Iterator[str]:
        try:
            while True:
                places.note()
                yield "more"
        finally:
            places.note()
            has_ended.set()

    @api.get("/sse", response_class=EventSourceResponse)
    def sse() -> Iterable[str]:
        yield from endless()

    @api.get("/stream")
    def stream() -> StreamingResponse:
        return StreamingResponse(endless())

    @api.get("/async")
    async def stream_of_async_endpoint() -> StreamingResponse:
        return StreamingResponse(endless())

    client = Stream(build(), path)
    assert b"more" in await client.chunk()
    await client.leave()
    assert threads.close()
    assert has_ended.is_set()
    places.assert_one_request_thread(len(places))


@pytest.mark.anyio
async def test_synchronous_dependencies_of_a_websocket_run_on_request_threads(
    api: FastAPI, build: Callable[[], ASGIApp], places: Places
) -> None:
    def plain_dependency() -> None:
        places.note()

    def with_yield() -> Iterator[None]:
        places.note()
        yield
        places.note()

    router = APIRouter(prefix="/sockets")

    @router.websocket("/echo", dependencies=[Depends(plain_dependency), Depends(with_yield)])
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.receive()

    api.include_router(router)
    socket = Socket(build(), "/sockets/echo")
    assert (await socket.receive())["type"] == "websocket.accept"
    assert await socket.ask("hello") == "hello"
    await socket.close()
    places.assert_one_request_thread(3)


# Others in the process


def test_another_application_of_the_process_keeps_anyios_threads(api: FastAPI, build: Callable[[], ASGIApp]) -> None:
    ours, theirs = Places(), Places()
    other = FastAPI()
    add_route(other.router, theirs)
    add_streams(other, theirs)
    add_route(api.router, ours)
    fetch(build(), "/place")
    elsewhere = contextvars.Context()  # a test before this one may have left that of a request of ours
    assert elsewhere.run(fetch, other, "/place").json() == "here"
    assert elsewhere.run(fetch, other, "/lines").text == '"one"\n"two"\n'
    ours.assert_one_request_thread(4)
    assert len(theirs) == 8
    assert set(theirs) == {"AnyIO worker thread"}


# What comes out of the ORM


class ContinentOut(BaseModel):
    name: str


class CountryOut(BaseModel):
    name: str
    continent: ContinentOut


class Envelope(BaseModel):
    items: list[CountryOut]


@pytest.fixture
def country(transactional_db: None) -> Country:  # noqa: ARG001
    continent = Continent.objects.create(code="XX", name="Somewhere", population=1)
    return Country.objects.create(code="XY", iso3="XYZ", name="Nowhere", area=1, population=1, continent=continent)


NOWHERE = {"name": "Nowhere", "continent": {"name": "Somewhere"}}


def an_instance() -> Country:
    return Country.objects.get(code="XY")


def a_queryset() -> QuerySet[Country]:
    return Country.objects.filter(code="XY")


def a_manager() -> Manager[Country]:
    return Country.objects


def a_list() -> list[Country]:
    return list(Country.objects.all())


def an_envelope() -> dict[str, QuerySet[Country]]:
    return {"items": Country.objects.all()}


@pytest.mark.usefixtures("country")
@pytest.mark.parametrize(
    ("get", "model", "expected"),
    [
        (an_instance, CountryOut, NOWHERE),
        (a_queryset, list[CountryOut], [NOWHERE]),
        (a_manager, list[CountryOut], [NOWHERE]),
        (a_list, list[CountryOut], [NOWHERE]),
        (an_envelope, Envelope, {"items": [NOWHERE]}),
    ],
)
def test_what_comes_out_of_the_orm_may_be_lazy(
    api: FastAPI, build: Callable[[], ASGIApp], get: Callable[[], Any], model: Any, expected: object
) -> None:
    @api.get("/async", response_model=model)
    async def endpoint() -> Any:
        return await fastapi.concurrency.run_in_threadpool(get)

    api.get("/sync", response_model=model)(get)
    app = build()
    assert fetch(app, "/sync").json() == expected
    assert fetch(app, "/async").json() == expected


@pytest.mark.usefixtures("country")
@pytest.mark.parametrize("is_included", [False, True])
def test_what_a_synchronous_body_yields_may_be_lazy_too(
    api: FastAPI, build: Callable[[], ASGIApp], *, is_included: bool
) -> None:
    router = APIRouter() if is_included else api

    @router.get("/sse", response_class=EventSourceResponse)
    def sse() -> Iterable[CountryOut]:
        yield from Country.objects.all()  # type: ignore[misc]  # FastAPI makes one of the other

    @router.get("/lines")
    def lines() -> Iterable[CountryOut]:
        yield from Country.objects.all()  # type: ignore[misc]

    if is_included:
        api.include_router(router)
    app = build()
    expected = json.dumps(NOWHERE, separators=(",", ":"))
    assert fetch(app, "/lines").text == f"{expected}\n"
    assert fetch(app, "/sse").text == f"data: {expected}\n\n"


@pytest.mark.usefixtures("country")
@pytest.mark.parametrize("path", ["/sse", "/lines"])
def test_what_an_asynchronous_body_yields_has_to_be_loaded_as_everywhere_on_the_event_loop(
    api: FastAPI, build: Callable[[], ASGIApp], path: str, caplog: pytest.LogCaptureFixture
) -> None:
    def add(name: str, countries: Callable[[], QuerySet[Country]]) -> None:
        @api.get(f"/{name}/sse", response_class=EventSourceResponse)
        async def sse() -> AsyncIterable[CountryOut]:
            async for country in countries():
                yield country  # type: ignore[misc]

        @api.get(f"/{name}/lines")
        async def lines() -> AsyncIterable[CountryOut]:
            async for country in countries():
                yield country  # type: ignore[misc]

    add("loaded", lambda: Country.objects.select_related("continent"))
    add("lazy", Country.objects.all)
    app = build()
    assert '"Somewhere"' in fetch(app, f"/loaded{path}").text
    assert not caplog.records
    assert fetch(app, f"/lazy{path}").text == ""
    assert "SynchronousOnlyOperation" in caplog.text


@pytest.mark.usefixtures("country")
def test_an_item_of_a_body_that_does_not_fit_breaks_the_answer_off(
    api: FastAPI, build: Callable[[], ASGIApp], caplog: pytest.LogCaptureFixture
) -> None:
    class Other(BaseModel):
        population: str

    @api.get("/", response_class=EventSourceResponse)
    def sse() -> Iterable[Other]:
        yield from Country.objects.all()  # type: ignore[misc]

    assert fetch(build(), "/").text == ""
    assert "ResponseValidationError" in caplog.text


@pytest.mark.filterwarnings("ignore:starlette.middleware.wsgi is deprecated")
def test_starlettes_wsgi_middleware_runs_on_the_thread_if_a_project_has_it(
    api: FastAPI, build: Callable[[], ASGIApp], places: Places
) -> None:
    middleware = importlib.import_module("starlette.middleware.wsgi").WSGIMiddleware

    def application(_environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        places.note()
        start_response("200 OK", [("Content-Type", "text/plain")])
        for number in range(2):
            places.note()
            yield f"{number}".encode()

    def mark() -> None:
        places.note()

    class Marking:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, *arguments: Any) -> None:
            await fastapi.concurrency.run_in_threadpool(mark)
            await self.app(*arguments)

    api.mount("/old", Marking(middleware(application)))
    assert fetch(build(), "/old/").text == "01"
    places.assert_one_request_thread(4)


@pytest.mark.usefixtures("country")
def test_a_response_from_the_orm_that_does_not_fit_its_model_is_a_500(
    api: FastAPI, build: Callable[[], ASGIApp]
) -> None:
    class Other(BaseModel):
        population: str

    @api.get("/", response_model=Other)
    async def endpoint() -> Country:
        return await Country.objects.aget(code="XY")

    assert fetch(build(), "/").status_code == 500


def test_plain_data_of_an_async_endpoint_is_validated_without_a_thread(
    api: FastAPI, build: Callable[[], ASGIApp]
) -> None:
    where = Places()
    had_thread: list[bool] = []

    class Out(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def note(cls, name: str) -> str:
            where.note()
            lease = current_lease()
            had_thread.append(lease is None or lease.has_worker)
            return name

    @api.get("/", response_model=Out)
    async def endpoint() -> dict[str, str]:
        return {"name": "plain"}

    app = build()
    assert fetch(app, "/").json() == {"name": "plain"}
    assert set(where) == {threading.current_thread().name}
    assert not any(had_thread)


# The self-test, and what the seam leans on


@pytest.mark.anyio
async def test_the_self_test_passes_and_gives_its_thread_back(threads: Threads) -> None:
    await seam.verify()
    assert threads.close()


@pytest.mark.anyio
@pytest.mark.parametrize("module", [starlette.concurrency, fastapi.concurrency])
async def test_the_self_test_names_the_versions_when_a_hop_goes_elsewhere(
    monkeypatch: pytest.MonkeyPatch, module: Any
) -> None:
    monkeypatch.setattr(module, "anyio", anyio)
    with pytest.raises(ConfigurationError, match=f"FastAPI {fastapi.__version__} with Starlette .*AnyIO worker thread"):
        await seam.verify()


@pytest.mark.anyio
async def test_the_self_test_fails_too_when_the_request_it_sends_does(
    monkeypatch: pytest.MonkeyPatch, threads: Threads
) -> None:
    async def broken(**_options: Any) -> Any:
        raise TypeError("another version of FastAPI")

    monkeypatch.setattr(fastapi.routing, "serialize_response", broken)
    with pytest.raises(ConfigurationError, match="does not run synchronous code") as failure:
        await seam.verify()
    assert isinstance(failure.value.__cause__, TypeError)
    assert threads.close()


def test_an_unpinned_site_refuses_to_start(
    api: FastAPI, build: Callable[[], ASGIApp], monkeypatch: pytest.MonkeyPatch, places: Places
) -> None:
    add_route(api.router, places)
    app = build()
    monkeypatch.setattr(starlette.concurrency, "anyio", anyio)
    assert fetch(app, "/place").status_code == 500
    assert not places


def test_installing_twice_changes_nothing() -> None:
    before = starlette.concurrency.anyio, fastapi.concurrency.anyio, fastapi.routing.serialize_response  # type: ignore[attr-defined]
    seam.install()
    after = starlette.concurrency.anyio, fastapi.concurrency.anyio, fastapi.routing.serialize_response  # type: ignore[attr-defined]
    assert before == after


def test_what_the_seam_replaces_still_offers_all_of_anyio() -> None:
    replaced: Any = fastapi.concurrency.anyio  # type: ignore[attr-defined]
    assert replaced.CapacityLimiter is anyio.CapacityLimiter
    assert replaced.to_thread.current_default_thread_limiter is anyio.to_thread.current_default_thread_limiter


@pytest.mark.anyio
async def test_private_name_next_of_starlette_is_what_bodies_are_iterated_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called: list[tuple[Any, tuple[Any, ...]]] = []

    class ToThread:
        async def run_sync(self, function: Callable[..., Any], *args: Any) -> Any:
            called.append((function, args))
            return function(*args)

    class AnyIO:
        to_thread = ToThread()

    monkeypatch.setattr(starlette.concurrency, "anyio", AnyIO())
    iterator = iter(["item"])
    assert [item async for item in starlette.concurrency.iterate_in_threadpool(iterator)] == ["item"]
    private_next = vars(starlette.concurrency)["_next"]
    assert called == [(private_next, (iterator,))] * 2


def test_serialize_response_of_fastapi_awaits_nothing_for_an_async_endpoint() -> None:
    original = seam._serialize  # noqa: SLF001 (what the seam leans on)
    with pytest.raises(StopIteration) as end:
        original(response_content={"a": 1}, is_coroutine=True).send(None)
    assert end.value.value == {"a": 1}


def test_serialize_response_is_looked_up_by_its_name_in_fastapis_routing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def replaced(**_options: Any) -> bytes:
        return b"replaced"

    other = FastAPI()

    @other.get("/")
    async def endpoint() -> str:
        return "not replaced"

    monkeypatch.setattr(fastapi.routing, "serialize_response", replaced)
    assert fetch(other, "/").text == "replaced"


async def _never(*_: object) -> Any:
    raise AssertionError("nobody is asked")


def with_nothing() -> None: ...


def with_request(request: Request) -> None: ...


def with_connection(connection: HTTPConnection) -> None: ...


def with_socket(websocket: WebSocket) -> None: ...


def with_response(response: Response) -> None: ...


def with_tasks(tasks: BackgroundTasks) -> None: ...


def with_query(a: int = 1) -> None: ...


def with_dependency(found: Annotated[None, Depends(with_connection)]) -> None: ...


class Counted:
    """A dependency that returns how many calls there were in its request."""

    def __call__(self, connection: HTTPConnection) -> int:
        connection.scope["calls"] = connection.scope.get("calls", 0) + 1
        calls: int = connection.scope["calls"]
        return calls

    async def in_loop(self, connection: HTTPConnection) -> int:
        return self(connection)


class CountedScheme(Counted, SecurityBase):
    model = APIKey.model_validate({"in": APIKeyIn.header, "name": "key"})
    scheme_name = "counted"


def with_tree_of(counted: Counted) -> Callable[..., Any]:
    """Return a function with dependencies of each kind that need no parameter, some asked for more than once."""
    other = Counted()

    def inner(one: Annotated[int, Depends(counted)], two: Annotated[int, Depends(counted)]) -> tuple[int, int]:
        return one, two

    async def in_loop(connection: HTTPConnection, one: Annotated[int, Depends(counted)]) -> tuple[str, int]:
        return connection.scope["path"], one

    def function(  # noqa: PLR0913, PLR0917 (one for each kind)
        first: Annotated[object, Depends(inner)],
        second: Annotated[object, Depends(in_loop)],
        anew: Annotated[object, Depends(counted, use_cache=False)],
        again: Annotated[object, Depends(counted)],
        method: Annotated[object, Depends(other.in_loop)],
        partial: Annotated[object, Depends(functools.partial(other.in_loop))],
        scoped: Annotated[object, Security(counted, scopes=["read"])],
    ) -> None: ...

    return function


def with_generator(found: Annotated[None, Depends(YieldingCallable(Places()))]) -> None: ...


def with_limit(found: Annotated[None, Depends(with_connection, max_concurrency=1)]) -> None: ...


FUNCTIONS: list[Callable[..., Any]] = [
    with_nothing,
    with_request,
    with_connection,
    with_socket,
    with_response,
    with_tasks,
    with_query,
    with_dependency,
    with_generator,
    with_limit,
    with_tree_of(Counted()),
    with_tree_of(CountedScheme()),
]


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("function", FUNCTIONS)
async def test_dependencies_are_solved_as_fastapi_solves_them(function: Callable[..., Any], kind: str) -> None:
    enter(None)
    dependant = get_dependant(path="/", call=function)
    theirs, ours = [await solve_by(solve, dependant, kind) for solve in (seam._solve, seam._solve_dependencies)]  # noqa: SLF001
    assert comparable(ours) == comparable(theirs)
    assert ours.errors == theirs.errors == []
    assert type(ours.background_tasks) is type(theirs.background_tasks)
    assert ours.dependency_cache == theirs.dependency_cache
    assert ours.response.status_code is theirs.response.status_code is None
    assert ours.response.raw_headers == theirs.response.raw_headers


async def solve_by(solve: Callable[..., Any], dependant: Dependant, kind: str) -> SolvedDependency:
    async with AsyncExitStack() as stack:
        scope = {"type": kind, "path": "/", "headers": [], "query_string": b""}
        scope |= {"fastapi_inner_astack": stack, "fastapi_function_astack": stack}
        request = Request(scope) if kind == "http" else WebSocket(scope, _never, _never)
        solved: SolvedDependency = await solve(
            request=request, dependant=dependant, async_exit_stack=stack, embed_body_fields=False
        )
        return solved


def comparable(solved: SolvedDependency) -> dict[str, object]:
    """Return the values by their names; an object of the request's by its class."""
    return {
        name: type(value) if isinstance(value, HTTPConnection | Response | BackgroundTasks) else value
        for name, value in solved.values.items()
    }


def test_only_functions_of_a_request_and_of_each_other_are_solved_here() -> None:
    left_to_fastapi = {with_response, with_tasks, with_query, with_generator, with_limit}
    for function in FUNCTIONS:
        plan = analyse(get_dependant(path="/", call=function)).plan
        assert (plan is None) is (function in left_to_fastapi), function


@pytest.mark.anyio
async def test_a_dependency_that_is_added_later_is_called_too() -> None:
    enter(None)
    dependant = get_dependant(path="/", call=with_dependency)
    before = await solve_by(seam._solve_dependencies, dependant, "http")  # noqa: SLF001 (what the seam leans on)
    added = Counted()
    dependant.dependencies.append(get_dependant(path="/", call=added))
    after = await solve_by(seam._solve_dependencies, dependant, "http")  # noqa: SLF001 (the same)
    assert [key[0] for key in before.dependency_cache] == [with_connection]
    assert [key[0] for key in after.dependency_cache] == [with_connection, added]


def test_what_is_known_of_functions_is_forgotten_before_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solving, "_MAX_ANALYSES", 2)
    monkeypatch.setattr(solving, "_analyses", analyses := {})
    for _ in range(5):
        assert analyse(get_dependant(path="/", call=with_nothing)).plan is not None
        assert len(analyses) <= 2


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/", "/nested"])
async def test_solve_dependencies_is_looked_up_by_its_name_in_two_modules_of_fastapi(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    solved: list[object] = []
    original = seam._solve  # noqa: SLF001 (what the seam leans on)

    async def replaced(**options: Any) -> Any:
        solved.append(options["dependant"].call)
        return await original(**options)

    other = FastAPI()
    other.get("/")(with_nothing)
    other.get("/nested")(with_dependency)
    for module in (fastapi.routing, fastapi.dependencies.utils):
        monkeypatch.setattr(module, "solve_dependencies", replaced)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(other), base_url="http://testserver") as client:
        assert (await client.get(path)).status_code == 200
    assert solved == ([with_nothing] if path == "/" else [with_dependency, with_connection])


def test_what_takes_nothing_of_the_request_is_solved_without_taking_it_apart(
    api: FastAPI, build: Callable[[], ASGIApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    api.get("/")(with_nothing)
    api.get("/query")(with_query)
    site = build()
    parsed = 0
    original = vars(fastapi.dependencies.utils)["request_params_to_args"]

    def count(fields: Any, received: Any) -> Any:
        nonlocal parsed
        parsed += 1
        return original(fields, received)

    monkeypatch.setattr(fastapi.dependencies.utils, "request_params_to_args", count)
    assert fetch(site, "/").status_code == 200
    of_self_test, parsed = parsed, 0
    assert fetch(site, "/query").status_code == 200
    assert parsed == of_self_test + 4  # path, query, headers, cookies
    parsed = 0
    assert fetch(site, "/").status_code == 200
    assert parsed == of_self_test


def test_an_error_of_a_pinned_call_is_the_error_of_the_request(api: FastAPI, build: Callable[[], ASGIApp]) -> None:
    def dependency() -> AsyncIterator[None]:
        raise HTTPException(418)

    @api.get("/", dependencies=[Depends(dependency)])
    async def endpoint() -> None:
        """Never reached."""

    assert fetch(build(), "/").status_code == 418
