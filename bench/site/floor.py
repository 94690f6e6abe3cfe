"""What Python could do at best: bare Starlette, SQL by hand, and msgspec."""

import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import msgspec
import psycopg_pool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.work import register

Endpoint = Callable[[Request], Awaitable[Any]]

_POOL_SIZE = 10
_URL = os.environ["BENCH_DATABASE_URL"]


class SQLite:
    """One connection, used on the event loop: its file is never waited for."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(urlsplit(_URL).path)

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Do nothing."""
        yield

    async def rows(self, sql: str, *params: object) -> Sequence[Any]:
        """Return the rows of a query."""
        return self._connection.execute(sql, params).fetchall()

    @staticmethod
    def decimal(value: float, places: int) -> str:
        """Return the JSON of a decimal, which SQLite gives as a float."""
        return f"{value:.{places}f}"


class PostgreSQL:
    """A pool of asynchronous connections."""

    def __init__(self) -> None:
        options = {"autocommit": True, "application_name": os.environ["BENCH_CONTESTANT"]}
        self._pool = psycopg_pool.AsyncConnectionPool(
            _URL, min_size=_POOL_SIZE, max_size=_POOL_SIZE, open=False, kwargs=options
        )

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Open the pool."""
        async with self._pool:
            yield

    async def rows(self, sql: str, *params: object) -> Sequence[Any]:
        """Return the rows of a query."""
        async with self._pool.connection() as connection:
            return await (await connection.execute(sql.replace("?", "%s"), params)).fetchall()

    @staticmethod
    def decimal(value: Decimal, _places: int) -> str:
        """Return the JSON of a decimal."""
        return str(value)


class Floor:
    """What the rows of the benchmark add their endpoints to."""

    def __init__(self) -> None:
        self._database = SQLite() if _URL.startswith("sqlite") else PostgreSQL()
        self._routes: list[Route] = []
        self.rows = self._database.rows
        self.decimal = self._database.decimal

    def get(self, path: str) -> Callable[[Endpoint], Endpoint]:
        """Return a decorator that adds an endpoint, whose result is sent as JSON."""
        return self.route(path, "GET")

    def route(self, path: str, method: str) -> Callable[[Endpoint], Endpoint]:
        """Return a decorator that adds an endpoint for a method."""
        encode = msgspec.json.Encoder().encode

        def add(endpoint: Endpoint) -> Endpoint:
            async def answer(request: Request) -> Response:
                return Response(encode(await endpoint(request)), media_type="application/json")

            self._routes.append(Route(path, answer, methods=[method]))
            return endpoint

        return add

    def application(self) -> Starlette:
        """Return the application."""
        return Starlette(routes=self._routes, lifespan=self._database.lifespan)


_floor = Floor()
register("floor", _floor)
application = _floor.application()
