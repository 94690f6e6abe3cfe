"""S5: who is logged in, by Django's session: one query for the session, one for the user."""

from typing import Any

from bench import visitor
from bench.work import Work

WORK = Work("S5: the user of a session", "/api/me", headers=(("Cookie", f"sessionid={visitor.SESSION_KEY}"),))

fill = visitor.fill


def ours(api: Any) -> None:
    from bench.site.plain_schemas import UserOut
    from django_fastapi.auth import CurrentUser

    @api.get("/api/me", response_model=UserOut)
    async def me(user: CurrentUser) -> Any:
        return user


def fastapi(api: Any) -> None:
    from typing import Annotated

    from django.conf import settings
    from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore
    from django.utils.crypto import constant_time_compare
    from fastapi import Depends, HTTPException, Request

    from bench.site.plain_schemas import UserOut

    def user_of_session(request: Request) -> User:
        session = SessionStore(session_key=request.cookies.get(settings.SESSION_COOKIE_NAME))
        user = User.objects.filter(pk=session.get(SESSION_KEY), is_active=True).first()
        if user is None or not constant_time_compare(session[HASH_SESSION_KEY], user.get_session_auth_hash()):
            raise HTTPException(401)
        return user

    @api.get("/api/me", response_model=UserOut)
    def me(user: Annotated[User, Depends(user_of_session)]) -> Any:
        return user


def ninja(api: Any) -> None:
    from ninja.security import django_auth

    from bench.site.ninja_schemas import UserOut

    @api.get("/api/me", response=UserOut, auth=django_auth)
    def me(request: Any) -> Any:
        return request.auth
