"""From the settings to FastAPI applications."""

import traceback
from collections.abc import Callable

from django.utils.module_loading import import_string
from fastapi import FastAPI

from . import settings
from .exceptions import ConfigurationError
from .mounts import mounted_apps
from .openapi import install_docs
from .problem_schemas import document_form
from .refusals import install_handlers
from .registry import APIRegistry, RegisteredAPI
from .routing import atomic_requests, follows_atomic_requests, has_atomic_requests
from .types import ASGIApp, Receive, Scope, Send


def make_default_api() -> FastAPI:
    """Return the FastAPI application that `FASTAPI_API` names, or else a new one.

    Raises:
        ConfigurationError: `FASTAPI_API` cannot be imported or is not a FastAPI application.
    """
    path = settings.API.get()
    if path is None:
        dependencies = [atomic_requests()] if has_atomic_requests() else None
        return FastAPI(title=settings.TITLE.get(), version=settings.VERSION.get(), dependencies=dependencies)
    try:
        api = import_string(path)
    except ImportError as error:
        raise ConfigurationError(f"FASTAPI_API = {path!r} cannot be imported: {error}") from error
    if not isinstance(api, FastAPI):
        raise ConfigurationError(f"FASTAPI_API = {path!r} is not a FastAPI application but {api!r}.")
    return api


def apply_settings(registry: APIRegistry) -> None:
    """Bring the applications into line with the settings of this moment.

    Title, version and the docs' URLs are for the application that was made from the settings; an application of the
    project's own keeps its own. Who may see the docs holds for all, and so do `ATOMIC_REQUESTS` and the form of errors:
    for those that are mounted on another one as well.

    Args:
        registry: The applications.

    Raises:
        ConfigurationError: A setting is wrong, or an application does not follow `ATOMIC_REQUESTS`.
    """
    for setting in settings.ALL_SETTINGS:  # a wrong one is found now, and not with the first error that needs it
        setting.get()
    for complaint in settings.equal_docs_urls():
        raise ConfigurationError(complaint)
    default = registry.get_default()
    if registry.is_default_made and settings.API.get() is None:
        default.title = settings.TITLE.get()
        default.version = settings.VERSION.get()
        default.docs_url = settings.DOCS_URL.get()
        default.redoc_url = settings.REDOC_URL.get()
        default.openapi_url = settings.OPENAPI_URL.get()
        default.openapi_schema = None
    if root_path := settings.ROOT_PATH.get():
        default.root_path = root_path
    access = settings.DOCS_ACCESS.get()
    for registered in registry.all():
        install_handlers(registered.api)
        _bring_into_line(registered.api, repr(registered.name), access)
        _bring_mounted_into_line(registered, access)


def late_applications(registry: APIRegistry, document: Callable[[FastAPI], None]) -> ASGIApp:
    """Return an application whose lifespan, the last to start, looks at what those of the APIs have added.

    Applications that they have mounted are brought into line with the settings that the site was built with. Until it
    ends, no API can be registered, and it does not start if one was after it was made: the site would not serve it.

    Args:
        registry: The applications, as the site serves them from now on.
        document: What else is done with each API on which something may have been mounted.
    """
    served, access = registry.all(), settings.DOCS_ACCESS.get()

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            with registry.serving(served):
                for registered in served:
                    _bring_mounted_into_line(registered, access)
                    document(registered.api)
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception:  # without this answer it would count as an application that has no lifespan
            await send({"type": "lifespan.startup.failed", "message": traceback.format_exc()})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    return app


def _bring_mounted_into_line(registered: RegisteredAPI, access: str) -> None:
    for path, app in mounted_apps(registered.api.routes):
        if isinstance(app, FastAPI):
            _bring_into_line(app, f"mounted at {registered.prefix + path!r}", access)


def _bring_into_line(api: FastAPI, which: str, access: str) -> None:
    _require_atomic_requests(api, which)
    document_form(api)
    install_docs(api, access)


def _require_atomic_requests(api: FastAPI, which: str) -> None:
    if has_atomic_requests() and not follows_atomic_requests(api.router.dependencies):
        raise ConfigurationError(
            f"A database has ATOMIC_REQUESTS, and the API {which} does not follow it. Make that "
            "application with `FastAPI(dependencies=[django_fastapi.atomic_requests()])`."
        )
