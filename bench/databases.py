"""Databases for one run, and how many connections somebody has to them."""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from .processes import family

_COUNT = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = %s"


class Database(Protocol):
    """An empty database."""

    @property
    def title(self) -> str:
        """What to call it in the report."""
        ...

    @property
    def url(self) -> str:
        """Where it is, as dj-database-url reads it."""
        ...

    def count_connections(self, contestant: str, pid: int) -> int | None:
        """Return how many connections a contestant, or its process, has open; None if that cannot be told."""
        ...


@dataclass(frozen=True, slots=True)
class SQLite:
    """A file."""

    path: Path
    title: str = "SQLite"

    @property
    def url(self) -> str:
        """Where it is."""
        return f"sqlite:///{self.path}"

    def count_connections(self, contestant: str, pid: int) -> int | None:  # noqa: ARG002 (the protocol's arguments)
        """Count the descriptors of the file, which Linux tells of the process and those below it."""
        counts = [self._count(one) for one in family(pid)]
        return None if None in counts else sum(filter(None, counts))

    def _count(self, pid: int) -> int | None:
        count = 0
        try:
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):  # closed in between
                    count += descriptor.readlink() == self.path
        except OSError:
            return None
        return count


@dataclass(frozen=True, slots=True)
class PostgreSQL:
    """A database of a server."""

    url: str
    name: str
    title: str

    def count_connections(self, contestant: str, pid: int) -> int | None:  # noqa: ARG002 (the protocol's arguments)
        """Ask the server."""
        with closing(psycopg.connect(self.url, autocommit=True)) as connection:
            row = connection.execute(_COUNT, (self.name, contestant)).fetchone()
        return None if row is None else int(row[0])


@contextmanager
def sqlite_database() -> Iterator[Database]:
    """Yield a new SQLite database, removed at the end."""
    with TemporaryDirectory(prefix="bench-") as directory:
        yield SQLite(Path(directory).resolve() / "db.sqlite3")


@contextmanager
def postgres_database(server: str) -> Iterator[Database]:
    """Yield a new PostgreSQL database, dropped at the end.

    Args:
        server: The URL of any database on the server, with the right to create another.
    """
    name = f"bench_{secrets.token_hex(6)}"
    with closing(psycopg.connect(server, autocommit=True)) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        title = f"PostgreSQL {connection.info.server_version // 10_000}"
        try:
            yield PostgreSQL(urlsplit(server)._replace(path=f"/{name}").geturl(), name, title)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
