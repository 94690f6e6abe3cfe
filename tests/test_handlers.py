import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.core.handlers.asgi import ASGIHandler
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.test import modify_settings
from django.urls import include, path
from django.utils.decorators import async_only_middleware, sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin
from django.views import View
from fastapi import FastAPI
from pytest_django import Settings

from django_fastapi.handlers import DjangoHandler, make_django_handler

from .asgi import ask, make_scope
from .conftest import fetch

STATIC_FILE = "/static/admin/css/base.css"
MULTIPART = "multipart/form-data; boundary=b"
UNREADABLE_PART = (
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n'
    b"Content-Type: text/plain;a*1;a*=x\r\n\r\nhi\r\n--b--\r\n"
)


@pytest.fixture(autouse=True)
def no_urls(bare_django: Callable[..., None]) -> None:
    bare_django()


def test_with_debug_static_files_are_served(settings: Settings) -> None:
    settings.DEBUG = True
    handler = make_django_handler()
    assert isinstance(handler, ASGIHandler)
    assert fetch(handler, STATIC_FILE).status_code == 200
    assert fetch(handler, "/static/missing.css").status_code == 404


def test_without_debug_they_are_left_to_others() -> None:
    assert type(make_django_handler()) is DjangoHandler
    assert fetch(make_django_handler(), STATIC_FILE).status_code == 404


def test_a_project_without_static_files_has_none_served(settings: Settings) -> None:
    settings.DEBUG = True
    with modify_settings(INSTALLED_APPS={"remove": ["django.contrib.staticfiles"]}):
        assert type(make_django_handler()) is DjangoHandler
    settings.STATIC_URL = None
    assert type(make_django_handler()) is DjangoHandler


def echo(request: HttpRequest) -> HttpResponse:
    return JsonResponse(
        {"post": request.POST.dict(), "files": [file.read().decode() for file in request.FILES.values()]}
    )


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content


def test_a_chunked_upload_has_its_files(bare_django: Callable[..., None]) -> None:
    bare_django(path("echo", echo))
    boundary = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n\r\nwhole\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = fetch(make_django_handler(), "/echo", "POST", content=chunks(boundary), headers=headers)
    assert answer.json()["files"] == ["whole"]


@pytest.mark.parametrize(
    ("charset", "status"),
    [("utf-8", 200), ("UTF8", 200), ("utf-16", 400), ("rot13", 400), ("idna", 400), ("no-such-charset", 200)],
)
def test_a_form_is_utf8_or_refused(bare_django: Callable[..., None], charset: str, status: int) -> None:
    bare_django(path("echo", echo))
    headers = {"Content-Type": f"application/x-www-form-urlencoded; charset={charset}"}
    answer = fetch(make_django_handler(), "/echo", "POST", content="a=%C3%A4", headers=headers)
    assert answer.status_code == status
    assert status != 200 or answer.json()["post"] == {"a": "ä"}


made: list[str] = []
"""The mode of each `Around` that was made."""
seen: list[str] = []
"""What the middleware have seen."""


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    made.clear()
    seen.clear()


class Around(MiddlewareMixin):
    """A middleware with all hooks there are."""

    def __init__(self, get_response: Callable[..., Any]) -> None:
        super().__init__(get_response)
        made.append("async" if self.async_mode else "sync")

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        seen.append(f"request {request.path}")
        return HttpResponse("early") if "early" in request.GET else None

    def process_view(self, _request: HttpRequest, view: Callable[..., Any], *_: Any) -> None:
        seen.append(f"view {view.__name__}")

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponse | None:
        seen.append(f"exception {error}")
        return HttpResponse("mended", status=418) if "mended" in str(error) else None

    def process_template_response(self, _request: HttpRequest, response: TemplateResponse) -> TemplateResponse:
        seen.append("template response")
        return response

    def process_response(self, _request: HttpRequest, response: HttpResponse) -> HttpResponse:
        seen.append(f"response {response.status_code}")
        return response


def who_calls(_request: HttpRequest) -> HttpResponse:
    return JsonResponse([frame.function for frame in inspect.stack()], safe=False)


def chunk(_request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter([b"a", b"b"]))


def template(request: HttpRequest) -> TemplateResponse:
    return TemplateResponse(request, engines["django"].from_string("rendered"))


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError(request.GET.get("error", "broken"))


def find_nothing(_request: HttpRequest) -> HttpResponse:
    raise Http404("nothing")


async def wait(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("waited")


class Waiting(View):
    async def get(self, _request: HttpRequest) -> HttpResponse:
        return HttpResponse("waited in a class")


async def fail_later(request: HttpRequest) -> HttpResponse:
    raise RuntimeError(request.GET.get("error", "broken"))


SYNCHRONOUS = [
    path("chunk", chunk),
    path("template", template),
    path("fail", fail),
    path("find-nothing", find_nothing),
    path("who-calls", who_calls),
]
ASYNCHRONOUS = [path("wait", wait), path("fail-later", fail_later)]
AROUND = f"{__name__}.Around"


@pytest.mark.parametrize("urls", [SYNCHRONOUS, [*SYNCHRONOUS, *ASYNCHRONOUS]], ids=["no async views", "async views"])
@pytest.mark.parametrize(
    "target",
    [
        *("/chunk", "/template", "/fail", "/fail?error=mended", "/find-nothing", "/no-such-page", "/chunk?early"),
        *("/wait", "/fail-later", "/fail-later?error=mended", "/wait?early"),
    ],
)
def test_middleware_and_views_are_to_each_other_as_in_djangos_own(
    bare_django: Callable[..., None], urls: list[Any], target: str
) -> None:
    bare_django(*urls, middleware=(AROUND, "django.middleware.gzip.GZipMiddleware", AROUND))
    answers = []
    for handler in (make_django_handler(), ASGIHandler()):
        seen.clear()
        if target == "/chunk" and type(handler) is ASGIHandler:
            with pytest.warns(Warning, match="must consume synchronous iterators"):
                answer = fetch(handler, target)
        else:
            answer = fetch(handler, target)
        answers.append((answer.status_code, answer.content, dict(answer.headers), list(seen)))
    assert answers[0] == answers[1]


def test_a_synchronous_view_is_called_by_the_middleware_around_it(bare_django: Callable[..., None]) -> None:
    bare_django(path("who-calls", who_calls), middleware=(AROUND, AROUND))
    assert fetch(make_django_handler(), "/who-calls").json().count("__call__") >= 2


def test_with_views_of_one_kind_there_is_one_instance_of_each_middleware(bare_django: Callable[..., None]) -> None:
    bare_django(path("echo", echo), middleware=(AROUND,))
    handler = make_django_handler()
    assert (fetch(handler, "/echo").status_code, fetch(handler, "/missing").status_code) == (200, 404)
    assert made == ["sync"]


def test_the_middleware_of_an_asynchronous_view_is_asynchronous(bare_django: Callable[..., None]) -> None:
    bare_django(path("echo", echo), path("wait", wait), middleware=(AROUND,))
    handler = make_django_handler()
    assert fetch(handler, "/echo").status_code == 200
    assert made == ["sync"]
    assert [fetch(handler, "/wait").text for _ in range(2)] == ["waited", "waited"]
    assert made == ["sync", "async"]


def test_an_asynchronous_view_may_be_a_class(bare_django: Callable[..., None]) -> None:
    bare_django(path("wait", Waiting.as_view()), middleware=(AROUND,))
    assert fetch(make_django_handler(), "/wait").text == "waited in a class"
    assert made == ["sync", "async"]


@async_only_middleware
def around_loop(get_response: Callable[..., Any]) -> Callable[..., Any]:
    made.append("async only")

    async def serve(request: HttpRequest) -> HttpResponse:
        response: HttpResponse = await get_response(request)
        return response

    return serve


def test_a_middleware_that_is_asynchronous_only_has_all_views_so(bare_django: Callable[..., None]) -> None:
    bare_django(path("echo", echo), path("wait", wait), middleware=(AROUND, f"{__name__}.around_loop"))
    handler = make_django_handler()
    assert (fetch(handler, "/echo").status_code, fetch(handler, "/wait").status_code) == (200, 200)
    assert made == ["async only", "async"]


@sync_and_async_middleware
def with_other_urls(get_response: Callable[..., Any]) -> Callable[..., Any]:
    def serve(request: HttpRequest) -> HttpResponse:
        request.urlconf = tuple(ASYNCHRONOUS)  # type: ignore[attr-defined]  # it is there for this
        response: HttpResponse = get_response(request)
        return response

    return serve


def test_an_asynchronous_view_of_another_urlconf_works(bare_django: Callable[..., None]) -> None:
    bare_django(path("echo", echo), middleware=(f"{__name__}.with_other_urls",))
    assert fetch(make_django_handler(), "/wait").text == "waited"


@pytest.mark.parametrize("target", ["/de/wait", "/de/echo"])
def test_paths_in_another_language_are_found(bare_django: Callable[..., None], settings: Settings, target: str) -> None:
    settings.USE_I18N = True
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
    patterns = i18n_patterns(path("wait", wait), path("echo", echo))
    bare_django(*patterns, middleware=("django.middleware.locale.LocaleMiddleware",))
    assert fetch(make_django_handler(), target).status_code == 200


async def endpoint() -> None:
    """Be a route that `reverse()` knows."""


def test_routes_of_apis_are_no_views(bare_django: Callable[..., None], api: FastAPI) -> None:
    api.get("/later")(endpoint)
    bare_django(path("echo", echo), path("", include("django_fastapi.urls")), middleware=(AROUND,))
    handler = make_django_handler()
    assert fetch(handler, "/echo").status_code == 200
    assert fetch(handler, "/missing").status_code == 404
    assert made == ["sync"]


class Mending:
    """A middleware that answers what those inside of it raise."""

    def __init__(self, get_response: Callable[..., Any]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            response: HttpResponse = self._get_response(request)
        except ImportError as error:
            return HttpResponse(str(error))
        return response


def test_a_urlconf_that_cannot_be_imported_fails_where_middleware_see_it(settings: Settings) -> None:
    settings.ROOT_URLCONF, settings.MIDDLEWARE = "tests.no_such_urls", [f"{__name__}.Mending"]
    assert fetch(make_django_handler(), "/").text == "No module named 'tests.no_such_urls'"


@pytest.mark.parametrize("content_type", ["text/plain; a*=bogus''%41", "text/plain;a*1;a*=x"])
def test_a_request_that_django_cannot_make_is_400_and_logged(
    content_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    scope = make_scope("/", headers=[(b"content-type", content_type.encode())])
    assert ask(make_django_handler(), scope).status == 400
    [record] = [one for one in caplog.records if one.name == "django.request"]
    assert record.getMessage().startswith("Bad Request (")
    assert record.status_code == 400  # type: ignore[attr-defined]


def test_a_part_of_a_form_whose_header_cannot_be_read_is_400(bare_django: Callable[..., None]) -> None:
    def names(request: HttpRequest) -> HttpResponse:
        return HttpResponse(" ".join(request.FILES))

    bare_django(path("names", names))
    answer = fetch(
        make_django_handler(), "/names", "POST", content=UNREADABLE_PART, headers={"Content-Type": MULTIPART}
    )
    assert answer.status_code == 400


def test_a_type_error_of_an_upload_handler_is_its_own(bare_django: Callable[..., None]) -> None:
    class Broken(MemoryFileUploadHandler):
        def new_file(self, *_args: Any, **_options: Any) -> None:
            raise TypeError("of the project")

    def names(request: HttpRequest) -> HttpResponse:
        request.upload_handlers = [Broken(request)]
        return HttpResponse(" ".join(request.FILES))

    bare_django(path("names", names))
    body = UNREADABLE_PART.replace(b";a*1;a*=x", b"")
    answer = fetch(make_django_handler(), "/names", "POST", content=body, headers={"Content-Type": MULTIPART})
    assert answer.status_code == 500
