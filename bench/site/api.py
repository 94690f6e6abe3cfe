"""What this project's autodiscovery finds."""

from django_fastapi import api

from .endpoints import router

api.include_router(router)
