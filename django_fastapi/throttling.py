"""How often a client may ask: counters in Django's cache, and the dependency that counts."""

import functools
import hashlib
import ipaddress
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Annotated, Any, Final, Literal, Self

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.db.models import Model
from fastapi import Depends
from starlette.requests import HTTPConnection

from . import settings
from .exceptions import ConfigurationError, Throttled, ThrottleUnavailable
from .matches import find_route
from .requests import django_request
from .types import Scope

_logger = logging.getLogger("django_fastapi.throttling")

_RATE: Final = re.compile(r"(?P<limit>[1-9][0-9]*)/(?P<count>[1-9][0-9]*)?(?P<unit>[a-z]+)")
_UNITS: Final = {
    **dict.fromkeys(("s", "sec", "second"), 1),
    **dict.fromkeys(("m", "min", "minute"), 60),
    **dict.fromkeys(("h", "hour"), 3600),
    **dict.fromkeys(("d", "day"), 86400),
}
_IPV6_SUBSCRIBER: Final = 64  # bits: what a provider hands out at the least (RFC 6177)
_GRACE: Final = 5  # seconds that an entry outlives its window, for machines whose clocks differ


@dataclass(frozen=True, slots=True)
class Rate:
    """A number of requests in a window of time.

    Args:
        limit: How many requests.
        seconds: How long the window is.
    """

    limit: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the rate that a text such as `"5/min"`, `"100/h"` or `"20/10s"` means.

        The units are `s`, `sec`, `second`, `m`, `min`, `minute`, `h`, `hour`, `d` and `day`.

        Raises:
            ConfigurationError: The text means none.

        >>> Rate.parse("20/10s")
        Rate(limit=20, seconds=10)
        """
        found = _RATE.fullmatch(text)
        if found is None or found["unit"] not in _UNITS:
            raise ConfigurationError(f'{text!r} is no rate: write "5/min", "100/h" or "20/10s".')
        return cls(int(found["limit"]), int(found["count"] or 1) * _UNITS[found["unit"]])


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a client stands after a request.

    Args:
        rate: What it may do.
        hits: How many requests it has made in this window, the last one included.
        reset: After how many seconds the next window begins.
    """

    rate: Rate
    hits: int
    reset: int

    @property
    def is_within(self) -> bool:
        """Whether the last request was one of those allowed."""
        return self.hits <= self.rate.limit

    @property
    def remaining(self) -> int:
        """How many more requests are allowed in this window."""
        return max(0, self.rate.limit - self.hits)


def hit(rate: Rate, name: str, key: str, *, now: float | None = None) -> Standing:
    """Count a request.

    The windows are fixed, and begin at another moment for each key. The count is exact for any number of threads,
    processes and machines where the cache counts atomically: Redis, Memcached, and the memory of one process.

    Args:
        rate: What is allowed.
        name: Of the counter: the same key under another name is counted by itself.
        key: Who asks. The cache sees a digest of it only.
        now: Seconds since 1970; the time of the clock if None.

    Raises:
        ThrottleUnavailable: The cache does not answer, and `FASTAPI_THROTTLE_FAIL_OPEN` is off.
    """
    digest = hashlib.sha256(f"{name}\0{key}".encode("utf-8", "surrogatepass")).hexdigest()
    moment = int(time.time() if now is None else now) + int(digest[:8], 16) % rate.seconds
    window, elapsed = divmod(moment, rate.seconds)
    entry = f"django_fastapi.throttle.{rate.limit}.{rate.seconds}.{window}.{digest}"
    try:
        hits = _increment(entry, rate.seconds + _GRACE)
    except Exception as error:
        if not settings.THROTTLE_FAIL_OPEN.get():
            raise ThrottleUnavailable from error
        _logger.warning("The cache does not answer: requests are let through uncounted.", exc_info=error)
        hits = 0
    return Standing(rate, hits, rate.seconds - elapsed)


def _increment(entry: str, timeout: int) -> int:
    cache = caches[settings.THROTTLE_CACHE.get()]
    if cache.add(entry, 1, timeout):
        return 1
    if type(cache).incr is BaseCache.incr:  # which would have the entry live as long as others of the cache
        hits: int = cache.get(entry, 0) + 1
        cache.set(entry, hits, timeout)
        return hits
    try:
        return cache.incr(entry)
    except ValueError:  # it was there a moment ago: thrown out, or never kept as by the dummy cache
        cache.set(entry, 1, timeout)
        return 1


def client_address(connection: HTTPConnection) -> str:
    """Return the client's address as a key: for IPv6 its network of 64 bits, since a client has all of that.

    `FASTAPI_TRUSTED_PROXIES` names the proxies that are believed about it.
    """
    host = connection.client.host if connection.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    mapped = address.ipv4_mapped
    return str(mapped or ipaddress.ip_network((int(address), _IPV6_SUBSCRIBER), strict=False))


@dataclass(frozen=True, init=False)  # no slots: FastAPI finds the signature in the dictionary of the instance
class Throttle:
    """A dependency that lets a client make so many requests in a time; those beyond are 429 with `Retry-After`.

    ::

        @api.post("/search", dependencies=[Depends(Throttle("20/min"))])
        def search(text: str) -> list[Hit]: ...

    The answer tells of it in the fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-09).

    Args:
        rate: Such as `"5/min"`; see `Rate.parse`.
        by: Whose requests are counted together: those of an address (`"ip"`), or those for which a dependency returns
            the same text, number or instance of a model. Where it returns None, nothing is counted.
        name: Throttles of one name and rate share their counters. Without one each route has its own.

    Raises:
        ConfigurationError: The rate is none.
    """

    rate: Rate
    by: Callable[..., object]
    name: str | None

    def __init__(self, rate: str, *, by: Literal["ip"] | Callable[..., object] = "ip", name: str | None = None) -> None:
        dependency = client_address if by == "ip" else by
        for attribute, value in {"rate": Rate.parse(rate), "by": dependency, "name": name}.items():
            object.__setattr__(self, attribute, value)
        object.__setattr__(self, "__signature__", _signature(dependency))

    def __call__(self, connection: HTTPConnection, key: object) -> None:
        """Count a request.

        Raises:
            Throttled: It is one too many.
            ThrottleUnavailable: The cache does not answer.
        """
        if key is None:
            return
        name = self.name or _endpoint_name(connection)
        standing = hit(self.rate, name, _text(key))
        _announce(connection, self.name or "default", standing)
        if not standing.is_within:
            raise Throttled(standing.reset)


def _signature(dependency: Callable[..., object]) -> Signature:
    keyword = functools.partial(Parameter, kind=Parameter.KEYWORD_ONLY)
    return Signature(
        [
            keyword("connection", annotation=HTTPConnection),
            keyword("key", annotation=Annotated[Any, Depends(dependency)]),
        ]
    )


def _endpoint_name(connection: HTTPConnection) -> str:
    endpoint: Any = connection.scope.get("endpoint")
    function = f"{getattr(endpoint, '__module__', '')}.{getattr(endpoint, '__qualname__', repr(endpoint))}"
    return f"{function} {_route_name(connection.scope)}"


def _route_name(scope: Scope) -> str:
    """Return the methods and the path of the route, with the names of its parameters and not their values."""
    route: Any = find_route(scope["app"].routes, scope) or scope.get("route")
    path = getattr(route, "path", "")
    # An application that is mounted at a path with parameters is told by their names: `root_path` has their values.
    mounted_by = sorted(set(scope.get("path_params", {})) - set(getattr(route, "param_convertors", {})))
    mount = f"{{{','.join(mounted_by)}}}" if mounted_by else scope.get("root_path", "")
    return f"{','.join(sorted(getattr(route, 'methods', None) or ()))} {mount}{path}"


def _text(key: object) -> str:
    return f"{key._meta.label_lower}:{key.pk}" if isinstance(key, Model) else str(key)


def _announce(connection: HTTPConnection, name: str, standing: Standing) -> None:
    """Put the fields on the answer, beside those of other throttles of the same request."""
    headers = django_request(connection).response.headers
    quoted = _quote(name)
    fields = {
        "RateLimit-Policy": f"{quoted};q={standing.rate.limit};w={standing.rate.seconds}",
        "RateLimit": f"{quoted};r={standing.remaining};t={standing.reset}",
    }
    for field, value in fields.items():
        headers[field] = f"{headers[field]}, {value}" if field in headers else value


def _quote(text: str) -> str:
    """Return a text as a string of a structured field (RFC 9651, section 3.3.3)."""
    printable = re.sub(r"[^ -~]", "?", text)
    return '"' + re.sub(r'(["\\])', r"\\\1", printable) + '"'
