"""What auth does, done with the members; `tests/auth/test_custom_users.py` runs it in a process of its own."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Annotated, Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, Permission
from django.core import mail
from django.core.cache import cache
from fastapi import Depends, FastAPI, WebSocket

from django_fastapi.auth import (
    BasicAuth,
    CurrentUser,
    auth_router,
    current_user_by,
    group_required,
    permission_required,
    staff_required,
)
from django_fastapi.factory import apply_settings
from django_fastapi.registry import get_registry
from django_fastapi.testing import Client
from tests.project.members.models import Member

pytestmark = pytest.mark.django_db

EMAIL, PASSWORD, NEW = "ada@example.test", "analytical engine", "difference engine"

Log = Callable[[], Any]


@pytest.fixture(scope="session")
def site() -> Any:
    from django_fastapi.application import SiteApplication  # noqa: PLC0415 (apps are ready by now)

    registry = get_registry()
    api: FastAPI = registry.get_default()
    api.include_router(auth_router(), prefix="/auth")

    @api.get("/who")
    def who(user: CurrentUser) -> str:
        assert type(user) is Member
        return str(user.pk)

    @api.get("/basic")
    async def basic(user: Annotated[Any, Depends(current_user_by(BasicAuth()))]) -> str:
        return str(user.pk)

    @api.get("/delete", dependencies=[Depends(permission_required("members.delete_member"))])
    def delete() -> None: ...

    @api.get("/staff", dependencies=[Depends(staff_required)])
    def staff() -> None: ...

    @api.get("/group", dependencies=[Depends(group_required("editors"))])
    def group() -> None: ...

    @api.websocket("/socket")
    async def socket(websocket: WebSocket, user: CurrentUser) -> None:
        await websocket.accept()
        await websocket.send_text(str(user.pk))

    apply_settings(registry)
    return SiteApplication(registry)


@pytest.fixture
def ada() -> Member:
    cache.clear()
    return Member.objects.create_user(EMAIL, PASSWORD, nickname="Ada")


@pytest.fixture
def client(site: Any) -> Iterator[Client]:
    with Client(site) as client:
        yield client


@pytest.fixture
def logged_in(client: Client, ada: Member) -> Client:
    answer = client.post("/auth/login", json={"username": EMAIL, "password": PASSWORD})
    assert answer.json() == {"id": str(ada.pk), "username": EMAIL, "email": EMAIL}
    return client


def test_a_member_logs_in_with_an_address_and_is_known_by_a_uuid(logged_in: Client, ada: Member) -> None:
    assert UUID(logged_in.get("/who").json()) == ada.pk
    assert logged_in.get("/auth/me").json()["id"] == str(ada.pk)
    assert logged_in.post("/auth/logout").status_code == 204
    assert logged_in.get("/who").status_code == 401


@pytest.mark.usefixtures("ada")
def test_names_of_other_members_are_wrong_ones(client: Client) -> None:
    for username in ("ada", "ADA@other.test", "", "\0"):
        assert client.post("/auth/login", json={"username": username, "password": PASSWORD}).status_code == 401


def test_rights_are_asked_for(logged_in: Client, ada: Member) -> None:
    assert [logged_in.get(path).status_code for path in ("/delete", "/staff", "/group")] == [403] * 3
    ada.user_permissions.add(Permission.objects.get(codename="delete_member"))
    ada.groups.add(Group.objects.create(name="editors"))
    assert [logged_in.get(path).status_code for path in ("/delete", "/staff", "/group")] == [200, 403, 200]


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "x"}])
def test_a_session_ends_with_its_member(logged_in: Client, change: dict[str, Any]) -> None:
    Member.objects.update(**change)
    assert logged_in.get("/who").status_code == 401


@pytest.mark.parametrize("key", ["", "1", "x", "00000000-0000-0000-0000-000000000000"])
def test_a_session_of_no_member_is_none(logged_in: Client, key: str) -> None:
    session = logged_in.session
    session["_auth_user_id"] = key
    session.save()
    assert logged_in.get("/who").status_code == 401


def test_basic_authentication(client: Client, ada: Member) -> None:
    value = b64encode(f"{EMAIL}:{PASSWORD}".encode()).decode()
    assert client.get("/basic", headers={"Authorization": f"Basic {value}"}).json() == str(ada.pk)


def test_websockets(logged_in: Client, ada: Member) -> None:
    with logged_in.websocket_connect("/socket", headers={"Origin": "http://testserver"}) as websocket:
        assert websocket.receive_text() == str(ada.pk)


def test_passwords_are_changed_and_forgotten(logged_in: Client, ada: Member) -> None:
    body = {"old_password": PASSWORD, "new_password": NEW}
    assert logged_in.post("/auth/password/change", json=body).status_code == 204
    assert logged_in.get("/who").json() == str(ada.pk)
    assert logged_in.post("/auth/password/reset", json={"email": EMAIL}).status_code == 204
    found = re.search(r"uid: (?P<uid>\S+)\s+token: (?P<token>\S+)", mail.outbox[0].body)
    assert found is not None
    body = {**found.groupdict(), "new_password": PASSWORD}
    assert logged_in.post("/auth/password/reset/confirm", json=body).status_code == 204
    assert logged_in.get("/who").status_code == 401


def test_all_sessions_are_ended(logged_in: Client, site: Any, ada: Member) -> None:
    with Client(site) as elsewhere:
        elsewhere.force_login(ada)
        assert logged_in.post("/auth/logout/all").status_code == 204
        assert elsewhere.get("/who").status_code == 401
