"""HTTP's Basic authentication as a scheme."""

import binascii
from base64 import b64decode
from dataclasses import dataclass
from functools import partial
from typing import Final

from fastapi.openapi.models import HTTPBase, SecurityBase as SecurityModel
from starlette.requests import HTTPConnection

from django_fastapi.auth.exceptions import BadCredential
from django_fastapi.auth.logins import verify_login
from django_fastapi.concurrency import run
from django_fastapi.requests import FastAPIRequest
from django_fastapi.throttling import Rate, Throttle, client_address

from .base import AGAIN, Authentication, Scheme, authorization

_COUNTER: Final = "basic"


@dataclass(frozen=True)
class BasicAuth(Scheme):
    """Name and password in the header `Authorization` (RFC 7617), for scripts and machines.

    Django's backends are asked at every request, so each one costs a run of the password hasher. Where strangers can
    ask, give a rate.

    Args:
        rate: How often a name and a password may come from an address, right or wrong, to all routes together; such as
            `"60/min"`. Those beyond are 429. None is no limit.

    Raises:
        ConfigurationError: The rate is none.
    """

    rate: str | None = None

    header = "Authorization"
    challenge = 'Basic realm="api", charset="UTF-8"'

    def __post_init__(self) -> None:
        """Refuse what is no rate."""
        if self.rate is not None:
            Rate.parse(self.rate)

    @property
    def limits_tries(self) -> bool:
        """Whether there is a rate."""
        return self.rate is not None

    @property
    def is_guessable(self) -> bool:
        """Whether nothing limits the tries."""
        return not self.limits_tries

    def describe(self) -> SecurityModel:
        """Return the scheme as the OpenAPI document describes it."""
        return HTTPBase(scheme="basic")

    def find(self, connection: HTTPConnection) -> tuple[str, str] | None:
        """Return name and password; None without the header.

        Raises:
            BadCredential: It is not base64 of a text in UTF-8 with a colon.
        """
        encoded = authorization(connection, "Basic")
        if encoded is None:
            return None
        try:
            username, colon, password = b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, ValueError) as error:
            raise BadCredential("It is not base64 of a text in UTF-8.") from error
        if not colon:
            raise BadCredential("There is no colon in it.")
        return username, password

    def authenticate(self, credential: tuple[str, str], request: FastAPIRequest) -> Authentication:
        """Return the user with this name and password.

        Raises:
            BadCredential: There is none, or they are not active.
        """
        user = verify_login(request, *credential)
        if user is None:
            raise BadCredential("The name or the password is wrong, or the user is not active.")
        return Authentication(user, self)

    async def aauthenticate(self, credential: tuple[str, str], connection: HTTPConnection) -> Authentication | None:
        """Return the user with this name and password, if there have not been too many tries.

        Raises:
            BadCredential: There is none, or they are not active.
            Throttled: It is one try too many.
            ThrottleUnavailable: The cache that counts them does not answer.
        """
        if self.rate is not None and AGAIN not in connection.scope:
            count = Throttle(self.rate, name=_COUNTER)
            await run(partial(count, connection, client_address(connection)))
        return await super().aauthenticate(credential, connection)
