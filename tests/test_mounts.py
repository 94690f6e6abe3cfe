from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount, Router

from django_fastapi.mounts import apps_on_way, mounted_apps

from .asgi import make_scope


def test_applications_are_found_wherever_they_are_mounted() -> None:
    api, other, deep = FastAPI(), Starlette(), FastAPI()
    other.mount("/deep", deep)
    router, inner = APIRouter(), APIRouter()
    inner.mount("/other", GZipMiddleware(other))
    router.include_router(inner, prefix="/inner")
    api.include_router(router, prefix="/outer")
    api.router.routes.append(Mount("/listed", routes=[Mount("/sub", deep, middleware=[Middleware(GZipMiddleware)])]))
    api.mount("/router", Router([Mount("/sub", deep)]))
    api.host("other.test", other)
    inner.host("inner.test", deep)
    assert list(mounted_apps(api.routes)) == [
        ("/outer/inner/other", other),
        ("/outer/inner/other/deep", deep),
        ("/outer/inner", deep),
        ("/listed/sub", deep),
        ("/router/sub", deep),
        ("", other),
        ("/deep", deep),
    ]


def test_what_is_no_application_is_left_out() -> None:
    api = FastAPI()

    async def plain(_scope: object, _receive: object, _send: object) -> None: ...

    api.mount("/plain", plain)
    assert list(mounted_apps(api.routes)) == []


def test_those_on_the_way_of_a_request_are_found() -> None:
    api, other, deep, hosted, last = FastAPI(), Starlette(), FastAPI(), FastAPI(), FastAPI()
    other.mount("/deep/{number:int}", deep)
    router = APIRouter()
    router.host("host.test", hosted)
    router.get("/sub/own")(lambda: "of the router")
    router.mount("/sub", GZipMiddleware(other))
    api.include_router(router, prefix="/router")
    api.mount("", last)

    def way(path: str, host: str = "testserver") -> list[Starlette]:
        return list(apps_on_way(api.routes, make_scope(path, headers=[(b"host", host.encode())])))

    assert way("/router/sub/deep/1/x") == [other, deep]
    assert way("/router/sub/deep/x") == [other]
    assert way("/router/sub/own") == []
    assert way("/router/x", "host.test") == [hosted]
    assert way("/x") == [last]
