"""What the probe tells the tests that run it in another process."""

import os
from pathlib import Path


def note(line: str) -> None:
    """Write down what has happened, and in which process."""
    if path := os.environ.get("PROBE_LIFESPAN_LOG"):
        with Path(path).open("a") as log:
            log.write(f"{line} {os.getpid()}\n")
