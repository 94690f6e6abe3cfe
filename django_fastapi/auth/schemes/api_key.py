"""API keys as a scheme: in the header `X-API-Key`."""

from dataclasses import dataclass

from fastapi.openapi.models import APIKey as APIKeyModel, APIKeyIn, SecurityBase as SecurityModel
from starlette.requests import HTTPConnection

from django_fastapi.auth.api_keys import find_key
from django_fastapi.auth.exceptions import BadCredential
from django_fastapi.auth.models import require_store
from django_fastapi.requests import FastAPIRequest

from .base import Authentication, Scheme


@dataclass(frozen=True)
class APIKeyAuth(Scheme):
    """A key by which a program acts for a user, in the header `X-API-Key`.

    The database has a digest of it, its expiry and its last use. It ends when it is revoked, and when the user's
    password or name changes. It needs "django_fastapi.auth" in `INSTALLED_APPS`.

    Raises:
        ConfigurationError: That app is not installed.
    """

    header = "X-API-Key"
    challenge = "APIKey"

    def __post_init__(self) -> None:
        """Ask for the table."""
        require_store("`APIKeyAuth`")

    @property
    def is_guessable(self) -> bool:
        """Return False: nobody guesses a key."""
        return False

    def describe(self) -> SecurityModel:
        """Return the scheme as the OpenAPI document describes it: an API key in a header."""
        return APIKeyModel.model_validate({"in": APIKeyIn.header, "name": self.header})

    def find(self, connection: HTTPConnection) -> str | None:
        """Return the key that came with a request.

        Raises:
            BadCredential: There are several, or an empty one.
        """
        keys = connection.headers.getlist(self.header)
        if not keys:
            return None
        if len(keys) > 1 or not keys[0]:
            raise BadCredential("There is more than one header `X-API-Key`, or an empty one.")
        return keys[0]

    def authenticate(self, credential: str, request: FastAPIRequest) -> Authentication:  # noqa: ARG002 (it is not needed)
        """Return the user of a key.

        Raises:
            BadCredential: It does not hold.
        """
        row = find_key(credential)
        return Authentication(row.user, self, row)
