"""Measure this project against its peers: `python -m bench`."""

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from .contestants import CONTESTANTS, Contestant
from .databases import Database, postgres_database, sqlite_database
from .exceptions import BenchmarkError
from .load import FewRequests, Load, find_load
from .measurement import Method, Result, measure
from .plot import plot
from .report import page, table
from .work import Row, all_rows

_DOCS = Path(__file__).resolve().parent.parent / "docs"
_PAGE = _DOCS / "bench.md"
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
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="measure on this one only; writes no page")
    parser.add_argument("--quick", action="store_true", help="see that all works; measures nothing, writes no page")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> None:
    server_core, load_core = (None, None) if arguments.quick else _cores()
    load: Load = FewRequests(5) if arguments.quick else find_load(arguments.seconds, load_core)
    rounds = 1 if arguments.quick else arguments.rounds
    contestants = _contestants()
    measured: list[tuple[str, list[list[Result]]]] = []
    for opened in _databases(arguments.database):
        with opened as database:
            rows = _rows(arguments.path)
            results = measure(database, rows, contestants, Method(load, rounds, server_core))
        measured.append((database.title, results))
        sys.stdout.write(f"{database.title}\n\n{table(results)}\n\n")
        sys.stdout.flush()
    if not (arguments.quick or arguments.path or arguments.database):
        _write(measured, load=load.title, rounds=rounds, seconds=arguments.seconds)


def _write(measured: list[tuple[str, list[list[Result]]]], *, load: str, rounds: int, seconds: int) -> None:
    sections: list[tuple[str, str, str]] = []
    for title, results in measured:
        picture = f"bench-{title.split()[0].lower()}.svg"
        (_DOCS / picture).write_text(plot(title, results))
        sections.append((title, picture, table(results)))
    _PAGE.write_text(page(sections, load=load, rounds=rounds, seconds=seconds))
    sys.stdout.write(f"Written to {_DOCS.name}/{_PAGE.name}.\n")


def _databases(only: str | None) -> Iterator[AbstractContextManager[Database]]:
    if only != "postgresql":
        yield sqlite_database()
    if only == "sqlite":
        return
    if server := os.environ.get(_POSTGRES):
        yield postgres_database(server)
    else:
        sys.stdout.write(f"PostgreSQL is left out: {_POSTGRES} names no server.\n")


def _contestants() -> list[Contestant]:
    for one in CONTESTANTS:
        if one.missing:
            sys.stdout.write(f"{one.title} is left out: {', '.join(one.missing)} is not installed (group `bench`).\n")
    return [one for one in CONTESTANTS if not one.missing]


def _rows(paths: Sequence[str] | None) -> list[Row]:
    rows = [row for row in all_rows() if paths is None or row.work.path in paths]
    if not rows:
        raise BenchmarkError(f"Nothing to measure; the paths are: {', '.join(row.work.path for row in all_rows())}.")
    return rows


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
