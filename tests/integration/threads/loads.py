"""What the tests of threads under load share: servers on databases of their own, many requests at once, a watch."""

import asyncio
import inspect
import os
import secrets
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from psycopg import sql
from websockets.asyncio.client import ClientConnection, connect

from tests.integration.servers import ASGI, GUNICORN, MANAGE, UVICORN, WSGI, Running, Server, common_environment

SECONDS = 60.0
SETTINGS = "tests.project.loadprobe.settings"
CANCELLING = "tests.project.loadprobe.asgi:application"


@dataclass(frozen=True, slots=True)
class Database:
    """A migrated database that the tests share."""

    url: str
    directory: Path

    @property
    def is_postgres(self) -> bool:
        return not self.url.startswith("sqlite")


@dataclass(frozen=True, slots=True)
class Load:
    """A server under load, and a way to see its side of the database.

    Args:
        name: The id of the server.
        options: The `LOAD_*` variables of its settings, without the prefix.
        command: Its command line.
        database: "postgres" or "sqlite".
        interface: What it calls the application by.
        is_shared: Whether it runs to the end of the session: the fewer do, the fewer connections are open.
    """

    name: str
    options: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = (*UVICORN, ASGI)
    database: str = "postgres"
    interface: str = "asgi"
    is_shared: bool = False

    def __hash__(self) -> int:
        return hash(self.name)

    def server(self, database: Database) -> Server:
        options = {"NAME": self.name, **self.options}
        environment = {f"LOAD_{name}": value for name, value in options.items()}
        environment |= {"DATABASE_URL": database.url, "DJANGO_SETTINGS_MODULE": SETTINGS}
        return Server(self.name, self.command, cast("Any", self.interface), environment, debug=False)


GTHREAD = (*GUNICORN, "-k", "gthread", "-w", "1", "--threads", "24", "--keep-alive", "60")
MAIN = Load("main", {"CONN_MAX_AGE": "None"}, (*UVICORN, CANCELLING), is_shared=True)
SQLITE = Load("sqlite", database="sqlite", is_shared=True)
GUNICORN_WSGI = Load("gunicorn-gthread", {"CONN_MAX_AGE": "None"}, (*GTHREAD, WSGI), interface="wsgi", is_shared=True)
UVICORN_WSGI = Load("uvicorn-wsgi", command=(*UVICORN, "--interface", "wsgi", WSGI), interface="wsgi", is_shared=True)
STREAMS = Load("streams", {"THREADS": "16"})
BUSY = Load("busy", {"THREADS": "4", "THREAD_WAIT": "1"})
HEARD = Load("heard", {"THREADS": "2", "THREAD_WAIT": "1", "LISTENER": "1"})
ATOMIC = Load("atomic-requests", {"ATOMIC_REQUESTS": "1"})
ATOMIC_SQLITE = Load("atomic-requests-sqlite", {"ATOMIC_REQUESTS": "1"}, database="sqlite")


@contextmanager
def postgres_database(server: str) -> Iterator[str]:
    """Give the address of a new database, dropped at the end."""
    name = f"threads_{secrets.token_hex(6)}"
    with closing(psycopg.connect(server, autocommit=True)) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def postgres_server() -> str:
    address = os.environ.get("TEST_POSTGRES_URL")
    if not address:
        pytest.skip("the environment variable TEST_POSTGRES_URL names no server")
    return address


def migrate(url: str, directory: Path) -> Database:
    environment = {**common_environment(directory), "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": SETTINGS}
    command = [sys.executable, *MANAGE[1:], "migrate", "--run-syncdb", "--verbosity", "0"]
    subprocess.run(command, cwd=directory, env=environment, check=True)
    return Database(url, directory)


class Watch:
    """A look at the database from beside: what was stored, and what the server's connections do."""

    def __init__(self, connection: psycopg.Connection[Any], name: str) -> None:
        self._connection = connection
        self._name = name

    def pids(self, condition: str = "true") -> set[int]:
        """Return the backends of the server, those in a state if one is named."""
        query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s AND "
        return {pid for (pid,) in self._connection.execute(cast("Any", query + condition), [self._name])}

    def count(self) -> int:
        return len(self.pids())

    def count_in_transaction(self) -> int:
        return len(self.pids("state LIKE 'idle in transaction%%'"))

    def kill(self) -> set[int]:
        """Terminate all backends of the server, as a restart of the database does; return which, when they are gone."""
        pids = self.pids()
        self._connection.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", [list(pids)])
        wait_for(lambda: not pids & self.pids())
        return pids

    def rows(self, note: str) -> int:
        query = "SELECT count(*) FROM loadprobe_row WHERE note LIKE %s"
        row = self._connection.execute(query, [note]).fetchone()
        assert row is not None
        return int(row[0])

    def notes(self, pattern: str) -> set[str]:
        query = "SELECT note FROM loadprobe_row WHERE note LIKE %s"
        return {note for (note,) in self._connection.execute(query, [pattern])}

    def add_rows(self, note: str, count: int) -> list[int]:
        query = "INSERT INTO loadprobe_row (note) SELECT %s FROM generate_series(1, %s) RETURNING id"
        return sorted(pk for (pk,) in self._connection.execute(query, [note, count]))


@dataclass(frozen=True, slots=True)
class Loaded:
    """A running server with what a test needs around it."""

    running: Running
    database: Database

    @property
    def name(self) -> str:
        return self.running.server.name

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        with closing(psycopg.connect(self.database.url, autocommit=True)) as connection:
            yield Watch(connection, self.name)

    @asynccontextmanager
    async def sockets(self, path: str, count: int) -> AsyncIterator[list[ClientConnection]]:
        """Give so many open WebSockets."""
        address = f"{self.running.url.replace('http', 'ws', 1)}{path}"
        async with AsyncExitStack() as stack:
            opening = (connect(address, proxy=None, open_timeout=SECONDS) for _ in range(count))
            yield list(await asyncio.gather(*map(stack.enter_async_context, opening)))

    def client(self) -> "Client":
        return Client(self.running.url)

    def rows(self, note: str) -> int:
        """Return how many rows have a note, `%` standing for anything."""
        if self.database.is_postgres:
            with self.watch() as watch:
                return watch.rows(note)
        query = "SELECT count(*) FROM loadprobe_row WHERE note LIKE ?"
        with closing(sqlite3.connect(self.database.url.removeprefix("sqlite:///"))) as connection:
            return int(connection.execute(query, [note]).fetchone()[0])


class Client:
    """Many clients: each request has a connection of its own, as httpx's pool is slow with hundreds of them.

    Args:
        url: The address of the server.
    """

    tls = ssl.create_default_context()

    def __init__(self, url: str) -> None:
        self.url = url

    @asynccontextmanager
    async def one(self, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
        """Give a client of httpx, with a connection that is kept."""
        options = {"timeout": SECONDS, "verify": self.tls, "trust_env": False, **options}
        async with httpx.AsyncClient(base_url=self.url, **options) as client:
            yield client

    async def get(self, path: str, **options: Any) -> httpx.Response:
        async with self.one() as client:
            return await client.get(path, **options)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        async with self.one() as client:
            return await client.post(path, **options)


def small_buffers() -> httpx.AsyncHTTPTransport:
    """Return a transport that takes little from the server before the test reads it."""
    return httpx.AsyncHTTPTransport(verify=Client.tls, socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)])


async def at_once(calls: Iterable[Awaitable[httpx.Response]]) -> list[httpx.Response]:
    """Return the answers to requests that are all on their way at the same time."""
    return list(await asyncio.gather(*calls))


def begin(calls: Iterable[Awaitable[httpx.Response]]) -> asyncio.Task[list[httpx.Response]]:
    """Send requests, all at the same time, and go on; the task has the answers."""
    return asyncio.create_task(at_once(calls))


async def get(client: Client, path: str, **options: Any) -> Any:
    answer = await client.get(path, **options)
    assert answer.status_code == 200, (path, answer.status_code, answer.text)
    return answer.json()


def statuses(answers: Iterable[httpx.Response]) -> dict[int, int]:
    """Return how many answers have which status."""
    counts: dict[int, int] = {}
    for answer in answers:
        counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
    return counts


def token() -> str:
    return secrets.token_hex(6)


def wait_for(holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until a condition comes to hold.

    Raises:
        AssertionError: It does not in this time.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


async def until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait, with the event loop running, until a condition comes to hold; it may be a coroutine function.

    Raises:
        AssertionError: It does not in this time.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = holds()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


async def arrival(client: Client, gate: str, count: int = 1) -> None:
    """Wait until so many requests stand at a gate."""

    async def has_come() -> bool:
        return int((await get(client, f"/load/gates/{gate}"))["arrived"]) >= count

    await until(has_come)


@asynccontextmanager
async def held_threads(client: Client, count: int, path: str = "/load/hold/{}") -> AsyncIterator[str]:
    """Have so many requests keep a thread and a connection each, and give the path they have."""
    gate = token()
    held = path.format(gate)
    holding = begin(client.get(held) for _ in range(count))
    try:
        await arrival(client, gate, count)
        yield held
    finally:
        await client.post(f"/load/gates/{gate}")
        answers = await holding
    assert statuses(answers) == {200: count}


async def all_threads_idle(client: Client) -> None:
    """Wait until no request has a thread, and none waits for one."""

    async def are_idle() -> bool:
        counts = await get(client, "/load/threads")
        return bool(counts["idle"] == counts["workers"] and not counts["waiting"])

    await until(are_idle)
