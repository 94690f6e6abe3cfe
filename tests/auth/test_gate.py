from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import jwt
import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.http import Http404
from fastapi import APIRouter, Depends, FastAPI, Request, UploadFile, WebSocket
from fastapi.responses import JSONResponse
from pytest_django import DjangoAssertNumQueries, Settings
from starlette.exceptions import HTTPException

from django_fastapi.auth import (
    BasicAuth,
    CurrentUser,
    OptionalUser,
    auth_router,
    current_user,
    current_user_by,
    permission_required,
    public,
    staff_required,
    throttle,
)
from django_fastapi.registry import APIRegistry
from django_fastapi.testing import Client
from django_fastapi.testing.websockets import WebSocketDenied
from django_fastapi.types import ASGIApp

from .conftest import MIDDLEWARE, PASSWORD
from .test_tokens import access_token, bearer

if TYPE_CHECKING:
    from django.contrib.auth.models import User

NOBODY = {"detail": "Not authenticated"}
JSON = {"content-type": "application/json"}


@dataclass
class Person:
    """Who takes the place of a user."""

    pk: int


@pytest.fixture
def guarded(api: FastAPI) -> FastAPI:
    @api.post("/numbers")
    async def numbers(numbers: list[int], user: CurrentUser) -> int:
        return len(numbers) + user.pk

    @api.post("/upload")
    def upload(file: UploadFile, user: CurrentUser) -> str:
        return f"{file.filename} {user.pk}"

    def find(pk: int) -> int:
        if pk > 1:
            raise Http404
        return pk

    @api.get("/things/{pk}")
    def thing(
        found: Annotated[int, Depends(find)], user: Annotated[Any, Depends(permission_required("auth.view_group"))]
    ) -> int:
        return found + int(user.pk)

    @api.post("/open")
    def is_open(numbers: list[int], user: OptionalUser) -> int:
        return len(numbers) + (user.pk if user else 0)

    return api


BAD = [
    ("/numbers", {"content": b"{", "headers": {"content-type": "application/json"}}),
    ("/numbers", {"json": ["a"]}),
    ("/numbers", {"content": b"\xff\xfe", "headers": {"content-type": "application/json"}}),
    ("/numbers", {"content": b"a=1", "headers": {"content-type": "text/plain"}}),
    ("/numbers", {}),
    ("/upload", {"content": b"--", "headers": {"content-type": "multipart/form-data; boundary=x"}}),
    ("/upload", {"content": b"x", "headers": {"content-type": "multipart/form-data"}}),
    ("/upload", {"data": {"file": "text"}}),
]


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize(("path", "options"), BAD)
def test_a_bad_body_without_a_credential_is_401(
    client: Client, ada: "User", path: str, options: dict[str, Any]
) -> None:
    answer = client.post(path, **options)
    assert (answer.status_code, answer.json()) == (401, NOBODY)
    assert answer.headers["www-authenticate"] == "Bearer, Session"
    client.force_login(ada)
    assert client.post(path, **options).status_code in {400, 422}


@pytest.mark.usefixtures("guarded")
def test_what_exists_is_not_told_to_nobody(client: Client, ada: "User") -> None:
    for key in ("1", "2", "x"):
        answer = client.get(f"/things/{key}")
        assert (answer.status_code, answer.json()) == (401, NOBODY)
    client.force_login(ada)
    assert [client.get(f"/things/{key}").status_code for key in ("1", "2", "x")] == [403, 404, 403]


def bad_credentials() -> list[dict[str, str]]:
    return [
        {"Authorization": "Bearer x"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {jwt.encode({'sub': '1'}, 'x' * 32)}"},
        {"Cookie": f"sessionid={'x' * 32}"},
    ]


@pytest.mark.usefixtures("guarded", "db")
@pytest.mark.parametrize("headers", bad_credentials())
@pytest.mark.parametrize(("path", "options"), BAD)
def test_so_is_one_with_a_bad_credential(
    client: Client, path: str, options: dict[str, Any], headers: dict[str, str]
) -> None:
    answer = client.post(path, **{**options, "headers": {**options.get("headers", {}), **headers}})
    assert (answer.status_code, answer.json()) == (401, NOBODY)
    assert answer.headers["www-authenticate"] == "Bearer, Session"
    assert "Authorization" in answer.headers["vary"]


@pytest.mark.usefixtures("guarded", "db")
@pytest.mark.parametrize("headers", bad_credentials())
def test_what_exists_is_not_told_for_a_bad_credential(client: Client, headers: dict[str, str]) -> None:
    for key in ("1", "2", "x"):
        answer = client.get(f"/things/{key}", headers=headers)
        assert (answer.status_code, answer.json()) == (401, NOBODY)


@pytest.mark.usefixtures("guarded")
def test_a_bad_body_by_a_cookie_without_the_csrf_token_is_403(client: Client, ada: "User") -> None:
    with Client(client.app, enforce_csrf_checks=True) as browser:
        browser.force_login(ada)
        for path, options in BAD:
            answer = browser.post(path, **options)
            assert (answer.status_code, answer.json()) == (403, {"detail": "CSRF verification failed"}), (path, options)


@pytest.mark.usefixtures("guarded")
def test_who_was_asked_by_the_route_is_not_asked_again(
    client: Client, ada: "User", django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        assert client.post("/numbers", json=["a"], headers=bearer(access_token(ada))).status_code == 422


@pytest.fixture
def by_password(api: FastAPI) -> Callable[[BasicAuth], None]:
    def add(scheme: BasicAuth) -> None:
        @api.post("/guess", dependencies=[Depends(throttle("2/day", by="ip", name="guess"))])
        def guess(numbers: list[int], user: Annotated[Any, Depends(current_user_by(scheme))]) -> int:
            return len(numbers) + int(user.pk)

    cache.clear()
    return add


@pytest.mark.usefixtures("ada")
def test_a_password_is_not_tried_before_the_throttles_of_the_route(
    client: Client, by_password: Callable[[BasicAuth], None]
) -> None:
    by_password(BasicAuth())
    for password in ("wrong", PASSWORD):
        answers = [client.post("/guess", content=b"{", auth=("ada", password), headers=JSON) for _ in range(3)]
        assert {answer.status_code for answer in answers} == {422}


@pytest.mark.usefixtures("ada")
def test_a_scheme_that_limits_the_tries_itself_may_be_asked(
    client: Client, by_password: Callable[[BasicAuth], None]
) -> None:
    by_password(BasicAuth(rate="3/day"))
    tries = [client.post("/guess", content=b"{", auth=("ada", "wrong"), headers=JSON) for _ in range(4)]
    assert [answer.status_code for answer in tries] == [401, 401, 401, 429]
    assert client.post("/guess", content=b"{", auth=("ada", PASSWORD), headers=JSON).status_code == 429


@pytest.mark.usefixtures("guarded")
def test_a_database_that_fails_meanwhile_leaves_the_answer_as_it_is(client: Client, ada: "User") -> None:
    client.force_login(ada)

    def fail(*_: Any) -> None:
        raise OperationalError

    with connection.execute_wrapper(fail):
        assert client.post("/numbers", content=b"{", headers=JSON).status_code == 422


@pytest.mark.usefixtures("guarded")
def test_routes_that_want_no_user_and_unknown_paths_answer_as_ever(client: Client, ada: "User") -> None:
    assert client.post("/open", json=["a"]).status_code == 422
    assert client.get("/nowhere").status_code == 404
    with client.override({current_user: lambda: ada}):
        assert client.post("/numbers", json=["a"]).status_code == 422
        assert client.post("/numbers", json=[1]).status_code == 200


@pytest.mark.usefixtures("guarded")
def test_an_overridden_requirement_asks_nobody(client: Client, api: FastAPI) -> None:
    def profile(user: CurrentUser) -> Any:
        return user

    @api.get("/profile/{number}")
    def endpoint(number: int, found: Annotated[Any, Depends(profile)]) -> str:
        return f"{number} {found}"

    viewer = permission_required("auth.view_group")
    assert client.get("/things/2").status_code == 401
    assert client.get("/profile/x").status_code == 401
    with client.override({viewer: lambda: Person(pk=1), profile: lambda: "me"}):
        assert [client.get(f"/things/{key}").status_code for key in ("1", "2", "x")] == [200, 404, 422]
        assert [client.get(f"/profile/{key}").status_code for key in ("1", "x")] == [200, 422]
        assert client.post("/numbers", json=["a"]).status_code == 401


@pytest.fixture
def required(settings: Settings) -> None:
    settings.FASTAPI_AUTH = {"REQUIRED": True}


@pytest.fixture
def site(
    required: None, registry: APIRegistry, build: Callable[[], ASGIApp], bare_django: Callable[..., None]
) -> Client:
    """Give a site where a user is required, with routes of every kind."""
    del required
    bare_django(middleware=tuple(MIDDLEWARE))
    api = registry.get_default()

    @api.get("/plain")
    @api.post("/plain", operation_id="post_plain")
    async def plain(request: Request) -> str:
        return request.method

    @api.get("/marked", dependencies=[Depends(public)])
    def marked() -> str:
        return "open"

    router = APIRouter(dependencies=[Depends(public)])

    @router.get("/inside")
    def inside() -> str:
        return "open"

    @router.get("/deep/{number}")
    def deep(number: int) -> int:
        return number

    api.include_router(router, prefix="/open")
    api.include_router(auth_router(), prefix="/auth")
    other = APIRouter()

    @other.get("/inside")
    def also() -> str:
        return "closed"

    api.include_router(other, prefix="/closed")

    @api.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")

    mounted = FastAPI()

    @mounted.get("/inside")
    def mounted_inside() -> str:
        return "closed"

    @mounted.get("/marked", dependencies=[Depends(public)])
    def mounted_marked() -> str:
        return "open"

    api.mount("/mounted", mounted)
    second = FastAPI()

    @second.get("/inside")
    def second_inside() -> str:
        return "closed"

    registry.register(second, name="second", prefix="/second")
    return Client(build())


CLOSED = ["/plain", "/closed/inside", "/mounted/inside", "/second/inside"]
OPEN = ["/marked", "/open/inside", "/open/deep/1", "/mounted/marked", "/docs", "/openapi.json", "/second/openapi.json"]


def test_every_route_needs_a_user_that_is_not_marked(site: Client, ada: "User") -> None:
    for path in CLOSED:
        answer = site.get(path)
        assert (answer.status_code, answer.json()) == (401, NOBODY), path
        assert answer.headers["www-authenticate"] == "Bearer, Session"
        assert "Cookie" in answer.headers["vary"]
    assert {site.get(path).status_code for path in OPEN} == {200}
    assert site.post("/plain", content=b"x" * 1000).status_code == 401
    assert site.get("/nowhere").status_code == 404
    assert site.put("/plain").status_code == 405
    login = site.post("/auth/login", json={"username": "ada", "password": PASSWORD})
    assert login.status_code == 200
    assert {site.get(path).status_code for path in (*CLOSED, *OPEN)} == {200}
    assert site.post("/plain").json() == "POST"
    assert ada.is_active


def test_cookies_need_the_token_on_all_of_them(site: Client, ada: "User") -> None:
    with Client(site.app, enforce_csrf_checks=True) as browser:
        browser.force_login(ada)
        assert browser.get("/plain").status_code == 200
        answer = browser.post("/plain")
        assert (answer.status_code, answer.json()) == (403, {"detail": "CSRF verification failed"})


def test_websockets_need_one_too(site: Client, ada: "User") -> None:
    with pytest.raises(WebSocketDenied) as caught, site.websocket_connect("/socket"):
        pass
    assert caught.value.response.status_code == 401
    site.force_login(ada)
    with site.websocket_connect("/socket", headers={"Origin": "http://testserver"}) as websocket:
        assert websocket.receive_text() == "hello"


def test_overrides_and_the_projects_own_handlers_count(site: Client, registry: APIRegistry, ada: "User") -> None:
    with site.override({current_user: lambda: ada}):
        assert site.get("/plain").status_code == 200
    api = registry.get_default()

    @api.exception_handler(HTTPException)
    async def answer(_request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"mine": error.status_code}, error.status_code)

    assert site.get("/plain").json() == {"mine": 401}


def test_an_overridden_requirement_opens_its_route_and_no_other(site: Client, registry: APIRegistry) -> None:
    @registry.get_default().get("/staff")
    def staff(user: Annotated[Any, Depends(staff_required)]) -> str:
        return str(user)

    assert site.get("/staff").status_code == 401
    with site.override({staff_required: lambda: "somebody"}):
        assert site.get("/staff").json() == "somebody"
        assert site.get("/plain").status_code == 401


def test_the_document_says_so(site: Client) -> None:
    document = site.get("/openapi.json").json()
    operations = {path: item["get"] for path, item in document["paths"].items() if "get" in item}
    assert operations["/plain"]["security"] == [{"JWTAuth": []}, {"SessionAuth": []}]
    assert operations["/closed/inside"]["security"] == [{"JWTAuth": []}, {"SessionAuth": []}]
    assert "security" not in operations["/marked"]
    assert "security" not in operations["/open/inside"]
    assert set(operations["/plain"]["responses"]) == {"200", "401", "403"}
    assert set(operations["/marked"]["responses"]) == {"200"}
    assert document["components"]["securitySchemes"]["SessionAuth"]["name"] == "sessionid"


def test_the_document_tells_of_401_and_403_without_that(client: Client, api: FastAPI) -> None:
    @api.get("/me", responses={403: {"description": "Mine"}})
    def me(user: CurrentUser) -> int:
        return user.pk

    responses = client.get("/openapi.json").json()["paths"]["/me"]["get"]["responses"]
    assert responses["401"]["description"] == "Not authenticated"
    assert responses["403"]["description"] == "Mine"


@pytest.mark.parametrize("is_required", [False, True])
def test_the_document_tells_of_429_where_a_scheme_limits_tries(
    client: Client, api: FastAPI, settings: Settings, *, is_required: bool
) -> None:
    settings.FASTAPI_AUTH = {"REQUIRED": is_required, "SCHEMES": [BasicAuth(rate="5/min")]}

    @api.get("/me")
    def me(user: CurrentUser) -> int:
        return user.pk

    @api.get("/without-limit")
    def without(user: Annotated[Any, Depends(current_user_by(BasicAuth()))]) -> int:
        return int(user.pk)

    @api.get("/any")
    def anybody() -> None: ...

    @api.get("/public", dependencies=[Depends(public)])
    def everybody() -> None: ...

    paths = client.get("/openapi.json").json()["paths"]
    told = {path for path, item in paths.items() if "429" in item["get"]["responses"]}
    assert told == ({"/me", "/any"} if is_required else {"/me"})
