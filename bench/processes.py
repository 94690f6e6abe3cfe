"""What the operating system tells of a server's processes; on Linux."""

import os
from pathlib import Path


def family(pid: int) -> list[int]:
    """Return a process and those that it has started: gunicorn's worker."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *map(int, children)]


def cpu_seconds(pid: int) -> float | None:
    """Return how long a process and those below it have kept a processor busy; None if that cannot be told."""
    try:
        # The second field is the program's name, in parentheses and perhaps with spaces.
        stats = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in family(pid)]
    except OSError:
        return None
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")
