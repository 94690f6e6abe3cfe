from typing import TYPE_CHECKING, Annotated, Any

import pytest
from django.http import Http404
from fastapi import Depends, FastAPI
from pytest_django import DjangoAssertNumQueries, Settings

from django_fastapi.auth import (
    CurrentUser,
    Requirement,
    SessionAuth,
    current_user,
    current_user_by,
    group_required,
    model_permission_required,
    permission_required,
    staff_required,
    superuser_required,
    user_passes_test,
)
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.testing import Client

from .conftest import Gates, MakeUser, operation

if TYPE_CHECKING:
    from django.contrib.auth.models import Group, User

DELETE = "auth.delete_group"
CHANGE = "auth.change_group"


def test_a_permission_is_asked_of_the_backends(gates: Gates, make_user: MakeUser) -> None:
    requirement = permission_required(DELETE)
    assert gates.ask(requirement) == 401
    assert gates.ask(requirement, make_user("without")) == 403
    assert gates.ask(requirement, make_user("with", DELETE)) == 200
    assert gates.ask(requirement, make_user("root", is_superuser=True)) == 200


def test_several_permissions_are_all_required(gates: Gates, make_user: MakeUser) -> None:
    requirement = permission_required(DELETE, CHANGE)
    assert gates.ask(requirement, make_user("one", DELETE)) == 403
    assert gates.ask(requirement, make_user("both", DELETE, CHANGE)) == 200


def test_a_permission_of_a_group_counts(gates: Gates, make_user: MakeUser) -> None:
    from django.contrib.auth.models import Group, Permission  # noqa: PLC0415 (Django is not set up before)

    user = make_user("ada")
    assert gates.ask(permission_required(DELETE), user) == 403
    group = Group.objects.create(name="editors")
    group.permissions.add(Permission.objects.get(codename="delete_group"))
    user.groups.add(group)
    assert gates.ask(permission_required(DELETE), user) == 200
    group.permissions.clear()
    assert gates.ask(permission_required(DELETE), user) == 403


def test_staff_superusers_groups_and_tests(gates: Gates, make_user: MakeUser) -> None:
    from django.contrib.auth.models import Group  # noqa: PLC0415

    plain, staff = make_user("plain"), make_user("staff", is_staff=True)
    root, editor = make_user("root", is_superuser=True), make_user("editor")
    editor.groups.add(Group.objects.create(name="editors"))
    allowed = {
        staff_required: {staff},
        superuser_required: {root},
        group_required("editors"): {editor},
        group_required("authors", "editors"): {editor},
        group_required("authors"): set(),
        user_passes_test(is_ed): {editor},
    }
    for requirement, users in allowed.items():
        assert gates.ask(requirement) == 401
        for user in (plain, staff, root, editor):
            assert gates.ask(requirement, user) == (200 if user in users else 403), (str(requirement), user)


def is_ed(user: Any) -> bool:
    return str(user.get_username()).startswith("ed")


@pytest.mark.parametrize(
    ("requirement", "allowed"),
    [
        (staff_required & permission_required(DELETE), "both"),
        (staff_required | permission_required(DELETE), "staff deleter both"),
        (~staff_required, "plain deleter"),
        (~(staff_required | permission_required(DELETE)), "plain"),
        (permission_required(DELETE) & ~staff_required, "deleter"),
        (~~staff_required, "staff both"),
        (
            (staff_required | permission_required(DELETE)) & ~(staff_required & permission_required(DELETE)),
            "staff deleter",
        ),
    ],
    ids=str,
)
def test_requirements_are_combined(gates: Gates, make_user: MakeUser, requirement: Requirement, allowed: str) -> None:
    users = {
        "plain": make_user("plain"),
        "staff": make_user("staff", is_staff=True),
        "deleter": make_user("deleter", DELETE),
        "both": make_user("both", DELETE, is_staff=True),
    }
    assert gates.ask(requirement) == 401
    assert {name for name, user in users.items() if gates.ask(requirement, user) == 200} == set(allowed.split())


@pytest.mark.parametrize(
    ("method", "action"),
    [("GET", "view"), ("HEAD", "view"), ("POST", "add"), ("PUT", "change"), ("PATCH", "change"), ("DELETE", "delete")],
)
def test_a_model_has_a_permission_for_each_method(gates: Gates, make_user: MakeUser, method: str, action: str) -> None:
    from django.contrib.auth.models import Group  # noqa: PLC0415

    requirement = model_permission_required(Group)
    others = [f"auth.{other}_group" for other in ("view", "add", "change", "delete") if other != action]
    assert gates.ask(requirement, make_user("others", *others), method) == 403
    if method != "HEAD":  # its answer has no body to look at
        assert gates.ask(requirement, make_user("right", f"auth.{action}_group"), method) == 200


def test_an_inactive_superuser_has_no_rights(client: Client, api: FastAPI, make_user: MakeUser) -> None:
    ghost = make_user("ghost", is_superuser=True, is_active=False, is_staff=True)

    @api.get("/all", dependencies=[Depends(staff_required), Depends(permission_required(DELETE))])
    def endpoint() -> None: ...

    client.force_login(ghost)
    assert client.get("/all").status_code == 401
    with client.override({current_user: lambda: ghost}):
        assert client.get("/all").status_code == 403


def test_what_is_no_model_has_no_permission(client: Client, api: FastAPI) -> None:
    class Claims:
        is_active = is_staff = is_superuser = True

    @api.get("/staff", dependencies=[Depends(staff_required)])
    def endpoint() -> None: ...

    with client.override({current_user: Claims}):
        assert client.get("/staff").status_code == 403


@pytest.fixture
def guardian(settings: Settings) -> None:
    settings.AUTHENTICATION_BACKENDS = [
        "django.contrib.auth.backends.ModelBackend",
        "guardian.backends.ObjectPermissionBackend",
    ]


@pytest.mark.usefixtures("guardian")
def test_the_permission_for_an_object_is_asked_with_the_object(gates: Gates, make_user: MakeUser) -> None:
    from django.contrib.auth.models import Group  # noqa: PLC0415
    from guardian.shortcuts import assign_perm  # noqa: PLC0415

    one, two = Group.objects.create(name="one"), Group.objects.create(name="two")

    def get_group(key: str) -> "Group":
        try:
            return Group.objects.get(name=key)
        except Group.DoesNotExist:
            raise Http404 from None

    async def aget_group(key: str) -> "Group":
        return await Group.objects.aget(name=key)

    user = make_user("ada")
    assign_perm("change_group", user, one)
    for dependency in (get_group, aget_group):
        requirement = permission_required(CHANGE, obj=dependency)
        assert gates.ask(requirement, user, key=one.name) == 200
        assert gates.ask(requirement, user, key=two.name) == 403
        assert gates.ask(requirement, make_user(f"of-all-{dependency.__name__}", CHANGE), key=one.name) == 403
        assert gates.ask(model_permission_required(Group, obj=dependency), user, "PATCH", key=one.name) == 200
        assert gates.ask(model_permission_required(Group, obj=dependency), user, "DELETE", key=one.name) == 403
    either = permission_required(CHANGE) | permission_required(CHANGE, obj=get_group)
    assert gates.ask(either, user, key=one.name) == 200
    assert gates.ask(either, user, key=two.name) == 403
    assert gates.ask(either, make_user("of-all", CHANGE), key=two.name) == 200
    assert gates.ask(permission_required(CHANGE, obj=get_group), user, key="three") == 404
    assert gates.ask(permission_required(CHANGE, obj=get_group), key="three") == 401


def test_no_object_is_not_all_objects(gates: Gates, make_user: MakeUser) -> None:
    assert gates.ask(permission_required(CHANGE, obj=lambda: None), make_user("ada", CHANGE)) == 403


def test_equal_requirements_are_one_and_cost_one_query(
    client: Client, api: FastAPI, make_user: MakeUser, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    assert permission_required(DELETE) == permission_required(DELETE)
    assert hash(staff_required & permission_required(DELETE)) == hash(staff_required & permission_required(DELETE))
    assert permission_required(DELETE) != permission_required(CHANGE)
    assert permission_required(DELETE) != permission_required(DELETE, user=current_user_by(SessionAuth()))
    asked: list[object] = []

    def note(user: Any) -> bool:
        asked.append(user)
        return True

    @api.get("/", dependencies=[Depends(permission_required(DELETE)), Depends(user_passes_test(note))])
    def endpoint(
        user: CurrentUser,
        again: Annotated[Any, Depends(permission_required(DELETE))],
        more: Annotated[Any, Depends(user_passes_test(note) & permission_required(DELETE))],
        noted: Annotated[Any, Depends(user_passes_test(note))],
    ) -> bool:
        return user is again is more is noted

    client.force_login(make_user("ada", DELETE))
    with django_assert_num_queries(4):  # session, user, their permissions, those of their groups
        assert client.get("/").json() is True
    assert len(asked) == 2


def test_an_override_of_current_user_replaces_the_user_everywhere(
    client: Client, api: FastAPI, make_user: MakeUser
) -> None:
    @api.get("/")
    def endpoint(
        user: CurrentUser, deleter: Annotated[Any, Depends(permission_required(DELETE) & ~staff_required)]
    ) -> list[str]:
        return [user.get_username(), deleter.get_username()]

    deleter = make_user("deleter", DELETE)
    assert client.get("/").status_code == 401
    with client.override({current_user: lambda: deleter}):
        assert client.get("/").json() == ["deleter", "deleter"]
    with client.override({permission_required(DELETE) & ~staff_required: lambda: deleter}):
        assert client.get("/").status_code == 401


def test_a_requirement_can_have_schemes_of_its_own(gates: Gates, make_user: MakeUser) -> None:
    requirement = permission_required(DELETE, user=current_user_by(SessionAuth()))
    assert gates.ask(requirement) == 401
    assert gates.ask(requirement, make_user("ada", DELETE)) == 200
    with pytest.raises(ConfigurationError, match="get their users from different dependencies"):
        requirement & staff_required


def test_what_is_required_is_in_the_document(client: Client, api: FastAPI) -> None:
    def add(path: str, requirement: Requirement) -> None:
        @api.get(path, dependencies=[Depends(requirement)])
        def endpoint() -> None: ...

    add("/permissions", permission_required(DELETE, CHANGE) & staff_required)
    add("/either", staff_required | permission_required(DELETE))
    add("/not", ~(superuser_required & staff_required))
    add("/groups", group_required("a", "b") & user_passes_test(is_ed))

    def scopes(path: str) -> list[str]:
        by_jwt, by_session = operation(client, path)["security"]
        found: list[str] = by_session["SessionAuth"]
        assert by_jwt == {"JWTAuth": found}
        return found

    assert scopes("/permissions") == [DELETE, CHANGE, "staff"]
    assert scopes("/either") == [f"staff | {DELETE}"]
    assert scopes("/not") == ["~(superuser & staff)"]
    assert scopes("/groups") == ["group:a | group:b", "test:is_ed"]


@pytest.mark.parametrize("names", [(), ("delete_group",), ("auth.",), (".delete_group",), ("auth.delete_group", "")])
def test_a_permission_that_is_none_is_refused_at_once(names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match=r'a permission is written "app_label\.codename"'):
        permission_required(*names)


def test_other_wrong_arguments_are_refused_at_once() -> None:
    async def is_async(_user: Any) -> bool:
        return True

    with pytest.raises(ConfigurationError, match="needs the name of a group"):
        group_required()
    with pytest.raises(ConfigurationError, match="`user_passes_test\\(is_async\\)`: the function is async"):
        user_passes_test(is_async)
    with pytest.raises(ConfigurationError, match="`current_user_by\\(\\)` needs a scheme"):
        current_user_by()


def test_an_override_may_be_any_user(client: Client, api: FastAPI, ada: "User") -> None:
    @api.get("/")
    async def endpoint(user: CurrentUser) -> str:
        return user.get_username()

    async def get_ada() -> "User":
        return ada

    with client.override({current_user: get_ada}):
        assert client.get("/").json() == "ada"
