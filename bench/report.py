"""The tables, for the terminal and for the documentation."""

import datetime as dt
import importlib.metadata
import platform
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from .contestants import FLOOR, OURS
from .measurement import Ratio, Result, best_peer, ratio, result_of_ours

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
    "gunicorn",
    "django-bolt",
    "django-ninja",
    "djangorestframework",
    "msgspec",
)
_HEAD = ("work", "who", "requests/s", "min", "max", "ours is so many times as fast", "CPU ms", "errors", "connections")
_INTRODUCTION = """\
<!-- Written by `make bench`; edits are lost. -->
# Benchmark

Each contestant is one process on one core: uvicorn (uvloop, httptools), gunicorn with threads for django-ninja and
Django REST framework, django-bolt's own server. The load comes from another core over 10 connections. Before that, all
contestants of a row gave the same JSON. The rounds of the contestants alternate, and the figures are medians over the
rounds, with the lowest and the highest.

"Ours is so many times as fast" is the median over the rounds of this project's rate divided by the other's in the same
round, with the lowest and the highest: above 1.00, this project is faster. In the first line of a row it is the ratio
to the best peer. The floor is no peer, but what Python could do at best: bare Starlette, SQL written by hand and
msgspec. Absolute figures hold for this machine and day; the ratios are the point.

The peers load instances of the models, with the joins and prefetches that they need, as their documentation shows it;
this project is given querysets by `async def` endpoints.

"CPU ms" is the processor's time that the server's processes took for a request, those of the database server not
counted: the figure that says most where a machine has other things to do.

"Connections" is the highest number of database connections that was seen under that load; those of threads stay open
for the rows that follow. Every contestant keeps its connections, except Django's ASGI handler: it has a connection for
each request, as Django's documentation advises for ASGI, or psycopg's pool where `psycopg_pool` is installed.

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
    return (
        f"{result.work.title} (`{result.work.path}`)" if is_first else "",
        result.contestant.title,
        f"{result.median:,.0f}",
        f"{min(result.rates):,.0f}",
        f"{max(result.rates):,.0f}",
        _comparison(row, result),
        "-" if result.cpu_per_request is None else f"{1000 * result.cpu_per_request:.2f}",
        str(result.errors),
        "-" if result.connections is None else str(result.connections),
    )


def _comparison(row: Sequence[Result], result: Result) -> str:
    ours = result_of_ours(row)
    if result is not ours:
        return _words(ratio(ours, result))
    return f"best peer: {_words(ratio(ours, best_peer(row)))}" if has_peers(row) else ""


def has_peers(row: Sequence[Result]) -> bool:
    """Return whether there is anybody to compare this project with, beside the floor."""
    return any(result.contestant not in (OURS, FLOOR) for result in row)


def _words(one: Ratio) -> str:
    return f"{one.median:.2f} ({one.lowest:.2f} to {one.highest:.2f})"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.ljust(width) if at < _TEXT_COLUMNS else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"


def page(sections: Sequence[tuple[str, str, str]], *, load: str, rounds: int, seconds: int) -> str:
    """Return the page for the documentation.

    Args:
        sections: Titles of the databases, the files of their plots, and their tables.
        load: What made the load.
        rounds: How many rounds each figure is from.
        seconds: How long a round took.
    """
    today = dt.datetime.now(dt.UTC).date()
    circumstances = (
        f"{today}, {_processor()}, Python {platform.python_version()}, {', '.join(_versions())}. "
        f"Load: {load}, {rounds} rounds of {seconds} s.\n"
    )
    texts = [f"## {title}\n\n![{title}]({picture})\n\n{text}\n" for title, picture, text in sections]
    return "\n".join([_INTRODUCTION, circumstances, *texts])


def _versions() -> Iterator[str]:
    for name in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            yield f"{name} {importlib.metadata.version(name)}"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
