"""A contestant's server: one process, on one core."""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .contestants import Contestant
from .exceptions import BenchmarkError
from .work import Work

_HOST = "127.0.0.1"
_ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 60
_STOP_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Args:
        contestant: Whose it is.
        pid: The number of its process.
        port: Where it listens.
    """

    contestant: Contestant
    pid: int
    port: int

    @property
    def address(self) -> str:
        """Where it listens, as the beginning of a URL."""
        return f"http://{_HOST}:{self.port}"

    def fetch(self, work: Work) -> Any:
        """Return the JSON that the server answers.

        Raises:
            BenchmarkError: It answers something else.
        """
        connection = http.client.HTTPConnection(_HOST, self.port, timeout=30)
        try:
            connection.request(work.method, work.path, work.body or None, dict(work.headers))
            response = connection.getresponse()
            body = response.read()
        except OSError as error:
            raise BenchmarkError(f"{self.contestant.title} does not answer {work.path}: {error}") from None
        finally:
            connection.close()
        if response.status // 100 != 2:  # noqa: PLR2004 (any success)
            title = self.contestant.title
            raise BenchmarkError(f"{title} answers {work.path} with {response.status}: {body[:500]!r}")
        return json.loads(body)


def site_environment(database_url: str, contestant: str = "") -> dict[str, str]:
    """Return the environment for a process that imports `bench.site`."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "bench.site.settings",
        "BENCH_DATABASE_URL": database_url,
        "BENCH_CONTESTANT": contestant,
    }


def fill(database_url: str) -> None:
    """Fill a database for the contestants.

    Raises:
        BenchmarkError: That failed.
    """
    _fill(database_url)


def clear(database_url: str) -> None:
    """Take away what requests have made.

    Raises:
        BenchmarkError: That failed.
    """
    _fill(database_url, "--clear")


def _fill(database_url: str, *options: str) -> None:
    command = [sys.executable, "-m", "bench.site.fill", *options]
    filled = subprocess.run(  # noqa: S603 (the command is ours)
        command, cwd=_ROOT, env=site_environment(database_url), capture_output=True, text=True, check=False
    )
    if filled.returncode:
        raise BenchmarkError(f"The database could not be filled:\n{filled.stderr}")


@contextmanager
def running(contestant: Contestant, database_url: str, core: int | None) -> Iterator[Server]:
    """Run a contestant's server while the block lasts.

    Args:
        contestant: Whose.
        database_url: The database, filled.
        core: The core to run it on, if it can be told.

    Raises:
        BenchmarkError: It does not start; its output is in the message.
    """
    port = _free_port()
    pin = ["taskset", "--cpu-list", str(core)] if core is not None else []
    environment = site_environment(database_url, contestant.key)
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(  # noqa: S603 (the command is ours)
            [*pin, *contestant.command(port)], cwd=_ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            if not _listens(process, port):
                output.seek(0)
                raise BenchmarkError(f"The server of {contestant.title} did not start:\n{output.read()}")
            yield Server(contestant, process.pid, port)
        finally:
            _stop(process)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection((_HOST, port)):
                return True
        except OSError:
            time.sleep(0.05)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
