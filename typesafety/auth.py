"""What a type checker tells the users of `django_fastapi.auth`; checked by `make types`, never run."""

from typing import Annotated, Any, TypeAlias, assert_type

from django.contrib.auth.models import Group, User
from fastapi import Depends

from django_fastapi import api
from django_fastapi.auth import (
    CurrentUser,
    OptionalUser,
    Requirement,
    SessionAuth,
    current_user,
    current_user_by,
    group_required,
    permission_required,
    public,
    staff_required,
    user_passes_test,
)

editing: Requirement = permission_required("auth.change_group") & (staff_required | ~group_required("guests"))


def is_adult(user: User) -> bool:
    return user.is_active


@api.get("/me")
async def me(user: CurrentUser) -> str:
    # To mypy with django-stubs' plugin it is the project's model, to pyright any user model.
    as_project_model: User = user  # pyright: ignore[reportAssignmentType]
    return as_project_model.email


@api.get("/perhaps")
def perhaps(user: OptionalUser) -> str | None:
    return user.get_username() if user else None


# As aliases: in a signature, django-stubs' plugin for mypy takes no call beside a model in `Annotated`.
Someone: TypeAlias = Annotated[User, Depends(current_user)]
Deleter: TypeAlias = Annotated[User, Depends(permission_required("auth.delete_group"))]
Adult: TypeAlias = Annotated[User, Depends(user_passes_test(is_adult))]


@api.get("/named")
def named(
    user: Someone,
    deleter: Deleter,
    adult: Adult,
    visitor: Annotated[User | None, Depends(current_user_by(SessionAuth(), optional=True))],
) -> list[str]:
    assert_type(user, User)
    assert_type(deleter, User)
    assert_type(visitor, User | None)
    return [user.email, adult.email, visitor.email if visitor else ""]


@api.get("/open", dependencies=[Depends(public)])
def is_open() -> None: ...


def get_group(pk: int) -> Group:
    return Group.objects.get(pk=pk)


@api.put("/groups/{pk}", dependencies=[Depends(permission_required("auth.change_group", obj=get_group))])
def change(pk: int, editor: Annotated[Any, Depends(editing)]) -> list[int]:
    return [pk, editor.pk]
