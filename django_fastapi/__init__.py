"""FastAPI on top of Django: the real FastAPI for the HTTP API, Django for models, admin and users.

In an installed app, a module `api.py`::

    from django_fastapi import api

    @api.get("/hello")
    def hello() -> dict[str, str]:
        return {"hello": "world"}

and in the settings `ASGI_APPLICATION = "django_fastapi.asgi.application"`.
"""

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter as APIRouter

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
from .routing import atomic as atomic, atomic_requests as atomic_requests
from .version import __version__ as __version__

if TYPE_CHECKING:
    from fastapi import FastAPI

    api: FastAPI

__all__ = [
    "APIRouter",
    "api",
    "atomic",
    "atomic_requests",
    "get_asgi_application",
    "get_default_api",
    "get_wsgi_application",
    "hold_thread",
    "register_api",
    "set_default_api",
    "spawn",
]

_MADE_WHEN_ASKED_FOR = {"api": get_default_api}


def __getattr__(name: str) -> Any:
    if name in _MADE_WHEN_ASKED_FOR:
        return _MADE_WHEN_ASKED_FOR[name]()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
