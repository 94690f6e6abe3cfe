"""Django's users, sessions and permissions in FastAPI, and tokens.

::

    from django_fastapi.auth import CurrentUser, permission_required

    @api.get("/me", response_model=UserOut)
    async def me(user: CurrentUser) -> User:
        return user

    @api.delete("/books/{pk}", status_code=204, dependencies=[Depends(permission_required("shop.delete_book"))])
    def remove(pk: int) -> None: ...
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dependencies import (
        CurrentUser as CurrentUser,
        OptionalUser as OptionalUser,
        current_user as current_user,
        current_user_by as current_user_by,
        optional_user as optional_user,
        public as public,
    )
    from .exceptions import (
        BadCredential as BadCredential,
        CSRFRejected as CSRFRejected,
        NotAuthenticated as NotAuthenticated,
        NotPermitted as NotPermitted,
    )
    from .permissions import (
        group_required as group_required,
        model_permission_required as model_permission_required,
        permission_required as permission_required,
        staff_required as staff_required,
        superuser_required as superuser_required,
        user_passes_test as user_passes_test,
    )
    from .requirements import Requirement as Requirement
    from .routers import auth_router as auth_router
    from .schemes.api_key import APIKeyAuth as APIKeyAuth
    from .schemes.base import Authentication as Authentication, Scheme as Scheme
    from .schemes.basic import BasicAuth as BasicAuth
    from .schemes.jwt import JWTAuth as JWTAuth
    from .schemes.session import SessionAuth as SessionAuth
    from .throttling import throttle as throttle
    from .websockets import ws_auth as ws_auth

__all__ = [
    "APIKeyAuth",
    "Authentication",
    "BadCredential",
    "BasicAuth",
    "CSRFRejected",
    "CurrentUser",
    "JWTAuth",
    "NotAuthenticated",
    "NotPermitted",
    "OptionalUser",
    "Requirement",
    "Scheme",
    "SessionAuth",
    "auth_router",
    "current_user",
    "current_user_by",
    "group_required",
    "model_permission_required",
    "optional_user",
    "permission_required",
    "public",
    "staff_required",
    "superuser_required",
    "throttle",
    "user_passes_test",
    "ws_auth",
]

_MODULES = {
    "APIKeyAuth": ".schemes.api_key",
    "Authentication": ".schemes.base",
    "BadCredential": ".exceptions",
    "BasicAuth": ".schemes.basic",
    "CSRFRejected": ".exceptions",
    "CurrentUser": ".dependencies",
    "JWTAuth": ".schemes.jwt",
    "NotAuthenticated": ".exceptions",
    "NotPermitted": ".exceptions",
    "OptionalUser": ".dependencies",
    "Requirement": ".requirements",
    "Scheme": ".schemes.base",
    "SessionAuth": ".schemes.session",
    "auth_router": ".routers",
    "current_user": ".dependencies",
    "current_user_by": ".dependencies",
    "group_required": ".permissions",
    "model_permission_required": ".permissions",
    "optional_user": ".dependencies",
    "permission_required": ".permissions",
    "public": ".dependencies",
    "staff_required": ".permissions",
    "superuser_required": ".permissions",
    "throttle": ".throttling",
    "user_passes_test": ".permissions",
    "ws_auth": ".websockets",
}


def __getattr__(name: str) -> Any:
    # As in the package above: nothing is imported before it is used.
    if name in _MODULES:
        return getattr(import_module(_MODULES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
