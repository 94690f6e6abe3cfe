"""Every exception of this package.

::

    DjangoFastAPIError
    ├── ConfigurationError            the project's settings or wiring; also Django's ImproperlyConfigured
    │   ├── DefaultAPIAlreadyRegistered
    │   └── APIAlreadyRegistered
    ├── LifespanFailed                an API's start-up or shutdown
    ├── RequestThreadGone             synchronous work of a task that outlived its request
    ├── ThreadWaitTimeout             no request thread became free in time; answered with 503
    ├── IncompleteResponse            an application that ended without a whole answer
    └── BadRequest                    what a client sent, found before the application; carries its status
        └── TruncatedBody
"""

from http import HTTPStatus

from django.core.exceptions import ImproperlyConfigured
from starlette.exceptions import HTTPException


class DjangoFastAPIError(Exception):
    """Root of all exceptions raised by this package."""


class ConfigurationError(DjangoFastAPIError, ImproperlyConfigured):
    """A setting or a registration is wrong; the message names it and the cure."""


class DefaultAPIAlreadyRegistered(ConfigurationError):  # noqa: N818 (the public name existing projects catch)
    """`set_default_api` was called when there was a default API already."""


class APIAlreadyRegistered(ConfigurationError):  # noqa: N818 (named like its sibling)
    """`register_api` was given a name or a prefix that is taken."""


class LifespanFailed(DjangoFastAPIError):  # noqa: N818 (the ASGI specification's word: `lifespan.startup.failed`)
    """An application answered `lifespan.startup.failed` or `lifespan.shutdown.failed`."""


class RequestThreadGone(DjangoFastAPIError, RuntimeError):  # noqa: N818 (it says what is wrong)
    """A task that a request started asks for the request's thread after the request has ended."""

    def __init__(self) -> None:
        super().__init__(
            "The request this task belongs to is over, and its thread with it. "
            "Start a task that goes on with `django_fastapi.spawn(...)`, or use FastAPI's BackgroundTasks."
        )


class ThreadWaitTimeout(DjangoFastAPIError, HTTPException):  # noqa: N818 (it says what is wrong)
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


class IncompleteResponse(DjangoFastAPIError):  # noqa: N818 (named after the condition, as in http.client.IncompleteRead)
    """An ASGI application ended before it had sent a whole response."""


class BadRequest(DjangoFastAPIError):  # noqa: N818 (Django's and werkzeug's name for it)
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
