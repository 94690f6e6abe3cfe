import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from atlas.models import Continent, Country
from django.db import connection, connections, transaction
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, WebSocket
from starlette.responses import JSONResponse, Response

from django_fastapi.exceptions import ConfigurationError
from django_fastapi.registry import APIRegistry
from django_fastapi.routing import (
    atomic,
    atomic_requests,
    follows_atomic_requests,
    has_atomic_requests,
)
from django_fastapi.threads import Threads
from django_fastapi.types import ASGIApp, Message

from .conftest import fetch
from .request_threads import Socket, own_threads

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threads]:
    with own_threads(monkeypatch) as threads:
        yield threads


@pytest.fixture
def with_atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], name="ATOMIC_REQUESTS", value=True)


@pytest.fixture
def api(registry: APIRegistry) -> FastAPI:
    return registry.get_default()


def create() -> None:
    Continent.objects.create(code="XX", name="Somewhere", population=1)


def create_with_broken_key() -> None:
    """Write what the database refuses at the commit: Django's foreign keys are deferred to it."""
    Country.objects.create(code="XY", iso3="XYZ", name="Nowhere", area=1, population=1, continent_id="??")


def add_routes(router: APIRouter | FastAPI, **options: Any) -> None:
    """Add each case as a `def` and as an `async def` endpoint."""

    def in_transaction() -> bool:
        return connection.in_atomic_block

    def commits() -> None:
        create()

    def refuses() -> None:
        create()
        raise HTTPException(418)

    def crashes() -> None:
        create()
        raise ValueError("crashed")

    def answers_4xx() -> Response:
        create()
        return JSONResponse("declined", 409)

    def breaks_commit() -> None:
        create_with_broken_key()

    for endpoint in (in_transaction, commits, refuses, crashes, answers_4xx, breaks_commit):
        router.get(f"/sync/{endpoint.__name__}", response_model=None, **options)(endpoint)
        router.get(f"/async/{endpoint.__name__}", response_model=None, **options)(as_async(endpoint))


def as_async(function: Callable[[], Any]) -> Callable[[], Any]:
    async def endpoint() -> Any:
        return await sync_to_async(function)()

    return endpoint


CASES = pytest.mark.parametrize(
    ("case", "status", "rows"),
    [("commits", 200, 1), ("refuses", 418, 0), ("crashes", 500, 0), ("answers_4xx", 409, 1), ("breaks_commit", 500, 0)],
)
KINDS = ("sync", "async")


def assert_case(app: ASGIApp, case: str, status: int, rows: int) -> None:
    for kind in KINDS:
        assert fetch(app, f"/{kind}/in_transaction").json() is True
        assert fetch(app, f"/{kind}/{case}").status_code == status
        assert Continent.objects.count() + Country.objects.count() == rows
        Continent.objects.all().delete()


@CASES
def test_atomic_commits_what_was_answered_and_rolls_back_what_was_raised(
    api: FastAPI, build: Callable[[], ASGIApp], case: str, status: int, rows: int
) -> None:
    add_routes(api, dependencies=[atomic()])
    assert_case(build(), case, status, rows)


@CASES
@pytest.mark.usefixtures("with_atomic_requests")
def test_atomic_requests_of_a_database_does_the_same_for_all_routes(
    registry: APIRegistry, build: Callable[[], ASGIApp], case: str, status: int, rows: int
) -> None:
    router = APIRouter()
    add_routes(router)
    registry.get_default().include_router(router)
    assert_case(build(), case, status, rows)


def test_without_atomic_each_statement_commits_by_itself(api: FastAPI, build: Callable[[], ASGIApp]) -> None:
    add_routes(api)
    app = build()
    assert fetch(app, "/sync/in_transaction").json() is False
    assert fetch(app, "/sync/refuses").status_code == 418
    assert Continent.objects.count() == 1


def test_background_tasks_run_after_the_commit(api: FastAPI, build: Callable[[], ASGIApp]) -> None:
    events: list[object] = []

    def task() -> None:
        events.append(connection.in_atomic_block)

    def endpoint(tasks: BackgroundTasks) -> None:
        tasks.add_task(task)
        create()
        transaction.on_commit(lambda: events.append("committed"))

    async def aendpoint(tasks: BackgroundTasks) -> None:
        await sync_to_async(endpoint)(tasks)

    api.get("/sync", dependencies=[atomic()])(endpoint)
    api.get("/async", dependencies=[atomic()])(aendpoint)
    app = build()
    for kind in KINDS:
        assert fetch(app, f"/{kind}").status_code == 200
        Continent.objects.all().delete()
    assert events == ["committed", False] * 2


def test_the_commit_comes_before_the_start_of_the_response(api: FastAPI, build: Callable[[], ASGIApp]) -> None:
    add_routes(api, dependencies=[atomic()])
    app = build()
    rows_at_start: list[int] = []

    async def watching(scope: Any, receive: Any, send: Any) -> None:
        async def watching_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                rows_at_start.append(await asyncio.to_thread(count_on_own_connection))
            await send(message)

        await app(scope, receive, watching_send)

    for kind in KINDS:
        assert fetch(watching, f"/{kind}/commits").status_code == 200
        Continent.objects.all().delete()
    assert rows_at_start == [1, 1]


def count_on_own_connection() -> int:
    try:
        return Continent.objects.count()
    finally:
        connections.close_all()


def test_atomic_around_a_router_or_an_application_covers_their_routes(
    registry: APIRegistry, build: Callable[[], ASGIApp]
) -> None:
    router = APIRouter(prefix="/router", dependencies=[atomic()])
    add_routes(router)
    registry.get_default().include_router(router)
    other = FastAPI(dependencies=[atomic()])
    add_routes(other)
    registry.register(other, "other", "/other")
    app = build()
    assert fetch(app, "/router/async/in_transaction").json() is True
    assert fetch(app, "/other/async/in_transaction").json() is True


def test_atomic_takes_the_alias_and_the_savepoint_of_djangos_atomic(api: FastAPI, build: Callable[[], ASGIApp]) -> None:
    @api.get("/joined", dependencies=[atomic("default"), atomic(using="default", savepoint=False)])
    def joined() -> list[bool]:
        return [connection.in_atomic_block, bool(connection.savepoint_ids)]

    @api.get("/nested", dependencies=[atomic(), atomic(using="default")])
    def nested() -> int:
        return len(connection.savepoint_ids)

    @api.get("/unknown", dependencies=[atomic("unknown")])
    def unknown() -> None:
        """Never reached."""

    app = build()
    assert fetch(app, "/joined").json() == [True, True]
    assert fetch(app, "/nested").json() == 1
    assert fetch(app, "/unknown").status_code == 500


def test_equal_atomics_are_one_dependency_for_overrides() -> None:
    assert atomic().dependency == atomic().dependency
    assert atomic("default").dependency != atomic().dependency
    assert hash(atomic().dependency) == hash(atomic(None).dependency)


def test_a_dependency_with_yield_of_ones_own_keeps_fastapis_order_of_exit(
    api: FastAPI, build: Callable[[], ASGIApp]
) -> None:
    in_transaction: list[bool] = []

    def outer() -> Iterator[None]:
        yield
        in_transaction.append(connection.in_atomic_block)

    def inner() -> Iterator[None]:
        yield
        in_transaction.append(connection.in_atomic_block)

    @api.get("/", dependencies=[Depends(outer), atomic(), Depends(inner, scope="function")])
    def endpoint() -> None:
        in_transaction.append(connection.in_atomic_block)

    assert fetch(build(), "/").status_code == 200
    assert in_transaction == [True, True, False]


def test_an_exception_that_a_handler_answers_has_rolled_back(api: FastAPI, build: Callable[[], ASGIApp]) -> None:
    add_routes(api, dependencies=[atomic()])

    @api.exception_handler(ValueError)
    async def handler(_request: object, _error: Exception) -> Response:
        return JSONResponse("handled", 200)

    assert fetch(build(), "/sync/crashes").json() == "handled"
    assert not Continent.objects.exists()


@pytest.mark.usefixtures("with_atomic_requests")
def test_non_atomic_requests_exempts_an_endpoint(api: FastAPI, build: Callable[[], ASGIApp]) -> None:
    def in_transaction() -> bool:
        return connection.in_atomic_block

    api.get("/sync")(transaction.non_atomic_requests(in_transaction))
    api.get("/async")(transaction.non_atomic_requests(as_async(in_transaction)))
    api.get("/others")(transaction.non_atomic_requests(using="other")(as_async(in_transaction)))
    app = build()
    assert fetch(app, "/sync").json() is False
    assert fetch(app, "/async").json() is False
    assert fetch(app, "/others").json() is True


@pytest.mark.anyio
@pytest.mark.usefixtures("with_atomic_requests")
async def test_atomic_requests_leaves_websockets_alone(registry: APIRegistry, build: Callable[[], ASGIApp]) -> None:
    @registry.get_default().websocket("/socket")
    async def endpoint(socket: WebSocket) -> None:
        await socket.accept()
        in_transaction = await sync_to_async(lambda: connection.in_atomic_block)()
        await socket.send_text(str(in_transaction))

    socket = Socket(build(), "/socket")
    assert (await socket.receive())["type"] == "websocket.accept"
    assert (await socket.receive())["text"] == "False"
    await socket.close()


@pytest.mark.usefixtures("with_atomic_requests")
def test_an_api_that_does_not_follow_atomic_requests_is_an_error_that_names_the_cure(
    registry: APIRegistry, build: Callable[[], ASGIApp]
) -> None:
    registry.register(FastAPI(), "forgetful", "/forgetful")
    cure = r"API 'forgetful' does not follow it.*FastAPI\(dependencies=\[django_fastapi.atomic_requests\(\)\]\)"
    with pytest.raises(ConfigurationError, match=cure):
        build()


@pytest.mark.usefixtures("with_atomic_requests")
def test_an_api_with_atomic_requests_among_its_dependencies_follows_it(
    registry: APIRegistry, build: Callable[[], ASGIApp]
) -> None:
    other = FastAPI(dependencies=[atomic_requests()])
    add_routes(other)
    registry.register(other, "other", "/other")
    assert fetch(build(), "/other/sync/in_transaction").json() is True


def test_whether_a_database_asks_for_it_is_read_from_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_atomic_requests()
    monkeypatch.setitem(connections.settings["default"], name="ATOMIC_REQUESTS", value=True)
    assert has_atomic_requests()
    assert follows_atomic_requests([Depends(create), atomic_requests()])
    assert not follows_atomic_requests([Depends(create), atomic()])
