"""What must not happen to a test's database connections while a request runs, and who hears of its exceptions."""

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from django.core.signals import got_request_exception, request_finished, request_started
from django.db import close_old_connections

from django_fastapi.boundary import ON_EXCEPTION


class _Isolation:
    """Signals as `django.test.Client` has them while a request runs; counted, since requests may overlap."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._disconnected: list[Any] = []

    def enter(self) -> None:
        with self._lock:
            self._count += 1
            if self._count == 1:
                # It would close the connection that holds the test's transaction.
                signals = (request_started, request_finished)
                self._disconnected = [signal for signal in signals if signal.disconnect(close_old_connections)]
                got_request_exception.connect(_tell)

    def leave(self) -> None:
        with self._lock:
            self._count -= 1
            if self._count == 0:
                got_request_exception.disconnect(_tell)
                for signal in self._disconnected:
                    signal.connect(close_old_connections)


_isolation = _Isolation()


@contextmanager
def isolated() -> Generator[None]:
    """Keep the test's connections open within the block, and tell of exceptions in Django's views.

    They are told to the callable that the scope of their request has under `boundary.ON_EXCEPTION`.
    """
    _isolation.enter()
    try:
        yield
    finally:
        _isolation.leave()


def _tell(request: Any = None, **_: Any) -> None:
    tell = getattr(request, "scope", {}).get(ON_EXCEPTION)
    error = sys.exc_info()[1]
    if tell is not None and error is not None:
        tell(error)
