"""The tables, for the terminal and for the documentation."""

import datetime as dt
import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path

from .measurement import Result, ratio_to_best_peer

_PACKAGES = (
    "django-fastapi-bridge",
    "django",
    "fastapi",
    "starlette",
    "pydantic",
    "asgiref",
    "uvicorn",
    "uvloop",
    "psycopg",
)
_HEAD = ("work", "who", "requests/s", "min", "max", "to the best peer", "errors", "connections")
_INTRODUCTION = """\
<!-- Written by `make bench`; edits are lost. -->
# Benchmark

Each contestant is one uvicorn process (uvloop, httptools) on one core; the load comes from another core over 10
connections. Before that, all contestants of a row gave the same JSON. The rounds of the contestants alternate, and the
figures are medians over the rounds, with the lowest and the highest. The ratio is the median over the rounds of this
project's rate divided by that of the best peer in the same round: above 1.00, this project is faster. Absolute figures
hold for this machine and day; the ratios are the point.

"Connections" is the highest number of database connections that was seen under that load. Those of FastAPI alone stay
open as long as its threads; they count for all of its rows. Django's handler has a connection for each request, as
Django's documentation advises for ASGI, or psycopg's pool where `psycopg_pool` is installed.

`make bench` repeats this; with `TEST_POSTGRES_URL` on PostgreSQL too.
"""


def table(results: Sequence[Sequence[Result]]) -> str:
    """Return a Markdown table that is also legible as it is.

    Args:
        results: For each piece of work those of its contestants.
    """
    rows = [_HEAD] + [_cells(row, result) for row in results for result in row]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = ["-" * width if at < _TEXT_COLUMNS else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
    return "\n".join(_line(cells, widths) for cells in (rows[0], rule, *rows[1:]))


_TEXT_COLUMNS = 2


def _cells(row: Sequence[Result], result: Result) -> tuple[str, ...]:
    is_first = result is row[0]
    ratio = ratio_to_best_peer(row)
    return (
        f"{result.work.title} (`{result.work.path}`)" if is_first else "",
        result.contestant,
        f"{result.median:,.0f}",
        f"{min(result.rates):,.0f}",
        f"{max(result.rates):,.0f}",
        f"{ratio.median:.2f} ({ratio.lowest:.2f} to {ratio.highest:.2f})" if is_first else "",
        str(result.errors),
        "-" if result.connections is None else str(result.connections),
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.ljust(width) if at < _TEXT_COLUMNS else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"


def page(tables: Sequence[tuple[str, str]], *, load: str, rounds: int, seconds: int) -> str:
    """Return the page for the documentation.

    Args:
        tables: Titles of the databases and their tables.
        load: What made the load.
        rounds: How many rounds each figure is from.
        seconds: How long a round took.
    """
    today = dt.datetime.now(dt.UTC).date()
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    circumstances = (
        f"{today}, {_processor()}, Python {platform.python_version()}, {versions}. "
        f"Load: {load}, {rounds} rounds of {seconds} s.\n"
    )
    sections = [f"## {title}\n\n{text}\n" for title, text in tables]
    return "\n".join([_INTRODUCTION, circumstances, *sections])


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
