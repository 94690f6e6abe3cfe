"""Every exception of this package.

::

    DjangoFastAPIError
    ├── ConfigurationError            the project's settings or wiring; also Django's ImproperlyConfigured
    │   ├── DefaultAPIAlreadyRegistered
    │   └── APIAlreadyRegistered
    ├── LifespanFailed                an API's start-up or shutdown
    ├── RequestThreadGone             synchronous work of a task that outlived its request
    ├── BodyNotRead                   a body asked for on the event loop; also Django's SynchronousOnlyOperation
    ├── ThreadWaitTimeout             no request thread became free in time; answered with 503
    ├── Throttled                     too many requests of one client; answered with 429
    ├── ThrottleUnavailable           nobody can count the requests of a client; answered with 503
    ├── SessionsUnavailable           the cache of the sessions does not answer; answered with 503
    ├── UnfitValue                    a client's value that no database column can be compared with
    ├── WriteRefused                  what a client wants to write; carries what is wrong, place by place
    │   ├── InvalidInput
    │   └── Conflict
    ├── PreconditionFailed            the object is no longer what the client last saw (RFC 9110)
    ├── PreconditionRequired          a client wants to change what it does not say to have seen (RFC 6585)
    ├── AwaitForgotten                an awaitable used before it was awaited; also Django's SynchronousOnlyOperation
    ├── IncompleteResponse            an application that ended without a whole answer
    └── BadRequest                    what a client sent, found before the application; carries its status
        └── TruncatedBody
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from starlette.exceptions import HTTPException


class DjangoFastAPIError(Exception):
    """Root of all exceptions raised by this package."""


class ConfigurationError(DjangoFastAPIError, ImproperlyConfigured):
    """A setting or a registration is wrong; the message names it and the cure."""


class DefaultAPIAlreadyRegistered(ConfigurationError):
    """`set_default_api` was called when there was a default API already."""


class APIAlreadyRegistered(ConfigurationError):
    """`register_api` was given a name or a prefix that is taken."""


class LifespanFailed(DjangoFastAPIError):
    """An application answered `lifespan.startup.failed` or `lifespan.shutdown.failed`."""


class RequestThreadGone(DjangoFastAPIError, RuntimeError):
    """A task that a request started asks for the request's thread after the request has ended."""

    def __init__(self) -> None:
        super().__init__(
            "The request this task belongs to is over, and its thread with it. "
            "Start a task that goes on with `django_fastapi.spawn(...)`, or use FastAPI's BackgroundTasks."
        )


class BodyNotRead(DjangoFastAPIError, SynchronousOnlyOperation):
    """Code on the event loop asks Django's request for a body that nobody has read yet."""

    def __init__(self) -> None:
        super().__init__(
            "The body of this request has not been read, and waiting for it here would stop the event loop. "
            "`await django_request.aload_body()` first, or use a `def` endpoint, which may wait."
        )


class ThreadWaitTimeout(DjangoFastAPIError, HTTPException):
    """No request thread became free within `FASTAPI_THREAD_WAIT` seconds.

    It is a 503 with `Retry-After` (RFC 9110, section 10.2.3) for FastAPI's and Starlette's exception handlers.

    Args:
        seconds: How long it was waited.
    """

    def __init__(self, seconds: float) -> None:
        HTTPException.__init__(
            self,
            HTTPStatus.SERVICE_UNAVAILABLE,
            detail="The server is busy. Try again later.",
            headers={"Retry-After": str(max(1, round(seconds)))},
        )


class Throttled(DjangoFastAPIError, HTTPException):
    """A client has made more requests than it may.

    It is a 429 with `Retry-After` (RFC 6585, section 4) for FastAPI's and Starlette's exception handlers.

    Args:
        seconds: After how many it may ask again.
    """

    def __init__(self, seconds: int) -> None:
        HTTPException.__init__(
            self,
            HTTPStatus.TOO_MANY_REQUESTS,
            detail="Too many requests. Try again later.",
            headers={"Retry-After": str(seconds)},
        )


class ThrottleUnavailable(DjangoFastAPIError, HTTPException):
    """The cache that counts the requests of a client does not answer. It is a 503 with `Retry-After`."""

    def __init__(self) -> None:
        HTTPException.__init__(
            self,
            HTTPStatus.SERVICE_UNAVAILABLE,
            detail="The service is not available. Try again later.",
            headers={"Retry-After": "5"},
        )


class SessionsUnavailable(DjangoFastAPIError):
    """The cache that keeps the sessions does not answer, so that nobody knows who the visitor is."""

    def __init__(self) -> None:
        super().__init__("The cache of SESSION_CACHE_ALIAS does not answer.")


class UnfitValue(DjangoFastAPIError, ValueError):
    """No row can have this value; the message says what is right, in words for the client, and begins with a verb."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with what a client wants to write.

    Args:
        loc: Where in the request it is, as FastAPI has it: `("body", "title")`.
        message: What is wrong, for people; a lazily translated text stays one until the answer is written.
        kind: What is wrong, for programs, such as "unique".
        params: Values for the placeholders of the message.
        context: What else programs may want to know, as JSON has it.
    """

    loc: tuple[str | int, ...]
    message: Any
    kind: str = "invalid"
    params: Mapping[str, Any] | None = None
    context: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __str__(self) -> str:
        """Return the message in the language of the moment."""
        return str(self.message % self.params if self.params else self.message)


class WriteRefused(DjangoFastAPIError):
    """What a client wants to write cannot be written, and nothing was.

    Args:
        faults: What is wrong, all of it.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__("; ".join(f"{'.'.join(map(str, one.loc))}: {one}" for one in self.faults))


class InvalidInput(WriteRefused):
    """Values are wrong, whatever else is in the database."""


class Conflict(WriteRefused):
    """Values are right, and something that is in the database already stands against them."""


class PreconditionFailed(DjangoFastAPIError):
    """The object has changed since the client read it, so that what it wants may rest on a mistake."""


class PreconditionRequired(DjangoFastAPIError):
    """The object may only be changed by a client that says which version of it it has read."""


class AwaitForgotten(DjangoFastAPIError, SynchronousOnlyOperation):
    """What a shortcut returned on the event loop was used without `await`."""


class IncompleteResponse(DjangoFastAPIError):
    """An ASGI application ended before it had sent a whole response."""


class BadRequest(DjangoFastAPIError):
    """A request that no application can be given.

    Args:
        message: What is wrong, in words that may be shown to the client.
        status: The status to answer with.
    """

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status


class TruncatedBody(BadRequest):
    """The body ended before the announced `Content-Length` (RFC 9112, section 6.3)."""
