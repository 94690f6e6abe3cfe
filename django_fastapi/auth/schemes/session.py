"""Django's session cookie as a scheme."""

from dataclasses import dataclass

from django.conf import settings
from fastapi.openapi.models import APIKey, APIKeyIn, SecurityBase as SecurityModel
from starlette.requests import HTTPConnection

from django_fastapi.auth.csrf import check_csrf
from django_fastapi.auth.session_users import user_of_session
from django_fastapi.requests import FastAPIRequest, load_form

from .base import Authentication, Scheme


@dataclass(frozen=True)
class SessionAuth(Scheme):
    """Django's session: whoever is logged in through the admin or a view of Django's is so here, and the other way.

    Unsafe methods pass Django's CSRF check, since a browser sends the cookie along with whatever another site makes
    it ask for. A session in which nobody is logged in counts as no credential.
    """

    header = "Cookie"
    challenge = "Session"

    @property
    def is_guessable(self) -> bool:
        """Return False: nobody guesses a session key."""
        return False

    def describe(self) -> SecurityModel:
        """Return the scheme as the OpenAPI document describes it: an API key in a cookie."""
        description = "Django's session. Unsafe methods need the CSRF token in a header as well."
        return APIKey.model_validate(
            {"in": APIKeyIn.cookie, "name": settings.SESSION_COOKIE_NAME, "description": description}
        )

    def find(self, connection: HTTPConnection) -> str | None:
        """Return the key of the session; None without a cookie."""
        return connection.cookies.get(settings.SESSION_COOKIE_NAME) or None

    def authenticate(self, credential: str, request: FastAPIRequest) -> Authentication | None:  # noqa: ARG002 (it is in the session)
        """Return the user of the session; None if nobody is logged in.

        Raises:
            CSRFRejected: Another site may have sent the request.
        """
        user = user_of_session(request)
        if user is None:
            return None
        check_csrf(request)
        return Authentication(user, self)

    async def aauthenticate(self, credential: str, connection: HTTPConnection) -> Authentication | None:
        """Call `authenticate` on the request's thread, for which a form has arrived."""
        await load_form(connection)
        return await super().aauthenticate(credential, connection)
