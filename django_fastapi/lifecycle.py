"""Django's `request_started` and `request_finished` for requests that FastAPI answers, on the request's thread."""

import contextvars
import functools

from django.core import signals
from django.core.cache import close_caches
from django.core.handlers.base import reset_urlconf
from django.db import close_old_connections, reset_queries
from django.dispatch import Signal

from .concurrency import current_lease, is_borrowed, on_return, run
from .contexts import restore
from .types import Scope

_DJANGOS_OWN = frozenset(map(id, (close_caches, reset_urlconf, close_old_connections, reset_queries)))


class RequestSignals:
    """The sender of the signals of requests that FastAPI answers."""


def has_listeners(signal: Signal) -> bool:
    """Return whether anybody but Django itself listens to a request signal.

    What Django's own receivers do is done directly, whenever a worker thread begins and ends a request: a signal that
    nobody else hears costs more than all the rest.
    """
    # A receiver's entry begins with its lookup key, which begins with the id of the receiver.
    return any(key[0] not in _DJANGOS_OWN for key, *_ in signal.receivers)


async def announce(scope: Scope) -> None:
    """Send the signals of the current request: the first one now if somebody listens, the other at its end.

    With nobody to hear them, a request without synchronous work takes no thread.
    """
    lease = current_lease()
    if lease is not None:
        lease.on_end = _end
    elif is_borrowed():
        on_return(_end)
    else:
        return
    if has_listeners(signals.request_started):
        await run(functools.partial(signals.request_started.send, sender=RequestSignals, scope=scope))
    elif has_listeners(signals.request_finished):
        await run(_nothing)


def _end() -> None:
    # The caches, the URLconf and what receivers look for are in the request's context, which comes from the event loop.
    restore(contextvars.copy_context())
    if has_listeners(signals.request_finished):
        signals.request_finished.send(sender=RequestSignals)
    else:
        close_caches()
        reset_urlconf(sender=RequestSignals)


def _nothing() -> None:
    """Take the thread, for what comes at the end."""
