"""Packages that want a Django request, as they come from the package index."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from axes.models import AccessAttempt, AccessLog
from django.contrib.auth import alogin, authenticate, login
from django.contrib.auth.models import Group, User
from fastapi import FastAPI, HTTPException
from ipware import get_client_ip
from pytest_django import Settings
from waffle import flag_is_active
from waffle.middleware import WaffleMiddleware
from waffle.models import Flag

from django_fastapi import DjangoRequest
from django_fastapi.registry import APIRegistry
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp

Build = Callable[[], ASGIApp]


@pytest.fixture
def api(registry: APIRegistry) -> FastAPI:
    return registry.get_default()


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/login", "/async/login"])
def test_axes_locks_a_user_out(path: str, api: FastAPI, build: Build, settings: Settings) -> None:
    """django-axes: an authentication backend that refuses to work without the request, and listens to the signals."""
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 2
    settings.AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", *settings.AUTHENTICATION_BACKENDS]
    User.objects.create_user("ada", password="right")

    @api.post("/login")
    def log_in(username: str, password: str, request: DjangoRequest) -> str:
        user = authenticate(request, username=username, password=password)
        if user is None:
            raise HTTPException(429 if getattr(request, "axes_locked_out", False) else 401)
        login(request, user)
        return user.get_username()

    @api.post("/async/login")
    async def async_log_in(username: str, password: str, request: DjangoRequest) -> str:
        # Its backend has no `aauthenticate`.
        user = await sync_to_async(authenticate)(request, username=username, password=password)
        if user is None:
            raise HTTPException(429 if getattr(request, "axes_locked_out", False) else 401)
        await alogin(request, user)
        return user.get_username()

    client = Client(build(), headers={"user-agent": "the browser"})

    def ask(password: str) -> int:
        return client.post(path, params={"username": "ada", "password": password}).status_code

    assert ask("right") == 200
    assert AccessLog.objects.get().user_agent == "the browser"
    assert [ask("wrong"), ask("wrong"), ask("right")] == [401, 429, 429]
    attempt = AccessAttempt.objects.get()
    assert (attempt.ip_address, attempt.path_info, attempt.username) == ("127.0.0.1", path, "ada")
    AccessAttempt.objects.all().delete()
    assert ask("right") == 200


@pytest.mark.django_db
def test_waffle_finds_user_language_and_cookie(api: FastAPI, build: Build) -> None:
    """django-waffle: a helper that looks at the request from all sides, and has a cookie to set."""
    group = Group.objects.create(name="testers")
    flag = Flag.objects.create(name="by_group")
    flag.groups.add(group)
    Flag.objects.create(name="by_language", languages="de")
    Flag.objects.create(name="by_chance", percent=50)

    @api.get("/")
    def read(request: DjangoRequest) -> dict[str, Any]:
        active = {name: flag_is_active(request, name) for name in ("by_group", "by_language", "by_chance")}
        WaffleMiddleware(lambda _: request.response).process_response(request, request.response)
        return active

    client = Client(build(), base_url="https://testserver")  # its cookies are `Secure`
    first = client.get("/", headers={"accept-language": "de"})
    assert (first.json()["by_group"], first.json()["by_language"]) == (False, True)
    assert client.cookies["dwf_by_chance"] == str(first.json()["by_chance"])
    ada = User.objects.create_user("ada")
    ada.groups.add(group)
    client.force_login(ada)
    answers = [client.get("/").json() for _ in range(10)]
    assert all(answer == {**first.json(), "by_group": True, "by_language": False} for answer in answers)


@pytest.mark.parametrize("is_trusted", [False, True])
def test_ipware_finds_the_client_behind_a_proxy(api: FastAPI, build: Build, *, is_trusted: bool) -> None:
    """django-ipware: a helper that reads `META`."""

    @api.get("/")
    async def read(request: DjangoRequest) -> list[Any]:
        return list(get_client_ip(request, proxy_count=1 if is_trusted else None))

    answer = Client(build()).get("/", headers={"x-forwarded-for": "8.8.8.8, 127.0.0.1"} if is_trusted else {})
    assert answer.json() == (["8.8.8.8", True] if is_trusted else ["127.0.0.1", False])
