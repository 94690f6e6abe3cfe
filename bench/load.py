"""Load generators: how fast does a URL answer, and how often wrongly."""

import http.client
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from .exceptions import BenchmarkError

CONNECTIONS = 10

_AB_REQUESTS = 1_000_000  # more than it has time for: the seconds end the run


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of load came to.

    Args:
        rate: Answers a second.
        errors: Wrong answers and broken connections.
    """

    rate: float
    errors: int


class Load(Protocol):
    """A load generator."""

    @property
    def title(self) -> str:
        """What to call it in the report."""
        ...

    def run(self, url: str, midway: Callable[[], None]) -> Round:
        """Load a URL for one round, and call `midway` while it lasts.

        Raises:
            BenchmarkError: The generator failed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Program:
    """A load generator that is a program.

    Args:
        title: What to call it in the report.
        command: The command, without the URL.
        seconds: How long a round takes.
        read: Makes a round of what the program prints.
        core: The core to run it on, if it can be told.
    """

    title: str
    command: tuple[str, ...]
    seconds: int
    read: Callable[[str], Round]
    core: int | None

    def run(self, url: str, midway: Callable[[], None]) -> Round:
        """Run the program."""
        pin = ("taskset", "--cpu-list", str(self.core)) if self.core is not None else ()
        with subprocess.Popen(  # noqa: S603 (the command is ours)
            [*pin, *self.command, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            time.sleep(self.seconds / 2)
            midway()
            output, problems = process.communicate()
        if process.returncode:
            raise BenchmarkError(f"{self.command[0]} failed at {url}: {problems.strip() or output.strip()}")
        return self.read(output)


@dataclass(frozen=True, slots=True)
class FewRequests:
    """A few requests by this process, one after the other: shows that all works, and measures nothing.

    Args:
        count: How many.
    """

    count: int
    title: str = "a few requests"

    def run(self, url: str, midway: Callable[[], None]) -> Round:
        """Send the requests over one connection."""
        address = urlsplit(url)
        connection = http.client.HTTPConnection(address.netloc, timeout=30)
        begin = time.perf_counter()
        errors = 0
        for _ in range(self.count):
            connection.request("GET", address.path)
            response = connection.getresponse()
            response.read()
            errors += response.status != http.client.OK
        seconds = time.perf_counter() - begin
        midway()
        connection.close()
        return Round(self.count / seconds, errors)


def find_load(seconds: int, core: int | None) -> Load:
    """Return the load generator that is installed.

    Args:
        seconds: How long each round takes.
        core: The core to run it on, if it can be told.

    Raises:
        BenchmarkError: None is.
    """
    if shutil.which("wrk"):
        command: tuple[str, ...] = ("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s")
        return Program("wrk", command, seconds, read_wrk, core)
    if shutil.which("ab"):
        command = ("ab", "-q", f"-c{CONNECTIONS}", f"-t{seconds}", f"-n{_AB_REQUESTS}")
        return Program("ab (a new connection for each request)", command, seconds, read_ab, core)
    raise BenchmarkError(
        "There is no load generator. Install wrk (`apt-get install wrk` or `brew install wrk`), "
        "or else ab (`apt-get install apache2-utils`; macOS has it)."
    )


def read_wrk(report: str) -> Round:
    """Read the report of wrk.

    Raises:
        BenchmarkError: There is no rate in it.
    """
    socket_errors = re.search(r"Socket errors: (.*)", report)
    broken = sum(map(int, re.findall(r"\d+", socket_errors[1]))) if socket_errors else 0
    return Round(_number(r"Requests/sec:", report), broken + int(_number(r"Non-2xx or 3xx responses:", report, 0)))


def read_ab(report: str) -> Round:
    """Read the report of ApacheBench.

    Raises:
        BenchmarkError: There is no rate in it.
    """
    errors = _number("Failed requests:", report, 0) + _number("Non-2xx responses:", report, 0)
    return Round(_number("Requests per second:", report), int(errors))


def _number(label: str, report: str, default: float | None = None) -> float:
    match = re.search(rf"^\s*{re.escape(label)}\s+([\d.]+)", report, re.MULTILINE)
    if match:
        return float(match[1])
    if default is None:
        raise BenchmarkError(f"The load generator reports no rate:\n{report}")
    return default
