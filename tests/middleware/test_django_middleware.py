"""Django's own middleware around FastAPI, each unmodified."""

import gzip
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import httpx
import pytest
from django.contrib import messages
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.test.utils import CaptureQueriesContext
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.translation import gettext
from fastapi import APIRouter, FastAPI, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, StreamingResponse
from pytest_django import Settings

from django_fastapi import DjangoRequest, auth, django_request
from django_fastapi.middleware import DjangoMiddleware
from django_fastapi.shortcuts import render
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp

Build = Callable[[], ASGIApp]

SECURITY = "django.middleware.security.SecurityMiddleware"
GZIP = "django.middleware.gzip.GZipMiddleware"
CONDITIONAL = "django.middleware.http.ConditionalGetMiddleware"
LOCALE = "django.middleware.locale.LocaleMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"


def put(api: FastAPI, place: str, *middleware: str) -> APIRouter | FastAPI:
    if place == "api":
        for one in reversed(middleware):
            api.add_middleware(DjangoMiddleware, middleware=one)
        return api
    return APIRouter(route_class=DjangoMiddleware.route_class(*middleware))


def finish(api: FastAPI, routes: APIRouter | FastAPI) -> None:
    if isinstance(routes, APIRouter):
        api.include_router(routes)


BOTH_PLACES = pytest.mark.parametrize("place", ["api", "router"])


@pytest.fixture(autouse=True)
def no_middleware_in_the_settings(settings: Settings) -> None:
    """What is seen comes from `DjangoMiddleware` and from nothing else."""
    settings.MIDDLEWARE = []


@BOTH_PLACES
def test_security_middleware(api: FastAPI, build: Build, settings: Settings, place: str) -> None:
    settings.SECURE_HSTS_SECONDS = 60
    routes = put(api, place, SECURITY)
    routes.get("/")(lambda: "there")
    finish(api, routes)
    client = Client(build(), base_url="https://testserver", follow_redirects=False)
    answer = client.get("/")
    assert answer.headers["strict-transport-security"] == "max-age=60"
    assert answer.headers["x-content-type-options"] == "nosniff"


@BOTH_PLACES
def test_security_middleware_redirects(api: FastAPI, build: Build, settings: Settings, place: str) -> None:
    settings.SECURE_SSL_REDIRECT = True
    routes = put(api, place, SECURITY)
    routes.get("/")(lambda: "there")
    finish(api, routes)
    answer = Client(build(), follow_redirects=False).get("/?a=1")
    assert (answer.status_code, answer.headers["location"]) == (301, "https://testserver/?a=1")


@BOTH_PLACES
def test_gzip_middleware(api: FastAPI, build: Build, place: str) -> None:
    routes = put(api, place, GZIP)
    routes.get("/whole")(lambda: PlainTextResponse("word " * 1000))
    routes.get("/short")(lambda: PlainTextResponse("short"))

    @routes.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(1000):
                yield b"word "

        return StreamingResponse(parts())

    finish(api, routes)
    client = Client(build(), headers={"accept-encoding": "gzip"})
    for path in ("/whole", "/stream"):
        with client.stream("GET", path) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(raw) == b"word " * 1000
        assert path == "/stream" or len(raw) < 2000  # Django compresses each piece of a stream by itself
        assert answer.headers.get("content-length") in (None, str(len(raw)))
        assert answer.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in client.get("/short").headers


@BOTH_PLACES
def test_conditional_get_middleware(api: FastAPI, build: Build, place: str) -> None:
    routes = put(api, place, CONDITIONAL)
    routes.get("/")(lambda: {"a": 1})
    finish(api, routes)
    client = Client(build())
    tag = client.get("/").headers["etag"]
    answer = client.get("/", headers={"if-none-match": tag})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert client.get("/", headers={"if-none-match": '"other"'}).json() == {"a": 1}


@BOTH_PLACES
def test_locale_middleware(api: FastAPI, build: Build, place: str) -> None:
    routes = put(api, place, LOCALE)

    @routes.get("/def")
    def sync(request: DjangoRequest) -> list[str]:
        return [gettext("Yes"), request.LANGUAGE_CODE]

    @routes.get("/async")
    async def asynchronous(request: DjangoRequest) -> list[str]:
        return [gettext("Yes"), request.LANGUAGE_CODE]

    @routes.get("/number/{number}")
    async def number(number: int) -> int:
        return number

    finish(api, routes)
    client = Client(build(), headers={"accept-language": "de"})
    for path in ("/def", "/async"):
        answer = client.get(path)
        assert answer.json() == ["Ja", "de"]
        assert (answer.headers["content-language"], answer.headers["vary"]) == ("de", "Accept-Language")
    answer = client.get("/number/x")
    assert answer.json()["detail"][0]["msg"] == "Bitte eine ganze Zahl eingeben."


def add_forms(routes: APIRouter | FastAPI) -> None:
    @routes.get("/form")
    def form(request: Request) -> HTMLResponse:
        return render(request, "form.html")

    @routes.post("/form")
    async def save(name: Annotated[str, Form()]) -> str:
        return name

    @routes.post("/json")
    def save_json(body: dict[str, str]) -> dict[str, str]:
        return body

    def hook() -> str:
        return "taken"

    # The decorator would have a request given to the function; this is what it sets.
    vars(hook)["csrf_exempt"] = True
    routes.post("/hook")(hook)


@BOTH_PLACES
@pytest.mark.parametrize("in_session", [False, True])
@pytest.mark.django_db
def test_csrf_view_middleware(  # noqa: PLR0913, PLR0917 (fixtures)
    api: FastAPI,
    build: Build,
    settings: Settings,
    tmp_path: Any,
    place: str,
    in_session: bool,  # noqa: FBT001
) -> None:
    settings.CSRF_USE_SESSIONS = in_session
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        CSRF,
    ]
    (tmp_path / "form.html").write_text("{{ csrf_token }}")
    settings.TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [tmp_path]}]
    routes = put(api, place, CSRF)
    add_forms(routes)
    finish(api, routes)
    client = Client(build(), enforce_csrf_checks=True)
    assert client.post("/form", data={"name": "Ada"}).status_code == 403
    assert client.post("/json", json={"a": "b"}).status_code == 403
    assert client.post("/hook").json() == "taken"
    token = client.get("/form").text
    form = {"name": "Ada", "csrfmiddlewaretoken": token}
    assert client.post("/form", data=form).json() == "Ada"
    assert client.post("/json", json={"a": "b"}, headers={"x-csrftoken": token}).json() == {"a": "b"}
    assert client.post("/form", data={**form, "csrfmiddlewaretoken": "x" * 64}).status_code == 403
    assert client.post("/form", data=form, headers={"origin": "https://evil.test"}).status_code == 403
    assert client.post("/form", files={"f": b"1"}, data=form).json() == "Ada"


def test_caching_middleware_keeps_a_whole_answer(api: FastAPI, build: Build, settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "pages"}}
    calls: list[int] = []
    api.add_middleware(DjangoMiddleware, middleware="django.middleware.cache.FetchFromCacheMiddleware")
    api.add_middleware(DjangoMiddleware, middleware="django.middleware.cache.UpdateCacheMiddleware")

    @api.get("/")
    def count(request: DjangoRequest) -> int:
        assert isinstance(request, HttpRequest)
        calls.append(1)
        return len(calls)

    client = Client(build())
    assert [client.get("/").json() for _ in range(3)] == [1, 1, 1]


# What the project's `MIDDLEWARE` lists as well

SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
CONTRIB = (SESSIONS, LOCALE, CSRF, AUTH, MESSAGES)


class OwnSessionMiddleware(SessionMiddleware):
    """A project's own."""


OWN_SESSIONS = f"{__name__}.OwnSessionMiddleware"


def leave_something(request: HttpRequest) -> None:
    get_token(request)
    request.session["number"] = 1
    messages.info(request, "Welcome.")


def add_visits(routes: APIRouter | FastAPI) -> None:
    @routes.get("/visit")
    def visit(request: DjangoRequest) -> None:
        leave_something(request)

    @routes.get("/refusal")
    def refuse(request: DjangoRequest) -> None:
        leave_something(request)
        raise HTTPException(409)

    @routes.get("/end")
    def end(request: DjangoRequest) -> None:
        request.session.flush()

    @routes.get("/look")
    def look(request: DjangoRequest) -> list[Any]:
        return [request.session.get("number"), [str(message) for message in messages.get_messages(request)]]


def cookies_of(answer: httpx.Response) -> list[str]:
    return sorted(line.partition("=")[0] for line in answer.headers.get_list("set-cookie"))


@BOTH_PLACES
@pytest.mark.django_db
@pytest.mark.parametrize("listed", [CONTRIB, (OWN_SESSIONS, *CONTRIB[1:])])
@pytest.mark.parametrize("saves_always", [False, True])
@pytest.mark.parametrize("middleware", [CONTRIB, (SESSIONS,), (MESSAGES,)])
def test_what_the_project_lists_too_is_saved_once(  # noqa: PLR0913, PLR0917 (fixtures)
    api: FastAPI,
    build: Build,
    settings: Settings,
    place: str,
    listed: tuple[str, ...],
    saves_always: bool,  # noqa: FBT001
    middleware: tuple[str, ...],
) -> None:
    settings.MIDDLEWARE = list(listed)
    settings.SESSION_SAVE_EVERY_REQUEST = saves_always
    settings.MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
    routes = put(api, place, *middleware)
    add_visits(routes)
    finish(api, routes)
    app = build()
    for path in ("/visit", "/refusal"):
        client = Client(app)
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(path)
        assert cookies_of(answer) == ["csrftoken", "messages", "sessionid"]
        assert [query["sql"].split()[0] for query in queries if "session_data" in query["sql"]] == ["INSERT"]
        assert client.get("/look").json() == [1, ["Welcome."]]
        assert cookies_of(client.get("/end")) == ["sessionid"]


@pytest.mark.django_db
@pytest.mark.parametrize("middleware", [SESSIONS, MESSAGES])
def test_what_comes_after_a_middleware_is_saved_too(
    api: FastAPI, build: Build, settings: Settings, middleware: str
) -> None:
    """A message that the session keeps, a secret of CSRF in the session, the work of an exception handler."""
    settings.MIDDLEWARE = list(CONTRIB)
    settings.CSRF_USE_SESSIONS = True
    settings.MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
    routes = APIRouter(route_class=DjangoMiddleware.route_class(middleware))
    add_visits(routes)

    @routes.get("/wrong")
    def wrong() -> None:
        raise LookupError

    @api.exception_handler(LookupError)
    def handle(request: Request, _error: Exception) -> PlainTextResponse:
        leave_something(django_request(request))
        return PlainTextResponse("wrong", 404)

    api.include_router(routes)
    app = build()
    for path in ("/visit", "/wrong"):
        client = Client(app)
        answer = client.get(path)
        assert cookies_of(answer) == ["sessionid"]
        assert client.get("/look").json() == [1, ["Welcome."]]
        assert client.session["_csrftoken"]


@BOTH_PLACES
@pytest.mark.django_db
def test_what_the_project_does_not_list_comes_with_the_middleware(api: FastAPI, build: Build, place: str) -> None:
    routes = put(api, place, *CONTRIB)
    add_visits(routes)
    finish(api, routes)
    client = Client(build())
    assert cookies_of(client.get("/visit")) == ["csrftoken", "messages", "sessionid"]
    assert client.get("/look").json() == [1, ["Welcome."]]


# Caches

CACHES = ("django.middleware.cache.UpdateCacheMiddleware", "django.middleware.cache.FetchFromCacheMiddleware")


@pytest.fixture
def cached(request: pytest.FixtureRequest, api: FastAPI, settings: Settings) -> Iterator[APIRouter | FastAPI]:
    """Give the API, or a router of it, with Django's cache around its routes."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "answers"}}
    settings.MIDDLEWARE = [SESSIONS, CSRF, AUTH, MESSAGES]
    if request.param == "router":
        yield APIRouter(route_class=DjangoMiddleware.route_class(*CACHES))
    else:
        for middleware in reversed(CACHES):
            api.add_middleware(DjangoMiddleware, middleware=middleware)
        yield api
    cache.clear()


AROUND_BOTH = pytest.mark.parametrize("cached", ["api", "router"], indirect=True)


@AROUND_BOTH
@pytest.mark.django_db
@pytest.mark.parametrize("way", ["request", "auth"])
def test_a_cache_keeps_the_answers_of_users_apart(
    api: FastAPI, build: Build, cached: APIRouter | FastAPI, way: str, django_user_model: Any
) -> None:
    def by_request(request: DjangoRequest) -> str:
        return request.user.get_username()

    def by_auth(user: auth.OptionalUser) -> str:
        return user.get_username() if user is not None else ""

    cached.get("/me")(by_request if way == "request" else by_auth)
    finish(api, cached)
    app = build()
    ada, bob = Client(app), Client(app)
    ada.force_login(django_user_model.objects.create_user("ada"))
    bob.force_login(django_user_model.objects.create_user("bob"))
    assert [client.get("/me").json() for client in (ada, bob, Client(app), ada)] == ["ada", "bob", "", "ada"]


@pytest.mark.parametrize("cached", ["api"], indirect=True)
@pytest.mark.usefixtures("cached")
@pytest.mark.django_db
@pytest.mark.parametrize("page", ["/openapi.json", "/docs", "/redoc"])
def test_a_cache_shows_the_pages_for_staff_to_nobody_else(
    build: Build, settings: Settings, page: str, django_user_model: Any
) -> None:
    settings.FASTAPI_DOCS_ACCESS = "staff"
    app = build()
    staff = Client(app)
    staff.force_login(django_user_model.objects.create_user("ada", is_staff=True))
    assert [client.get(page).status_code for client in (staff, Client(app), staff)] == [200, 401, 200]


@AROUND_BOTH
@pytest.mark.django_db
@pytest.mark.parametrize("what", ["session", "saved", "csrf", "message", "response"])
def test_an_answer_that_sets_a_cookie_for_its_visitor_is_not_kept(
    api: FastAPI, build: Build, cached: APIRouter | FastAPI, what: str
) -> None:
    """And the cookie is set once, whatever the middleware has seen of it."""
    calls: list[str] = []

    @cached.get("/begin")
    def begin(request: DjangoRequest) -> int:
        calls.append(what)
        if what == "csrf":
            get_token(request)
        elif what == "message":
            messages.info(request, str(len(calls)))
        elif what == "session":
            request.session["number"] = len(calls)
        elif what == "saved":
            request.session.modified = True
            request.session.create()
            request.session.accessed = False
        else:
            request.response.set_cookie("number", str(len(calls)))
            patch_vary_headers(request.response, ["Cookie"])
        return len(calls)

    finish(api, cached)
    app = build()
    answers = [Client(app).get("/begin") for _ in range(2)]
    assert [answer.json() for answer in answers] == [1, 2]
    cookies = [answer.headers.get_list("set-cookie") for answer in answers]
    assert [len(one) for one in cookies] == [1, 1]
    assert cookies[0] != cookies[1]


@AROUND_BOTH
def test_a_cache_sees_the_headers_that_django_code_has_set(
    api: FastAPI, build: Build, cached: APIRouter | FastAPI
) -> None:
    calls: list[int] = []

    @cached.get("/alone")
    def alone(request: DjangoRequest) -> int:
        calls.append(1)
        patch_cache_control(request.response, private=True)
        return len(calls)

    @cached.get("/by-door")
    def by_door(request: DjangoRequest) -> str:
        patch_vary_headers(request.response, ["X-Door"])
        return request.headers["X-Door"]

    finish(api, cached)
    client = Client(build())
    assert [client.get("/alone").json() for _ in range(2)] == [1, 2]
    assert [client.get("/by-door", headers={"X-Door": door}).json() for door in "ab"] == ["a", "b"]


@AROUND_BOTH
def test_a_cookie_that_is_the_same_for_all_is_kept_with_its_answer(
    api: FastAPI, build: Build, cached: APIRouter | FastAPI
) -> None:
    calls: list[int] = []

    @cached.get("/theme")
    def theme(request: DjangoRequest) -> int:
        calls.append(1)
        request.response.set_cookie("theme", "dark")
        return len(calls)

    finish(api, cached)
    app = build()
    answers = [Client(app).get("/theme") for _ in range(2)]
    assert [answer.json() for answer in answers] == [1, 1]
    assert [answer.headers.get_list("set-cookie") for answer in answers] == [["theme=dark; Path=/"]] * 2
