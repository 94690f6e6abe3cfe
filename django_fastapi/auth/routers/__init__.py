"""Ready-made routes: logging in and out, passwords."""

from .router import auth_router as auth_router

__all__ = ["auth_router"]
