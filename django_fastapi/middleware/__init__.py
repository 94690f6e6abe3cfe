"""Any Django middleware around a FastAPI application or the routes of a router."""

from .around import DjangoMiddleware as DjangoMiddleware

__all__ = ["DjangoMiddleware"]
