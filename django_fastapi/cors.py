"""CORS on every answer of an API: by the settings, and by the project's own middleware where that stands inside."""

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from . import settings
from .types import ASGIApp, Message, Receive, Scope, Send

WILDCARD = "*"


def with_cors(app: ASGIApp) -> ASGIApp:
    """Return `app` inside the CORS rules of the settings, or `app` itself if `FASTAPI_CORS_ENABLED` is off.

    It stands outside the application's own middleware, so that errors carry the headers too. With the wildcard among
    the origins no answer allows credentials: Starlette would then return any origin as an allowed one, and every site
    could read with the user's cookies (Fetch standard, section 3.3.5).

    Raises:
        ConfigurationError: A setting is wrong.
    """
    if not settings.CORS_ENABLED.get():
        return app
    origins = settings.CORS_ALLOW_ORIGINS.get()
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_credentials=settings.CORS_ALLOW_CREDENTIALS.get() and WILDCARD not in origins,
        allow_methods=settings.CORS_ALLOW_METHODS.get(),
        allow_headers=settings.CORS_ALLOW_HEADERS.get(),
    )


def with_own_cors(app: ASGIApp, api: Starlette) -> ASGIApp:
    """Return an application of which the `CORSMiddleware` inside holds for the answers to errors as well.

    Starlette answers an unhandled exception, and FastAPI a body that is too large, outside of all middleware of the
    project; a browser does not let a script see such an answer. Middleware is not moved for it, since what stands
    around the one for CORS may want to see the exception.

    Args:
        app: The application, and what stands around it.
        api: The application alone, which may have that middleware.
    """
    for middleware in api.user_middleware:
        if isinstance(middleware.cls, type) and issubclass(middleware.cls, CORSMiddleware):
            return _OwnCORS(app, middleware)
    return app


class _OwnCORS:
    """An application, and its CORS headers put on answers that do not come through its middleware."""

    def __init__(self, app: ASGIApp, middleware: Middleware) -> None:
        self._app = app
        self._cors: CORSMiddleware = middleware.cls(app, *middleware.args, **middleware.kwargs)  # type: ignore[assignment]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        requested = Headers(scope=scope)
        if scope["type"] != "http" or "origin" not in requested:
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start" and not _has_passed(Headers(raw=message.get("headers", ()))):
                await self._cors.send(message, send, requested)
            else:
                await send(message)

        await self._app(scope, receive, send_with_headers)


def _has_passed(headers: Headers) -> bool:
    """Return whether an answer has been through `CORSMiddleware`, which leaves one of two marks on each."""
    return "access-control-allow-origin" in headers or "origin" in headers.get("vary", "").lower()
