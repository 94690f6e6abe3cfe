from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from atlas.models import City
from django.core.cache import cache
from django.test import Client as DjangoClient

from django_fastapi.testing import Client
from django_fastapi.testing.websockets import WebSocketDenied

if TYPE_CHECKING:
    from django.contrib.auth.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loaded")]

CREDENTIALS = {"username": "ada", "password": "analytical"}
ORIGIN = {"Origin": "http://testserver"}


@pytest.fixture
def ada() -> "User":
    from django.contrib.auth.models import User  # noqa: PLC0415 (Django is not set up before)

    cache.clear()
    return User.objects.create_user(**CREDENTIALS, email="ada@example.test")


@pytest.fixture
def client() -> Iterator[Client]:
    with Client() as client:
        yield client


def test_a_session_says_who_it_is(client: Client, ada: "User") -> None:
    assert client.get("/api/me").status_code == 401
    answer = client.post("/api/auth/login", json=CREDENTIALS)
    assert answer.json() == {"id": ada.pk, "username": "ada", "email": "ada@example.test", "is_staff": False}
    assert client.get("/api/me").json() == answer.json()


def test_the_login_of_the_admin_is_the_login_of_the_api(client: Client, ada: "User") -> None:
    ada.is_staff = True
    ada.save()
    browser = DjangoClient()
    assert browser.post("/admin/login/", {**CREDENTIALS, "next": "/admin/"}).status_code == 302
    client.cookies["sessionid"] = browser.cookies["sessionid"].value
    assert client.get("/api/me").json()["is_staff"]
    with Client() as other:
        other.post("/api/auth/login", json=CREDENTIALS)
        assert "Log out" in other.get("/admin/").text


def test_deleting_a_city_needs_the_permission(client: Client, ada: "User") -> None:
    from django.contrib.auth.models import Permission  # noqa: PLC0415

    city = City.objects.first()
    assert city is not None
    path = f"/api/atlas/cities/{city.pk}"
    assert client.delete(path).status_code == 401
    client.force_login(ada)
    assert client.delete(path).status_code == 403
    ada.user_permissions.add(Permission.objects.get(codename="delete_city"))
    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 404
    security = client.get("/openapi.json").json()["paths"]["/api/atlas/cities/{geoname_id}"]["delete"]["security"]
    assert {"SessionAuth": ["atlas.delete_city"]} in security


def test_the_websocket_greets_its_user(client: Client, ada: "User") -> None:
    with pytest.raises(WebSocketDenied) as caught, client.websocket_connect("/api/ws", headers=ORIGIN):
        pass
    assert caught.value.response.status_code == 401
    client.force_login(ada)
    with client.websocket_connect("/api/ws", headers=ORIGIN) as websocket:
        assert websocket.receive_text() == "Hello ada"
        websocket.send_text("again")
        assert websocket.receive_text() == "again"


@pytest.mark.usefixtures("ada")
def test_a_token_says_who_it_is(client: Client) -> None:
    tokens = client.post("/api/auth/token", data=CREDENTIALS).json()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert client.get("/api/me", headers=bearer).json()["username"] == "ada"
    with client.websocket_connect("/api/ws", headers=bearer) as websocket:
        assert websocket.receive_text() == "Hello ada"
    again = client.post("/api/auth/token/refresh", json={"refresh_token": tokens["refresh_token"]}).json()
    bearer = {"Authorization": f"Bearer {again['access_token']}"}
    assert client.get("/api/me", headers=bearer).status_code == 200
