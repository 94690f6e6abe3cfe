"""CORS on every answer of an API: by the settings, and by the project's own middleware where that stands inside."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware

from . import settings
from .mounts import apps_on_way, mounted_apps
from .types import ASGIApp, Message, Receive, Scope, Send

WILDCARD = "*"

_ALLOWED: Final = "access-control-allow-origin"


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
        api: The application alone. It may have that middleware, and so may those that are mounted on it, for what is
            under their paths.
    """
    apps = [api, *(mounted for _, mounted in mounted_apps(api.routes))]
    rules = {one: cors for one in apps if (cors := _find_own(one)) is not None}
    return _OwnCORS(app, api, rules) if rules else app


def _find_own(api: Starlette) -> CORSMiddleware | None:
    for middleware in api.user_middleware:
        if isinstance(middleware.cls, type) and issubclass(middleware.cls, CORSMiddleware):
            return middleware.cls(api, *middleware.args, **middleware.kwargs)  # type: ignore[arg-type]
    return None


class _OwnCORS:
    """An application, and its CORS headers put on answers that do not come through its middleware.

    Args:
        app: The application, and what stands around it.
        api: The application alone.
        rules: The middleware of those applications that have one.
    """

    def __init__(self, app: ASGIApp, api: Starlette, rules: Mapping[Starlette, CORSMiddleware]) -> None:
        self._app = app
        self._api = api
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        requested = Headers(scope=scope)
        if scope["type"] != "http" or "origin" not in requested:
            await self._app(scope, receive, send)
            return
        asked = dict(scope)  # routers write into it where they have brought the request

        async def send_with_headers(message: Message) -> None:
            cors = self._find_missed(message, asked, requested) if message["type"] == "http.response.start" else None
            if cors is None:
                await send(message)
            else:
                await cors.send(message, send, requested)

        await self._app(scope, receive, send_with_headers)

    def _find_missed(self, start: Message, asked: Scope, requested: Headers) -> CORSMiddleware | None:
        """Return the middleware whose headers are to be put on an answer; None if it has all that it can have."""
        answered = Headers(raw=start.get("headers", ()))
        # `CORSMiddleware` leaves one of two marks on each answer; the second is that of any of several.
        has_passed = "origin" in answered.get("vary", "").lower()
        if _ALLOWED in answered or (has_passed and len(self._rules) == 1):
            return None
        fitting = self._find_fitting(asked)
        allowing = (cors for cors in fitting if cors.is_allowed_origin(requested["origin"]))
        return next(allowing, None if has_passed or not fitting else fitting[0])

    def _find_fitting(self, asked: Scope) -> list[CORSMiddleware]:
        """Return the middleware of the applications on the way of a request, the innermost first."""
        apps = [self._api]
        # Of a path convertor; what is known until then counts.
        with suppress(ValueError):
            for app in apps_on_way(self._api.routes, asked):
                apps.insert(0, app)
        return [self._rules[app] for app in apps if app in self._rules]
