"""A client of a site with sessions."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp

MIDDLEWARE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)


@pytest.fixture
def site_client(build: Callable[[], ASGIApp], bare_django: Callable[..., None]) -> Iterator[Client]:
    """Give a client of the site, whose lifespan begins with the first request: when the routes are there."""
    bare_django(middleware=MIDDLEWARE)
    with closing(Client(build())) as client:
        yield client
