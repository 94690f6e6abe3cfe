"""Counting the queries of asynchronous tests."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS, connections
from django.test.utils import CaptureQueriesContext


@asynccontextmanager
async def acapture_queries(using: str = DEFAULT_DB_ALIAS) -> AsyncGenerator[CaptureQueriesContext]:
    """Capture the queries made within the block, by the test and by the endpoints it calls.

    For `async def` tests, where Django's `CaptureQueriesContext` and what builds on it (`assertNumQueries`,
    `django_assert_num_queries`) refuse to open a connection::

        async with acapture_queries() as queries:
            await async_api_client.get("/books")
        assert len(queries) == 2

    Args:
        using: The alias of the database.
    """
    capture = await sync_to_async(_begin)(using)
    try:
        yield capture
    finally:
        await sync_to_async(capture.__exit__)(None, None, None)


def _begin(using: str) -> CaptureQueriesContext:
    return CaptureQueriesContext(connections[using]).__enter__()
