#!/usr/bin/env python
"""Measure `GET /permissions` and `GET /async/permissions` with ApacheBench: `ab -c 10 -n 10000`, the classic load.

Starts a server of its own with `DEBUG` off, and stops it in any case. The database is the one of the example, so
`python manage.py migrate` comes first.
"""

import argparse
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATHS = ["/permissions", "/async/permissions"]
START_SECONDS = 30
STOP_SECONDS = 15


class BenchmarkError(Exception):
    """The measurement cannot be made, or would mean nothing."""


def main() -> int:
    """Measure both paths and print the requests per second of each; return the exit code."""
    arguments = parse_arguments()
    # As an exception, so that the server ends with the benchmark.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        ab = find_ab()
        with running_server(arguments.workers) as address:
            for path in PATHS:
                rate = measure(ab, address + path, requests=arguments.requests, concurrency=arguments.concurrency)
                print(f"{path:<20} {rate:>9.1f} requests/s", flush=True)  # noqa: T201
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Requests per second of the permission endpoints.")
    parser.add_argument(
        "-n", "--requests", type=int, default=10_000, help="requests for each path (default: %(default)s)"
    )
    parser.add_argument("-c", "--concurrency", type=int, default=10, help="requests at a time (default: %(default)s)")
    parser.add_argument("-w", "--workers", type=int, default=1, help="processes of the server (default: %(default)s)")
    return parser.parse_args()


def find_ab() -> str:
    """Return the path of ApacheBench.

    Raises:
        BenchmarkError: it is not installed.
    """
    ab = shutil.which("ab")
    if ab is None:
        raise BenchmarkError(
            "`ab` is not installed: it comes with `apt-get install apache2-utils` or `brew install httpd`."
        )
    return ab


@contextmanager
def running_server(workers: int) -> Iterator[str]:
    """Run the example under uvicorn while the block lasts.

    Args:
        workers: How many processes serve.

    Yields:
        The address, such as `http://127.0.0.1:12345`.
    """
    address = ("127.0.0.1", free_port())
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "fastapi_bridge_test.settings",
        "DEBUG": "0",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ALLOWED_HOSTS": address[0],
        # The API has no static files: WhiteNoise need not ask for `collectstatic`.
        "PYTHONWARNINGS": "ignore:No directory at:UserWarning",
    }
    command = [sys.executable, "-m", "uvicorn", "django_fastapi.asgi:application", "--host", address[0]]
    command += ["--port", str(address[1]), "--workers", str(workers), "--no-access-log", "--log-level", "warning"]
    server = subprocess.Popen(command, cwd=HERE, env=environment)  # noqa: S603
    try:
        url = f"http://{address[0]}:{address[1]}"
        wait_until_ready(server, url + PATHS[0])
        yield url
    finally:
        stop(server)


def free_port() -> int:
    """Ask the system for a port that nobody uses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until_ready(server: subprocess.Popen[bytes], url: str) -> None:
    """Wait for the first answer.

    Raises:
        BenchmarkError: the server ended, answered with an error, or was not there in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise BenchmarkError(f"The server ended with exit code {server.returncode}.")
        try:
            with urllib.request.urlopen(url, timeout=START_SECONDS):  # noqa: S310 - an address of ours
                return
        except urllib.error.HTTPError as error:
            raise BenchmarkError(f"{url} answers {error.code}. Was `python manage.py migrate` run?") from error
        except OSError:
            time.sleep(0.1)
    raise BenchmarkError(f"{url} did not answer within {START_SECONDS} seconds.")


def stop(server: subprocess.Popen[bytes]) -> None:
    """End the server, gently at first."""
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def measure(ab: str, url: str, *, requests: int, concurrency: int) -> float:
    """Load one URL and return the requests per second.

    Raises:
        BenchmarkError: ApacheBench failed, or a request did.
    """
    command = [ab, "-q", "-c", str(concurrency), "-n", str(requests), url]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if run.returncode:
        raise BenchmarkError(f"ab: {run.stderr.strip()}")
    for problem in ("Failed requests", "Non-2xx responses"):
        if count := read_number(problem, run.stdout):
            raise BenchmarkError(f"{url}: {problem}: {count:.0f} of {requests}.")
    rate = read_number("Requests per second", run.stdout)
    if rate is None:
        raise BenchmarkError(f"ab reports no rate:\n{run.stdout}")
    return rate


def read_number(label: str, report: str) -> float | None:
    """Find the number behind a label in a report of ApacheBench.

    >>> read_number("Failed requests", "Failed requests:        3")
    3.0
    >>> read_number("Non-2xx responses", "Failed requests:        3") is None
    True
    """
    match = re.search(rf"^{re.escape(label)}:\s+([\d.]+)", report, re.MULTILINE)
    return float(match[1]) if match else None


if __name__ == "__main__":
    sys.exit(main())
