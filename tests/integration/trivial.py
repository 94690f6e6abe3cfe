"""The least application there can be, to tell what a server does by itself."""

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

TICKS = 40


def wsgi(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return _ticks() if environ["PATH_INFO"] == "/ticks" else [b"ok"]


def _ticks() -> Iterator[bytes]:
    sent = 0
    try:
        while sent < TICKS:
            yield b"tick\n" * 1000
            sent += 1
            time.sleep(0.02)
    finally:
        with Path(os.environ["PROBE_LIFESPAN_LOG"]).open("a") as log:
            log.write(f"ended after {sent} {os.getpid()}\n")
