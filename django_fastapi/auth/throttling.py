"""How often a user may ask: the core's `Throttle`, which knows users here."""

from collections.abc import Callable
from typing import Any, Literal

from starlette.requests import HTTPConnection

from django_fastapi.throttling import Throttle, client_address

from .dependencies import OptionalUser


def throttle(
    rate: str, *, by: Literal["user", "ip"] | Callable[..., object] = "user", name: str | None = None
) -> Throttle:
    """Return a dependency that lets somebody make so many requests in a time; those beyond are 429 with `Retry-After`.

    ::

        @api.post("/search", dependencies=[Depends(throttle("20/min"))])
        def search(text: str) -> list[Hit]: ...

    The counters are in Django's cache (`FASTAPI_THROTTLE_CACHE`), so that with Redis all processes share them. See
    `django_fastapi.throttling.Throttle`.

    Args:
        rate: Such as `"5/min"`, `"100/h"` or `"20/10s"`.
        by: Whose requests are counted together: those of a user, and of an address where nobody is logged in
            (`"user"`); those of an address (`"ip"`); or those for which a dependency returns the same.
        name: Throttles of one name and rate share their counters. Without one each endpoint has its own.

    Raises:
        ConfigurationError: The rate is none.
    """
    return Throttle(rate, by=user_or_address if by == "user" else by, name=name)


async def user_or_address(connection: HTTPConnection, user: OptionalUser) -> Any:
    """Return the user, or the address of a client that is not logged in."""
    return client_address(connection) if user is None else user
