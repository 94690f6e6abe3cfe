"""The measurement: the same JSON first, then rounds of load in turn."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from .contestants import APPLICATIONS, OURS, Work
from .databases import Database
from .exceptions import BenchmarkError
from .load import Load, Round
from .servers import Server, fill, running


@dataclass(slots=True)
class Result:
    """What one contestant came to at one piece of work.

    Args:
        work: The work.
        contestant: The contestant.
    """

    work: Work
    contestant: str
    rates: list[float] = field(default_factory=list)
    errors: int = 0
    connections: int | None = None

    @property
    def median(self) -> float:
        """The median of its rates, in answers a second."""
        return median(self.rates)

    def add(self, one: Round) -> None:
        """Add a round."""
        self.rates.append(one.rate)
        self.errors += one.errors


@dataclass(frozen=True, slots=True)
class Ratio:
    """How much faster one is than another, in rounds that followed each other."""

    median: float
    lowest: float
    highest: float


def ratio_to_best_peer(results: Sequence[Result]) -> Ratio:
    """Return the ratio of this project to the peer whose median is highest.

    Args:
        results: Those of one piece of work.
    """
    ours = next(result for result in results if result.contestant == OURS)
    best = max((result for result in results if result is not ours), key=lambda result: result.median)
    ratios = [mine / theirs for mine, theirs in zip(ours.rates, best.rates, strict=True)]
    return Ratio(median(ratios), min(ratios), max(ratios))


def measure(
    database: Database, all_work: Sequence[Work], load: Load, *, rounds: int, core: int | None
) -> list[list[Result]]:
    """Measure all contestants on a database.

    Args:
        database: An empty database.
        all_work: What to measure.
        load: What makes the load.
        rounds: How many rounds; one more at the beginning is not counted.
        core: The core for the servers; only one of them is busy at a time.

    Returns:
        The results, for each piece of work those of its contestants.

    Raises:
        BenchmarkError: A server or a load generator failed, or answers differ.
    """
    fill(database.url)
    with ExitStack() as stack:
        servers = {name: stack.enter_context(running(name, database.url, core)) for name in APPLICATIONS}
        for work in all_work:
            require_same_answer(work, servers)
        results = [[Result(work, name) for name in work.contestants] for work in all_work]
        for number in range(-1, rounds):
            for row in results:
                for result in row if number % 2 else reversed(row):
                    _run(result, servers[result.contestant], database, load, is_counted=number >= 0)
    return results


def require_same_answer(work: Work, servers: Mapping[str, Server]) -> None:
    """Ask every contestant once.

    Raises:
        BenchmarkError: Two of them answer differently.
    """
    first, *others = work.contestants
    expected = servers[first].fetch(work.path)
    for other in others:
        answer = servers[other].fetch(work.path)
        if answer != expected:
            raise BenchmarkError(f"{work.path}: {first} answers {expected!r}, {other} answers {answer!r}")


def _run(result: Result, server: Server, database: Database, load: Load, *, is_counted: bool) -> None:
    def count() -> None:
        connections = database.count_connections(server.contestant, server.pid)
        if connections is not None:
            result.connections = max(connections, result.connections or 0)

    one = load.run(server.url(result.work.path), count)
    if is_counted:
        result.add(one)
