"""Tokens of users with a UUID for a key and an e-mail address for a name; run like `every_flow`."""

from typing import Annotated, Any
from uuid import UUID

import jwt
import pytest
from fastapi import Depends, FastAPI

from django_fastapi.auth import APIKeyAuth, CurrentUser, JWTAuth, auth_router, current_user_by
from django_fastapi.auth.signing import MAGIC_LINK, redeem, sign
from django_fastapi.factory import apply_settings
from django_fastapi.registry import get_registry
from django_fastapi.testing import Client
from tests.project.members.models import Member

pytestmark = pytest.mark.django_db

EMAIL, PASSWORD = "ada@example.test", "analytical engine"
SOURCES = ("database", "cached", "claims")


@pytest.fixture(scope="session")
def site() -> Any:
    from django_fastapi.application import SiteApplication  # noqa: PLC0415 (apps are ready by now)

    registry = get_registry()
    api: FastAPI = registry.get_default()
    api.include_router(auth_router(jwt=True, api_keys=True), prefix="/auth")

    @api.get("/who")
    def who(user: CurrentUser) -> str:
        return str(user.pk)

    for source in SOURCES:

        def from_source(user: Annotated[Any, Depends(current_user_by(JWTAuth(user=source)))]) -> str:
            assert isinstance(user.pk, UUID)
            return str(user.pk)

        api.add_api_route(f"/{source}", from_source)

    @api.get("/key")
    async def by_key(user: Annotated[Any, Depends(current_user_by(APIKeyAuth()))]) -> str:
        return str(user.pk)

    apply_settings(registry)
    return SiteApplication(registry)


@pytest.fixture
def client(site: Any) -> Client:
    return Client(site)


@pytest.fixture
def ada() -> Member:
    return Member.objects.create_user(EMAIL, PASSWORD)


def log_in(client: Client) -> dict[str, Any]:
    answer = client.post("/auth/token", data={"username": EMAIL, "password": PASSWORD})
    assert answer.status_code == 200
    tokens: dict[str, Any] = answer.json()
    return tokens


def test_tokens(client: Client, ada: Member) -> None:
    tokens = log_in(client)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    for path in ("who", *SOURCES):
        assert client.get(f"/{path}", headers=headers).json() == str(ada.pk)
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert claims["sub"] == str(ada.pk)
    again = client.post("/auth/token/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert again.status_code == 200
    ada.set_password("difference engine")
    ada.save()
    for path in ("who", "database", "cached"):
        assert client.get(f"/{path}", headers=headers).status_code == 401
    second = client.post("/auth/token/refresh", json={"refresh_token": again.json()["refresh_token"]})
    assert second.status_code == 401


def test_api_keys(client: Client, ada: Member) -> None:
    headers = {"Authorization": f"Bearer {log_in(client)['access_token']}"}
    made = client.post("/auth/api-keys", json={"name": "deploy"}, headers=headers).json()
    assert client.get("/key", headers={"X-API-Key": made["key"]}).json() == str(ada.pk)
    assert client.delete(f"/auth/api-keys/{made['id']}", headers=headers).status_code == 204
    assert client.get("/key", headers={"X-API-Key": made["key"]}).status_code == 401


def test_signed_tokens(ada: Member) -> None:
    assert redeem(sign(ada, MAGIC_LINK), MAGIC_LINK) == ada
