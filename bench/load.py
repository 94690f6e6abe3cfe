"""Load generators: how fast does a URL answer, and how often wrongly."""

import http.client
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from .exceptions import BenchmarkError
from .work import Work

CONNECTIONS = 10

_AB_REQUESTS = 1_000_000  # more than it has time for: the seconds end the run


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of load came to.

    Args:
        rate: Answers a second.
        errors: Wrong answers and broken connections.
        requests: How many answers there were.
    """

    rate: float
    errors: int
    requests: int


class Load(Protocol):
    """A load generator."""

    @property
    def title(self) -> str:
        """What to call it in the report."""
        ...

    def run(self, address: str, work: Work, midway: Callable[[], None]) -> Round:
        """Load a server for one round, and call `midway` while it lasts.

        Args:
            address: The beginning of the URL.
            work: What is asked for.
            midway: Is called once in the middle.

        Raises:
            BenchmarkError: The generator failed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Program:
    """A load generator that is a program.

    Args:
        title: What to call it in the report.
        command: The command, without the request.
        seconds: How long a round takes.
        request: Returns the arguments for a request; it may write a file, which is given.
        read: Makes a round of what the program prints.
        core: The core to run it on, if it can be told.
    """

    title: str
    command: tuple[str, ...]
    seconds: int
    request: Callable[[Work, Path], list[str]]
    read: Callable[[str], Round]
    core: int | None

    def run(self, address: str, work: Work, midway: Callable[[], None]) -> Round:
        """Run the program."""
        pin = ("taskset", "--cpu-list", str(self.core)) if self.core is not None else ()
        with tempfile.TemporaryDirectory(prefix="bench-") as directory:
            command = [*pin, *self.command, *self.request(work, Path(directory) / "request"), address + work.path]
            with subprocess.Popen(  # noqa: S603 (the command is ours)
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as process:
                time.sleep(self.seconds / 2)
                midway()
                output, problems = process.communicate()
        if process.returncode:
            raise BenchmarkError(f"{self.command[0]} failed at {work.path}: {problems.strip() or output.strip()}")
        return self.read(output)


def wrk_request(work: Work, file: Path) -> list[str]:
    """Return the arguments that tell wrk of a request; one that is no plain GET is written as a script."""
    headers = [argument for name, value in work.headers for argument in ("-H", f"{name}: {value}")]
    if work.method == "GET":
        return headers
    file.write_text(f"wrk.method = {json.dumps(work.method)}\nwrk.body = {json.dumps(work.body)}\n")
    return [*headers, "-s", str(file)]


def ab_request(work: Work, file: Path) -> list[str]:
    """Return the arguments that tell ApacheBench of a request.

    Raises:
        BenchmarkError: It cannot make such a request.
    """
    headers = dict(work.headers)
    content_type = headers.pop("Content-Type", "application/json")
    arguments = [argument for name, value in headers.items() for argument in ("-H", f"{name}: {value}")]
    if work.method == "GET":
        return arguments
    if work.method != "POST":
        raise BenchmarkError(f"{work.path}: ab knows no {work.method}; install wrk.")
    file.write_text(work.body)
    return [*arguments, "-p", str(file), "-T", content_type]


@dataclass(frozen=True, slots=True)
class FewRequests:
    """A few requests by this process, one after the other: shows that all works, and measures nothing.

    Args:
        count: How many.
    """

    count: int
    title: str = "a few requests"

    def run(self, address: str, work: Work, midway: Callable[[], None]) -> Round:
        """Send the requests over one connection."""
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
        begin = time.perf_counter()
        errors = 0
        for _ in range(self.count):
            connection.request(work.method, work.path, work.body or None, dict(work.headers))
            response = connection.getresponse()
            response.read()
            errors += response.status // 100 != 2  # noqa: PLR2004 (any success)
        seconds = time.perf_counter() - begin
        midway()
        connection.close()
        return Round(self.count / seconds, errors, self.count)


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
        return Program("wrk", command, seconds, wrk_request, read_wrk, core)
    if shutil.which("ab"):
        command = ("ab", "-q", f"-c{CONNECTIONS}", f"-t{seconds}", f"-n{_AB_REQUESTS}")
        return Program("ab (a new connection for each request)", command, seconds, ab_request, read_ab, core)
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
    wrong = int(_number("Non-2xx or 3xx responses:", report, 0))
    requests = re.search(r"^\s*(\d+) requests in ", report, re.MULTILINE)
    return Round(_number("Requests/sec:", report), broken + wrong, int(requests[1]) if requests else 0)


def read_ab(report: str) -> Round:
    """Read the report of ApacheBench.

    Raises:
        BenchmarkError: There is no rate in it.
    """
    errors = _number("Failed requests:", report, 0) + _number("Non-2xx responses:", report, 0)
    requests = _number("Complete requests:", report, 0)
    return Round(_number("Requests per second:", report), int(errors), int(requests))


def _number(label: str, report: str, default: float | None = None) -> float:
    match = re.search(rf"^\s*{re.escape(label)}\s+([\d.]+)", report, re.MULTILINE)
    if match:
        return float(match[1])
    if default is None:
        raise BenchmarkError(f"The load generator reports no rate:\n{report}")
    return default
