"""The user of a request as a dependency: `current_user` and its relatives."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from django_fastapi.exceptions import ConfigurationError
from django_fastapi.requests import SLOT, RequestSlot, slot_of

from .exceptions import BadCredential, NotAuthenticated
from .schemes.base import AGAIN, Authentication, Found, Scheme
from .schemes.loading import load_schemes

if TYPE_CHECKING:
    # The name by which django-stubs' plugin for mypy knows the project's user model; to others it is any user.
    from django.contrib.auth.models import _User as User  # pyright: ignore[reportPrivateUsage]
else:
    User: TypeAlias = Any

_logger = logging.getLogger("django_fastapi.auth")

_DONE: Final = "django_fastapi.authentications"
"""The key in a scope of what has been found out about its user, by the schemes that were asked."""


@dataclass(frozen=True, slots=True)
class UserDependency:
    """The dependency that gives the user of a request.

    The schemes are asked in their order. One that finds a credential of its own decides: if that is bad, the answer is
    401 and no other scheme is asked. In one request they are asked once, however many dependencies want the user.

    Args:
        schemes: Which to ask; None is `FASTAPI_AUTH["SCHEMES"]`, read when the route is made.
        is_optional: Whether to give None instead of 401 if there is no credential.
    """

    schemes: tuple[Scheme, ...] | None = None
    is_optional: bool = False

    @property
    def __signature__(self) -> Signature:
        """What FastAPI reads: each scheme is a dependency, so that the OpenAPI document has it."""
        keyword = Parameter.KEYWORD_ONLY
        return Signature(
            [
                Parameter("connection", keyword, annotation=HTTPConnection),
                *(
                    Parameter(f"found_by_{number}", keyword, annotation=Annotated[Any, Depends(scheme)])
                    for number, scheme in enumerate(self.resolved_schemes)
                ),
            ]
        )

    @property
    def resolved_schemes(self) -> tuple[Scheme, ...]:
        """The schemes that are asked.

        Raises:
            ConfigurationError: The settings name something else.
        """
        return load_schemes() if self.schemes is None else self.schemes

    async def __call__(self, connection: HTTPConnection, **found: Found | None) -> Any:
        """Return the user.

        Raises:
            NotAuthenticated: There is no credential, or a bad one.
            NotPermitted: A cookie came without a CSRF token.
        """
        authentication = await self._authenticate_once(connection, found.values())
        if authentication is not None:
            return authentication.user
        if self.is_optional:
            return None
        raise self.refusal()

    async def ask_again(self, connection: HTTPConnection) -> Any:
        """Return the user of a WebSocket as of now: everything is read once more.

        Args:
            connection: The WebSocket, which may have been open for long.

        Raises:
            NotAuthenticated: The credential does not hold any more.
        """
        afresh: dict[str, object] = {SLOT: RequestSlot(connection.scope, None), _DONE: {}, AGAIN: True}
        return await self.ask(HTTPConnection({**connection.scope, **afresh}))

    async def ask(self, connection: HTTPConnection) -> Any:
        """Return the user of a request, outside of FastAPI's dependencies; those have no need to ask again.

        Raises:
            NotAuthenticated: There is no credential, or a bad one.
            NotPermitted: A cookie came without a CSRF token.
        """
        found = {str(number): await scheme(connection) for number, scheme in enumerate(self.resolved_schemes)}
        return await self(connection, **found)

    async def find_refusal(self, connection: HTTPConnection) -> HTTPException | None:
        """Return what the client would be told if it is not let in; None if it is, or if only the route may ask.

        A scheme whose credentials can be guessed is not asked: the answer would say of a guess whether it was right.
        """
        found = {str(number): await scheme(connection) for number, scheme in enumerate(self.resolved_schemes)}
        if any(one is not None and one.scheme.is_guessable for one in found.values()):
            return None
        try:
            await self(connection, **found)
        except HTTPException as error:
            return error
        return None

    def refusal(self) -> NotAuthenticated:
        """Return the 401, with what the schemes have for `WWW-Authenticate`."""
        return NotAuthenticated(dict.fromkeys(scheme.challenge for scheme in self.resolved_schemes))

    async def _authenticate_once(
        self, connection: HTTPConnection, found: Iterable[Found | None]
    ) -> Authentication | None:
        schemes = self.resolved_schemes
        done: dict[tuple[Scheme, ...], Authentication | None] = connection.scope.setdefault(_DONE, {})
        if schemes not in done:
            slot = slot_of(connection)
            slot.varies_on = slot.varies_on.union(*(scheme.varies_on for scheme in schemes))
            done[schemes] = authentication = await self._authenticate(connection, found)
            if authentication is not None:
                slot.set_user(authentication.user)
        return done[schemes]

    async def _authenticate(self, connection: HTTPConnection, found: Iterable[Found | None]) -> Authentication | None:
        for one in found:
            if one is None:
                continue
            try:
                authentication = await one.aauthenticate(connection)
            except BadCredential as error:
                _logger.info("%s: a credential was refused. %s", one.scheme.scheme_name, error)
                raise self.refusal() from None
            if authentication is not None:
                return authentication
        return None


current_user: Final = UserDependency()
"""The user of the request, or 401: `user: Annotated[User, Depends(current_user)]`."""

optional_user: Final = UserDependency(is_optional=True)
"""The user of the request, or None if there is no credential; a bad one is 401 all the same."""

CurrentUser: TypeAlias = Annotated[User, Depends(current_user)]
"""The user of the request as a parameter; without one the answer is 401."""

OptionalUser: TypeAlias = Annotated[User | None, Depends(optional_user)]
"""The user of the request as a parameter, or None."""


def current_user_by(*schemes: Scheme, optional: bool = False) -> UserDependency:
    """Return a dependency like `current_user` for schemes of its own: `Depends(current_user_by(BasicAuth()))`.

    Args:
        *schemes: Which to ask, in this order.
        optional: Whether to give None instead of 401 if there is no credential.

    Raises:
        ConfigurationError: There are none.
    """
    if not schemes:
        raise ConfigurationError("`current_user_by()` needs a scheme, such as `current_user_by(SessionAuth())`.")
    return UserDependency(schemes, optional)


def authentications_of(connection: HTTPConnection) -> list[Authentication]:
    """Return by what the user of a request has been found, by each of the dependencies that have been asked so far."""
    done: dict[tuple[Scheme, ...], Authentication | None] = connection.scope.get(_DONE, {})
    return [one for one in done.values() if one is not None]


async def public() -> None:
    """Mark a route, or all of a router, as open to everybody: `dependencies=[Depends(public)]`.

    With `FASTAPI_AUTH["REQUIRED"]` all others need a user.
    """
