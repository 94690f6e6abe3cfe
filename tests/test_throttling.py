import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.core.management import call_command
from fastapi import APIRouter, Depends, FastAPI, Header, WebSocket
from fastapi.routing import iter_route_contexts
from pytest_django import Settings
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response

from django_fastapi.crud import crud_router
from django_fastapi.exceptions import ConfigurationError, ThrottleUnavailable
from django_fastapi.orm import ModelSchema
from django_fastapi.testing import Client, WebSocketDenied
from django_fastapi.throttling import Rate, Throttle, client_address, hit

MEMORY = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "throttling"}}
NOWHERE = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1"}}


@pytest.fixture(autouse=True)
def memory(settings: Settings) -> None:
    settings.CACHES = MEMORY
    cache.clear()


@pytest.fixture
def client(site_client: Client) -> Client:
    return site_client


def by_header(key: Annotated[str | None, Header()] = None) -> str | None:
    return key


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("5/min", Rate(5, 60)),
        ("5/m", Rate(5, 60)),
        ("1/s", Rate(1, 1)),
        ("20/10s", Rate(20, 10)),
        ("100/h", Rate(100, 3600)),
        ("1000/2day", Rate(1000, 172_800)),
    ],
)
def test_rates_are_written_as_text(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate


@pytest.mark.parametrize(
    "text", ["", "5", "5/", "0/min", "-1/min", "5/0s", "5/fortnight", "five/min", "5 / min", "\u0665/min"]
)
def test_what_is_no_rate_is_refused_with_the_cure(text: str) -> None:
    with pytest.raises(ConfigurationError, match='write "5/min"'):
        Throttle(text)


def test_a_window_has_so_many_hits_and_the_next_one_as_many_again() -> None:
    rate = Rate(2, 60)
    first = [hit(rate, "search", "ada", now=1_000_000) for _ in range(3)]
    assert [standing.is_within for standing in first] == [True, True, False]
    assert [standing.remaining for standing in first] == [1, 0, 0]
    reset = first[-1].reset
    assert 0 < reset <= 60
    assert not hit(rate, "search", "ada", now=1_000_000 + reset - 1).is_within
    assert hit(rate, "search", "ada", now=1_000_000 + reset).is_within


def test_keys_and_names_are_counted_by_themselves() -> None:
    rate = Rate(1, 60)
    for name, key in [("search", "ada"), ("search", "ben"), ("export", "ada"), ("search", "\ud800"), ("search", "")]:
        assert hit(rate, name, key, now=0).is_within
        assert not hit(rate, name, key, now=0).is_within


def test_windows_of_different_keys_begin_at_different_moments() -> None:
    assert len({hit(Rate(1, 3600), "search", str(number), now=0).reset for number in range(20)}) > 10


def test_a_cache_that_keeps_nothing_counts_nothing(settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    assert [hit(Rate(1, 60), "search", "ada").hits for _ in range(2)] == [1, 1]


@pytest.mark.django_db
@pytest.mark.parametrize("backend", ["db.DatabaseCache", "filebased.FileBasedCache", "locmem.LocMemCache"])
def test_a_count_lives_as_long_as_its_window_and_not_as_the_cache_keeps_others(
    settings: Settings, tmp_path: Path, backend: str
) -> None:
    location = "throttles" if backend == "db.DatabaseCache" else str(tmp_path)
    configured = {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": location, "TIMEOUT": 0}
    settings.CACHES = {"default": configured}
    call_command("createcachetable")
    assert [hit(Rate(3, 3600), "search", "ada").hits for _ in range(5)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("where", ["memory", "redis"])
def test_the_count_is_exact_under_concurrency(settings: Settings, where: str) -> None:
    if where == "redis":
        if not (address := os.environ.get("TEST_REDIS_URL")):
            pytest.skip("the environment variable TEST_REDIS_URL names no server")
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": address}}
    key = os.urandom(8).hex()
    with ThreadPoolExecutor(8) as pool:
        standings = list(pool.map(lambda _: hit(Rate(10, 86_400), "search", key, now=0), range(40)))
    assert sorted(standing.hits for standing in standings) == list(range(1, 41))
    assert sum(standing.is_within for standing in standings) == 10


_PROCESS = """
import sys
from django.conf import settings
backend = "django.core.cache.backends.redis.RedisCache"
settings.configure(CACHES={"default": {"BACKEND": backend, "LOCATION": sys.argv[1]}})
from django_fastapi.throttling import Rate, hit
print(sum(hit(Rate(10, 86_400), "search", sys.argv[2], now=0).is_within for _ in range(10)))
"""


def test_several_processes_count_together_with_redis() -> None:
    if not (address := os.environ.get("TEST_REDIS_URL")):
        pytest.skip("the environment variable TEST_REDIS_URL names no server")
    command = [sys.executable, "-c", _PROCESS, address, os.urandom(8).hex()]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sum(int(process.communicate(timeout=60)[0]) for process in processes) == 10


def test_without_the_cache_requests_are_refused_or_let_through(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CACHES = NOWHERE
    with pytest.raises(ThrottleUnavailable):
        hit(Rate(1, 60), "search", "ada")
    settings.FASTAPI_THROTTLE_FAIL_OPEN = True
    assert hit(Rate(1, 60), "search", "ada").is_within
    assert "let through uncounted" in caplog.text


def test_another_cache_may_count(settings: Settings) -> None:
    settings.CACHES = {"default": NOWHERE["default"], "counters": MEMORY["default"]}
    settings.FASTAPI_THROTTLE_CACHE = "counters"
    assert hit(Rate(1, 60), "search", "ada").is_within


@pytest.mark.parametrize("is_async", [False, True])
def test_one_request_too_many_is_429(api: FastAPI, client: Client, is_async: bool) -> None:  # noqa: FBT001
    def search() -> str:
        return "found"

    async def asearch() -> str:
        return "found"

    api.get("/search", dependencies=[Depends(Throttle("2/day"))])(asearch if is_async else search)
    answers = [client.get("/search") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["RateLimit-Policy"] for answer in answers] == ['"default";q=2;w=86400'] * 3
    remaining = [answer.headers["RateLimit"].rpartition(";")[0] for answer in answers]
    assert remaining == ['"default";r=1', '"default";r=0', '"default";r=0']
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 86_400
    assert answers[-1].json() == {"detail": "Too many requests. Try again later."}


def test_a_returned_response_tells_of_all_throttles(api: FastAPI, client: Client) -> None:
    throttles = [Depends(Throttle("2/day", name="burst")), Depends(Throttle("9/2day", name='all "of" it'))]

    @api.get("/search", dependencies=throttles)
    def search() -> Response:
        return PlainTextResponse("found")

    headers = client.get("/search").headers
    assert headers["RateLimit-Policy"] == '"burst";q=2;w=86400, "all \\"of\\" it";q=9;w=172800'
    assert headers["RateLimit"].count(";r=") == 2


def test_each_endpoint_has_its_own_counter_unless_they_share_a_name(api: FastAPI, client: Client) -> None:
    @api.get("/one", dependencies=[Depends(Throttle("1/day"))])
    @api.get("/shared/one", dependencies=[Depends(Throttle("1/day", name="shared"))])
    def one() -> None: ...

    @api.get("/two", dependencies=[Depends(Throttle("1/day"))])
    @api.get("/shared/two", dependencies=[Depends(Throttle("1/day", name="shared"))])
    def two() -> None: ...

    paths = ["/one", "/two", "/one", "/shared/one", "/shared/two"]
    assert [client.get(path).status_code for path in paths] == [200, 200, 429, 200, 429]


def make_endpoint(word: str) -> Callable[[], str]:
    def endpoint() -> str:
        return word

    return endpoint


def test_endpoints_that_one_function_makes_have_counters_of_their_own(api: FastAPI, client: Client) -> None:
    router, inner = APIRouter(), FastAPI()
    throttled = [Depends(Throttle("1/day"))]
    for routes in (api, router, inner):
        routes.get("/one", dependencies=throttled)(make_endpoint("one"))
        routes.get("/two/{number}", dependencies=throttled)(make_endpoint("two"))
        routes.post("/one", dependencies=throttled)(make_endpoint("posted"))
    for prefix in ("/a", "/b", "/{place}/c"):
        api.include_router(router, prefix=prefix)
    for prefix in ("/d", "/e", "/f/{place}"):
        api.mount(prefix, inner)
    for prefix in ("", "/a", "/b", "/x/c", "/d", "/e", "/f/x"):
        asked = [("GET", "/one"), ("GET", "/two/1"), ("POST", "/one"), ("GET", "/two/2"), ("POST", "/one")]
        answers = [client.request(method, prefix + path).status_code for method, path in asked]
        assert answers == [200, 200, 200, 429, 429], prefix
    assert [client.get(path).status_code for path in ("/y/c/one", "/f/y/one")] == [429, 429]


@pytest.mark.django_db
@pytest.mark.parametrize("run_async", [False, True])
def test_each_operation_of_a_crud_router_has_its_own_counter(api: FastAPI, client: Client, run_async: bool) -> None:  # noqa: FBT001
    class GroupOut(ModelSchema):
        class Meta:
            model = Group
            fields = ["id", "name"]

    throttled = [Depends(Throttle("1/day"))]
    router = crud_router(Group, read=GroupOut, permissions=throttled, prefix="/groups", run_async=run_async)
    api.include_router(router)
    group = Group.objects.create(name="staff")
    paths = ["/groups", f"/groups/{group.pk}", "/groups", f"/groups/{group.pk}"]
    assert [client.get(path).status_code for path in paths] == [200, 200, 429, 429]
    endpoints = [one.endpoint for one in iter_route_contexts(router.routes) if one.endpoint is not None]
    assert [one.__qualname__ for one in endpoints] == ["list_group", "retrieve_group", "delete_group"]


def test_a_route_with_several_methods_has_one_counter(api: FastAPI, client: Client) -> None:
    api.api_route("/one", methods=["GET", "POST"], dependencies=[Depends(Throttle("1/day"))])(make_endpoint("one"))
    assert [client.get("/one").status_code, client.post("/one").status_code] == [200, 429]


def test_a_dependency_says_who_is_counted(api: FastAPI, client: Client) -> None:
    @api.get("/search", dependencies=[Depends(Throttle("1/day", by=by_header))])
    def search() -> None: ...

    def ask(key: str) -> int:
        return client.get("/search", headers={"key": key}).status_code

    assert [ask("a"), ask("b"), ask("a")] == [200, 200, 429]
    assert [client.get("/search").status_code for _ in range(3)] == [200, 200, 200]  # None is not counted


def test_an_instance_is_counted_by_its_key(api: FastAPI, client: Client) -> None:
    def by_user(pk: int) -> User:
        return User(pk=pk)

    @api.get("/search/{pk}", dependencies=[Depends(Throttle("1/day", by=by_user))])
    def search(pk: int) -> int:
        return pk

    assert [client.get(f"/search/{pk}").status_code for pk in (1, 2, 1)] == [200, 200, 429]


def test_a_cache_that_is_down_is_503(api: FastAPI, client: Client, settings: Settings) -> None:
    @api.get("/search", dependencies=[Depends(Throttle("1/day"))])
    def search() -> None: ...

    settings.CACHES = NOWHERE
    answer = client.get("/search")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_a_websocket_is_counted_before_it_is_accepted(api: FastAPI, client: Client) -> None:
    @api.websocket("/talk", dependencies=[Depends(Throttle("1/day"))])
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    with client.websocket_connect("/talk"):
        pass
    with pytest.raises(WebSocketDenied) as refusal, client.websocket_connect("/talk"):
        pass
    assert refusal.value.response.status_code == 429
    assert "Retry-After" in refusal.value.response.headers


def test_equal_arguments_make_equal_throttles() -> None:
    assert Throttle("5/min") == Throttle("5/60s")
    assert hash(Throttle("5/min", by=by_header)) == hash(Throttle("5/min", by=by_header))
    assert Throttle("5/min") != Throttle("5/min", name="other")


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        (None, ""),
    ],
)
def test_an_address_is_that_of_a_subscriber(host: str | None, key: str) -> None:
    client = None if host is None else (host, 1)
    assert client_address(HTTPConnection({"type": "http", "client": client})) == key
