"""Measure this project against plain FastAPI and Django: `python -m bench`."""

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from .contestants import ALL_WORK, Work
from .databases import Database, postgres_database, sqlite_database
from .exceptions import BenchmarkError
from .load import FewRequests, Load, find_load
from .measurement import measure
from .report import page, table

_PAGE = Path(__file__).resolve().parent.parent / "docs" / "bench.md"
_POSTGRES = "TEST_POSTGRES_URL"


def main() -> int:
    """Measure, print the tables and write the page; return the exit code."""
    arguments = _parse_arguments()
    # As an exception, so that the servers and databases end with the benchmark.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        _run(arguments)
    except BenchmarkError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds for each figure (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="how long a round takes (default: %(default)s)")
    parser.add_argument("--path", action="append", help="measure this path only (may be repeated); writes no page")
    parser.add_argument("--quick", action="store_true", help="see that all works; measures nothing, writes no page")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> None:
    server_core, load_core = (None, None) if arguments.quick else _cores()
    load: Load = FewRequests(5) if arguments.quick else find_load(arguments.seconds, load_core)
    rounds = 1 if arguments.quick else arguments.rounds
    tables: list[tuple[str, str]] = []
    for opened in _databases():
        with opened as database:
            results = measure(database, _work(arguments.path), load, rounds=rounds, core=server_core)
            tables.append((database.title, table(results)))
        sys.stdout.write(f"{tables[-1][0]}\n\n{tables[-1][1]}\n\n")
        sys.stdout.flush()
    if not (arguments.quick or arguments.path):
        _PAGE.parent.mkdir(exist_ok=True)
        _PAGE.write_text(page(tables, load=load.title, rounds=rounds, seconds=arguments.seconds))
        sys.stdout.write(f"Written to {_PAGE.parent.name}/{_PAGE.name}.\n")


def _databases() -> Iterator[AbstractContextManager[Database]]:
    yield sqlite_database()
    if server := os.environ.get(_POSTGRES):
        yield postgres_database(server)
    else:
        sys.stdout.write(f"PostgreSQL is left out: {_POSTGRES} names no server.\n")


def _work(paths: Sequence[str] | None) -> list[Work]:
    work = [work for work in ALL_WORK if paths is None or work.path in paths]
    if not work:
        raise BenchmarkError(f"Nothing to measure; the paths are: {', '.join(work.path for work in ALL_WORK)}.")
    return work


def _cores() -> tuple[int | None, int | None]:
    """Return a core for the servers and another for the load."""
    if sys.platform != "linux" or not shutil.which("taskset"):
        sys.stdout.write("Nothing is pinned to a core: that needs Linux and taskset.\n")
        return None, None
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1:
        sys.stdout.write("There is one core only: the load slows the servers, and the figures say little.\n")
    return cores[0], cores[-1]


if __name__ == "__main__":
    sys.exit(main())
