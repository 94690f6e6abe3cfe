"""Contestant: FastAPI with Django set up beside it, as projects do by hand."""

import django
from fastapi import FastAPI

django.setup()

from .endpoints import router  # noqa: E402 (models need Django set up)

application = FastAPI()
application.include_router(router)
