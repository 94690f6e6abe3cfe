import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.management import call_command
from django.db import transaction
from fastapi import APIRouter, Depends, FastAPI, File, Form, HTTPException, Response, UploadFile
from fastapi.responses import StreamingResponse
from pytest_django import Settings

from django_fastapi import atomic
from django_fastapi.auth import CurrentUser, current_user
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.idempotency import IdempotentRoute, idempotent
from django_fastapi.testing import Client
from django_fastapi.threads import Threads
from django_fastapi.types import ASGIApp
from tests.auth.test_tokens import KEY as SIGNING_KEY, access_token, bearer
from tests.project.workshop.models import Tool
from tests.request_threads import asking, own_threads

pytestmark = pytest.mark.django_db(transaction=True)

KEY = {"Idempotency-Key": "one"}
JWT = "django_fastapi.auth.JWTAuth"


@pytest.fixture(autouse=True, params=["memory", "database"])
def cache(request: pytest.FixtureRequest, settings: Settings) -> Iterator[None]:
    kinds: dict[str, dict[str, Any]] = {
        "memory": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "idempotency"},
        "database": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "idempotency"},
    }
    settings.CACHES = {"default": kinds[request.param]}
    call_command("createcachetable", verbosity=0)
    yield
    caches["default"].clear()


@pytest.fixture
def done() -> list[Any]:
    return []


@pytest.fixture
def client(api: FastAPI, site_client: Client, done: list[Any]) -> Client:
    router = APIRouter(route_class=IdempotentRoute)

    @router.post("/orders", status_code=201, dependencies=[idempotent()])
    async def order(data: dict[str, Any], response: Response) -> dict[str, Any]:
        done.append(data)
        if data.get("fails"):
            raise HTTPException(418)
        response.headers["Location"] = f"/orders/{len(done)}"
        response.set_cookie("secret", "x")
        return {"number": len(done)}

    @router.post("/forms", dependencies=[idempotent()])
    def form(name: Annotated[str, Form()], upload: Annotated[UploadFile, File()]) -> dict[str, Any]:
        done.append(name)
        return {"size": len(upload.file.read()), "number": len(done)}

    api.include_router(router)

    @api.post("/bare", dependencies=[idempotent()])
    def bare() -> None: ...

    return site_client


def test_a_repeated_request_gets_the_first_answer(client: Client, done: list[Any]) -> None:
    first = client.post("/orders", json={"a": 1}, headers=KEY)
    client.cookies.clear()  # the answer was lost
    again = client.post("/orders", json={"a": 1}, headers=KEY)
    assert (again.status_code, again.content, again.headers["Location"]) == (201, first.content, "/orders/1")
    assert (again.headers["Idempotent-Replayed"], "Idempotent-Replayed" in first.headers) == ("true", False)
    assert "Set-Cookie" not in again.headers
    assert done == [{"a": 1}]


def test_another_body_under_the_same_key_is_refused(client: Client, done: list[Any]) -> None:
    client.post("/orders", json={"a": 1}, headers=KEY)
    client.cookies.clear()
    other = client.post("/orders", json={"a": 2}, headers=KEY)
    assert (other.status_code, other.json()["detail"][0]["loc"]) == (422, ["header", "Idempotency-Key"])
    assert client.post("/orders?x=1", json={"a": 1}, headers=KEY).status_code == 422
    assert len(done) == 1


def test_keys_are_those_of_a_client(client: Client, done: list[Any]) -> None:
    client.post("/orders", json={"a": 1}, headers=KEY)
    client.post("/orders", json={"a": 1}, headers={**KEY, "Authorization": "Bearer other"})
    client.post("/orders", json={"a": 1}, headers={"Idempotency-Key": "two"})
    client.post("/orders", json={"a": 1})
    client.post("/orders", json={"a": 1})
    assert len(done) == 5


def test_a_request_that_failed_can_be_tried_again(client: Client, done: list[Any]) -> None:
    for _ in range(2):
        assert client.post("/orders", json={"fails": 1}, headers=KEY).status_code == 418
    assert len(done) == 2
    for _ in range(2):
        assert client.post("/orders", content=b"{", headers=KEY).status_code == 422
    assert client.post("/orders", json={"a": 1}, headers=KEY).status_code == 201


def test_forms_and_files_are_compared_too(client: Client, done: list[Any]) -> None:
    def send(content: bytes) -> Any:
        return client.post("/forms", data={"name": "a"}, files={"upload": ("x.txt", content)}, headers=KEY)

    assert send(b"1234").json() == {"size": 4, "number": 1}
    assert send(b"1234").json() == {"size": 4, "number": 1}
    assert send(b"12345").status_code == 422
    assert done == ["a"]


def test_a_key_that_is_too_long_is_refused(client: Client) -> None:
    assert client.post("/orders", json={}, headers={"Idempotency-Key": "x" * 256}).status_code == 422


def test_a_route_that_keeps_no_answers_is_an_error(client: Client) -> None:
    with pytest.raises(ConfigurationError, match="IdempotentRoute"):
        client.post("/bare", headers=KEY)
    assert client.post("/bare").status_code == 200


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threads]:
    with own_threads(monkeypatch) as threads:
        yield threads


def test_of_two_at_once_one_is_done(
    api: FastAPI, build: Callable[[], ASGIApp], bare_django: Callable[..., None], threads: Threads
) -> None:
    del threads
    router, done = APIRouter(route_class=IdempotentRoute), list[int]()
    begun, go_on = threading.Event(), threading.Event()

    @router.post("/orders", status_code=201, dependencies=[Depends(lambda: None), idempotent()])
    def order() -> dict[str, int]:
        done.append(1)
        begun.set()
        assert go_on.wait(20)
        return {"number": len(done)}

    api.include_router(router)
    bare_django()
    app = build()

    async def both() -> Counter[int]:
        async with asking(app) as ask:
            first = ask("/orders", "POST", headers=KEY)
            await asyncio.to_thread(begun.wait, 20)
            second = await ask("/orders", "POST", headers=KEY)
            go_on.set()
            return Counter([(await first).status_code, second.status_code])

    assert asyncio.run(both()) == {201: 1, 409: 1}
    assert done == [1]


@pytest.mark.parametrize("where", ["before", "after"])
def test_keys_are_those_of_a_user_whatever_shows_who_that_is(
    api: FastAPI, site_client: Client, settings: Settings, where: str
) -> None:
    settings.FASTAPI_AUTH = {"SCHEMES": [JWT], "JWT": {"KEYS": {"now": SIGNING_KEY}, "COOKIE": "access"}}
    router = APIRouter(route_class=IdempotentRoute)
    guards = [Depends(current_user)] if where == "before" else []

    @router.post("/orders", dependencies=[*guards, idempotent()])
    def order(user: CurrentUser) -> str:
        return user.get_username()

    api.include_router(router)
    answers = []
    for name in ("ann", "bob"):
        site_client.cookies.set("access", access_token(User.objects.create_user(name)))
        answers += [site_client.post("/orders", headers=KEY) for _ in range(2)]
    assert [answer.json() for answer in answers] == ["ann", "ann", "bob", "bob"]
    assert ["Idempotent-Replayed" in answer.headers for answer in answers] == [False, True, False, True]


def test_a_new_token_of_the_same_user_has_the_same_keys(api: FastAPI, site_client: Client, settings: Settings) -> None:
    settings.FASTAPI_AUTH = {"SCHEMES": [JWT], "JWT": {"KEYS": {"now": SIGNING_KEY}}}
    router, done = APIRouter(route_class=IdempotentRoute), list[str]()

    @router.post("/orders", dependencies=[Depends(current_user), idempotent()])
    def order(user: CurrentUser) -> None:
        done.append(user.get_username())

    api.include_router(router)
    user = User.objects.create_user("ann")
    for _ in range(2):
        assert site_client.post("/orders", headers=KEY | bearer(access_token(user))).status_code == 200
    assert done == ["ann"]


def test_keys_are_those_of_an_api_key(client: Client, done: list[Any]) -> None:
    for key in ("one", "two"):
        client.cookies.clear()
        client.post("/orders", json={"a": 1}, headers={**KEY, "X-API-Key": key})
    assert len(done) == 2


@pytest.mark.parametrize("fail", ["commit", "rollback"])
def test_what_was_rolled_back_can_be_done_again(
    api: FastAPI, build: Callable[[], ASGIApp], bare_django: Callable[..., None], fail: str
) -> None:
    router, done = APIRouter(route_class=IdempotentRoute), list[int]()

    @router.post("/orders", dependencies=[atomic(), idempotent()])
    def order() -> int:
        done.append(1)
        if len(done) == 1 and fail == "commit":
            Tool.objects.create(code="X", name="X", maker_id=99999)  # refused at the end
        elif len(done) == 1:
            transaction.set_rollback(True)
        return len(done)

    api.include_router(router)
    bare_django()
    with Client(build(), raise_server_exceptions=False) as client:
        client.post("/orders", headers=KEY)
        assert [client.post("/orders", headers=KEY).json() for _ in range(2)] == [2, 2]


def test_a_stream_is_done_once(api: FastAPI, site_client: Client) -> None:
    router, done = APIRouter(route_class=IdempotentRoute), list[int]()

    @router.post("/orders", dependencies=[idempotent()])
    def order() -> StreamingResponse:
        done.append(1)
        return StreamingResponse(iter(["one"]))

    api.include_router(router)
    assert site_client.post("/orders", headers=KEY).text == "one"
    again = site_client.post("/orders", headers=KEY)
    assert (again.status_code, done) == (409, [1])
