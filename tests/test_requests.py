import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import BadRequest, SynchronousOnlyOperation, TooManyFieldsSent
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.http import HttpRequest, RawPostDataException, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from fastapi import Depends, FastAPI, File, Form, Request, Response, UploadFile, WebSocket
from pytest_django import Settings
from starlette.requests import HTTPConnection
from starlette.types import Scope

from django_fastapi import DjangoRequest, django_request
from django_fastapi.exceptions import BodyNotRead, ConfigurationError
from django_fastapi.registry import APIRegistry
from django_fastapi.requests import adjango_request, known_request, make_django_request
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp

from .conftest import fetch
from .request_threads import own_threads
from .test_handlers import MULTIPART, UNREADABLE_PART

Build = Callable[[], ASGIApp]

SCOPE: Scope = {"type": "http", "method": "PUT", "path": "/a", "query_string": b"b=1", "headers": [(b"x-c", b"2")]}


def test_djangos_request_is_that_of_the_scope() -> None:
    request = make_django_request(SCOPE, b"body")
    assert (request.method, request.path, request.GET["b"], request.headers["X-C"]) == ("PUT", "/a", "1", "2")
    assert request.body == b"body"


def test_a_websocket_is_a_get() -> None:
    scope = {"type": "websocket", "path": "/a", "query_string": b"", "headers": []}
    assert make_django_request(scope).method == "GET"


@pytest.mark.parametrize("content_type", [b"text/plain; a*=bogus''%41", b"text/plain;a*1;a*=x"])
def test_what_no_request_can_be_made_of_is_a_bad_request(content_type: bytes) -> None:
    scope = {**SCOPE, "headers": [(b"content-type", content_type)]}
    for kind in (BadRequest, ValueError):
        with pytest.raises(kind, match="cannot be decoded"):
            make_django_request(scope)
    assert known_request(scope) is None


@pytest.fixture
def api(registry: APIRegistry) -> FastAPI:
    return registry.get_default()


@pytest.fixture
def on_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serve on request threads, as under a server, and lose none of them."""
    with own_threads(monkeypatch):
        yield


def test_it_is_djangos_request_in_all_that_django_knows(api: FastAPI, build: Build, settings: Settings) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.USE_X_FORWARDED_HOST = True

    @api.put("/books/{pk}")
    async def read(pk: int, request: DjangoRequest) -> dict[str, Any]:
        assert isinstance(request, HttpRequest)
        return {
            "method": request.method,
            "path": request.path,
            "full_path": request.get_full_path(),
            "absolute": request.build_absolute_uri(),
            "query": request.GET.getlist("a"),
            "header": request.headers["X-Custom"],
            "meta": request.META["HTTP_X_CUSTOM"],
            "underscore": "HTTP_X_UNDER_SCORE" in request.META,
            "cookie": request.COOKIES["c"],
            "host": request.get_host(),
            "secure": request.is_secure(),
            "address": request.META["REMOTE_ADDR"],
            "content_type": request.content_type,
            "accepts": request.accepts("text/html"),
            "pk": pk,
        }

    headers = {
        "x-custom": "1",
        "x_under_score": "1",
        "cookie": "c=d",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "other.test",
        "accept": "application/json",
        "content-type": "text/plain; charset=utf-8",
    }
    assert Client(build()).put("/books/7?a=1&a=%C3%A9", headers=headers).json() == {
        "method": "PUT",
        "path": "/books/7",
        "full_path": "/books/7?a=1&a=%C3%A9",
        "absolute": "https://other.test/books/7?a=1&a=%C3%A9",
        "query": ["1", "é"],
        "header": "1",
        "meta": "1",
        "underscore": False,
        "cookie": "d",
        "host": "other.test",
        "secure": True,
        "address": "127.0.0.1",
        "content_type": "text/plain",
        "accepts": False,
        "pk": 7,
    }


def test_there_is_one_for_all_that_see_the_request(api: FastAPI, build: Build) -> None:
    seen: list[HttpRequest] = []

    def note(connection: HTTPConnection) -> None:
        seen.append(django_request(connection))

    class RefusedError(Exception):
        pass

    @api.middleware("http")
    async def around(request: Request, call_next: Any) -> Any:
        note(request)
        response = await call_next(request)
        note(request)
        return response

    @api.exception_handler(RefusedError)
    async def refuse(request: Request, _error: Exception) -> Response:
        note(request)
        return Response(status_code=418)

    mounted = FastAPI()

    @mounted.get("/inside", dependencies=[Depends(note)])
    def inside(request: DjangoRequest, starlette_request: Request) -> None:
        seen.append(request)
        note(starlette_request)
        raise RefusedError

    mounted.exception_handler(RefusedError)(refuse)
    api.mount("/sub", mounted)
    assert Client(build()).get("/sub/inside").status_code == 418
    assert len(seen) == 6
    assert len(set(map(id, seen))) == 1
    assert seen[0].path == "/sub/inside"
    assert seen[0].META["SCRIPT_NAME"] == ""


def test_another_request_has_another(api: FastAPI, build: Build) -> None:
    seen = []

    @api.get("/")
    def read(request: DjangoRequest) -> None:
        seen.append(request)

    client = Client(build())
    client.get("/")
    client.get("/")
    assert seen[0] is not seen[1]


def test_the_prefix_of_an_api_is_part_of_the_path_as_for_a_view(registry: APIRegistry, build: Build) -> None:
    second = FastAPI()
    registry.register(second, "second", "/second")

    @second.get("/who")
    def who(request: DjangoRequest) -> list[str]:
        return [request.path, request.path_info, request.META["SCRIPT_NAME"], request.build_absolute_uri()]

    assert Client(build()).get("/second/who").json() == [
        "/second/who",
        "/second/who",
        "",
        "http://testserver/second/who",
    ]


def test_a_websocket_is_a_get_over_http(api: FastAPI, build: Build) -> None:
    @api.websocket("/socket")
    async def socket(websocket: WebSocket, request: DjangoRequest) -> None:
        await websocket.accept()
        await request.aload_body()
        told = [request.method, request.scheme, request.build_absolute_uri(), request.body.decode(), dict(request.POST)]
        await websocket.send_json([*told, django_request(websocket) is request])
        await websocket.close()

    client = Client(build(), base_url="https://testserver")
    with client.websocket_connect("/socket?a=1") as session:
        assert session.receive_json() == ["GET", "https", "https://testserver/socket?a=1", "", {}, True]


def test_it_can_be_overridden(api: FastAPI, build: Build) -> None:
    @api.get("/")
    async def read(request: DjangoRequest) -> str:
        return str(request)

    client = Client(build())
    with client.override({adjango_request: lambda: "another"}):
        assert client.get("/").json() == "another"


def test_an_application_that_runs_by_itself_has_none() -> None:
    with pytest.raises(ConfigurationError, match="get_asgi_application"):
        django_request(HTTPConnection({**SCOPE}))


@pytest.mark.parametrize(
    "change",
    [
        {"query_string": b"\xff"},
        {"headers": [(b"host", b"testserver"), (b"content-type", b"text/plain; a*=bogus''%41")]},
        {"headers": [(b"host", b"testserver"), (b"content-type", b"text/plain;a*1;a*=x")]},
    ],
)
def test_what_django_cannot_decode_is_a_bad_request(change: dict[str, Any], api: FastAPI, build: Build) -> None:
    caught: list[Exception] = []

    @api.get("/")
    def read(request: Request) -> None:
        try:
            django_request(request)
        except BadRequest as error:
            caught.append(error)

    app = build()

    async def odd(scope: Scope, receive: Any, send: Any) -> None:
        await app({**scope, **change}, receive, send)

    fetch(odd, "/")
    assert len(caught) == 1


def test_what_no_middleware_gives_is_missing_with_the_cure(
    api: FastAPI, build: Build, bare_django: Callable[..., None]
) -> None:
    bare_django()

    @api.get("/")
    def read(request: DjangoRequest) -> list[bool]:
        with pytest.raises(AttributeError, match=r"'session'.*SessionMiddleware' to MIDDLEWARE"):
            request.session  # noqa: B018
        with pytest.raises(AttributeError, match=r"has no attribute 'sesion'$"):
            request.sesion  # noqa: B018
        return [hasattr(request, name) for name in ("session", "user", "auser", "_messages", "LANGUAGE_CODE")]

    assert Client(build()).get("/").json() == [False] * 5


# The body, on request threads.

pytestmark_threads = pytest.mark.usefixtures("on_threads")
JSON = {"content": b'{"a": 1}', "headers": {"content-type": "application/json"}}


@pytestmark_threads
@pytest.mark.parametrize("path", ["/def", "/async", "/json", "/bytes", "/form"])
def test_body_and_form_are_there_whoever_reads_first(path: str, api: FastAPI, build: Build) -> None:
    def told(request: HttpRequest) -> list[Any]:
        return [request.body.decode(), dict(request.POST.lists())]

    @api.post("/def")
    def def_endpoint(request: DjangoRequest) -> list[Any]:
        return told(request)

    @api.post("/async")
    async def async_endpoint(request: DjangoRequest, starlette_request: Request) -> list[Any]:
        await request.aload_body()
        assert await starlette_request.body() == request.body
        return told(request)

    @api.post("/json")
    def json_endpoint(data: dict[str, int], request: DjangoRequest) -> list[Any]:
        assert data == {"a": 1}
        return told(request)

    @api.post("/bytes")
    async def bytes_endpoint(request: DjangoRequest, starlette_request: Request) -> list[Any]:
        await starlette_request.body()
        return told(request)

    @api.post("/form")
    async def form_endpoint(request: DjangoRequest, starlette_request: Request) -> list[Any]:
        await request.aload_body()
        form = await starlette_request.form()
        assert {name: form.getlist(name) for name in form} == {name: list(v) for name, v in request.POST.lists()}
        return told(request)

    app = build()
    if path != "/form":
        assert fetch(app, path, "POST", **JSON).json() == ['{"a": 1}', {}]
    if path != "/json":
        answer = fetch(app, path, "POST", data={"a": ["1", "2"], "b": "é"})
        assert answer.json() == ["a=1&a=2&b=%C3%A9", {"a": ["1", "2"], "b": ["é"]}]


FILES = {"f": ("é.txt", b"x" * 300_000, "text/plain"), "g": ("g.bin", b"y" * 10, "application/x-g")}


@pytestmark_threads
@pytest.mark.parametrize("path", ["/django", "/django-first", "/loaded", "/fastapi", "/both"])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_no_upload_is_lost_whoever_parses_it(path: str, api: FastAPI, build: Build, *, is_chunked: bool) -> None:
    def told(request: HttpRequest) -> list[Any]:
        files = [[name, f.name, f.size, f.content_type, len(f.read())] for name, f in request.FILES.items()]
        return [dict(request.POST.items()), *files]

    @api.post("/django")
    def django_alone(request: DjangoRequest) -> list[Any]:
        return told(request)

    @api.post("/django-first")
    async def django_first(request: DjangoRequest, starlette_request: Request) -> list[Any]:
        await request.aload_body()
        seen = told(request)
        form = await starlette_request.form()
        assert [len(await form[name].read()) for name in ("f", "g")] == [300_000, 10]
        await form.close()
        return seen

    @api.post("/loaded")
    async def loaded(request: DjangoRequest) -> list[Any]:
        await request.aload_body()
        return told(request)

    @api.post("/fastapi")
    def fastapi_first(
        a: Annotated[str, Form()], f: UploadFile, g: Annotated[UploadFile, File()], request: DjangoRequest
    ) -> list[Any]:
        assert (a, f.size, g.size) == ("1", 300_000, 10)
        with pytest.raises(RawPostDataException, match="POST and FILES"):
            request.body  # noqa: B018
        return told(request)

    @api.post("/both")
    async def both(f: UploadFile, request: DjangoRequest) -> list[Any]:
        assert len(await f.read()) == 300_000
        request.FILES["f"].seek(0)
        return told(request)

    encoded = httpx.Request("POST", "http://testserver/", data={"a": "1"}, files=FILES)
    body = encoded.read()
    content = chunks(body) if is_chunked else body
    answer = fetch(build(), path, "POST", content=content, headers={"content-type": encoded.headers["content-type"]})
    assert answer.json() == [
        {"a": "1"},
        ["f", "é.txt", 300_000, "text/plain", 300_000],
        ["g", "g.bin", 10, "application/x-g", 10],
    ]


async def chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 70_000):
        yield body[start : start + 70_000]


@pytestmark_threads
def test_a_thread_reads_the_body_in_pieces(api: FastAPI, build: Build) -> None:
    @api.post("/")
    def read(request: DjangoRequest) -> list[Any]:
        first = request.read(3)
        line = request.readline()
        return [first, line, len(request.readlines())]

    answer = fetch(build(), "/", "POST", content=chunks(b"abcdef\n" + b"x\n" * 100_000))
    assert answer.json() == ["abc", "def\n", 100_000]


class Count:
    """Endpoints that tell how much of the body has come by now."""

    def __init__(self) -> None:
        self.size = 0

    async def come(self) -> AsyncIterator[bytes]:
        for _ in range(5):
            self.size += 1
            yield b"x"

    def __call__(self, request: DjangoRequest) -> int:  # noqa: ARG002
        return self.size


class AsyncCount(Count):
    async def __call__(self, request: DjangoRequest) -> int:  # type: ignore[override]  # noqa: ARG002
        return self.size


@pytest.mark.parametrize("made", [lambda one: one, lambda one: functools.partial(one.__call__)])
@pytest.mark.parametrize(("count", "expected"), [(Count(), 5), (AsyncCount(), 0)])
def test_a_body_comes_before_an_endpoint_whose_thread_would_wait_for_it(
    made: Callable[[Count], Any], count: Count, expected: int, api: FastAPI, build: Build
) -> None:
    api.add_api_route("/", made(count), methods=["GET", "POST"])
    app, count.size = build(), 0
    assert fetch(app, "/").json() == 0
    assert fetch(app, "/", "POST", content=count.come()).json() == expected


@pytestmark_threads
def test_any_thread_may_read(api: FastAPI, build: Build) -> None:
    @api.post("/")
    async def read(request: DjangoRequest) -> list[str]:
        bodies = [
            await asyncio.to_thread(lambda: request.body),
            await sync_to_async(lambda: request.body)(),
            await sync_to_async(lambda: request.body, thread_sensitive=False)(),
        ]
        return [body.decode() for body in bodies]

    assert fetch(build(), "/", "POST", content=b"text").json() == ["text"] * 3


@pytest.mark.parametrize("attribute", ["body", "POST", "FILES"])
def test_an_unread_body_on_the_event_loop_is_an_error_with_the_cure(attribute: str, api: FastAPI, build: Build) -> None:
    @api.post("/")
    async def read(request: DjangoRequest) -> None:
        with pytest.raises(SynchronousOnlyOperation, match=r"await django_request\.aload_body\(\)") as caught:
            getattr(request, attribute)
        assert isinstance(caught.value, BodyNotRead)
        await request.aload_body()
        getattr(request, attribute)

    assert Client(build()).post("/", data={"a": "1"}).status_code == 200
    assert Client(build()).post("/", data={"a": "1"}, files={"f": b"1"}).status_code == 200


def test_what_was_read_by_hand_and_not_kept_is_gone_as_in_django(api: FastAPI, build: Build) -> None:
    @api.post("/")
    def read(request: DjangoRequest) -> dict[str, Any]:
        with pytest.raises(RawPostDataException):
            request.body  # noqa: B018
        return dict(request.POST.items())

    @api.post("/a", name="a")
    async def aread(request: DjangoRequest, starlette_request: Request) -> dict[str, Any]:
        async for _ in starlette_request.stream():
            pass
        with pytest.raises(RawPostDataException):
            await request.aload_body()
        return await sync_to_async(lambda: dict(request.POST.items()))()

    async def eat(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/":
            while (await receive()).get("more_body"):
                pass
        await inner(scope, receive, send)

    client = Client(build())
    inner = api.build_middleware_stack()
    api.middleware_stack = eat
    assert client.post("/", data={"a": "1"}).json() == {}
    assert client.post("/a", data={"a": "1"}).json() == {}


def test_a_body_that_a_middleware_has_read_is_there(api: FastAPI, build: Build) -> None:
    @api.middleware("http")
    async def log(request: Request, call_next: Any) -> Any:
        await request.body()
        return await call_next(request)

    @api.post("/def")
    def read(request: DjangoRequest) -> str:
        return request.POST["a"]

    @api.post("/async")
    async def aread(request: DjangoRequest) -> str:
        await request.aload_body()
        return request.POST["a"]

    client = Client(build())
    assert [client.post(path, data={"a": "1"}).json() for path in ("/def", "/async")] == ["1", "1"]


def test_what_fastapi_reads_after_a_middleware_has_asked_is_there(api: FastAPI, build: Build) -> None:
    @api.middleware("http")
    async def ask(request: Request, call_next: Any) -> Any:
        django_request(request)
        return await call_next(request)

    @api.post("/json")
    async def take_json(data: dict[str, int], request: DjangoRequest) -> list[Any]:
        return [data, request.body.decode()]

    @api.post("/form")
    async def take_form(a: Annotated[str, Form()], request: DjangoRequest) -> list[Any]:
        return [a, request.POST["a"]]

    client = Client(build())
    assert client.post("/json", **JSON).json() == [{"a": 1}, '{"a": 1}']
    assert client.post("/form", data={"a": "1"}).json() == ["1", "1"]


def test_djangos_upload_limits_hold(api: FastAPI, build: Build, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 2

    @api.post("/body")
    def body(request: DjangoRequest) -> None:
        request.body  # noqa: B018

    @api.post("/read")
    async def already_read(request: DjangoRequest, starlette_request: Request) -> None:
        await starlette_request.body()
        request.body  # noqa: B018

    @api.post("/post")
    def post(request: DjangoRequest) -> None:
        request.POST  # noqa: B018

    @api.post("/form")
    def form(a: Annotated[str, Form()], request: DjangoRequest) -> None:
        assert a == "1"
        with pytest.raises(TooManyFieldsSent):
            request.POST  # noqa: B018
        assert dict(request.POST) == {}
        raise TooManyFieldsSent

    client = Client(build())
    for path in ("/body", "/read"):
        assert client.post(path, content=b"x" * 100).status_code == 200
        assert client.post(path, content=b"x" * 101).status_code == 413
        assert client.post(path, content=iter([b"x" * 60, b"y" * 60])).status_code in {400, 413}  # whoever counts first
    for path in ("/post", "/form"):
        assert client.post(path, data={"a": "1", "b": "2", "c": "3"}).status_code == 400
        assert client.post(path, data={"a": "1", "b": "2", "c": "3"}, files={"f": b"1"}).status_code == 400


def test_files_are_closed_at_the_end(api: FastAPI, build: Build, settings: Settings) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10
    seen: list[Any] = []

    @api.post("/")
    def read(request: DjangoRequest) -> None:
        seen.append(request.FILES["f"])
        assert Path(seen[0].temporary_file_path()).exists()

    Client(build()).post("/", files={"f": b"x" * 100})
    assert isinstance(seen[0], TemporaryUploadedFile)
    assert seen[0].closed
    assert not Path(seen[0].temporary_file_path()).exists()


def test_a_client_that_goes_away_is_an_unreadable_post(api: FastAPI, build: Build) -> None:
    caught: list[Exception] = []

    @api.post("/")
    def read(request: DjangoRequest) -> None:
        try:
            request.POST  # noqa: B018
        except UnreadablePostError as error:
            caught.append(error)

    app = build()

    async def cut(scope: Scope, _receive: Any, send: Any) -> None:
        messages = [{"type": "http.request", "body": b"a=", "more_body": True}, {"type": "http.disconnect"}]
        source = iter([*messages, {"type": "http.disconnect"}])

        async def receive() -> Any:
            return next(source)

        await app(scope, receive, send)

    fetch(cut, "/", "POST", data={"a": "1"})
    assert len(caught) == 1


def test_a_form_that_is_no_form_is_djangos_error(api: FastAPI, build: Build) -> None:
    @api.post("/")
    def read(request: DjangoRequest) -> list[str]:
        with pytest.raises(MultiPartParserError):
            request.POST  # noqa: B018
        return list(request.POST)

    assert Client(build()).post("/", content=b"x", headers={"content-type": "multipart/form-data"}).json() == []


def test_a_part_of_a_form_whose_header_cannot_be_read_is_400(build: Build, api: FastAPI) -> None:
    @api.post("/names")
    def names(request: DjangoRequest) -> list[str]:
        return list(request.FILES)

    answer = fetch(build(), "/names", "POST", content=UNREADABLE_PART, headers={"Content-Type": MULTIPART})
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/django", "/fastapi", "/plain"])
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded; charset=iso-8859-1", b"a=%E9"),
        ("multipart/form-data; boundary=b", b"--b--\r\n"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n'),
    ],
)
def test_what_logs_an_error_may_read_the_form_whatever_it_is(
    path: str, content_type: str, body: bytes, api: FastAPI, build: Build
) -> None:
    """As `AdminEmailHandler` does, when the request is over."""
    seen: list[Any] = []

    class FormHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            request: Any = vars(record)["request"]
            seen.append((request.POST, request.FILES))

    @api.post("/django")
    def django_alone(request: DjangoRequest) -> None:
        raise LookupError(request.path)

    @api.post("/fastapi")
    async def fastapi_first(request: DjangoRequest, starlette_request: Request) -> None:
        await starlette_request.form()
        raise LookupError(request.path)

    @api.post("/plain")
    async def plain(request: Request) -> None:
        raise LookupError(request.url.path)

    logger, handler = logging.getLogger("django.request"), FormHandler()
    logger.addHandler(handler)
    try:
        client = Client(build(), raise_server_exceptions=False)
        assert client.post(path, content=body, headers={"content-type": content_type}).status_code == 500
    finally:
        logger.removeHandler(handler)
    assert len(seen) == 1
