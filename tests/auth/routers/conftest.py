"""What the tests of the routes share: a site with them under `/auth`."""

from typing import Any

import httpx
import pytest
from django.core.cache import cache
from fastapi import FastAPI
from pytest_django import Settings

from django_fastapi.auth import auth_router
from django_fastapi.testing import Client
from tests.auth.conftest import PASSWORD


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    cache.clear()


@pytest.fixture
def routes(api: FastAPI) -> None:
    api.include_router(auth_router(), prefix="/auth")


@pytest.fixture
def unlimited(settings: Settings) -> None:
    settings.FASTAPI_AUTH = {"LOGIN_RATE_USERNAME": None, "LOGIN_RATE_ADDRESS": None}


def log_in(client: Client, username: str = "ada", password: str = PASSWORD, **options: Any) -> httpx.Response:
    return client.post("/auth/login", json={"username": username, "password": password}, **options)
