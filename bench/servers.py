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

from .contestants import APPLICATIONS
from .exceptions import BenchmarkError

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

    contestant: str
    pid: int
    port: int

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return f"http://{_HOST}:{self.port}{path}"

    def fetch(self, path: str) -> Any:
        """Return the JSON that a path answers.

        Raises:
            BenchmarkError: It answers something else.
        """
        connection = http.client.HTTPConnection(_HOST, self.port, timeout=30)
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        if response.status != http.client.OK:
            raise BenchmarkError(f"{self.contestant} answers {path} with {response.status}: {body[:500]!r}")
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
    command = [sys.executable, "-m", "bench.site.fill"]
    filled = subprocess.run(  # noqa: S603 (the command is ours)
        command, cwd=_ROOT, env=site_environment(database_url), capture_output=True, text=True, check=False
    )
    if filled.returncode:
        raise BenchmarkError(f"The database could not be filled:\n{filled.stderr}")


@contextmanager
def running(contestant: str, database_url: str, core: int | None) -> Iterator[Server]:
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
    command = [*pin, sys.executable, "-m", "uvicorn", APPLICATIONS[contestant], "--host", _HOST, "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(  # noqa: S603 (the command is ours)
            command, cwd=_ROOT, env=site_environment(database_url, contestant), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            if not _listens(process, port):
                output.seek(0)
                raise BenchmarkError(f"The server of {contestant} did not start:\n{output.read()}")
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
