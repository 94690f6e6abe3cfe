from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from atlas.geonames import Atlas, read_atlas
from atlas.loading import load, rows_by_model
from django.db.models import Model, QuerySet
from pytest_django import DjangoDbBlocker

from django_fastapi import get_asgi_application

Get: TypeAlias = Callable[..., httpx.Response]


@pytest.fixture(scope="session")
def big_cities() -> Atlas:
    """The whole world, but of its cities only the largest: quick to load, and without a database."""
    return read_atlas(min_population=500_000)


@pytest.fixture(scope="module")
def loaded(big_cities: Atlas, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Atlas]:  # noqa: ARG001
    """The same rows in the database, committed: endpoints read them on other threads, with other connections."""
    with django_db_blocker.unblock():
        load(big_cities)
    yield big_cities
    with django_db_blocker.unblock():
        for model in reversed(rows_by_model(big_cities)):
            QuerySet[Model](model).delete()


@pytest.fixture(scope="module")
def get() -> Iterator[Get]:
    """`get("/path", params={...})` asks the whole site, FastAPI and Django, over HTTP."""
    transport = httpx.ASGITransport(get_asgi_application())
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(
            httpx.AsyncClient(transport=transport, base_url="http://testserver")
        ) as client,
    ):
        yield lambda path, **options: portal.call(partial(client.get, path, **options))
