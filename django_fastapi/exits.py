"""What wants to end the process, raised by code that serves a request or starts an application."""

import threading
from typing import NoReturn, cast


def is_exit(error: BaseException | None) -> bool:
    """Return whether code wants to end the process, by an exception that would end the event loop as well.

    On the main thread `KeyboardInterrupt` is what Python makes of Ctrl-C, and not meant.
    """
    if isinstance(error, BaseExceptionGroup):
        members = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return any(map(is_exit, members))
    if isinstance(error, KeyboardInterrupt):
        return threading.current_thread() is not threading.main_thread()
    return isinstance(error, SystemExit)


def without_exit(error: BaseException) -> BaseException:
    """Return an ordinary exception in the place of one that wants to end the process, and any other as it is.

    Other requests run in the same process, and what becomes of it is for the server to say.
    """
    if not is_exit(error):
        return error
    refusal = RuntimeError(f"An application cannot end the process that serves it: {error!r}")
    refusal.__cause__ = error
    return refusal


def refuse_exit(error: BaseException) -> NoReturn:
    """Raise what `without_exit` returns.

    Raises:
        RuntimeError: The exception wants to end the process; it is the cause.
        BaseException: The exception, which does not.
    """
    raise without_exit(error)
