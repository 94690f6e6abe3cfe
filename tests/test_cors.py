from collections.abc import Callable

import pytest
from fastapi import APIRouter, FastAPI
from pytest_django import Settings
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from django_fastapi import auth
from django_fastapi.cors import with_cors, with_own_cors
from django_fastapi.refusals import install_handlers

from .asgi import aask, make_scope
from .conftest import fetch


async def answer(scope: dict[str, str], receive: object, send: object) -> None:
    await PlainTextResponse("answer")(scope, receive, send)  # type: ignore[arg-type]


ORIGIN = {"Origin": "https://one.test", "Cookie": "sessionid=x"}


def own(api: FastAPI) -> ASGIApp:
    return with_own_cors(api, api)


def test_without_the_setting_there_is_no_cors() -> None:
    assert with_cors(answer) is answer  # type: ignore[arg-type, comparison-overlap]


def test_the_wildcard_never_allows_credentials_and_never_returns_the_origin(settings: Settings) -> None:
    settings.FASTAPI_CORS_ENABLED = True
    app = with_cors(answer)  # type: ignore[arg-type]
    preflight = {**ORIGIN, "Access-Control-Request-Method": "POST"}
    for response in (fetch(app, "/", headers=ORIGIN), fetch(app, "/", "OPTIONS", headers=preflight)):
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers


def test_named_origins_may_have_credentials_and_others_nothing(settings: Settings) -> None:
    settings.FASTAPI_CORS_ENABLED = True
    settings.FASTAPI_CORS_ALLOW_ORIGINS = ["https://one.test"]
    app = with_cors(answer)  # type: ignore[arg-type]
    allowed = fetch(app, "/", headers=ORIGIN)
    assert allowed.headers["access-control-allow-origin"] == "https://one.test"
    assert allowed.headers["access-control-allow-credentials"] == "true"
    other = fetch(app, "/", headers={"Origin": "https://evil.test"})
    assert "access-control-allow-origin" not in other.headers
    assert other.headers["vary"] == allowed.headers["vary"] == "Origin"


def test_no_origin_has_credentials_where_the_settings_allow_none(settings: Settings) -> None:
    settings.FASTAPI_CORS_ENABLED = True
    settings.FASTAPI_CORS_ALLOW_ORIGINS = ["https://one.test"]
    settings.FASTAPI_CORS_ALLOW_CREDENTIALS = False
    answered = fetch(with_cors(answer), "/", headers=ORIGIN)  # type: ignore[arg-type]
    assert answered.headers["access-control-allow-origin"] == "https://one.test"
    assert "access-control-allow-credentials" not in answered.headers


def test_methods_and_headers_are_those_of_the_settings(settings: Settings) -> None:
    settings.FASTAPI_CORS_ENABLED = True
    settings.FASTAPI_CORS_ALLOW_METHODS = ["GET"]
    settings.FASTAPI_CORS_ALLOW_HEADERS = ["X-Known"]
    app = with_cors(answer)  # type: ignore[arg-type]
    asking = {"Origin": "https://one.test", "Access-Control-Request-Method": "GET"}
    assert fetch(app, "/", "OPTIONS", headers=asking | {"Access-Control-Request-Headers": "X-Known"}).is_success
    assert fetch(app, "/", "OPTIONS", headers=asking | {"Access-Control-Request-Headers": "X-Other"}).is_client_error
    assert fetch(app, "/", "OPTIONS", headers=asking | {"Access-Control-Request-Method": "PUT"}).is_client_error


def broken_api(*middleware: Middleware) -> FastAPI:
    """Return an API whose errors arise within the middleware, in it and outside of it."""
    api = FastAPI(middleware=list(middleware), max_body_size=10)

    @api.get("/broken")
    def broken() -> None:
        raise RuntimeError("broken")

    @api.get("/whole")
    def whole() -> str:
        return "whole"

    @api.post("/large")
    async def large(request: Request) -> int:
        return len(await request.body())

    install_handlers(api)
    return api


def body(method: str) -> bytes:
    return b"[1, 2, 3, 4, 5]" if method == "POST" else b""


ANSWERS = (
    ("GET", "/whole", 200),
    ("GET", "/broken", 500),
    ("GET", "/missing", 404),
    ("POST", "/large", 413),
)


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
def test_errors_carry_the_headers_of_the_settings(settings: Settings, method: str, path: str, status: int) -> None:
    settings.FASTAPI_CORS_ENABLED = True
    response = fetch(with_cors(broken_api()), path, method, headers=ORIGIN, content=body(method))
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (status, "*")


OWN = Middleware(CORSMiddleware, allow_origins=["https://one.test"], allow_credentials=True)


def mounting(inner: FastAPI, *middleware: Middleware) -> FastAPI:
    """Return an API with this one mounted in a router of it."""
    api, router = FastAPI(middleware=list(middleware)), APIRouter()
    router.mount("/sub", inner)
    api.include_router(router, prefix="/router")
    install_handlers(api)
    return api


@pytest.mark.parametrize("prefix", ["", "/router/sub"])
@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
def test_errors_carry_the_headers_of_the_projects_own_middleware(
    prefix: str, method: str, path: str, status: int
) -> None:
    app = own(mounting(broken_api(OWN)) if prefix else broken_api(OWN))
    path = f"{prefix}{path}"
    allowed = fetch(app, path, method, headers=ORIGIN, content=body(method))
    assert allowed.status_code == status
    assert allowed.headers["access-control-allow-origin"] == "https://one.test"
    assert allowed.headers["access-control-allow-credentials"] == "true"
    assert allowed.headers["vary"].count("Origin") == 1
    other = fetch(app, path, method, headers={"Origin": "https://evil.test"}, content=body(method))
    assert other.status_code == status
    assert "access-control-allow-origin" not in other.headers
    assert other.headers["vary"].count("Origin") == 1
    assert fetch(app, path, method, content=body(method)).status_code == status


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
@pytest.mark.parametrize("origin", ["https://one.test", "https://two.test", "https://evil.test"])
def test_an_error_has_the_headers_of_the_outer_or_of_the_mounted_application(
    origin: str, method: str, path: str, status: int
) -> None:
    outer = mounting(broken_api(OWN), Middleware(CORSMiddleware, allow_origins=["https://two.test"]))
    asking = {"Origin": origin}
    answered = fetch(own(outer), f"/router/sub{path}", method, headers=asking, content=body(method))
    allowed = [] if origin == "https://evil.test" else [origin]
    assert (answered.status_code, answered.headers.get_list("access-control-allow-origin")) == (status, allowed)
    assert "Origin" in answered.headers["vary"]
    other = fetch(own(outer), "/nowhere", headers={"Origin": "https://one.test"})
    assert (other.status_code, other.headers.get("access-control-allow-origin")) == (404, None)


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/large", 413), ("GET", "/whole", 401)])
def test_what_is_refused_before_a_mounted_application_carries_its_headers(  # noqa: PLR0913, PLR0917 (fixtures)
    api: FastAPI, build: Callable[[], ASGIApp], settings: Settings, method: str, path: str, status: int
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    settings.FASTAPI_AUTH = {"REQUIRED": True, "SCHEMES": [auth.JWTAuth()]}
    api.mount("/sub", broken_api(OWN))
    api.mount("/without", broken_api())
    site = build()
    for prefix, allowed in (("/sub", "https://one.test"), ("/without", None)):
        refused = fetch(site, prefix + path, method, headers=ORIGIN, content=body(method))
        assert (refused.status_code, refused.headers.get("access-control-allow-origin")) == (status, allowed)


def test_a_number_too_long_for_python_is_an_error_like_any(api: FastAPI, build: Callable[[], ASGIApp]) -> None:
    sub = broken_api(OWN)
    sub.get("/number/{number:int}")(lambda number: number)
    api.mount("/sub", sub)
    answered = fetch(build(), f"/sub/number/{'9' * 5000}", headers=ORIGIN)
    assert answered.status_code == 404
    assert answered.headers["access-control-allow-origin"] == "https://one.test"


def test_an_answer_of_the_projects_own_handler_carries_them_too() -> None:
    api = broken_api(OWN)

    @api.exception_handler(Exception)
    async def mine(_request: Request, _error: Exception) -> PlainTextResponse:
        return PlainTextResponse("mine", 500)

    answered = fetch(own(api), "/broken", headers=ORIGIN)
    assert (answered.text, answered.headers["access-control-allow-origin"]) == ("mine", "https://one.test")


def test_middleware_around_that_for_cors_still_sees_the_exception() -> None:
    seen: list[Exception] = []

    class Watch:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await self.app(scope, receive, send)
            except RuntimeError as error:
                seen.append(error)
                await PlainTextResponse("seen", 503)(scope, receive, send)

    answered = fetch(own(broken_api(Middleware(Watch), OWN)), "/broken", headers=ORIGIN)
    assert (answered.status_code, len(seen)) == (503, 1)
    assert answered.headers["access-control-allow-origin"] == "https://one.test"


def test_a_preflight_is_answered_by_the_middleware_itself() -> None:
    asking = {**ORIGIN, "Access-Control-Request-Method": "POST"}
    assert fetch(own(broken_api(OWN)), "/large", "OPTIONS", headers=asking).status_code == 400
    assert fetch(own(broken_api(OWN)), "/large", "OPTIONS", headers={**asking, "Origin": "null"}).is_error


def test_an_api_without_cors_is_left_as_it_is() -> None:
    api = broken_api()
    assert own(api) is api


@pytest.mark.anyio
async def test_an_answer_without_headers_is_given_them() -> None:
    async def bare(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 500})
        await send({"type": "http.response.body", "body": b""})

    async def ask_bare(scope: Scope, receive: Receive, send: Send) -> None:
        await with_own_cors(bare, broken_api(OWN))(scope, receive, send)

    answered = await aask(ask_bare, make_scope("/", headers=[(b"origin", b"https://one.test")]))
    assert answered.header("access-control-allow-origin") == "https://one.test"
