"""Static files with `DEBUG`: what there is no file for is 404, whatever the path and the host, whoever serves them."""

import posixpath
from collections.abc import Mapping
from functools import cached_property
from typing import IO, Any
from urllib.parse import ParseResult, quote, urlparse, urlsplit
from urllib.request import url2pathname

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles import finders, handlers
from django.core.exceptions import DisallowedHost, SuspiciousFileOperation
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.core.handlers.wsgi import get_path_info
from django.core.signals import request_started
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from .requests import make_django_request
from .types import Scope, WSGIEnvironment


class StaticFilesHandler(handlers.ASGIStaticFilesHandler):
    """Django's handler of static files, for which a path out of their folder is 404 as any other missing file.

    Where they are is asked at the first request, the first to tell the script prefix: Django puts it before
    `STATIC_URL` when that is first read, and for good.
    """

    def __init__(self, application: ASGIHandler) -> None:
        # Not Django's, which reads the setting.
        self.application = application

    @cached_property
    def base_url(self) -> ParseResult:  # type: ignore[override]  # an attribute in Django's
        """The URL of all static files."""
        return urlparse(self.get_base_url())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a file, also where a proxy has cut the script prefix off; leave anything else to the application."""
        path: str = scope["path"]
        whole = f"{get_script_prefix(scope).rstrip('/')}{path}"
        if not self._should_handle(path) and self._should_handle(whole):
            scope = {**scope, "path": whole}
        await super().__call__(scope, receive, send)

    def create_request(
        self, scope: Mapping[str, Any], body_file: IO[bytes]
    ) -> tuple[ASGIRequest, None] | tuple[None, HttpResponseBase]:
        """Make the request for a file, of whose body nothing is read, its type neither."""
        headers = [header for header in scope["headers"] if header[0] != b"content-type"]
        return super().create_request({**scope, "headers": headers}, body_file)

    def serve(self, request: HttpRequest) -> HttpResponse | FileResponse:
        """Serve a file.

        Raises:
            Http404: There is none.
        """
        try:
            return super().serve(request)
        except SuspiciousFileOperation as error:
            raise Http404(str(error)) from error


def are_served() -> bool:
    """Return whether this project has its static files served by Django itself, as for development."""
    return bool(settings.DEBUG and _has_url() and apps.is_installed("django.contrib.staticfiles"))


def _has_url() -> bool:
    if settings.FORCE_SCRIPT_NAME:
        # It is in force by now. A check of Django's reads the setting next, on a thread of `runserver` without it.
        return bool(settings.STATIC_URL)
    # Not through `settings`: no request has told the script prefix yet.
    return bool(getattr(vars(settings)["_wrapped"], "STATIC_URL", None))


def guard_runserver() -> None:
    """Have `runserver`, too, answer 404 where there is no static file: Django's and daphne's.

    Each stands around the application with a handler of its own. It answers 500 for a path out of the folder, and for a
    missing file of a host that is not allowed, which its page for 404 wants to name. What is told by `request_started`
    before the request is made can still be given another path and host.
    """
    request_started.connect(_mend_environ, sender=handlers.StaticFilesHandler)
    request_started.connect(_mend_scope, sender=handlers.ASGIStaticFilesHandler)


def _mend_environ(environ: WSGIEnvironment, **_: object) -> None:
    path = get_path_info(environ)
    if not path.startswith(_base()):
        return
    if _leaves_the_folder(path):
        environ["PATH_INFO"] = _missing(path)
    if not _is_host_allowed(environ):
        environ.pop("HTTP_X_FORWARDED_HOST", None)
        environ["HTTP_HOST"] = _allowed_host()


def _mend_scope(scope: Scope, **_: object) -> None:
    if not scope["path"].startswith(_base()):
        return
    if _leaves_the_folder(scope["path"]):
        scope["path"] = _missing(scope["path"])
    if not _is_host_allowed(make_django_request({**scope, "query_string": b""}).META):
        others = [header for header in scope["headers"] if header[0] not in (b"host", b"x-forwarded-host")]
        scope["headers"] = [(b"host", _allowed_host().encode()), *others]


def _leaves_the_folder(path: str) -> bool:
    """Return whether Django refuses to look for the file: it asks what `staticfiles.views.serve` asks."""
    name = url2pathname(path.removeprefix(_base()))
    try:
        finders.find(posixpath.normpath(name).lstrip("/"))
    except SuspiciousFileOperation:
        return True
    return False


def _is_host_allowed(meta: Mapping[str, Any]) -> bool:
    request = HttpRequest()
    request.META = dict(meta)
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return True


def _allowed_host() -> str:
    """Return a host of `ALLOWED_HOSTS`; with none there, Django allows this one with `DEBUG`."""
    return next((name.lstrip(".") for name in settings.ALLOWED_HOSTS if name != "*"), "localhost")


def _missing(path: str) -> str:
    """Return the path of a static file that nobody has, with a name that says which path was asked for.

    The handler undoes one quoting, and what is left has no separators of any operating system.
    """
    return _base() + quote(quote(path, safe=""))


def _base() -> str:
    return urlsplit(str(settings.STATIC_URL)).path
