import asyncio
import contextvars
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio.from_thread
import httpx
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import Group, User
from django.core import mail
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils import translation
from fastapi import BackgroundTasks, Depends, FastAPI, Form, Request, Response, UploadFile
from fastapi.responses import RedirectResponse, StreamingResponse

import django_fastapi
from django_fastapi.exceptions import LifespanFailed
from django_fastapi.testing import Client

from .conftest import GroupSite


def test_every_method_and_an_httpx_response(site: GroupSite) -> None:
    @site.api.api_route("/any", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
    def any_method(request: Request) -> str:
        return request.method

    client = Client(site.app)
    for method in ("get", "post", "put", "patch", "delete", "options"):
        response = getattr(client, method)("/any")
        assert isinstance(response, httpx.Response)
        assert response.json() == method.upper()
    assert client.head("/any").content == b""
    assert client.request("GET", "/any").request.url == "http://testserver/any"


def test_the_scope_is_a_servers(site: GroupSite) -> None:
    @site.api.get("/scope/{rest:path}")
    def scope(request: Request, rest: str, q: str) -> dict[str, Any]:
        return {"rest": rest, "q": q, "raw": request.scope["raw_path"].decode(), "host": request.url.hostname}

    client = Client(site.app, base_url="https://example.org:8443", headers={"x-mine": "1"})
    response = client.get("/scope/ä b%2Fc", params={"q": "ü&"})
    assert response.json() == {"rest": "ä b/c", "q": "ü&", "raw": "/scope/%C3%A4%20b%2Fc", "host": "example.org"}


def test_bodies_forms_and_files(site: GroupSite) -> None:
    @site.api.post("/json")
    def take_json(numbers: list[int]) -> int:
        return sum(numbers)

    @site.api.post("/file")
    def take_file(file: UploadFile, title: Annotated[str, Form()]) -> list[Any]:
        return [title, file.filename, file.file.read().decode()]

    @site.api.post("/pieces")
    async def take_pieces(request: Request) -> list[str]:
        return [piece.decode() async for piece in request.stream() if piece]

    client = Client(site.app)
    assert client.post("/json", json=[1, 2]).json() == 3
    assert client.post("/file", files={"file": ("a.txt", b"content")}, data={"title": "A"}).json() == [
        "A",
        "a.txt",
        "content",
    ]
    assert client.post("/pieces", content=iter([b"one", b"two"])).json() == ["one", "two"]


def test_cookies_are_kept(site: GroupSite) -> None:
    @site.api.get("/set")
    def set_cookie(response: Response) -> None:
        response.set_cookie("seen", "yes")

    @site.api.get("/cookies")
    def cookies(request: Request) -> dict[str, str]:
        return dict(request.cookies)

    client = Client(site.app, cookies={"mine": "1"})
    client.get("/set")
    assert client.get("/cookies").json() == {"mine": "1", "seen": "yes"}


def test_redirects_are_followed_if_asked(site: GroupSite) -> None:
    @site.api.get("/from")
    def redirect() -> RedirectResponse:
        return RedirectResponse("/to")

    @site.api.get("/to")
    def target() -> str:
        return "there"

    assert Client(site.app).get("/from").status_code == 307
    assert Client(site.app, follow_redirects=True).get("/from").json() == "there"


def test_all_synchronous_work_is_on_the_tests_thread(site: GroupSite) -> None:
    def dependency() -> Iterator[int]:
        yield threading.get_ident()

    @site.api.get("/threads")
    def threads(one: Annotated[int, Depends(dependency)], background: BackgroundTasks) -> list[int]:
        background.add_task(lambda: seen.append(threading.get_ident()))
        return [one, threading.get_ident()]

    seen: list[int] = []
    here = threading.get_ident()
    assert Client(site.app).get("/threads").json() == [here, here]
    assert seen == [here]


def test_below_async_to_sync_in_an_endpoint_it_is_the_tests_thread_too(site: GroupSite) -> None:
    @site.api.get("/deep")
    def deep() -> int:
        return async_to_sync(sync_to_async(threading.get_ident))()

    assert Client(site.app).get("/deep").json() == threading.get_ident()


def test_another_thread_has_its_own_client_work(site: GroupSite) -> None:
    @site.api.get("/thread")
    def thread() -> int:
        return threading.get_ident()

    client = Client(site.app)
    assert client.get("/thread").json() == threading.get_ident()
    answers: list[int] = []

    def ask() -> None:
        answers.extend([client.get("/thread").json(), threading.get_ident()])

    other = threading.Thread(target=ask)
    other.start()
    other.join()
    assert answers[0] == answers[1]
    gc.collect()


def test_what_a_context_holds_goes_in_and_not_out(site: GroupSite) -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    def report() -> list[str]:
        value = [variable.get(), translation.get_language()]
        variable.set("changed")
        translation.activate("fr")
        return value

    @site.api.get("/sync-context")
    def sync_context() -> list[str]:
        return report()

    @site.api.get("/async-context")
    async def async_context() -> list[str]:
        return report()

    variable.set("set")
    client = Client(site.app)
    with translation.override("de"):
        for name in ("/sync-context", "/async-context"):
            assert client.get(name).json() == ["set", "de"]
            assert [variable.get(), translation.get_language()] == ["set", "de"]


def test_the_thread_is_left_as_it_was(site: GroupSite) -> None:

    Client(site.app).get("/openapi.json")

    async def thread() -> str:
        return threading.current_thread().name

    assert not async_to_sync(thread)().startswith("django_fastapi")
    with pytest.raises(RuntimeError):
        anyio.from_thread.run(thread)


@pytest.mark.anyio
async def test_in_a_coroutine_it_names_the_other_client(site: GroupSite) -> None:
    with pytest.raises(RuntimeError, match="AsyncClient"):
        Client(site.app).get("/sync")


# Exceptions


def crash_in_view(_request: HttpRequest) -> HttpResponse:
    raise LookupError("nobody catches this")


@pytest.fixture
def crashing(site: GroupSite, bare_django: Any) -> GroupSite:
    bare_django(path("django/crash/", crash_in_view))

    def dependency() -> None:
        raise LookupError("nobody catches this")

    @site.api.get("/crash")
    def crash() -> None:
        dependency()

    @site.api.get("/acrash")
    async def acrash() -> None:
        dependency()

    @site.api.get("/dependency", dependencies=[Depends(dependency)])
    def never() -> None: ...

    @site.api.get("/background")
    def background(tasks: BackgroundTasks) -> None:
        tasks.add_task(dependency)

    @site.api.get("/broken")
    def broken() -> StreamingResponse:
        def lines() -> Iterator[bytes]:
            yield b"first"
            dependency()

        return StreamingResponse(lines())

    return site


@pytest.mark.parametrize("url", ["/crash", "/acrash", "/dependency", "/background", "/broken", "/django/crash/"])
def test_exceptions_nobody_caught_are_raised_as_they_are(crashing: GroupSite, url: str) -> None:
    client = Client(crashing.app)
    with pytest.raises(LookupError, match="nobody catches this") as caught:
        client.get(url)
    assert any(entry.name in ("dependency", "crash_in_view") for entry in caught.traceback)
    assert client.get("/openapi.json").status_code == 200


@pytest.mark.parametrize("url", ["/crash", "/acrash", "/dependency", "/django/crash/"])
def test_or_answered_with_500(crashing: GroupSite, url: str) -> None:
    assert Client(crashing.app, raise_server_exceptions=False).get(url).status_code == 500


def test_an_answer_that_breaks_off_is_an_error_either_way(crashing: GroupSite) -> None:
    client = Client(crashing.app, raise_server_exceptions=False)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/broken")
    assert client.get("/background").status_code == 200


@pytest.mark.django_db
def test_expected_errors_are_answers(site: GroupSite) -> None:
    client = Client(site.app)
    assert client.get("/nothing").status_code == 404
    assert client.post("/sync").status_code == 422
    assert client.put("/sync").status_code == 405


# Streams


@pytest.mark.django_db
def test_a_stream_is_read_as_it_comes(site: GroupSite) -> None:
    @site.api.get("/rows")
    def rows() -> StreamingResponse:
        def lines() -> Iterator[str]:
            for group in Group.objects.order_by("name").iterator():
                yield group.name
                written.append(group.name)

        return StreamingResponse(lines())

    written: list[str] = []
    Group.objects.bulk_create(Group(name=name) for name in "abcdefgh")
    with Client(site.app).stream("GET", "/rows") as response:
        chunks = response.iter_raw()
        assert next(chunks) == b"a"
        assert len(written) < 4
        assert b"".join(chunks) == b"bcdefgh"
    assert written == list("abcdefgh")


def test_a_stream_that_is_left_is_ended(site: GroupSite) -> None:
    ended: list[str] = []

    @site.api.get("/endless")
    async def endless() -> StreamingResponse:
        async def ticks() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"tick"
                    await asyncio.sleep(0)
            finally:
                ended.append("async")

        return StreamingResponse(ticks())

    client = Client(site.app)
    with client.stream("GET", "/endless") as response:
        assert next(response.iter_raw()) == b"tick"
    assert ended == ["async"]
    assert client.get("/openapi.json").status_code == 200


def test_requests_while_a_stream_is_open(site: GroupSite) -> None:
    @site.api.get("/slow")
    def slow() -> StreamingResponse:
        return StreamingResponse(iter([b"one", b"two"]))

    client = Client(site.app)
    with client.stream("GET", "/slow") as response:
        chunks = response.iter_raw()
        assert next(chunks) == b"one"
        assert client.get("/openapi.json").status_code == 200
        assert next(chunks) == b"two"


# Lifespans


@pytest.fixture
def lively(build: Any, bare_django: Any, registry: Any) -> Iterator[tuple[Any, list[str]]]:
    bare_django()
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        events.append("startup")
        yield {"loop": asyncio.get_running_loop()}
        events.append("shutdown")

    api = FastAPI(lifespan=lifespan)
    registry.set_default(api)

    @api.get("/")
    async def same_loop(request: Request) -> bool:
        return request.state.loop is asyncio.get_running_loop()

    return build(), events


def test_the_lifespan_is_run_once_for_the_block(lively: tuple[Any, list[str]]) -> None:
    app, events = lively
    with Client(app) as client:
        assert events == ["startup"]
        assert client.get("/").json() is True
        assert client.get("/").json() is True
    assert events == ["startup", "shutdown"]
    with Client(app):
        pass
    assert events == ["startup", "shutdown"] * 2


def test_without_a_block_it_begins_with_the_first_request(lively: tuple[Any, list[str]]) -> None:
    app, events = lively
    first, second = Client(app), Client(app)
    assert events == []
    assert first.get("/").json() is True
    assert second.get("/").json() is True
    assert events == ["startup"]
    with Client(app):
        assert events == ["startup"]
    first.close()
    assert events == ["startup"]
    second.close()
    assert events == ["startup", "shutdown"]


def test_a_client_that_was_dropped_does_not_keep_it(lively: tuple[Any, list[str]]) -> None:
    app, events = lively
    Client(app).get("/")
    gc.collect()
    with Client(app) as client:
        assert events == ["startup", "shutdown", "startup"]
        assert client.get("/").json() is True


def test_a_lifespan_that_fails_is_an_error_of_the_test(build: Any, bare_django: Any, registry: Any) -> None:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("cannot start")
        yield

    bare_django()
    registry.set_default(FastAPI(lifespan=lifespan))
    client = Client(build())
    for _ in range(2):
        with pytest.raises(LifespanFailed, match="cannot start"):
            client.get("/")


@pytest.mark.django_db
def test_a_lifespan_is_in_the_tests_transaction(build: Any, bare_django: Any, registry: Any) -> None:
    seen: list[int] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        seen.append(await Group.objects.acount())
        yield

    bare_django()
    registry.set_default(FastAPI(lifespan=lifespan))
    Group.objects.create(name="seen")
    with Client(build()):
        assert seen == [1]


@pytest.mark.django_db
def test_a_spawned_task_works_in_the_tests_transaction(site: GroupSite) -> None:
    @site.api.post("/spawn")
    async def start() -> None:
        django_fastapi.spawn(work())

    async def work() -> None:
        await Group.objects.acreate(name="spawned")

    with Client(site.app) as client:
        client.post("/spawn")
        client.get("/sync")
    assert Group.objects.filter(name="spawned").exists()


def test_a_plain_application_without_a_lifespan(site: GroupSite) -> None:  # noqa: ARG001
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise ValueError(scope["type"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    assert Client(app).get("/").status_code == 204
    with Client(app) as client:
        assert client.get("/").status_code == 204


# The user


@pytest.mark.django_db
def test_force_login_login_and_logout(client_with_user: tuple[Client, User]) -> None:
    client, user = client_with_user
    assert client.get("/django/user/").text == ""
    client.force_login(user)
    assert client.get("/django/user/").text == "ada"
    client.session["note"] = "unsaved"
    session = client.session
    session["note"] = "saved"
    session.save()
    assert client.get("/django/user/", params={"note": "1"}).text == "saved"
    client.logout()
    assert client.get("/django/user/").text == ""
    assert not client.login(username="ada", password="wrong")
    assert client.login(username="ada", password="secret")
    assert client.get("/django/user/").text == "ada"


@pytest.mark.django_db
def test_a_login_outlasts_answers_that_set_the_sessions_cookie(client_with_user: tuple[Client, User]) -> None:
    client, user = client_with_user
    client.force_login(user)
    assert "secure" in client.get("/django/user/?save=1").headers["set-cookie"].lower()
    assert client.get("/django/user/").text == "ada"
    key = client.session.session_key
    assert client.get("/django/user/?renew=1", follow_redirects=True).text == "ada"
    assert client.get("/django/user/").text == "ada"
    assert client.session.session_key != key
    client.get("/django/user/?flush=1")
    assert client.get("/django/user/").text == ""
    assert "sessionid" not in client.cookies


def show_user(request: HttpRequest) -> HttpResponse:
    if "save" in request.GET:
        request.session["saved"] = True
    if "renew" in request.GET:
        request.session.cycle_key()
        return HttpResponseRedirect("/django/user/")
    if "flush" in request.GET:
        request.session.flush()
        return HttpResponse()
    return HttpResponse(request.session.get("note", "") if "note" in request.GET else request.user.get_username())


@pytest.fixture
def client_with_user(build: Any, bare_django: Any, settings: Any, db: None) -> tuple[Client, User]:  # noqa: ARG001
    settings.SESSION_COOKIE_SECURE = True
    settings.SESSION_COOKIE_DOMAIN = ".example.org"
    bare_django(
        path("django/user/", show_user),
        middleware=(
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ),
    )
    return Client(build()), User.objects.create_user("ada", password="secret")


@pytest.mark.parametrize("base_url", ["http://testserver", "https://testserver"])
def test_a_csrf_token_is_sent_unless_checks_are_wanted(client_with_user: tuple[Client, User], base_url: str) -> None:
    app = client_with_user[0].app
    assert Client(app, base_url=base_url).post("/django/user/").status_code == 200
    assert Client(app, base_url=base_url, cookies={"csrftoken": "a" * 32}).post("/django/user/").status_code == 200
    assert Client(app, base_url=base_url, enforce_csrf_checks=True).post("/django/user/").status_code == 403


# The rest


def test_overrides_are_undone(site: GroupSite) -> None:
    def dependency() -> str:
        return "real"

    @site.api.get("/value")
    def value(text: Annotated[str, Depends(dependency)]) -> str:
        return text

    client = Client(site.app)
    site.api.dependency_overrides[dependency] = lambda: "before"
    with client.override({dependency: lambda: "outer"}):
        with client.override({dependency: lambda: "inner"}):
            assert client.get("/value").json() == "inner"
        assert client.get("/value").json() == "outer"
    assert client.get("/value").json() == "before"
    with pytest.raises(ZeroDivisionError), client.override({dependency: lambda: "gone"}):
        1 / 0  # noqa: B018
    assert client.get("/value").json() == "before"


def test_overrides_of_one_application(site: GroupSite) -> None:
    def dependency() -> str:
        return "real"

    api = FastAPI()

    @api.get("/value")
    async def value(text: Annotated[str, Depends(dependency)]) -> str:
        return text

    with Client(api) as client, client.override({dependency: lambda: "replaced"}):
        assert client.get("/value").json() == "replaced"
        assert site.api.dependency_overrides == {}
    assert api.dependency_overrides == {}


def test_mail_is_in_the_outbox(site: GroupSite) -> None:
    @site.api.post("/mail")
    def send() -> None:
        mail.send_mail("Subject", "Hello", None, ["ada@example.org"])

    Client(site.app).post("/mail")
    assert [message.subject for message in mail.outbox] == ["Subject"]


def test_without_an_application_it_is_the_site_shared() -> None:
    first, second = Client(), Client()
    assert first.get("/probe/only-get").json() == "got"
    assert first.get("/probe/state").json() == {"greeting": "from the lifespan"}
    assert second.get("/second/who").json() == "second"
    assert first.app is second.app
