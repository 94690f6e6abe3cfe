"""Who is logged in: by Django's session, or by a token."""

from django.contrib.auth.models import User
from fastapi import WebSocket
from pydantic import BaseModel, ConfigDict

from django_fastapi import api
from django_fastapi.auth import CurrentUser, auth_router


class MeOut(BaseModel):
    """The user who asks."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    username: str
    email: str
    is_staff: bool


api.include_router(auth_router(session=True, jwt=True, user_schema=MeOut), prefix="/api/auth")


@api.get("/api/me", tags=["auth"], response_model=MeOut)
async def me(user: CurrentUser) -> User:
    """Show who is logged in."""
    return user


@api.websocket("/api/ws")
async def greet(websocket: WebSocket, user: CurrentUser) -> None:
    """Greet the user, and repeat what they say."""
    await websocket.accept()
    await websocket.send_text(f"Hello {user.get_username()}")
    async for text in websocket.iter_text():
        await websocket.send_text(text)
