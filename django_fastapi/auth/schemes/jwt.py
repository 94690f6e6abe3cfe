"""JSON Web Tokens as a scheme: in the header `Authorization`, or in a cookie."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from fastapi.openapi.models import HTTPBearer, OAuth2, OAuthFlowPassword, OAuthFlows, SecurityBase as SecurityModel
from starlette.requests import HTTPConnection

from django_fastapi.auth import foreign
from django_fastapi.auth.csrf import check_csrf
from django_fastapi.auth.exceptions import BadCredential
from django_fastapi.auth.locations import token_url
from django_fastapi.auth.settings import DRF_TOKEN, get_auth_settings
from django_fastapi.auth.stamps import has_stamp
from django_fastapi.auth.tokens import ACCESS, Claims, verify
from django_fastapi.auth.user_cache import find_cached_user
from django_fastapi.auth.users import find_user, is_active, user_from_claims
from django_fastapi.concurrency import run
from django_fastapi.exceptions import ConfigurationError, UnfitValue
from django_fastapi.requests import FastAPIRequest, load_form

from .base import Authentication, Scheme, authorization

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

UserSource = Literal["database", "cached", "claims"]

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it came with a request.

    Args:
        text: The token.
        is_cookie: Whether it came in a cookie, which a browser sends along by itself.
        is_drf: Whether it is a key of Django REST framework's.
    """

    text: str = field(repr=False)
    is_cookie: bool = False
    is_drf: bool = False


@dataclass(frozen=True)
class JWTAuth(Scheme):
    """An access token, as `POST token` of `auth_router(jwt=True)` answers it.

    It comes as `Authorization: Bearer`, or if `FASTAPI_AUTH["JWT"]["COOKIE"]` names one in a cookie; then unsafe
    methods and WebSockets pass Django's CSRF check. It ends with its lifetime, and when the user's password or name
    changes.

    Args:
        user: Where the user comes from. `"database"`: one query, and whatever has changed counts at once. `"cached"`:
            no query, and a user as of at most 60 seconds ago. `"claims"`: no query, and no model, but a
            `ClaimedUser` with a primary key: whether that user is still there, active and of the same password is not
            looked at, and nothing that is required of users holds for it.

    Raises:
        ConfigurationError: `user` is none of these.
    """

    user: UserSource = "database"

    header = "Authorization"
    challenge = "Bearer"

    def __post_init__(self) -> None:
        """Refuse what is no source."""
        if self.user not in _FIND:
            raise ConfigurationError(f"`JWTAuth(user={self.user!r})`: it is one of {', '.join(map(repr, _FIND))}.")

    @property
    def varies_on(self) -> frozenset[str]:
        """`Authorization`, and `Cookie` where the settings name a cookie."""
        found = super().varies_on
        return found | {"Cookie"} if get_auth_settings().jwt.cookie else found

    @property
    def is_guessable(self) -> bool:
        """Return False: nobody guesses a signature."""
        return False

    def describe(self) -> SecurityModel:
        """Return the scheme as the OpenAPI document describes it: OAuth 2 if there is a route that hands out tokens."""
        url = token_url()
        if url is None:
            return HTTPBearer(bearerFormat="JWT")
        return OAuth2(flows=OAuthFlows(password=OAuthFlowPassword(tokenUrl=url, scopes={})))

    def find(self, connection: HTTPConnection) -> Token | None:
        """Return the token that came with a request, from the header before the cookie."""
        chosen = get_auth_settings().jwt
        bearer = authorization(connection, "Bearer")
        if bearer is not None:
            return Token(bearer)
        if DRF_TOKEN in chosen.accept and (key := authorization(connection, "Token")) is not None:
            return Token(key, is_drf=True)
        cookie = connection.cookies.get(chosen.cookie) if chosen.cookie else None
        return Token(cookie, is_cookie=True) if cookie else None

    def authenticate(self, credential: Token, request: FastAPIRequest) -> Authentication:
        """Return the user of a token.

        Raises:
            BadCredential: It does not hold, or its user is gone, inactive, or has changed.
            CSRFRejected: It came in a cookie, and another site may have sent it.
        """
        authentication = self._authenticate(credential)
        if credential.is_cookie:
            check_csrf(request)
        return authentication

    async def aauthenticate(self, credential: Token, connection: HTTPConnection) -> Authentication | None:
        """Return the user of a token: without a thread if the claims can tell, and mostly without Django's request."""
        if _may_change(credential, connection):
            await load_form(connection)
            return await super().aauthenticate(credential, connection)
        if self.user == "claims" and not credential.is_drf and not foreign.is_foreign(credential.text):
            return self._authenticate(credential)
        return await run(partial(self._authenticate, credential))

    def _authenticate(self, credential: Token) -> Authentication:
        if credential.is_drf:
            return Authentication(foreign.user_of_drf_token(credential.text), self)
        if foreign.is_foreign(credential.text):
            return Authentication(foreign.user_of_access_token(credential.text), self)
        claims = verify(credential.text, ACCESS)
        return Authentication(_FIND[self.user](claims), self, claims)


def user_of(claims: Claims, find: Callable[..., "AbstractBaseUser | None"] = find_user) -> "AbstractBaseUser":
    """Return the user of a verified token.

    Args:
        claims: What the token says.
        find: Finds a user by text and field.

    Raises:
        BadCredential: The user is gone, inactive, or their password or name has changed since.
    """
    user = find(claims.user_id, get_auth_settings().jwt.user_id_field)
    if user is None or not is_active(user) or not has_stamp(user, claims.stamp):
        raise BadCredential("The user is gone, not active, or has changed since.")
    return user


def _cached_user_of(claims: Claims) -> "AbstractBaseUser":
    return user_of(claims, find_cached_user)


def _claimed_user_of(claims: Claims) -> Any:
    try:
        return user_from_claims(claims.user_id, get_auth_settings().jwt.user_id_field)
    except UnfitValue:
        raise BadCredential("The token names no primary key.") from None


def _may_change(credential: Token, connection: HTTPConnection) -> bool:
    return credential.is_cookie and connection.scope.get("method") not in _SAFE


_FIND: Final[Mapping[UserSource, Callable[[Claims], Any]]] = {
    "database": user_of,
    "cached": _cached_user_of,
    "claims": _claimed_user_of,
}
