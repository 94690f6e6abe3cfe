import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from django.contrib.auth.models import Permission, User
from django.http import HttpRequest
from django.template import TemplateDoesNotExist
from django.urls import include, path
from django.views.generic import TemplateView
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from pytest_django import Settings

from django_fastapi import DjangoRequest
from django_fastapi.exceptions import AwaitForgotten
from django_fastapi.shortcuts import arender, messages, render
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp
from django_fastapi.urls import APIResolver
from tests.request_threads import Places, asking, own_threads

Build = Callable[[], ASGIApp]

TEMPLATES = {
    "page.html": "Hello {{ name }} from {{ request.path }}",
    "form.html": "<form>{% csrf_token %}</form>",
    "links.html": "{% url 'api:page' pk=7 %} {% url 'plain' %}",
    "visitor.html": "{{ user.username }}|{{ perms.auth.view_user }}|"
    "{% for message in messages %}{{ message }};{% endfor %}",
    "settings.html": "{% load static %}{{ LANGUAGE_CODE }}|{{ TIME_ZONE }}|{{ STATIC_URL }}|{{ MEDIA_URL }}|"
    "{{ csrf_token|length }}|{{ shop }}|{{ debug }}|{% static 'a.css' %}",
    "users.html": "{% for user in users %}{{ user.username }} {% endfor %}{{ where }}",
    "note.txt": "plain",
}
JINJA = {"page.jinja": "Hello {{ name }} from {{ request.path }} {{ csrf_input }} {{ shop }}"}


def shop(_request: HttpRequest) -> dict[str, Any]:
    """Be a context processor of somebody else's."""
    return {"shop": "Hardware"}


@pytest.fixture(autouse=True)
def templates(settings: Settings, tmp_path: Path) -> None:
    for name, text in {**TEMPLATES, **JINJA}.items():
        (tmp_path / name).write_text(text)
    ours = [
        *(
            f"django.template.context_processors.{name}"
            for name in ("request", "csrf", "i18n", "tz", "static", "media", "debug")
        ),
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
        f"{__name__}.shop",
    ]
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [tmp_path],
            "OPTIONS": {"context_processors": ours},
        },
        {
            "BACKEND": "django.template.backends.jinja2.Jinja2",
            "DIRS": [tmp_path],
            "OPTIONS": {"context_processors": [f"{__name__}.shop"]},
        },
    ]


def add_page(api: FastAPI, template: str, **options: Any) -> None:
    @api.get("/def")
    def sync_page(request: Request) -> HTMLResponse:
        return render(request, template, {"name": "<Ada>"}, **options)

    @api.get("/async")
    async def async_page(request: Request) -> HTMLResponse:
        return await arender(request, template, {"name": "<Ada>"}, **options)

    @api.get("/awaited")
    async def awaited_page(request: DjangoRequest) -> HTMLResponse:
        return await render(request, template, {"name": "<Ada>"}, **options)  # type: ignore[no-any-return, misc]

    @api.get("/page/{pk}", name="page")
    def page(pk: int) -> None: ...


@pytest.mark.parametrize("url", ["/def", "/async", "/awaited"])
def test_a_template_is_a_response_for_all_colours(api: FastAPI, build: Build, url: str) -> None:
    add_page(api, "page.html")
    answer = Client(build()).get(url)
    assert answer.text == f"Hello &lt;Ada&gt; from {url}"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_whoever_forgets_to_await_is_told(api: FastAPI, build: Build) -> None:
    @api.get("/")
    async def page(request: Request) -> str:
        response = render(request, "page.html")
        with pytest.raises(AwaitForgotten, match=r"await render\(request, 'page.html'\)"):
            response.headers  # noqa: B018
        await response  # type: ignore[misc]
        return "told"

    assert Client(build()).get("/").json() == "told"


def test_status_headers_type_and_engine_can_be_given(api: FastAPI, build: Build) -> None:
    add_page(api, "note.txt", content_type="text/plain", status=418, headers={"X-Note": "1"}, using="django")
    for url in ("/def", "/async"):
        answer = Client(build()).get(url)
        assert (answer.status_code, answer.text, answer.headers["x-note"]) == (418, "plain", "1")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_the_first_template_that_exists_is_taken(api: FastAPI, build: Build) -> None:
    @api.get("/")
    def page(request: Request) -> HTMLResponse:
        return render(request, ["missing.html", "note.txt"])

    @api.get("/missing")
    def missing(request: Request) -> HTMLResponse:
        return render(request, "missing.html")

    client = Client(build())
    assert client.get("/").text == "plain"
    with pytest.raises(TemplateDoesNotExist):
        client.get("/missing")


@pytest.mark.parametrize("url", ["/def", "/async"])
def test_jinja2_through_djangos_backend(api: FastAPI, build: Build, url: str) -> None:
    add_page(api, "page.jinja", using="jinja2")
    answer = Client(build()).get(url)
    assert answer.text.startswith(f"Hello &lt;Ada&gt; from {url} <input")
    assert answer.text.endswith("Hardware")
    assert "csrftoken" in answer.cookies


@pytest.mark.parametrize("url", ["/def", "/async"])
def test_the_csrf_token_of_a_form_is_that_of_the_cookie(api: FastAPI, build: Build, url: str) -> None:
    add_page(api, "form.html")
    client = Client(build())
    answer = client.get(url)
    assert 'name="csrfmiddlewaretoken"' in answer.text
    secret = answer.cookies["csrftoken"]
    assert "Cookie" in answer.headers["vary"]
    client.get(url)
    assert client.cookies["csrftoken"] == secret


@pytest.mark.parametrize("url", ["/def", "/async"])
def test_templates_link_to_routes_and_views(api: FastAPI, build: Build, settings: Settings, url: str) -> None:
    add_page(api, "links.html")
    plain = path("plain/", TemplateView.as_view(template_name="note.txt"), name="plain")
    settings.ROOT_URLCONF = (plain, path("", include([APIResolver()])))
    assert Client(build()).get(url).text == "/page/7 /plain/"


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/visitor", "/async/visitor"])
def test_context_processors_know_the_visitor(api: FastAPI, build: Build, url: str) -> None:
    @api.get("/visitor")
    def page(request: Request) -> HTMLResponse:
        messages.info(request, "Welcome.")
        return render(request, "visitor.html")

    @api.get("/async/visitor")
    async def async_page(request: Request) -> HTMLResponse:
        messages.info(request, "Welcome.")
        return await arender(request, "visitor.html")

    ada = User.objects.create_user("ada")
    ada.user_permissions.add(Permission.objects.get(codename="view_user"))
    client = Client(build())
    assert client.get(url).text == "|False|Welcome.;"
    client.force_login(ada)
    assert client.get(url).text == "ada|True|Welcome.;"


@pytest.mark.parametrize("url", ["/def", "/async"])
def test_the_other_context_processors_too(api: FastAPI, build: Build, settings: Settings, url: str) -> None:
    settings.DEBUG, settings.INTERNAL_IPS = True, ["127.0.0.1"]
    add_page(api, "settings.html")
    text = Client(build()).get(url).text
    assert text == "en-us|UTC|/static/|/|64|Hardware|True|/static/a.css"


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/def", "/async"])
def test_a_template_may_ask_the_database(api: FastAPI, build: Build, url: str) -> None:
    User.objects.create_user("ada")

    @api.get("/def")
    def page(request: Request) -> HTMLResponse:
        return render(request, "users.html", {"users": User.objects.all()})

    @api.get("/async")
    async def async_page(request: Request) -> HTMLResponse:
        return await arender(request, "users.html", {"users": User.objects.all()})

    assert Client(build()).get(url).text.strip() == "ada"


@pytest.fixture
def on_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with own_threads(monkeypatch):
        yield


@pytest.mark.anyio
@pytest.mark.usefixtures("on_threads")
async def test_it_runs_on_the_requests_thread(api: FastAPI, build: Build) -> None:
    places = Places()

    @api.get("/", dependencies=[])
    async def page(request: Request) -> HTMLResponse:
        await anyio.to_thread.run_sync(lambda: None)
        first = await arender(request, "users.html", {"where": places.note})
        return await arender(request, "users.html", {"where": places.note}) if first else first

    async with asking(build()) as ask:
        assert (await ask("/")).status_code == 200
    places.assert_one_request_thread(2)


@pytest.mark.anyio
@pytest.mark.usefixtures("on_threads")
async def test_a_slow_template_blocks_no_stream(api: FastAPI, build: Build) -> None:
    """The template waits for the stream: if it stood in its way, neither would end."""
    streamed = threading.Event()

    def wait_for_the_stream() -> bool:
        return streamed.wait(30)

    @api.get("/page")
    async def page(request: Request) -> HTMLResponse:
        return await arender(request, "users.html", {"where": wait_for_the_stream})

    @api.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for part in (b"a", b"b", b"c"):
                await anyio.lowlevel.checkpoint()
                yield part
            streamed.set()

        return StreamingResponse(parts())

    async with asking(build()) as ask:
        slow = ask("/page")
        assert (await ask("/stream")).text == "abc"
        assert (await slow).text == "True"
