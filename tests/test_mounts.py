from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount, Router

from django_fastapi.mounts import mounted_apps


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
    assert list(mounted_apps(api.routes)) == [
        ("/outer/inner/other", other),
        ("/outer/inner/other/deep", deep),
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
