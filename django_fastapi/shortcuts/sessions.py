"""Django's session as a parameter."""

from typing import Annotated, TypeAlias

from django.contrib.sessions.backends.base import SessionBase
from fastapi import Depends
from starlette.requests import HTTPConnection

from django_fastapi.exceptions import ConfigurationError
from django_fastapi.requests import django_request


async def asession(connection: HTTPConnection) -> SessionBase:
    """Return the visitor's session; the dependency behind `Session`, which takes no thread.

    Raises:
        ConfigurationError: `MIDDLEWARE` does not list `SessionMiddleware`.
    """
    session: SessionBase | None = getattr(django_request(connection), "session", None)
    if session is None:
        raise ConfigurationError('Sessions need "django.contrib.sessions.middleware.SessionMiddleware" in MIDDLEWARE.')
    return session


Session: TypeAlias = Annotated[SessionBase, Depends(asession)]
"""Django's session as a parameter of an endpoint or a dependency.

It is read at its first use. A `def` endpoint uses it as a dictionary; an `async def` one awaits `aget()`, `aset()`,
`ahas_key()`, `apop()`, `aflush()` and their like. What was changed is saved when the response begins, and the cookie
set as Django sets it. A WebSocket saves by itself: `await session.asave()`.
"""
