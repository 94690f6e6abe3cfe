"""Contestant: this project, FastAPI and Django as one application."""

from django_fastapi import get_asgi_application

application = get_asgi_application()
