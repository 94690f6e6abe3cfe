"""What is required of a user: a dependency that gives the user, or answers 403; and how such are combined."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Annotated, Any, TypeAlias

from django.db.models import Model
from fastapi import Depends, Security
from starlette.requests import HTTPConnection

from django_fastapi.exceptions import ConfigurationError

from .dependencies import current_user
from .exceptions import NotPermitted
from .users import is_active

Dependency: TypeAlias = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Question:
    """Whether this user may do this.

    Args:
        user: A loaded, active user.
        method: The method of the request; "GET" for a WebSocket.
        objects: What the dependencies for objects returned.
    """

    user: Any
    method: str
    objects: Mapping[Dependency, object]


@dataclass(frozen=True, kw_only=True)  # no slots: the decorator would break `super()` in those below
class Requirement(ABC):
    """A dependency that gives the user if it holds for them, and else answers 403; 401 if there is no user.

    Requirements are combined with `&`, `|` and `~`, and equal by their arguments. `~` negates the test, not the login.

    Args:
        user: The dependency that gives the user, such as `current_user_by(...)`.
    """

    user: Dependency = current_user

    @abstractmethod
    def is_met(self, question: Question) -> bool:
        """Return whether the user may; on the request's thread."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """What is required, for the OpenAPI document: all of these."""

    @property
    def objects(self) -> tuple[Dependency, ...]:
        """The dependencies whose results the question is about."""
        return ()

    @property
    def all_permissions(self) -> tuple[str, ...]:
        """The permissions it asks for by name, in whatever combination."""
        return ()

    @property
    def __signature__(self) -> Signature:
        """What FastAPI reads. The names of what is required are the scopes of the operation in its document."""
        keyword = Parameter.KEYWORD_ONLY
        return Signature(
            [
                Parameter("connection", keyword, annotation=HTTPConnection),
                # The first: who is not logged in is not to learn whether an object exists.
                Parameter("user", keyword, annotation=Annotated[Any, Security(self.user, scopes=list(self.names))]),
                *(
                    Parameter(f"object_{number}", keyword, annotation=Annotated[Any, Depends(dependency)])
                    for number, dependency in enumerate(self.objects)
                ),
            ]
        )

    def __call__(self, connection: HTTPConnection, user: Any, **objects: object) -> Any:
        """Return the user.

        Raises:
            NotPermitted: They may not.
        """
        question = Question(
            user, connection.scope.get("method", "GET"), dict(zip(self.objects, objects.values(), strict=True))
        )
        # What is no model came out of a token, and nobody has looked whether that is still so.
        if isinstance(user, Model) and is_active(user) and self.is_met(question):
            return user
        raise NotPermitted

    def __and__(self, other: "Requirement") -> "Requirement":
        """Require both."""
        return _Both((self, other), user=_shared_user(self, other))

    def __or__(self, other: "Requirement") -> "Requirement":
        """Require one of the two."""
        return _Either((self, other), user=_shared_user(self, other))

    def __invert__(self) -> "Requirement":
        """Require that it does not hold, for a user who is logged in."""
        return _Not(self, user=self.user)

    def __str__(self) -> str:
        """Say what is required."""
        return " & ".join(self.names)


@dataclass(frozen=True)
class LoggedIn(Requirement):
    """Require no more than a user whose row has been read at this request."""

    @property
    def names(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def is_met(self, question: Question) -> bool:  # noqa: ARG002 (the base class has seen to it)
        """Say yes."""
        return True


@dataclass(frozen=True)
class _Combined(Requirement):
    parts: tuple[Requirement, ...]

    @property
    def objects(self) -> tuple[Dependency, ...]:
        return tuple(dict.fromkeys(dependency for part in self.parts for dependency in part.objects))

    @property
    def all_permissions(self) -> tuple[str, ...]:
        return tuple(name for part in self.parts for name in part.all_permissions)


@dataclass(frozen=True)
class _Both(_Combined):
    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for part in self.parts for name in part.names))

    def is_met(self, question: Question) -> bool:
        return all(part.is_met(question) for part in self.parts)


@dataclass(frozen=True)
class _Either(_Combined):
    @property
    def names(self) -> tuple[str, ...]:
        return (" | ".join(_grouped(part) for part in self.parts),)

    def is_met(self, question: Question) -> bool:
        return any(part.is_met(question) for part in self.parts)


@dataclass(frozen=True)
class _Not(Requirement):
    part: Requirement

    @property
    def names(self) -> tuple[str, ...]:
        return (f"~{_grouped(self.part)}",)

    @property
    def objects(self) -> tuple[Dependency, ...]:
        return self.part.objects

    @property
    def all_permissions(self) -> tuple[str, ...]:
        return self.part.all_permissions

    def is_met(self, question: Question) -> bool:
        return not self.part.is_met(question)


def _grouped(requirement: Requirement) -> str:
    text = str(requirement)
    return f"({text})" if isinstance(requirement, _Combined) or len(requirement.names) > 1 else text


def _shared_user(one: Requirement, other: Requirement) -> Dependency:
    if one.user != other.user:
        raise ConfigurationError(
            f"`{one}` and `{other}` get their users from different dependencies; give both the same `user=`."
        )
    return one.user
