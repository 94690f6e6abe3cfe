"""Places where requests stop until a test lets them go, so that tests wait for events and not for times."""

import asyncio
import threading

_SECONDS = 60.0


class Gate:
    """Counts who has arrived, and keeps them until it is opened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_open = threading.Event()
        self._is_open_on_loop = asyncio.Event()
        self.arrived = 0
        self.left = 0

    def pass_through(self) -> None:
        """Stop the thread here; to be called in synchronous code."""
        self._count_in()
        if not self._is_open.wait(_SECONDS):
            raise TimeoutError("Nobody opened the gate.")
        self._count_out()

    async def apass_through(self) -> None:
        """Stop the task here."""
        self._count_in()
        await asyncio.wait_for(self._is_open_on_loop.wait(), _SECONDS)
        self._count_out()

    def open(self) -> None:
        """Let everybody go; to be called on the event loop."""
        self._is_open.set()
        self._is_open_on_loop.set()

    def _count_in(self) -> None:
        with self._lock:
            self.arrived += 1

    def _count_out(self) -> None:
        with self._lock:
            self.left += 1


_gates: dict[str, Gate] = {}
_lock = threading.Lock()


def gate(name: str) -> Gate:
    """Return the gate of this name; it is closed when it is new."""
    with _lock:
        return _gates.setdefault(name, Gate())
