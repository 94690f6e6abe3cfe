"""Contestant: FastAPI with Django set up beside it, as projects do by hand."""

import django
from fastapi import FastAPI

from bench.work import register

django.setup()
application = FastAPI()
register("fastapi", application)
