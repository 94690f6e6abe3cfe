"""What a user may do, asked of Django at every request: permissions, staff, groups."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any, Final

from django.contrib.auth import get_permission_codename
from django.db.models import Model

from django_fastapi.exceptions import ConfigurationError

from .dependencies import current_user
from .requirements import Dependency, Question, Requirement

_ACTIONS: Final = {"POST": "add", "PUT": "change", "PATCH": "change", "DELETE": "delete"}


@dataclass(frozen=True)
class HasPermissions(Requirement):
    """Require permissions, of Django's backends; see `permission_required`."""

    permissions: tuple[str, ...]
    obj: Dependency | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The permissions."""
        return self.permissions

    @property
    def all_permissions(self) -> tuple[str, ...]:
        """The permissions."""
        return self.permissions

    @property
    def objects(self) -> tuple[Dependency, ...]:
        """The dependency that gives the object."""
        return () if self.obj is None else (self.obj,)

    def is_met(self, question: Question) -> bool:
        """Ask the backends."""
        return _has_permissions(question, self.permissions, self.obj)


@dataclass(frozen=True)
class HasModelPermission(Requirement):
    """Require the permission of a model that goes with the method; see `model_permission_required`."""

    model: type[Model]
    obj: Dependency | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The permissions, in one text: the document does not know which method it is about."""
        return (f"{self.model._meta.app_label}.<view|add|change|delete>_{self.model._meta.model_name}",)

    @property
    def objects(self) -> tuple[Dependency, ...]:
        """The dependency that gives the object."""
        return () if self.obj is None else (self.obj,)

    def is_met(self, question: Question) -> bool:
        """Ask the backends."""
        codename = get_permission_codename(_ACTIONS.get(question.method, "view"), self.model._meta)
        return _has_permissions(question, (f"{self.model._meta.app_label}.{codename}",), self.obj)


@dataclass(frozen=True)
class HasFlag(Requirement):
    """Require an attribute of the user to be true: `is_staff`, `is_superuser`."""

    attribute: str

    @property
    def names(self) -> tuple[str, ...]:
        """The flag, without `is_`."""
        return (self.attribute.removeprefix("is_"),)

    def is_met(self, question: Question) -> bool:
        """Look at the user; a custom model without the attribute has no such users."""
        return bool(getattr(question.user, self.attribute, False))


@dataclass(frozen=True)
class InGroup(Requirement):
    """Require one of some groups; see `group_required`."""

    groups: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The groups."""
        return (" | ".join(f"group:{name}" for name in self.groups),)

    def is_met(self, question: Question) -> bool:
        """Ask the database."""
        return bool(question.user.groups.filter(name__in=self.groups).exists())


@dataclass(frozen=True)
class PassesTest(Requirement):
    """Require a function to say yes; see `user_passes_test`."""

    test: Callable[[Any], bool]

    @property
    def names(self) -> tuple[str, ...]:
        """The name of the function."""
        return (f"test:{getattr(self.test, '__name__', repr(self.test))}",)

    def is_met(self, question: Question) -> bool:
        """Call the function."""
        return bool(self.test(question.user))


def permission_required(
    *permissions: str, obj: Dependency | None = None, user: Dependency = current_user
) -> HasPermissions:
    """Return a dependency that gives the user if they have all of the permissions, and else answers 403.

    ::

        @api.delete("/books/{pk}", dependencies=[Depends(permission_required("shop.delete_book"))])

        def get_book(pk: int) -> Book: ...

        @api.put("/books/{pk}", dependencies=[Depends(permission_required("shop.change_book", obj=get_book))])

    `user.has_perm` is asked at every request, and so are all of the project's backends.

    Args:
        *permissions: As Django writes them: "app_label.codename".
        obj: A dependency that returns the object which the permissions are asked for, as `has_perm(permission, obj)`.
            Django's own backend grants nothing for an object; django-guardian's does.
        user: The dependency that gives the user.

    Raises:
        ConfigurationError: There is none, or one is not written like that.
    """
    wrong = [name for name in permissions if not all(name.partition("."))]
    if wrong or not permissions:
        raise ConfigurationError(
            f"`permission_required({', '.join(map(repr, permissions))})`: a permission is written "
            '"app_label.codename", such as "shop.delete_book".'
        )
    return HasPermissions(permissions, obj, user=user)


def model_permission_required(
    model: type[Model], *, obj: Dependency | None = None, user: Dependency = current_user
) -> HasModelPermission:
    """Return a dependency that requires the permission of a model which goes with the method of the request.

    POST needs "add", PUT and PATCH "change", DELETE "delete", and every other method "view".

    Args:
        model: The model.
        obj: A dependency that returns the object; see `permission_required`.
        user: The dependency that gives the user.
    """
    return HasModelPermission(model, obj, user=user)


def group_required(*groups: str, user: Dependency = current_user) -> InGroup:
    """Return a dependency that gives the user if they are in one of the groups, and else answers 403.

    Superusers need to be in one like everybody else: `group_required("editors") | superuser_required`.

    Args:
        *groups: Names of groups.
        user: The dependency that gives the user.

    Raises:
        ConfigurationError: There is none.
    """
    if not groups:
        raise ConfigurationError('`group_required()` needs the name of a group, such as `group_required("editors")`.')
    return InGroup(groups, user=user)


def user_passes_test(test: Callable[[Any], bool], *, user: Dependency = current_user) -> PassesTest:
    """Return a dependency that gives the user if a function says yes to them, and else answers 403.

    Args:
        test: Is given the user, on the request's thread: it may use the database.
        user: The dependency that gives the user.

    Raises:
        ConfigurationError: The function is async.
    """
    if iscoroutinefunction(test):
        raise ConfigurationError(
            f"`user_passes_test({test.__name__})`: the function is async. Write it with `def`; it runs on the "
            "request's thread, where it may wait."
        )
    return PassesTest(test, user=user)


staff_required: Final = HasFlag("is_staff")
"""Gives the user if they are staff, and else answers 403."""

superuser_required: Final = HasFlag("is_superuser")
"""Gives the user if they are a superuser, and else answers 403."""


def _has_permissions(question: Question, permissions: tuple[str, ...], obj: Dependency | None) -> bool:
    if obj is None:
        return bool(question.user.has_perms(permissions))
    found = question.objects[obj]
    # Without an object Django would answer for all of them.
    return found is not None and bool(question.user.has_perms(permissions, found))
