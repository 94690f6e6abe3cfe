"""What a scheme of authentication is: one way for a request to say who it is from."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from fastapi.openapi.models import SecurityBase as SecurityModel
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from django_fastapi.auth.exceptions import BadCredential
from django_fastapi.concurrency import run
from django_fastapi.requests import FastAPIRequest, django_request

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


AGAIN: Final = "django_fastapi.asked_again"
"""The key in a scope that says that its credential was taken before, and is no new try."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """A user, and by what a request has shown to be theirs.

    Args:
        user: A loaded, active instance of the project's user model.
        scheme: The scheme that has found out.
        credential: What the scheme knows of the credential: the claims of a token, the row of an API key.
    """

    user: "AbstractBaseUser"
    scheme: "Scheme"
    credential: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """A credential that a request carries, not verified still, and the scheme that can do so.

    Args:
        scheme: Whose credential it is.
        credential: As the scheme's `find` returned it; None if that has refused it.
    """

    scheme: "Scheme"
    credential: Any = field(repr=False)

    async def aauthenticate(self, connection: HTTPConnection) -> Authentication | None:
        """Return whose credential it is; see `Scheme.authenticate`.

        Raises:
            BadCredential: It is no good.
            NotPermitted: It must not be used like this.
        """
        if self.credential is None:
            raise BadCredential("It is malformed.")
        return await self.scheme.aauthenticate(self.credential, connection)


@dataclass(frozen=True)  # no slots: FastAPI's base class has none
class Scheme(SecurityBase, ABC):
    """One way for a request to say who it is from, and as such a dependency of FastAPI's.

    `find` looks whether the request carries a credential of this kind, without any I/O. `authenticate` finds out whose
    it is, on the request's thread. Subclasses are frozen dataclasses, equal by their arguments.

    Attributes:
        header: The request header that has the credential: "Cookie" or "Authorization".
        challenge: What a 401 says in `WWW-Authenticate`.
    """

    header: ClassVar[str]
    challenge: ClassVar[str]

    @property
    def scheme_name(self) -> str:  # type: ignore[override]  # FastAPI only reads it
        """The name of the scheme in the OpenAPI document."""
        return type(self).__name__

    @property
    def varies_on(self) -> frozenset[str]:
        """The request headers that may have the credential, for `Vary`: `header`, and what a subclass adds."""
        return frozenset({self.header})

    @property
    def limits_tries(self) -> bool:
        """Whether it answers 429 to too many requests."""
        return False

    @property
    def is_guessable(self) -> bool:
        """Whether somebody may find a credential by trying, so that only what limits the tries stands in the way.

        Such a scheme is asked where the route asks for its user, after the throttles that come before that, and not
        for an answer that has been found without the user.
        """
        return True

    @property
    def model(self) -> SecurityModel:  # type: ignore[override]  # FastAPI only reads it
        """The scheme as the OpenAPI document describes it; settings and routes it depends on are read when asked."""
        return self.describe()

    @abstractmethod
    def describe(self) -> SecurityModel:
        """Return the scheme as the OpenAPI document describes it."""

    @abstractmethod
    def find(self, connection: HTTPConnection) -> object | None:
        """Return the credential of this kind that came with a request; None if there is none: "not mine".

        Raises:
            BadCredential: There is one, and anybody can see that it is no good.
        """

    @abstractmethod
    def authenticate(self, credential: Any, request: FastAPIRequest) -> Authentication | None:
        """Return whose credential it is; None if it says of itself that nobody is logged in.

        It runs on the request's thread, and so may use the database.

        Args:
            credential: What `find` returned.
            request: Django's request.

        Raises:
            BadCredential: It does not hold, or its user is not active.
            NotPermitted: It holds, and yet must not be used like this, as a cookie without a CSRF token.
        """

    async def aauthenticate(self, credential: Any, connection: HTTPConnection) -> Authentication | None:
        """Call `authenticate` on the request's thread; a scheme that needs no thread does its own thing here."""
        return await run(partial(self.authenticate, credential, django_request(connection)))

    async def __call__(self, connection: HTTPConnection) -> Found | None:
        """Return the credential that came with a request; None if there is none."""
        try:
            credential = self.find(connection)
        except BadCredential:
            return Found(self, None)
        return None if credential is None else Found(self, credential)


def authorization(connection: HTTPConnection, scheme: str) -> str | None:
    """Return what follows the name of a scheme in the header `Authorization`; None if it is another scheme's.

    Args:
        connection: The request.
        scheme: Such as "Bearer"; in any case of letters (RFC 9110, section 11.1).

    Raises:
        BadCredential: There are several such headers, or nothing follows.
    """
    values = connection.headers.getlist("authorization")
    credentials = [value.partition(" ")[2].strip(" ") for value in values if _names(value, scheme)]
    if not credentials:
        return None
    if len(values) > 1 or not credentials[0]:
        raise BadCredential("There is more than one header `Authorization`, or an empty one.")
    return credentials[0]


def _names(value: str, scheme: str) -> bool:
    return value.partition(" ")[0].lower() == scheme.lower()
