"""FastAPI on top of Django: the real FastAPI for the HTTP API, Django for models, admin and users.

In an installed app, a module `api.py`::

    from django_fastapi import api

    @api.get("/hello")
    def hello() -> dict[str, str]:
        return {"hello": "world"}

and in the settings `ASGI_APPLICATION = "django_fastapi.asgi.application"`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__ as __version__

if TYPE_CHECKING:
    from fastapi import APIRouter as APIRouter, FastAPI

    from .application import (
        get_asgi_application as get_asgi_application,
        get_wsgi_application as get_wsgi_application,
    )
    from .concurrency import hold_thread as hold_thread, spawn as spawn
    from .registry import (
        get_default_api as get_default_api,
        register_api as register_api,
        set_default_api as set_default_api,
    )
    from .requests import DjangoRequest as DjangoRequest, django_request as django_request
    from .routing import atomic as atomic, atomic_requests as atomic_requests

    api: FastAPI

__all__ = [
    "APIRouter",
    "DjangoRequest",
    "api",
    "atomic",
    "atomic_requests",
    "django_request",
    "get_asgi_application",
    "get_default_api",
    "get_wsgi_application",
    "hold_thread",
    "register_api",
    "set_default_api",
    "spawn",
]

_MODULES = {
    "APIRouter": "fastapi",
    "DjangoRequest": ".requests",
    "atomic": ".routing",
    "atomic_requests": ".routing",
    "django_request": ".requests",
    "get_asgi_application": ".application",
    "get_default_api": ".registry",
    "get_wsgi_application": ".application",
    "hold_thread": ".concurrency",
    "register_api": ".registry",
    "set_default_api": ".registry",
    "spawn": ".concurrency",
}


def __getattr__(name: str) -> Any:
    # Nothing is imported before it is used: pytest imports this package for its plugin in every run.
    if name == "api":
        return import_module(".registry", __name__).get_default_api()
    if name in _MODULES:
        return getattr(import_module(_MODULES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
