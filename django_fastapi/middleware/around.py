"""A Django middleware around an ASGI application."""

import asyncio
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import anyio
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from fastapi.routing import APIRoute
from starlette.requests import Request

from django_fastapi.boundary import log_error
from django_fastapi.concurrency import current_lease
from django_fastapi.exceptions import ConfigurationError, IncompleteResponse
from django_fastapi.exits import refuse_exit
from django_fastapi.refusals import PROCESS_EXCEPTION, problem_of
from django_fastapi.requests import SLOT, FastAPIRequest, django_request, load_body
from django_fastapi.types import ASGIApp, Receive, Scope, Send
from django_fastapi.visitors import is_left_to_project

from .answers import send_response
from .exchanges import Exchange
from .hooks import DjangoAnswer, ask_about_exception, ask_before_view, rendered
from .loading import Loaded, load

_exchange: ContextVar[Exchange] = ContextVar("django_fastapi.exchange")


class DjangoMiddleware:
    """Any Django middleware, around a FastAPI application or the routes of a router.

    ::

        api.add_middleware(DjangoMiddleware, middleware="django.middleware.gzip.GZipMiddleware")

        router = APIRouter(route_class=DjangoMiddleware.route_class("django.middleware.csrf.CsrfViewMiddleware"))

    It sees the one Django request that the endpoint gets as `DjangoRequest`, and the answer as a Django response: a
    stream as a `StreamingHttpResponse`, piece by piece as it is sent. It may answer in the place of the application.
    Its synchronous code runs on the request's thread, which is held until the middleware has returned its response.
    `process_view` is called with the endpoint; `process_exception` with what the endpoint raised, unless that is
    FastAPI's own way of answering (`HTTPException`, an invalid request) or has a handler of the project's;
    `process_template_response` for a `TemplateResponse` of the middleware itself. WebSockets pass by. So do requests
    at Django's own middleware for sessions and for messages, if `MIDDLEWARE` has such: what an endpoint asks for is
    there anyway, and is saved once.

    Args:
        app: The application inside.
        middleware: A dotted path, a class, or a factory.

    Raises:
        ConfigurationError: The middleware cannot be imported, or makes nothing.
    """

    def __init__(self, app: ASGIApp, *, middleware: str | Callable[..., Any]) -> None:
        self.app = app
        self._around = _Around(middleware)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        await self._around(self.app, scope, receive, send)

    @classmethod
    def route_class(cls, *middleware: str | Callable[..., Any]) -> type[APIRoute]:
        """Return a class of routes that have middleware around them, for `APIRouter(route_class=...)`.

        Args:
            *middleware: The outermost first, as in `MIDDLEWARE`. There is one of each for all routes.
        """
        around = [_Around(one) for one in middleware]

        class MiddlewareRoute(APIRoute):
            async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
                app: ASGIApp = super().handle
                for one in reversed(around):
                    app = one.around(app)
                await app(scope, receive, send)

        return MiddlewareRoute


class _Around:
    """One middleware, for all requests and whatever application."""

    def __init__(self, middleware: str | Callable[..., Any]) -> None:
        self._loaded = load(middleware, _get_response, _aget_response)

    def around(self, app: ASGIApp) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            await self(app, scope, receive, send)

        return serve

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if self._loaded is None or scope["type"] != "http" or is_left_to_project(self._loaded.name):
            await app(scope, receive, send)
            return
        request = Request(scope, receive)
        await load_body(request)
        await _Pass(self._loaded, django_request(request), scope).serve(app, receive, send)


class _Pass:
    """One request on its way through one middleware."""

    def __init__(self, loaded: Loaded, request: FastAPIRequest, scope: Scope) -> None:
        self._loaded = loaded
        self._request = request
        self._scope = scope
        self._exchange = Exchange(scope[SLOT])

    async def serve(self, app: ASGIApp, receive: Receive, send: Send) -> None:
        """Serve the request, and leave nothing behind."""
        scope = self._scope
        before = scope.get("extensions", {}), scope.get(PROCESS_EXCEPTION)
        try:
            await self._serve(app, receive, send)
        finally:
            scope["extensions"], scope[PROCESS_EXCEPTION] = before
            self._exchange.close()

    async def _serve(self, app: ASGIApp, receive: Receive, send: Send) -> None:
        error: BaseException | None = None
        passing = asyncio.create_task(self._pass(send), name=self._loaded.name)
        passing.add_done_callback(self._exchange.end)
        try:
            failure = None
            if await self._exchange.is_asked(passing):
                failure = await self._respond(app, receive)
                if self._exchange.is_unfinished:
                    return  # the client has left
            await self._conclude(failure, replaced=await asyncio.shield(passing))
        except BaseException as raised:
            error = raised
            raise
        finally:
            if not passing.done():
                with anyio.CancelScope(shield=True):
                    self._exchange.abort(error)
                    passing.cancel()
                    await asyncio.wait({passing})
            error = None  # its traceback knows this frame
            if not passing.cancelled():
                passing.exception()  # it has been raised, or something else has been

    async def _respond(self, app: ASGIApp, receive: Receive) -> Exception | None:
        """Run the application, unless the middleware answers in its place; return what it failed with."""
        exchange, scope = self._exchange, self._scope
        answer = await ask_before_view(self._loaded, self._request, scope)
        if answer is not None:
            exchange.answer(answer)
            return None
        scope["extensions"] = _without_responses(scope.get("extensions", {}))
        scope[PROCESS_EXCEPTION] = self._process_exception(scope.get(PROCESS_EXCEPTION))
        try:
            await app(scope, receive, exchange.send)
        except Exception as error:
            if exchange.is_unwanted:
                return None
            if exchange.is_answered:
                raise
            answer = await ask_about_exception(self._loaded, self._request, error)
            if answer is None:
                exchange.fail(problem_of(error).status)
                return error
            exchange.answer(answer)
        if not exchange.is_answered and not exchange.is_unfinished:
            raise IncompleteResponse("The application inside of a Django middleware ended without an answer.")
        return None

    def _process_exception(self, outer: Callable[[Exception], Any] | None) -> Callable[[Exception], Any]:
        """Return what shows an exception to this middleware, then to the one around it; the answer ends that."""

        async def process(error: Exception) -> DjangoAnswer | None:
            answer = await ask_about_exception(self._loaded, self._request, error)
            if answer is not None:
                return DjangoAnswer(answer)
            found: DjangoAnswer | None = None if outer is None else await outer(error)
            return found

        return process

    async def _pass(self, send: Send) -> bool:
        """Run the middleware and send its response; return whether it has one where the application has failed."""
        _exchange.set(self._exchange)
        lease = current_lease()
        if lease is not None:
            lease.hold_firmly()
        try:
            response = await rendered(self._loaded, self._request, await self._loaded.call(self._request))
        except (SystemExit, KeyboardInterrupt, BaseExceptionGroup) as error:
            refuse_exit(error)  # this is a task of its own
        finally:
            if lease is not None:
                lease.release_firm()
        if not isinstance(response, HttpResponseBase):
            raise ConfigurationError(f"The middleware {self._loaded.name} returned {response!r}, which is no response.")
        if self._exchange.placeholder is not None and response is self._exchange.placeholder:
            self._keep_effects(response)
            return False
        await send_response(response, self._exchange.origin, send)
        return True

    def _keep_effects(self, response: HttpResponseBase) -> None:
        """Have headers and cookies go out with the answer to an exception, which is given further outside."""
        pending = self._request.response
        for name, value in response.items():
            if name != "Content-Type":
                pending.headers[name] = value
        pending.cookies.update(response.cookies)

    async def _conclude(self, failure: Exception | None, *, replaced: bool) -> None:
        """Raise what the application failed with, or log it if the middleware has answered in its place."""
        if failure is None:
            return
        if not replaced:
            raise failure
        await log_error(failure, self._scope)


def _without_responses(extensions: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the server offers beyond ASGI's own messages, without ways to answer that no middleware sees."""
    return {name: value for name, value in extensions.items() if not name.startswith("http.response.")}


def _get_response(_request: HttpRequest) -> HttpResponseBase:
    """Be what stands inside of a synchronous middleware."""
    return _exchange.get().ask()


async def _aget_response(_request: HttpRequest) -> HttpResponseBase:
    """Be what stands inside of an async middleware."""
    return await _exchange.get().aask()
