"""The examples of the guide to Django's request, as they stand."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from fastapi import FastAPI

from django_fastapi import DjangoRequest
from django_fastapi.testing import Client
from django_fastapi.types import ASGIApp

GUIDE = (Path(__file__).resolve().parents[1] / "docs/requests.md").read_text()


@pytest.fixture
def client(api: FastAPI, build: Callable[[], ASGIApp]) -> Client:
    code = "".join(re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL))
    exec(compile(code, "requests.md", "exec"), {"__name__": "guide"})  # noqa: S102 (the guide's code is ours)

    @api.get("/messages")
    def read_messages(request: DjangoRequest) -> list[str]:
        return [str(message) for message in get_messages(request)]

    return Client(build())


@pytest.mark.django_db
def test_who_logs_in_has_a_session_and_a_message(client: Client) -> None:
    User.objects.create_user("ada", password="right")
    assert client.post("/login", json={"username": "ada", "password": "wrong"}).status_code == 401
    assert client.post("/login", json={"username": "ada", "password": "right"}).json() == "ada"
    assert client.get("/messages").json() == ["Welcome back."]
    assert [client.get("/visits").json() for _ in range(2)] == [1, 2]


@pytest.mark.django_db
def test_the_other_examples_do_what_they_say(client: Client) -> None:
    assert client.get("/page?a=1").json() == {"address": "http://testserver/page?a=1", "route": "page"}
    assert client.session["last"] == "/page"
    assert client.post("/both", files={"file": ("a.txt", b"x")}).json() is True
    assert client.post("/raw", content=b"12345").json() == 5
    assert client.get("/theme/dark").cookies["theme"] == "dark"
