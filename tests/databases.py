"""The databases that tests of SQL run on: SQLite, and those of the servers that the environment names."""

import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dj_database_url
import psycopg
import pymysql  # type: ignore[import-untyped]
import pytest
from django.apps import apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

ALIAS = "another"
VENDORS = ["sqlite", "postgresql", "mariadb"]


@contextmanager
def archive_on(vendor: str, app: str = "archive", *, url: str | None = None) -> Iterator[str]:
    """Make a database with the tables of the archive, or of another app, and give its alias; `url` is of one there."""
    servers = {"sqlite": _memory, "postgresql": _postgres, "mariadb": _mariadb}
    with nullcontext(url) if url else servers[vendor]() as address:
        configured = connections.configure_settings({"default": dict(dj_database_url.parse(address))})
        connections.settings[ALIAS] = configured["default"]
        connection = connections[ALIAS]
        try:
            with connection.schema_editor() as editor:
                for model in apps.get_app_config(app).get_models():
                    editor.create_model(model)
            yield ALIAS
        finally:
            BaseDatabaseWrapper.close(connection)  # SQLite's own keeps a database in memory open
            del connections[ALIAS], connections.settings[ALIAS]


@contextmanager
def database_on(vendor: str, directory: Path) -> Iterator[str]:
    """Make an empty database and give its address; that of SQLite is in `directory`."""
    if vendor == "sqlite":
        yield f"sqlite:///{directory / 'db.sqlite3'}"
    else:
        with {"postgresql": _postgres, "mariadb": _mariadb}[vendor]() as url:
            yield url


def _address(variable: str) -> str:
    address = os.environ.get(variable)
    if not address:
        pytest.skip(f"the environment variable {variable} names no server")
    return address


@contextmanager
def _memory() -> Iterator[str]:
    yield "sqlite://:memory:"


@contextmanager
def _postgres() -> Iterator[str]:
    server = _address("TEST_POSTGRES_URL")
    name = f"archive_{secrets.token_hex(6)}"
    with closing(psycopg.connect(server, autocommit=True)) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def _mariadb() -> Iterator[str]:
    pymysql.install_as_MySQLdb()
    url = urlsplit(_address("TEST_MARIADB_URL"))
    name = f"archive_{secrets.token_hex(6)}"
    options: dict[str, Any] = {"user": unquote(url.username or ""), "password": unquote(url.password or "")}
    connection = pymysql.connect(host=url.hostname, port=url.port or 3306, **options)
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        try:
            yield url._replace(path=f"/{name}").geturl()
        finally:
            cursor.execute(f"DROP DATABASE {name}")
