"""The pytest plugin: the two clients as fixtures. It imports nothing of the package before a test asks for one."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .async_client import AsyncClient
    from .client import Client


@pytest.fixture
def api_client() -> "Iterator[Client]":
    """Give a `Client` of the site; the lifespan begins with its first request and ends with the test."""
    from .client import Client  # noqa: PLC0415 (the plugin is loaded in every pytest run)

    client = Client()
    yield client
    client.close()


@pytest.fixture
def async_api_client() -> "Iterator[AsyncClient]":
    """Give an `AsyncClient` of the site, for `async def` tests under any plugin that runs them with asyncio.

    The test's connections are lent from the start, so that the ORM calls of the test itself have them too. The lifespan
    begins with the first request; use `async with async_api_client:` for one that is also ended within the test.
    """
    from .async_client import AsyncClient  # noqa: PLC0415 (the plugin is loaded in every pytest run)
    from .borrowing import lent_connections  # noqa: PLC0415

    with lent_connections():
        yield AsyncClient()
