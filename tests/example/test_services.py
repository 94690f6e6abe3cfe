import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from urllib.parse import unquote, urlsplit

import psycopg
import pymysql  # type: ignore[import-untyped]
import pytest
import redis
from psycopg import sql

from tests.example.processes import manage

pytestmark = pytest.mark.timeout(300)

COUNT = """
from atlas.models import City, Country
from atlas.geonames import read_atlas

atlas = read_atlas()
assert City.objects.count() == len(atlas.cities), City.objects.count()
assert Country.objects.count() == len(atlas.countries)
assert Country.languages.through.objects.count() == len(atlas.country_languages)
assert Country.neighbours.through.objects.count() == len(atlas.neighbours)
stored = {city.pk: (city.name, city.latitude, city.longitude) for city in City.objects.all()}
assert stored == {city.pk: (city.name, city.latitude, city.longitude) for city in atlas.cities}
print("as in the package")
"""

SAVE = """
from django.contrib.sessions.backends.cached_db import SessionStore
from django.core.cache import cache

session = SessionStore()
session["colour"] = "green"
session.save()
cache.set(session.session_key, "cached", 60)
print(session.session_key)
"""


def address_of(variable: str) -> str:
    address = os.environ.get(variable)
    if not address:
        pytest.skip(f"the environment variable {variable} names no server")
    return address


@contextmanager
def postgres_database(server: str) -> Iterator[str]:
    name = f"atlas_{secrets.token_hex(6)}"
    with closing(psycopg.connect(server, autocommit=True)) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def mariadb_database(server: str) -> Iterator[str]:
    url = urlsplit(server)
    name = f"atlas_{secrets.token_hex(6)}"
    connection = pymysql.connect(
        host=url.hostname,
        port=url.port or 3306,
        user=unquote(url.username or ""),
        password=unquote(url.password or ""),
    )
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        try:
            yield url._replace(path=f"/{name}").geturl()
        finally:
            cursor.execute(f"DROP DATABASE {name}")


@pytest.mark.parametrize(
    ("variable", "fresh_database"),
    [("TEST_POSTGRES_URL", postgres_database), ("TEST_MARIADB_URL", mariadb_database)],
)
def test_the_atlas_is_loaded_twice_into_a_fresh_database(
    variable: str, fresh_database: Callable[[str], AbstractContextManager[str]]
) -> None:
    with fresh_database(address_of(variable)) as url:
        manage("migrate", "--verbosity", "0", DATABASE_URL=url)
        for _ in range(2):
            assert "cities: 3" in manage("load_atlas", DATABASE_URL=url)
            assert "as in the package" in manage("shell", "-c", COUNT, DATABASE_URL=url)


def test_sessions_and_cache_entries_land_in_redis(tmp_path: object) -> None:
    url = address_of("TEST_REDIS_URL")
    environment = {"REDIS_URL": url, "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3"}
    manage("migrate", "--verbosity", "0", **environment)
    key = manage("shell", "-c", SAVE, **environment).split()[-1]
    with closing(redis.Redis.from_url(url)) as server:
        expected = {f"atlas:1:{key}".encode(), f"atlas:1:django.contrib.sessions.cached_db{key}".encode()}
        assert set(server.scan_iter(f"atlas:*{key}")) == expected
        assert server.delete(*expected) == 2
