"""Django's `request_started` and `request_finished` for requests that FastAPI answers, on the request's thread."""

import contextvars
import functools
from collections.abc import Awaitable
from typing import Any

from asgiref.local import Local
from django.core import signals
from django.core.cache import caches, close_caches
from django.core.handlers.base import reset_urlconf
from django.db import close_old_connections, reset_queries
from django.dispatch import Signal
from django.urls import base

from .concurrency import current_lease, is_borrowed, on_return, run
from .contexts import LocalValues, restore
from .types import Scope

_DJANGOS_OWN = frozenset(map(id, (close_caches, reset_urlconf, close_old_connections, reset_queries)))


_seen: dict[Signal, tuple[list[Any], bool]] = {}
"""The receivers that a signal had when it was last looked at, and what was found: this is asked at each request."""


class RequestSignals:
    """The sender of the signals of requests that FastAPI answers."""


_SENDERS = frozenset(map(id, (None, RequestSignals)))


def has_listeners(signal: Signal) -> bool:
    """Return whether anybody but Django itself listens to a request signal as sent from here.

    What Django's own receivers do is done directly, whenever a worker thread begins and ends a request: a signal that
    nobody else hears costs more than all the rest.
    """
    seen = _seen.get(signal)
    if seen is None or seen[0] != signal.receivers:
        # A receiver's entry begins with its lookup key: the ids of the receiver and of the only sender it listens to.
        keys = [receiver[0] for receiver in signal.receivers]
        is_heard = any(key[0] not in _DJANGOS_OWN and key[1] in _SENDERS for key in keys)
        seen = _seen[signal] = (list(signal.receivers), is_heard)
    return seen[1]


def announce(scope: Scope) -> Awaitable[object] | None:
    """Send the signals of the current request: the first one now if somebody listens, the other at its end.

    With nobody to hear them, a request without synchronous work takes no thread.

    Returns:
        What to await before anything else is done for the request, if it is anything.
    """
    lease = current_lease()
    if lease is not None:
        lease.on_end, lease.needs_end = _end, _is_end_needed
    elif is_borrowed():
        on_return(_end)
    else:
        return None
    if has_listeners(signals.request_started):
        return run(functools.partial(signals.request_started.send, sender=RequestSignals, scope=scope))
    if has_listeners(signals.request_finished):
        return run(_nothing)
    return None


def _end() -> None:
    # The caches, the URLconf and what receivers look for are in the request's context, which comes from the event loop.
    restore(contextvars.copy_context())
    if has_listeners(signals.request_finished):
        signals.request_finished.send(sender=RequestSignals)
    else:
        close_caches()
        reset_urlconf(sender=RequestSignals)


def _is_end_needed() -> bool:
    """Return whether a cache was used or an URLconf set, or somebody waits to hear.

    Django's public functions tell that at the price of an exception each, hence its private names.
    """
    for local in (vars(caches)["_connections"], vars(base)["_urlconfs"]):
        if _values_of(local).get():
            return True
    return has_listeners(signals.request_finished)


@functools.lru_cache(maxsize=8)
def _values_of(local: Local) -> LocalValues:
    return LocalValues(local)


def _nothing() -> None:
    """Take the thread, for what comes at the end."""
