import asyncio
import json
import tracemalloc
from collections.abc import Callable, Iterable
from itertools import chain, repeat
from typing import Annotated, Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path
from fastapi import APIRouter, Body, Depends, FastAPI, File, Form, HTTPException, Request, UploadFile
from pytest_django import Settings
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.responses import Response
from starlette.types import ASGIApp

from django_fastapi import DjangoRequest
from django_fastapi.registry import APIRegistry

from .asgi import Answer, aask, ask, endless, make_scope
from .conftest import fetch

LIMIT = 1000
JSON = (b"content-type", b"application/json")
MULTIPART = (b"content-type", b"multipart/form-data; boundary=b")
CHUNKED = (b"transfer-encoding", b"chunked")
URLENCODED = (b"content-type", b"application/x-www-form-urlencoded")
TOO_LARGE = (413, {"detail": "Content Too Large"})
CHUNK = b"x" * 65536


def length(size: int) -> tuple[bytes, bytes]:
    return b"content-length", str(size).encode()


def outcome(answer: Answer) -> tuple[int, object]:
    return answer.status, json.loads(answer.body)


def field(name: str, value: bytes = b"") -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"


def file(*content: bytes) -> list[bytes]:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    return [head, *content, b"\r\n"]


def end() -> bytes:
    return b"--b--\r\n"


def refuse() -> None:
    raise HTTPException(401)


def send(
    app: ASGIApp, target: str, chunks: Iterable[bytes], *headers: tuple[bytes, bytes], method: str = "POST"
) -> Answer:
    chunked = () if any(name == b"content-length" for name, _ in headers) else (CHUNKED,)
    return ask(app, make_scope(target, method, headers=[*headers, *chunked]), chunks)


@pytest.fixture
def calls() -> list[str]:
    """Give the names of the endpoints that were called."""
    return []


@pytest.fixture
def site(
    build: Callable[[], ASGIApp],
    registry: APIRegistry,
    settings: Settings,
    bare_django: Callable[..., None],
    calls: list[str],
) -> ASGIApp:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = LIMIT
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 5
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    bare_django(path("page", page))
    api, router, sub, open_sub = registry.get_default(), APIRouter(), FastAPI(max_body_size=5000), FastAPI()

    @api.post("/json")
    @api.post("/wide", max_body_size=5000)
    @api.post("/narrow", max_body_size=10)
    @api.post("/guarded", dependencies=[Depends(refuse)])
    @router.post("/routed")
    @router.post("/own", max_body_size=6000)
    @sub.post("/json")
    def read(value: Annotated[str, Body()]) -> int:
        return len(value)

    @api.post("/ignore")
    def ignore() -> None:
        calls.append("ignore")

    @api.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    @api.post("/upload")
    @api.post("/upload-narrow", max_body_size=5000)
    @sub.post("/upload")
    @open_sub.post("/upload")
    def upload(file: Annotated[list[UploadFile], File()]) -> list[int | None]:
        return [one.size for one in file]

    @api.post("/form")
    @api.post("/form-own", form_limits={"max_fields": 7})
    async def form(request: Request, a: Annotated[str, Form()] = "") -> list[int]:  # noqa: ARG001
        return [len(value) for _, value in (await request.form()).multi_items() if isinstance(value, str)]

    add_readers_of_djangos_request(api, router, sub)
    add_forms_with_own_limits(api)
    api.include_router(router, prefix="/router", max_body_size=4000)
    api.mount("/sub", sub)
    api.mount("/open", open_sub)
    return build()


def add_readers_of_djangos_request(api: FastAPI, router: APIRouter, sub: FastAPI) -> None:
    @api.post("/django/body")
    @api.post("/django/narrow", max_body_size=100)
    def django_body(request: DjangoRequest) -> int:
        return len(request.body)

    @api.post("/django/async")
    async def async_django_body(request: DjangoRequest) -> int:
        await request.aload_body()
        return len(request.body)

    @api.post("/django/read")
    @api.post("/django/wide", max_body_size=5000)
    @router.post("/django")
    @sub.post("/django/read")
    def django_read(request: DjangoRequest) -> int:
        return sum(len(chunk) for chunk in iter(lambda: request.read(100), b""))

    @api.post("/django/form")
    def django_form(request: DjangoRequest) -> int:
        return len(request.POST.get("a", ""))

    @api.post("/django/files")
    @api.post("/django/files-narrow", max_body_size=5000)
    @router.post("/django/files")
    @sub.post("/django/files")
    def django_files(request: DjangoRequest) -> int | None:
        return request.FILES["file"].size


def add_forms_with_own_limits(api: FastAPI) -> None:
    wide: dict[str, Any] = {"max_body_size": 10_000, "form_limits": {"max_part_size": 9000}}
    router, plain, sub = APIRouter(**wide), APIRouter(), FastAPI(**wide)

    @api.post("/wide/route", **wide)
    @router.post("/wide/router")
    @plain.post("/wide/include")
    @sub.post("/form")
    @api.post("/files", max_body_size=10_000)
    @api.post("/part/long", form_limits={"max_part_size": 3000})
    @api.post("/part/short", form_limits={"max_part_size": 100, "max_fields": 50})
    def sizes(a: Annotated[list[str], Form()]) -> list[int]:
        return [len(value) for value in a]

    api.include_router(router)
    api.include_router(plain, **wide)
    api.mount("/wide/app", sub)


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(len(request.read())))


def text(size: int) -> bytes:
    """Return a JSON string of so many bytes."""
    return b'"' + b"x" * (size - 2) + b'"'


# Bodies


@pytest.mark.parametrize("says_so", [True, False])
@pytest.mark.parametrize(
    ("target", "limit"),
    [
        ("/json", LIMIT),
        ("/wide", 5000),
        ("/narrow", 10),
        ("/router/routed", 4000),
        ("/router/own", 6000),
        ("/sub/json", 5000),
        ("/raw", LIMIT),
    ],
)
def test_a_body_has_a_limit(site: ASGIApp, target: str, limit: int, *, says_so: bool) -> None:
    for size, is_taken in ((limit, True), (limit + 1, False)):
        body = text(size)
        headers = (JSON, length(size)) if says_so else (JSON,)
        answer = send(site, target, (body[:7], body[7:]), *headers)
        assert outcome(answer) == ((200, size - 2 if target != "/raw" else size) if is_taken else TOO_LARGE)


def test_the_limit_comes_before_the_credentials(site: ASGIApp) -> None:
    assert send(site, "/guarded", [text(9)], JSON, length(9)).status == 401
    assert outcome(send(site, "/guarded", [text(LIMIT + 1)], JSON, length(LIMIT + 1))) == TOO_LARGE
    assert outcome(send(site, "/guarded", [text(LIMIT + 1)], JSON)) == TOO_LARGE


def test_what_announces_to_be_too_long_is_refused_before_anything_runs(site: ASGIApp, calls: list[str]) -> None:
    answer = send(site, "/ignore", [b"x"], length(LIMIT + 1))
    assert outcome(answer) == TOO_LARGE
    assert (answer.chunks_read, calls) == (0, [])


@pytest.mark.parametrize(
    ("target", "limit", "header"),
    [
        ("/django/body", LIMIT, JSON),
        ("/django/async", LIMIT, JSON),
        ("/django/read", LIMIT, JSON),
        ("/django/narrow", 100, JSON),
        ("/django/wide", 5000, JSON),
        ("/router/django", 4000, JSON),
        ("/sub/django/read", 5000, JSON),
        ("/django/form", LIMIT, URLENCODED),
    ],
)
def test_so_has_one_that_djangos_request_reads(
    site: ASGIApp, target: str, limit: int, header: tuple[bytes, bytes]
) -> None:
    body = [b"a=", b"x" * (limit - 2)]
    assert send(site, target, body, header).status == 200
    assert outcome(send(site, target, [*body, b"x"], header)) == TOO_LARGE
    answer = send(site, target, endless(b"x" * 10), header)
    assert (outcome(answer), answer.chunks_read) == (TOO_LARGE, limit // 10 + 1)


@pytest.mark.parametrize(
    ("target", "limit"), [("/django/files-narrow", 5000), ("/router/django/files", 4000), ("/sub/django/files", 5000)]
)
def test_files_that_djangos_request_reads_have_the_limit_of_the_route(site: ASGIApp, target: str, limit: int) -> None:
    assert send(site, "/django/files", [*file(*[b"x" * 100] * 90), end()], MULTIPART).body == b"9000"
    assert send(site, target, [*file(*[b"x" * 100] * (limit // 100 - 1)), end()], MULTIPART).status == 200
    answer = send(site, target, chain(file(), endless(b"x" * 100)), MULTIPART)
    assert (outcome(answer), answer.chunks_read) == (TOO_LARGE, limit // 100 + 2)


def test_what_nobody_reads_is_not_counted(site: ASGIApp, calls: list[str]) -> None:
    answer = send(site, "/ignore", repeat(CHUNK))
    assert (answer.status, answer.chunks_read, calls) == (200, 0, ["ignore"])


def test_an_endless_body_is_read_up_to_the_limit(site: ASGIApp) -> None:
    for headers in ((JSON,), (JSON, length(10))):  # the second one lies
        answer = send(site, "/json", repeat(b"x" * 100), *headers)
        assert (outcome(answer), answer.chunks_read) == (TOO_LARGE, 11)


def test_a_body_without_a_length_or_an_encoding_is_counted_where_the_protocol_needs_neither(site: ASGIApp) -> None:
    answer = ask(site, make_scope("/json", "POST", headers=[JSON], http_version="2"), repeat(b"x" * 100))
    assert (outcome(answer), answer.chunks_read) == (TOO_LARGE, 11)


@pytest.mark.parametrize(("method", "target", "status"), [("DELETE", "/json", 405), ("POST", "/unknown", 404)])
def test_what_has_no_route_says_so_however_long_it_is(
    site: ASGIApp, settings: Settings, method: str, target: str, status: int
) -> None:
    settings.FASTAPI_DJANGO_FALLBACK = False
    answer = send(site, target, [text(LIMIT + 1)], JSON, length(LIMIT + 1), method=method)
    assert (answer.status, answer.chunks_read) == (status, 0)


def test_but_nobody_reads_it(
    build: Callable[[], ASGIApp], registry: APIRegistry, settings: Settings, bare_django: Callable[..., None]
) -> None:
    class Reading(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
            await request.body()
            return await call_next(request)

    bare_django()
    settings.FASTAPI_DJANGO_FALLBACK = False
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = LIMIT
    registry.get_default().add_middleware(Reading)
    site = build()
    assert send(site, "/unknown", [text(LIMIT)], JSON, length(LIMIT)).status == 404
    assert send(site, "/unknown", repeat(CHUNK), JSON, length(LIMIT + 1)).status == 413


@pytest.mark.parametrize("value", [b"abc", b"-1", b"1_0", b"+1", b"\xb2", b"5,5", b" 5", b"9" * 5000])
def test_a_length_that_is_no_number_is_refused(site: ASGIApp, value: bytes) -> None:
    answer = send(site, "/json", [text(5)], JSON, (b"content-length", value))
    assert (answer.status, answer.chunks_read) == (400, 0)


def test_a_length_that_is_empty_is_none(site: ASGIApp) -> None:
    assert send(site, "/ignore", [], (b"content-length", b"")).status == 200


def test_without_the_setting_there_is_no_limit(site: ASGIApp, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    assert outcome(send(site, "/json", [text(90_000)], JSON, length(90_000))) == (200, 89_998)
    assert outcome(send(site, "/narrow", [text(11)], JSON, length(11))) == TOO_LARGE


def test_what_is_djangos_is_limited_by_django_alone(site: ASGIApp) -> None:
    answer = send(site, "/page", [b"x" * (LIMIT + 1)], length(LIMIT + 1))
    assert (answer.status, answer.body) == (200, str(LIMIT + 1).encode())


def test_a_script_of_another_origin_is_told(site: ASGIApp, settings: Settings, build: Callable[[], ASGIApp]) -> None:
    settings.FASTAPI_CORS_ENABLED = True
    answer = send(build(), "/json", [], length(LIMIT + 1), (b"origin", b"https://one.test"))
    assert outcome(answer) == TOO_LARGE
    assert answer.header("access-control-allow-origin") == "*"
    assert site is not None


def test_a_body_that_breaks_off_is_nobodys_fault(site: ASGIApp, caplog: pytest.LogCaptureFixture) -> None:
    scope = make_scope("/json", "POST", headers=[JSON, length(100)])
    answer = ask(site, scope, [b"x" * 10], is_whole=False)
    assert answer.status == 400
    assert [(record.levelname, record.exc_info) for record in caplog.records] == [("WARNING", None)]


# Forms


@pytest.mark.parametrize(
    ("target", "is_limited"),
    [("/upload", False), ("/upload-narrow", True), ("/sub/upload", True), ("/open/upload", False)],
)
def test_files_have_no_limit_but_the_routes(site: ASGIApp, target: str, *, is_limited: bool) -> None:
    assert outcome(send(site, target, [*file(b"x" * 4000), end()], MULTIPART)) == (200, [4000])
    long = [*file(b"x" * 5000), end()]
    expected = TOO_LARGE if is_limited else (200, [5000])
    assert outcome(send(site, target, long, MULTIPART)) == expected
    assert outcome(send(site, target, long, MULTIPART, length(len(b"".join(long))))) == expected


@pytest.mark.parametrize("target", ["/json", "/raw"])
@pytest.mark.parametrize("headers", [(MULTIPART,), (MULTIPART, length(LIMIT + 1))])
def test_who_declares_no_form_is_given_no_file(
    site: ASGIApp, target: str, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    answer = send(site, target, chain(file(*[CHUNK] * 100), [end()]), *headers)
    assert outcome(answer) == TOO_LARGE


def test_the_fields_of_a_form_have_one_limit_together(site: ASGIApp) -> None:
    # Two bytes for each field and one for its name are counted as well, as Django does.
    taken = [field("a", b"x" * 497), field("a", b"x" * 497), *file(b"x" * 9000), end()]
    refused = [field("a", b"x" * 497), *file(b"x" * 9000), field("a", b"x" * 498), end()]
    assert outcome(send(site, "/form", taken, MULTIPART)) == (200, [497, 497])
    assert outcome(send(site, "/form", refused, MULTIPART)) == TOO_LARGE


def form(header: tuple[bytes, bytes], sizes: Iterable[int]) -> list[bytes]:
    """Return a form in the encoding of a `Content-Type`, with a field `a` of each size."""
    values = [b"x" * size for size in sizes]
    if header is MULTIPART:
        return [*(field("a", value) for value in values), end()]
    return [b"&".join(b"a=" + value for value in values)]


@pytest.mark.parametrize("header", [MULTIPART, URLENCODED])
@pytest.mark.parametrize("target", ["/wide/route", "/wide/router", "/wide/include", "/wide/app/form"])
def test_the_projects_own_limits_take_the_place_of_it(site: ASGIApp, target: str, header: tuple[bytes, bytes]) -> None:
    assert outcome(send(site, target, form(header, [5000, 4000]), header)) == (200, [5000, 4000])
    assert send(site, target, form(header, [9001]), header).status == 400
    assert outcome(send(site, target, form(header, [5000, 5000]), header)) == TOO_LARGE


def test_a_larger_body_is_for_files_unless_a_field_may_be_larger_too(site: ASGIApp) -> None:
    assert send(site, "/files", [field("a", b"x" * 900), *file(b"x" * 5000), end()], MULTIPART).status == 200
    assert outcome(send(site, "/files", form(MULTIPART, [500, 500]), MULTIPART)) == TOO_LARGE


def test_a_field_that_may_be_larger_has_its_place_beside_the_others(site: ASGIApp) -> None:
    assert outcome(send(site, "/part/long", form(MULTIPART, [3000, 900]), MULTIPART)) == (200, [3000, 900])
    assert outcome(send(site, "/part/long", form(MULTIPART, [3000, 1000]), MULTIPART)) == TOO_LARGE
    assert outcome(send(site, "/part/short", form(MULTIPART, [100] * 10), MULTIPART)) == TOO_LARGE


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (MULTIPART, lambda: repeat(field("a", CHUNK), 1000)),
        (URLENCODED, lambda: repeat(b"a=1&", 1000)),
        (JSON, lambda: repeat(CHUNK, 1000)),
    ],
)
@pytest.mark.parametrize("second", [None, b"z", JSON[1]])
def test_a_second_content_type_switches_no_limit_off(
    site: ASGIApp, header: tuple[bytes, bytes], body: Callable[[], Iterable[bytes]], second: bytes | None
) -> None:
    other = (b"content-type", header[1] if second is None else second)
    for target in ("/form", "/json"):
        answer = send(site, target, body(), header, other)
        assert (answer.status, answer.chunks_read) == (400, 0)


@pytest.mark.parametrize("header", [MULTIPART, URLENCODED])
def test_a_form_has_as_many_fields_as_django_allows(site: ASGIApp, header: tuple[bytes, bytes]) -> None:
    def body(count: int) -> list[bytes]:
        return [field("a")] * count + [end()] if header is MULTIPART else [b"&".join([b"a=1"] * count)]

    assert send(site, "/form", body(5), header).status == 200
    answer = send(site, "/form", body(6), header)
    assert outcome(answer) == (400, {"detail": "Too many fields. Maximum number of fields is 5."})
    assert send(site, "/form-own", body(7), header).status == 200
    assert send(site, "/form-own", body(8), header).status == 400


def test_a_form_has_as_many_files_as_django_allows(site: ASGIApp) -> None:
    assert outcome(send(site, "/upload", [*file(), *file(), end()], MULTIPART)) == (200, [0, 0])
    answer = send(site, "/upload", [*file(), *file(), *file(), end()], MULTIPART)
    assert outcome(answer) == (400, {"detail": "Too many files. Maximum number of files is 2."})


def test_without_djangos_settings_a_form_has_no_limits(site: ASGIApp, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = None
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = None
    body = [field("a", b"x" * 1_500_000), *[field("a")] * 1500, *[b"".join(file())] * 1500, end()]
    assert send(site, "/form", body, MULTIPART).status == 200


@pytest.mark.parametrize(
    "body",
    [
        [b"--b\r\n", *repeat(b"X: y\r\n", 1000)],
        [b"--b\r\nX: ", *repeat(CHUNK, 1000)],
        [b"--b\r\n", *repeat(CHUNK, 1000)],
        [b"--b\r\nContent-Disposition: form-data\r\n\r\n", *repeat(CHUNK, 1000)],
        [b"--c\r\n", *repeat(CHUNK, 1000)],
    ],
)
def test_what_is_no_form_is_refused_early(site: ASGIApp, body: list[bytes]) -> None:
    answer = send(site, "/form", body, MULTIPART)
    assert answer.status in (400, 413)
    assert answer.chunks_read < 20


# Memory


@pytest.fixture
def roomy(site: ASGIApp, settings: Settings) -> ASGIApp:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2_000_000
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 100_000
    return site


@pytest.mark.parametrize(
    ("target", "header", "make_body", "expected"),
    [
        ("/raw", JSON, lambda: repeat(CHUNK, 1000), 413),
        ("/raw", MULTIPART, lambda: file(*[CHUNK] * 1000), 413),
        ("/form", MULTIPART, lambda: (field(str(number), b"x" * 9000) for number in range(9000)), 413),
        ("/form", URLENCODED, lambda: repeat(b"a=&" * 9000, 1000), 400),
        ("/form", URLENCODED, lambda: repeat(CHUNK, 1000), 413),
        ("/upload", MULTIPART, lambda: chain(file(*[CHUNK] * 1000), [end()]), 200),
        ("/ignore", JSON, lambda: repeat(CHUNK, 1000), 200),
    ],
)
def test_memory_stays_flat(
    roomy: ASGIApp,
    target: str,
    header: tuple[bytes, bytes],
    make_body: Callable[[], Iterable[bytes]],
    expected: int,
) -> None:
    """Sixty-four megabytes come, and a few are held: the limit, and what Starlette keeps of a file before the disk."""
    scope = make_scope(target, "POST", headers=[header, CHUNKED])

    async def measure() -> tuple[int, int]:
        await aask(roomy, make_scope("/ignore", "POST"))
        tracemalloc.start()
        try:
            answer = await aask(roomy, dict(scope), make_body())
            return answer.status, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    status, peak = asyncio.run(measure())
    assert status == expected
    assert peak < 12_000_000


def test_an_upload_goes_through_a_client_as_ever(site: ASGIApp) -> None:
    answer = fetch(site, "/upload", "POST", files=[("file", ("a.bin", b"x" * 3000))])
    assert answer.json() == [3000]
