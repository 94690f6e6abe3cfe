"""The measurement: the same JSON first, then rounds of load in turn."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from .contestants import FLOOR, OURS, Contestant
from .databases import Database
from .exceptions import BenchmarkError
from .load import Load, Round
from .processes import cpu_seconds
from .servers import Server, clear, fill, running
from .work import Row, Work


@dataclass(slots=True)
class Result:
    """What one contestant came to at one piece of work.

    Args:
        work: The work.
        contestant: The contestant.
    """

    work: Work
    contestant: Contestant
    rates: list[float] = field(default_factory=list)
    errors: int = 0
    connections: int | None = None
    requests: int = 0
    cpu_seconds: float | None = None

    @property
    def cpu_per_request(self) -> float | None:
        """How many seconds of a processor's time a request takes."""
        return None if self.cpu_seconds is None or not self.requests else self.cpu_seconds / self.requests

    @property
    def median(self) -> float:
        """The median of its rates, in answers a second."""
        return median(self.rates)

    def add(self, one: Round, cpu_seconds: float | None) -> None:
        """Add a round, and the processor's time that the server took for it."""
        self.rates.append(one.rate)
        self.errors += one.errors
        self.requests += one.requests
        self.cpu_seconds = None if cpu_seconds is None else cpu_seconds + (self.cpu_seconds or 0)


@dataclass(frozen=True, slots=True)
class Ratio:
    """How much faster one is than another, in rounds that followed each other."""

    median: float
    lowest: float
    highest: float


def ratio(one: Result, other: Result) -> Ratio:
    """Return how much faster one result is than another of the same work."""
    ratios = [mine / theirs for mine, theirs in zip(one.rates, other.rates, strict=True)]
    return Ratio(median(ratios), min(ratios), max(ratios))


def result_of_ours(results: Sequence[Result]) -> Result:
    """Return the result of this project."""
    return next(result for result in results if result.contestant is OURS)


def best_peer(results: Sequence[Result]) -> Result:
    """Return the result of the peer whose median is highest; the floor is no peer."""
    peers = [result for result in results if result.contestant not in (OURS, FLOOR)]
    return max(peers, key=lambda result: result.median)


@dataclass(frozen=True, slots=True)
class Method:
    """How to measure.

    Args:
        load: What makes the load.
        rounds: How many rounds; one more at the beginning is not counted.
        core: The core for the servers, if it can be told; only one of them is busy at a time.
    """

    load: Load
    rounds: int
    core: int | None


def measure(
    database: Database, rows: Sequence[Row], contestants: Sequence[Contestant], method: Method
) -> list[list[Result]]:
    """Measure the contestants on a database.

    Args:
        database: An empty database.
        rows: What to measure.
        contestants: Those who can be measured here.
        method: How to measure.

    Returns:
        The results, for each row those of its contestants.

    Raises:
        BenchmarkError: A server or a load generator failed, or answers differ.
    """
    fill(database.url)
    with ExitStack() as stack:
        servers = {one.key: stack.enter_context(running(one, database.url, method.core)) for one in contestants}
        results = [[Result(row.work, one) for one in contestants if one.key in row.contestants] for row in rows]
        for row in results:
            require_same_answer(row[0].work, [servers[result.contestant.key] for result in row])
        for number in range(-1, method.rounds):
            for row, measured in zip(rows, results, strict=True):
                for result in measured if number % 2 else reversed(measured):
                    if row.is_cleared:
                        clear(database.url)
                    _run(result, servers[result.contestant.key], database, method.load, is_counted=number >= 0)
    return results


def require_same_answer(work: Work, servers: Sequence[Server]) -> None:
    """Ask every server once.

    Raises:
        BenchmarkError: Two of them answer differently.
    """
    first, *others = servers
    expected = _comparable(first.fetch(work), work)
    for other in others:
        answer = _comparable(other.fetch(work), work)
        if answer != expected:
            raise BenchmarkError(
                f"{work.path}: {first.contestant.title} answers {expected!r}, {other.contestant.title} {answer!r}"
            )


def _comparable(answer: Any, work: Work) -> Any:
    if not isinstance(answer, Mapping):
        return answer
    return {key: None if key in work.differs else value for key, value in answer.items()}


def _run(result: Result, server: Server, database: Database, load: Load, *, is_counted: bool) -> None:
    def count() -> None:
        connections = database.count_connections(server.contestant.key, server.pid)
        if connections is not None:
            result.connections = max(connections, result.connections or 0)

    begin = cpu_seconds(server.pid)
    one = load.run(server.address, result.work, count)
    end = cpu_seconds(server.pid)
    if is_counted:
        result.add(one, None if begin is None or end is None else end - begin)
