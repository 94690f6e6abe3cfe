from io import StringIO

import pytest
from django.core.management import call_command
from fastapi import APIRouter, Depends, FastAPI, Security, WebSocket
from fastapi.security import APIKeyHeader, HTTPBearer
from pytest_django import Settings
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from django_fastapi import auth
from django_fastapi.management.site import ListedRoute, list_routes, load_apis
from django_fastapi.registry import APIRegistry

MODULE = __name__


class Counter:
    def __call__(self) -> int:
        return 1


def list_books() -> None: ...


def add_book(_key: str = Security(APIKeyHeader(name="X-Key"))) -> None: ...


async def current_user(_token: object = Depends(HTTPBearer(scheme_name="JWT"))) -> None: ...


async def talk(websocket: WebSocket) -> None: ...


@pytest.fixture
def api(registry: APIRegistry, settings: Settings) -> FastAPI:
    settings.FASTAPI_OPENAPI_URL = None
    api = registry.get_default()
    router = APIRouter(prefix="/books", dependencies=[Depends(current_user)])
    router.get("")(list_books)
    router.add_api_route("", add_book, methods=["POST", "PUT"], name="write")
    api.include_router(router, prefix="/shop")
    api.add_api_route("/count", Counter())
    api.add_api_websocket_route("/talk", talk)
    return api


def listed() -> list[ListedRoute]:
    return [route for one in load_apis() for route in list_routes(one)]


@pytest.mark.usefixtures("api")
def test_every_route_is_listed_with_what_it_asks_for() -> None:
    assert listed() == [
        ListedRoute("GET", "/shop/books", "api:list_books", f"{MODULE}.list_books", ("JWT",)),
        ListedRoute("POST,PUT", "/shop/books", "api:write", f"{MODULE}.add_book", ("JWT", "APIKeyHeader")),
        ListedRoute("GET", "/count", "api:Counter", "", ()),
        ListedRoute("WEBSOCKET", "/talk", "api:talk", f"{MODULE}.talk", ()),
    ]


def test_apis_under_a_prefix_and_mounted_ones_are_listed_too(
    registry: APIRegistry, settings: Settings, api: FastAPI
) -> None:
    del api.router.routes[:]
    mounted = FastAPI(openapi_url=None)
    mounted.get("/inner")(list_books)
    second = FastAPI(openapi_url=None)
    second.mount("/mounted", mounted)
    second.mount("/files", StaticFiles(directory=settings.BASE_DIR))
    second.host("admin.{domain}", mounted, name="admin")
    mounted.mount("/deep", FastAPI(openapi_url=None, routes=[Route("/end", list_books)]))
    registry.register(second, name="second", prefix="/v2")
    assert [(route.methods, route.path, route.name) for route in listed()] == [
        ("MOUNT", "/v2/mounted", ""),
        ("GET", "/v2/mounted/inner", ""),
        ("MOUNT", "/v2/mounted/deep", ""),
        ("GET,HEAD", "/v2/mounted/deep/end", ""),
        ("MOUNT", "/v2/files", ""),
        ("HOST", "admin.{domain}/v2", ""),
        ("GET", "admin.{domain}/v2/inner", ""),
        ("MOUNT", "admin.{domain}/v2/deep", ""),
        ("GET,HEAD", "admin.{domain}/v2/deep/end", ""),
    ]


@pytest.mark.parametrize("access", ["public", "staff"])
def test_docs_for_staff_are_not_open(registry: APIRegistry, settings: Settings, access: str) -> None:
    settings.FASTAPI_DOCS_ACCESS = access
    routes = {route.path: route for route in listed()}
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert routes[path].schemes == (("staff",) if access == "staff" else ())
    assert routes["/docs"].endpoint == "django_fastapi.openapi._Pages.swagger"
    assert len(registry.all()) == 1


@pytest.mark.parametrize(
    ("is_required", "open_paths"), [(False, ["/everybody", "/perhaps", "/public"]), (True, ["/public"])]
)
def test_a_route_is_open_that_wants_no_credential(
    registry: APIRegistry, settings: Settings, *, is_required: bool, open_paths: list[str]
) -> None:
    settings.FASTAPI_OPENAPI_URL = None
    settings.FASTAPI_AUTH = {"REQUIRED": is_required, "SCHEMES": ["django_fastapi.auth.SessionAuth"]}
    api = registry.get_default()

    @api.get("/me")
    async def me(user: auth.CurrentUser) -> None: ...

    @api.get("/perhaps")
    async def perhaps(user: auth.OptionalUser) -> None: ...

    @api.get("/staff", dependencies=[Depends(auth.staff_required)])
    async def staff() -> None: ...

    @api.get("/public", dependencies=[Depends(auth.public)])
    async def public() -> None: ...

    @api.get("/everybody")
    async def everybody() -> None: ...

    assert sorted(route.path for route in listed() if not route.schemes) == open_paths
    assert {route.schemes for route in listed() if route.schemes} == {("SessionAuth",)}


@pytest.mark.usefixtures("api")
def test_the_command_writes_a_table() -> None:
    out = StringIO()
    call_command("fastapi_routes", stdout=out)
    assert out.getvalue() == (
        "METHODS    PATH         NAME            ENDPOINT                                         SECURITY\n"
        f"GET        /shop/books  api:list_books  {MODULE}.list_books  JWT\n"
        f"POST,PUT   /shop/books  api:write       {MODULE}.add_book    JWT, APIKeyHeader\n"
        "GET        /count       api:Counter     -                                                open\n"
        f"WEBSOCKET  /talk        api:talk        {MODULE}.talk        open\n"
    )
