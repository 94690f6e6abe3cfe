"""The site as one application: FastAPI and Django together, for ASGI and for WSGI servers."""

import asyncio
import functools

import django

from . import settings
from .boundary import Boundary
from .concurrency import enter, enter_borrowed, is_borrowed, leave_borrowed, new_lease
from .discovery import discover
from .dispatch import Dispatcher, ServedAPI
from .exceptions import ConfigurationError
from .factory import apply_settings, with_cors
from .gateway import WSGIGateway
from .handlers import make_django_handler
from .lifespan import Lifespan, SiteLifespan
from .registry import APIRegistry, get_registry
from .seam import install, verify
from .threads import get_threads
from .types import Receive, Scope, Send, WSGIApplication


class SiteApplication:
    """The ASGI application that serves a project's APIs and its Django site.

    Args:
        registry: The project's APIs, complete.
    """

    def __init__(self, registry: APIRegistry) -> None:
        install()
        get_django = functools.cache(make_django_handler)
        if settings.DJANGO_FALLBACK.get():
            get_django()
        registered = registry.all()
        lifespans = [Lifespan(one.api) for one in registered]
        root_path = settings.ROOT_PATH.get()
        # The first to start is the last to end: the threads outlive what works on them.
        self._lifespan = SiteLifespan([Lifespan(_threads), *lifespans])
        self._dispatch = Dispatcher(
            [
                ServedAPI(with_cors(one.api), one.api.routes, one.prefix, root_path, lifespan.state)
                for one, lifespan in zip(registered, lifespans, strict=True)
            ],
            get_django,
        )
        self._serve = Boundary(self._serve_started)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection.

        Raises:
            ValueError: The type of the scope is none that ASGI 3 defines.
        """
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan.serve(receive, send)
        elif kind in ("http", "websocket"):
            await self._serve_on_thread(scope, receive, send)
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

    async def _serve_started(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._lifespan.ensure_started()
        await self._dispatch(scope, receive, send)


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
    django.setup(set_prefix=False)
    registry = get_registry()
    discover(registry)
    apply_settings(registry)
    return SiteApplication(registry)


def get_wsgi_application() -> WSGIApplication:
    """Return a new WSGI application for the site: the ASGI one behind a gateway.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    return WSGIGateway(get_asgi_application())
