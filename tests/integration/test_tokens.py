"""Tokens over the wire: many requests at once, processes that share a database, three kinds of database."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.databases import VENDORS, database_on

from .servers import ASGI, MANAGE, REQUEST_SECONDS, UVICORN, Running, Server, common_environment, running

PASSWORD = "correct horse battery staple"
AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Site:
    """A database, and servers on it."""

    url: str
    directory: Path
    servers: tuple[Running, ...]

    def log_in(self) -> dict[str, Any]:
        with self.servers[0].client() as client:
            answer = client.post("/api/auth/token", data={"username": "ada", "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            tokens: dict[str, Any] = answer.json()
            return tokens


def manage(directory: Path, url: str, *arguments: str) -> str:
    environment = {**common_environment(directory), "DATABASE_URL": url, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    command = [sys.executable, *MANAGE[1:], *arguments]
    return subprocess.run(command, cwd=directory, env=environment, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module", params=VENDORS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a migrated database with the user "ada", and two servers on it, one process each."""
    vendor: str = request.param
    directory = tmp_path_factory.mktemp(f"tokens-{vendor}")
    with ExitStack() as stack:
        url = stack.enter_context(database_on(vendor, directory))
        manage(directory, url, "migrate", "--verbosity", "0")
        manage(directory, url, "createsuperuser", "--no-input", "--username", "ada", "--email", "ada@example.test")
        servers = [
            Server(f"{vendor}-{number}", (*UVICORN, ASGI), environment={"DATABASE_URL": url}) for number in range(2)
        ]
        started = [stack.enter_context(running(server, directory, directory)) for server in servers]
        yield Site(url, directory, tuple(started))


def refresh_at_once(servers: Sequence[Running], token: str) -> list[httpx.Response]:
    """Ask all servers in turn to refresh one token, all at once, each on a connection of its own."""

    async def ask_all() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx.AsyncClient(limits=limits, timeout=REQUEST_SECONDS, trust_env=False) as client:
            return await asyncio.gather(
                *(
                    client.post(
                        f"{servers[number % len(servers)].url}/api/auth/token/refresh", json={"refresh_token": token}
                    )
                    for number in range(AT_ONCE)
                )
            )

    return asyncio.run(ask_all())


def test_of_many_refreshes_at_once_in_two_processes_one_succeeds_and_the_family_ends(site: Site) -> None:
    for _ in range(3):
        tokens = site.log_in()
        answers = refresh_at_once(site.servers, tokens["refresh_token"])
        assert Counter(answer.status_code for answer in answers) == {200: 1, 401: AT_ONCE - 1}
        [successor] = [answer.json()["refresh_token"] for answer in answers if answer.is_success]
        with site.servers[1].client() as client:
            assert client.post("/api/auth/token/refresh", json={"refresh_token": successor}).status_code == 401


def test_a_token_of_one_process_is_one_of_the_other(site: Site) -> None:
    tokens = site.log_in()
    with site.servers[1].client(headers={"Authorization": f"Bearer {tokens['access_token']}"}) as client:
        assert client.get("/api/me").json()["username"] == "ada"
        assert client.post("/api/auth/logout/all").status_code == 204
    with site.servers[0].client() as client:
        answer = client.post("/api/auth/token/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert answer.status_code == 401


def test_within_the_grace_all_of_them_get_the_same_successor(site: Site, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": site.url, "PROBE_REFRESH_GRACE": "30"}
    server = Server("with-grace", (*UVICORN, ASGI), environment=environment)
    tokens = site.log_in()
    with running(server, site.directory, tmp_path) as graceful:
        answers = refresh_at_once([graceful], tokens["refresh_token"])
        assert {answer.status_code for answer in answers} == {200}
        [successor] = {answer.json()["refresh_token"] for answer in answers}
        with graceful.client() as client:
            assert client.post("/api/auth/token/refresh", json={"refresh_token": successor}).status_code == 200


EXPIRE = """
from django.utils import timezone
from django_fastapi.auth.models import RefreshFamily
print(RefreshFamily.objects.filter(ended_at__isnull=False).update(expires_at=timezone.now()))
"""


def test_the_purge_deletes_what_has_expired_and_leaves_the_rest(site: Site) -> None:
    ended, living = site.log_in(), site.log_in()
    with site.servers[0].client() as client:
        client.post("/api/auth/token/revoke", json={"token": ended["refresh_token"]})
        expired = manage(site.directory, site.url, "shell", "--no-imports", "-c", EXPIRE).strip()
        assert f"Deleted {expired} families of refresh tokens." in manage(site.directory, site.url, "purge_auth_tokens")
        answer = client.post("/api/auth/token/refresh", json={"refresh_token": living["refresh_token"]})
        assert answer.status_code == 200


def test_migrations_can_be_taken_back_and_miss_nothing(site: Site) -> None:
    assert "No changes detected" in manage(site.directory, site.url, "makemigrations", "--check", "django_fastapi_auth")
    plan = manage(site.directory, site.url, "sqlmigrate", "--backwards", "django_fastapi_auth", "0001")
    assert plan.count("DROP TABLE") == 3
