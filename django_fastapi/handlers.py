"""Django's own handler, as the application for what no API serves.

Django's ASGI handler runs a synchronous view by way of the event loop: to the thread and back for each half of each
middleware, ten times for the middleware of a new project. Here the whole chain of a synchronous view runs on the
request's thread, as under WSGI, and that of an asynchronous one as Django has it. A synchronous stream, which Django
reads to its end before it sends any of it, is sent piece by piece.
"""

import asyncio
import logging
import os
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from http import HTTPStatus
from typing import IO, Any, Final, cast
from weakref import WeakKeyDictionary

import anyio
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import BadRequest
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string

from . import content_types
from .concurrency import current_lease, run
from .contexts import is_coroutine_function
from .exits import refuse_exit
from .forms import parsing
from .repeating import RepeatableBody
from .static_files import StaticFilesHandler, are_served
from .streaming import opened
from .types import ASGIApp

_logger: Final = logging.getLogger("django.request")

UNRESOLVED: Final = "django_fastapi.unresolved"
"""The key set in the scope of a request whose path is in no URLconf."""

RESOLVES_NOTHING: Final = "resolves_nothing"
"""The attribute of a resolver that is there for `reverse()` alone, and whose patterns no request comes to."""


class _Resolving(BaseHandler):
    """A handler that tells through the scope when no URL pattern fits.

    A 404 alone does not say that: a view may answer one, and a middleware may turn an unresolved path into a page
    (flatpages) or a redirect (`APPEND_SLASH`, `LocaleMiddleware`).
    """

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Resolve the path as Django does, and leave a mark if nothing fits."""
        try:
            return super().resolve_request(request)
        except Resolver404:
            scope: dict[str, Any] = request.scope  # type: ignore[attr-defined]  # only ASGIRequest has it
            scope[UNRESOLVED] = True
            raise


class _SynchronousHandler(_Resolving):
    """Django's middleware and views as it runs them under WSGI."""

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware()


class _Request(ASGIRequest):
    """Django's request, of which no form is a 500."""

    def parse_file_upload(self, META: Any, post_data: Any) -> Any:  # noqa: N803 (Django's name)
        with parsing():
            return super().parse_file_upload(META, post_data)


_Request.__name__ = ASGIRequest.__name__  # by which it is shown in logs and on debug pages


class _Work:
    """What Django's handler does for one request, as far as somebody may have to end it."""

    def __init__(self) -> None:
        self.response: HttpResponseBase | None = None
        self._tasks: set[asyncio.Task[Any] | None] = set()
        # Middleware may leave something on the thread's connection while the view awaits.
        self._lease = current_lease()
        if self._lease is not None:
            self._lease.hold_firmly()

    def join(self) -> None:
        """Note that the current task has a part in it."""
        self._tasks.add(asyncio.current_task())

    def let_go(self) -> None:
        """Hold the thread no longer."""
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.release_firm()

    def close(self) -> None:
        """Forget all of it: whatever the request has started may go on with this in its context."""
        self.let_go()
        self._tasks.clear()
        self.response = None

    async def abort(self) -> None:
        """End the tasks that Django has started, and close the response, unless Django has."""
        others = [task for task in self._tasks if task is not None and task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self.response is not None and not self.response.closed:
            await run(self.response.close, must_run=True)


_work: Final = ContextVar[_Work]("django_fastapi.work")


class DjangoHandler(_Resolving, ASGIHandler):
    """Django's ASGI handler, with a synchronous view and all middleware around it in one go on the request's thread.

    The first asynchronous view that is asked for gets instances of the middleware of its own. Most projects have none,
    and one instance of each middleware, as Django has it.
    """

    request_class: type[ASGIRequest] = _Request
    _synchronous: _SynchronousHandler | None = None
    _has_asynchronous = False

    def __init__(self) -> None:
        super().__init__()
        self._views = _Views()

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 (Django's)
        """Load the middleware for synchronous views, unless one of them has to be on the event loop.

        Raises:
            ImportError: A path in `MIDDLEWARE` cannot be imported.
            ImproperlyConfigured: A middleware is none.
        """
        if all(getattr(import_string(path), "sync_capable", True) for path in settings.MIDDLEWARE):
            self._synchronous = _SynchronousHandler()
        else:
            self._load_asynchronous()

    def _load_asynchronous(self) -> None:
        super().load_middleware(is_async=True)
        self._has_asynchronous = True

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request, and leave nothing behind.

        Django closes a response that was sent, or whose client has said that it goes. A stream may fail as well, and a
        WSGI server cancels what has no client any more.
        """
        work = _Work()
        _work.set(work)
        try:
            await super().handle(scope, receive, send)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await work.abort()
            raise
        finally:
            work.close()

    async def read_body(self, receive: Any) -> IO[bytes]:
        """Read the body of a request."""
        file: IO[bytes] = await super().read_body(receive)
        return receive.keep(file) if isinstance(receive, RepeatableBody) else file

    async def listen_for_disconnect(self, receive: Any) -> None:
        """Wait for the client to go."""
        _work.get().join()
        await super().listen_for_disconnect(receive)

    async def run_get_response(self, request: HttpRequest) -> HttpResponseBase:
        """Return the answer to a request, for `send_response`."""
        work = _work.get()
        work.join()
        try:
            response = work.response = await super().run_get_response(request)
        except (SystemExit, KeyboardInterrupt, BaseExceptionGroup) as error:
            refuse_exit(error)  # this is a task of its own
        work.let_go()
        return response

    async def send_response(self, response: HttpResponseBase, send: Any) -> None:
        """Send a response, a synchronous stream piece by piece."""
        try:
            if not isinstance(response, StreamingHttpResponse) or response.is_async:
                await super().send_response(response, send)
                return
            async with opened(response) as parts:
                response.streaming_content = parts
                await super().send_response(response, send)
        except (SystemExit, KeyboardInterrupt, BaseExceptionGroup) as error:
            refuse_exit(error)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """Return the answer to a request."""
        if self._synchronous is not None and not self._views.may_be_async(request.path_info):
            return await sync_to_async(self._synchronous.get_response)(request)
        if not self._has_asynchronous:
            self._load_asynchronous()
        return await super().get_response_async(request)

    def create_request(
        self, scope: Mapping[str, Any], body_file: IO[bytes]
    ) -> tuple[ASGIRequest, None] | tuple[None, HttpResponse]:
        """Make the request as Django does, and mend what its ASGI side leaves to the view.

        A chunked body has no `Content-Length`, without which Django's form parser finds no files; it is known by now. A
        form in another charset than UTF-8 is 400 for Django too, but the page that says so reads the form again. So is
        a header that Django's parser does not get through; Django expects of it bytes that cannot be decoded, no more.
        """
        try:
            request, refusal = super().create_request(scope, body_file)
        except (TypeError, ValueError, BadRequest) as error:
            refusal = HttpResponseBadRequest()
            extra = {"status_code": refusal.status_code}
            _logger.warning("Bad Request (%s)", type(error).__name__, exc_info=error, extra=extra)
            return None, refusal
        if request is None:
            return None, cast("HttpResponse", refusal)
        content_types.correct(request)
        if request.content_type == content_types.URLENCODED and not content_types.is_djangos_utf8(request):
            return None, HttpResponseBadRequest()
        if not request.META.get("CONTENT_LENGTH"):
            size = body_file.seek(0, os.SEEK_END)
            body_file.seek(0)
            if size:
                request.META["CONTENT_LENGTH"] = str(size)
        return request, None


class _Views:
    """Knows of the project's views which are asynchronous.

    Where it is wrong, since a middleware gives the request an URLconf of its own, everything works, though a view then
    holds the request's thread while it awaits.
    """

    def __init__(self) -> None:
        self._have_async: WeakKeyDictionary[URLResolver, bool] = WeakKeyDictionary()

    def may_be_async(self, path: str) -> bool:
        """Return whether the view of a path is asynchronous, or may be for all that can be told."""
        resolver = get_resolver()
        try:
            return self._are_among(resolver) and is_coroutine_function(resolver.resolve(path).func)
        except Resolver404:  # an `i18n_patterns` in another language, for example
            return True
        except Exception:  # noqa: BLE001 (an URLconf that cannot be imported, say: Django comes to it and answers)
            return False

    def _are_among(self, resolver: URLResolver) -> bool:
        have_async = self._have_async.get(resolver)
        if have_async is None:
            have_async = self._have_async[resolver] = _have_async(resolver.url_patterns)
        return have_async


def _have_async(patterns: Iterable[URLPattern | URLResolver]) -> bool:
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            if is_coroutine_function(pattern.callback):
                return True
        elif not getattr(pattern, RESOLVES_NOTHING, False) and _have_async(pattern.url_patterns):
            return True
    return False


class _UnlessUnresolved(logging.Filter):
    """Keep out of the log what Django says of a path that it does not know: an API may have the answer.

    The answer is logged when there is one, whoever gives it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is about anything else."""
        scope: Mapping[str, Any] = getattr(getattr(record, "request", None), "scope", {})
        return not (scope.get(UNRESOLVED, False) and getattr(record, "status_code", None) == HTTPStatus.NOT_FOUND)


_unless_unresolved: Final = _UnlessUnresolved()  # one: a logger takes the same filter once


def make_django_handler() -> ASGIApp:
    """Return Django's handler, serving static files as well with `DEBUG`, as `runserver` does."""
    _logger.addFilter(_unless_unresolved)
    handler: ASGIHandler = DjangoHandler()
    if are_served():
        handler = StaticFilesHandler(handler)
    # django-stubs describe the scope as a dict, which it is, and Starlette as a mapping.
    return cast("ASGIApp", handler)
