"""From the settings to FastAPI applications."""

from django.utils.module_loading import import_string
from fastapi import FastAPI

from . import settings
from .exceptions import ConfigurationError
from .mounts import mounted_apps
from .openapi import install_docs
from .problem_schemas import document_form
from .refusals import install_handlers
from .registry import APIRegistry
from .routing import atomic_requests, follows_atomic_requests, has_atomic_requests


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
    project's own keeps its own. Who may see the docs holds for all, and so does `ATOMIC_REQUESTS`: for those that are
    mounted on another one as well.

    Args:
        registry: The applications.

    Raises:
        ConfigurationError: A setting is wrong, or an application does not follow `ATOMIC_REQUESTS`.
    """
    for setting in settings.ALL_SETTINGS:  # a wrong one is found now, and not with the first error that needs it
        setting.get()
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
    for registered in registry.all():
        _require_atomic_requests(registered.api, repr(registered.name))
        install_handlers(registered.api)
        document_form(registered.api)
        install_docs(registered.api, settings.DOCS_ACCESS.get())
        for path, app in mounted_apps(registered.api.routes):
            if isinstance(app, FastAPI):
                _require_atomic_requests(app, f"mounted at {registered.prefix + path!r}")
                install_docs(app, settings.DOCS_ACCESS.get())


def _require_atomic_requests(api: FastAPI, which: str) -> None:
    if has_atomic_requests() and not follows_atomic_requests(api.router.dependencies):
        raise ConfigurationError(
            f"A database has ATOMIC_REQUESTS, and the API {which} does not follow it. Make that "
            "application with `FastAPI(dependencies=[django_fastapi.atomic_requests()])`."
        )
