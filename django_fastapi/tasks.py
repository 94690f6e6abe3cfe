"""What a request gives its thread to do."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol


class Task(Protocol):
    """Something to run on the thread. It keeps its own result, and neither method raises."""

    def run(self) -> None:
        """Run it and keep the result or the exception."""
        ...

    def fail(self, error: BaseException) -> None:
        """Keep `error` in the place of a result: it will never run."""
        ...


class FutureTask:
    """A task whose result is a `concurrent.futures.Future`.

    Args:
        function: What to run.
    """

    __slots__ = ("_function", "future")

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self.future: Future[Any] = Future()

    def run(self) -> None:
        """Run it, unless it was cancelled."""
        if self.future.set_running_or_notify_cancel():
            try:
                result = self._function()
            except BaseException as error:  # noqa: BLE001 (it is for whoever waits for the result)
                self.future.set_exception(error)
            else:
                self.future.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Keep `error`, unless it was cancelled."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)
