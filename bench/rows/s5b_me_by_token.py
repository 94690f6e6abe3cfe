"""S5b: who is logged in, by a JSON Web Token: its signature and claims, and one query for the user."""

from typing import Any

from bench import visitor
from bench.work import Work

WORK = Work("S5b: the user of a token", "/api/me-by-token", headers=(("Authorization", f"Bearer {visitor.token()}"),))

fill = visitor.fill


def _user(token: str) -> Any:
    """Return the active user of a token, verified as PyJWT's documentation has it."""
    import jwt
    from django.contrib.auth.models import User

    try:
        claims = jwt.decode(
            token,
            visitor.TOKEN_KEY,
            ["HS256"],
            {"require": ["exp", "iat", "sub", "jti"]},
            audience=visitor.CLAIMS["aud"],
            issuer=visitor.CLAIMS["iss"],
        )
    except jwt.PyJWTError:
        return None
    return User.objects.filter(pk=claims["sub"], is_active=True).first()


def ours(api: Any) -> None:
    from typing import Annotated

    from fastapi import Depends

    from bench.site.plain_schemas import UserOut
    from django_fastapi.auth import JWTAuth, current_user_by

    @api.get("/api/me-by-token", response_model=UserOut)
    async def me(user: Annotated[Any, Depends(current_user_by(JWTAuth()))]) -> Any:
        return user


def fastapi(api: Any) -> None:
    from typing import Annotated

    from fastapi import Depends, HTTPException
    from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

    from bench.site.plain_schemas import UserOut

    def user_of_token(sent: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> Any:
        user = _user(sent.credentials)
        if user is None:
            raise HTTPException(401)
        return user

    @api.get("/api/me-by-token", response_model=UserOut)
    def me(user: Annotated[Any, Depends(user_of_token)]) -> Any:
        return user


def ninja(api: Any) -> None:
    from ninja.security import HttpBearer

    from bench.site.ninja_schemas import UserOut

    class Bearer(HttpBearer):
        def authenticate(self, _request: Any, token: str) -> Any:
            return _user(token)

    @api.get("/api/me-by-token", response=UserOut, auth=Bearer())
    def me(request: Any) -> Any:
        return request.auth
