"""The site as one application: FastAPI and Django together, for ASGI and for WSGI servers."""

import asyncio
import functools
from collections.abc import Awaitable

import django
from django.conf import settings as django_settings
from django.urls import clear_url_caches
from fastapi import FastAPI

from . import settings
from .auth.gate import Gate
from .auth.openapi import document_auth
from .body_limits import BodyLimits
from .boundary import Boundary
from .bridge import Bridge
from .concurrency import enter, enter_borrowed, is_borrowed, leave_borrowed, new_lease
from .cors import with_cors, with_own_cors
from .debug import Watch
from .discovery import discover
from .dispatch import Dispatcher, ServedAPI
from .edge import Edge, Guard
from .exceptions import ConfigurationError
from .factory import apply_settings, late_applications
from .gateway import WSGIGateway
from .handlers import make_django_handler
from .health import Health
from .known_routes import KnownRoutes
from .lifespan import Lifespan, SiteLifespan
from .mounts import mounted_apps
from .orm.serving import OrmWriter
from .registry import APIRegistry, get_registry
from .script_prefix import enter_script_prefix
from .seam import install, verify
from .telemetry import Telemetry, spare_lookups
from .threads import get_threads
from .types import ASGIApp, Receive, Scope, Send, WSGIApplication


class SiteApplication:
    """The ASGI application that serves a project's APIs and its Django site.

    Args:
        registry: The project's APIs, complete.
    """

    def __init__(self, registry: APIRegistry) -> None:
        install(OrmWriter())
        spare_lookups()
        get_django = functools.cache(make_django_handler)
        if settings.DJANGO_FALLBACK.get():
            get_django()
        registered = registry.all()
        for one in registered:
            _document_auth(one.api)
        lifespans = [Lifespan(one.api) for one in registered]
        root_path = settings.ROOT_PATH.get()
        late = Lifespan(late_applications(registry, _document_auth))
        # The first to start is the last to end: the threads outlive what works on them.
        self._lifespan = SiteLifespan([Lifespan(_threads), *lifespans, late])
        self._dispatch = Dispatcher(
            [
                ServedAPI(_protect(one.api), KnownRoutes.of(one.api.router), one.prefix, root_path, lifespan.state)
                for one, lifespan in zip(registered, lifespans, strict=True)
            ],
            get_django,
        )
        bridge = Bridge(self._serve_started)
        self._serve = Edge(Boundary(Watch(bridge) if django_settings.DEBUG else bridge))
        self._answer = Health(self._serve_on_thread, registered, self._lifespan.ensure_started)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection.

        Raises:
            ValueError: The type of the scope is none that ASGI 3 defines.
        """
        kind = scope["type"]
        enter_script_prefix(scope)
        if kind == "lifespan":
            await self._lifespan.serve(receive, send)
        elif kind in ("http", "websocket"):
            await self._answer(scope, receive, send)
        else:
            raise ValueError(f"Unknown ASGI scope type {kind!r}.")

    async def _serve_on_thread(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, its synchronous work on a thread of its own."""
        if is_borrowed():
            enter_borrowed()
            try:
                await self._serve(scope, receive, send)
            finally:
                await leave_borrowed()
            return
        lease = new_lease(f"{scope.get('method', 'WebSocket')} {scope['path']}")
        if scope["type"] == "websocket":
            lease.become_stream()
        enter(lease)
        try:
            await self._serve(scope, receive, send)
        finally:
            lease.end()

    def _serve_started(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if self._lifespan.is_started:
            return self._dispatch(scope, receive, send)
        return self._start_and_serve(scope, receive, send)

    async def _start_and_serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._lifespan.ensure_started()
        await self._dispatch(scope, receive, send)


def _document_auth(api: FastAPI) -> None:
    document_auth(api)
    for _, app in mounted_apps(api.routes):
        if isinstance(app, FastAPI):
            document_auth(app)


def _protect(api: FastAPI) -> ASGIApp:
    """Return an API with what stands before it; a body too long is told to scripts of other origins as well."""
    return Guard(with_cors(with_own_cors(BodyLimits(Gate(Telemetry(api), api), api.routes), api)))


async def _threads(_scope: Scope, receive: Receive, send: Send) -> None:
    """Be an application whose lifespan is that of the request threads: tested at the start, closed at the end."""
    await receive()
    try:
        await verify()
    except ConfigurationError as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await asyncio.get_running_loop().run_in_executor(None, get_threads().close)
    await send({"type": "lifespan.shutdown.complete"})


def get_asgi_application() -> SiteApplication:
    """Set Django up, find the API modules and return a new ASGI application for the site.

    Settings that shape the application (title to autodiscovery, docs) are read now.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    # Elsewhere a request tells it; one that is forced is known to the API modules as well.
    django.setup(set_prefix=bool(django_settings.FORCE_SCRIPT_NAME))
    registry = get_registry()
    discover(registry)
    clear_url_caches()  # a module may have reversed a name before others had registered their APIs
    apply_settings(registry)
    return SiteApplication(registry)


def get_wsgi_application() -> WSGIApplication:
    """Return a new WSGI application for the site: the ASGI one behind a gateway.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    return WSGIGateway(get_asgi_application())
