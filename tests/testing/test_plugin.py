import os
import subprocess
import sys

import pytest
from django.contrib.auth.models import Group

from django_fastapi import testing
from django_fastapi.testing import AsyncClient, Client

PUBLIC = [
    "AsyncClient",
    "AsyncWebSocketSession",
    "Client",
    "WebSocketDenied",
    "WebSocketSession",
    "acapture_queries",
]


def test_the_public_names_are_these_and_all_are_there() -> None:
    assert testing.__all__ == PUBLIC
    assert all(hasattr(testing, name) for name in PUBLIC)
    with pytest.raises(AttributeError, match="no attribute 'Clients'"):
        testing.Clients  # noqa: B018


def test_the_plugin_imports_nothing_heavy() -> None:
    code = "import sys, django_fastapi.testing.plugin; "
    code += (
        "assert not {'asgiref', 'django', 'fastapi', 'httpx', 'pydantic', 'starlette'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={})


def test_the_clients_need_no_settings_to_be_imported() -> None:
    code = "from django_fastapi.testing import AsyncClient, Client"
    code += "\nfrom django.conf import settings; assert not settings.configured"
    code += "\nfrom django.apps import apps; assert not any(apps.all_models.values())"
    subprocess.run([sys.executable, "-c", code], check=True, env={})


def test_a_client_that_nobody_closed_says_nothing_at_the_end_of_the_process() -> None:
    code = """
import asyncio
import django
from fastapi import FastAPI
from django_fastapi.testing import Client

django.setup()
app = FastAPI()

@app.get("/")
async def resolve() -> None:
    await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80)

client = Client(app)
client.get("/").raise_for_status()
"""
    environment = {"DJANGO_SETTINGS_MODULE": "tests.project.settings", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.django_db
def test_api_client(api_client: Client) -> None:
    Group.objects.create(name="only for the admin")
    assert api_client.get("/probe/state").json() == {"greeting": "from the lifespan"}


@pytest.mark.anyio
@pytest.mark.django_db
async def test_async_api_client(async_api_client: AsyncClient) -> None:
    await Group.objects.acreate(name="gone after the test")
    assert await Group.objects.acount() == 1
    assert (await async_api_client.get("/probe/state")).json() == {"greeting": "from the lifespan"}


@pytest.mark.anyio
@pytest.mark.django_db
async def test_async_api_client_again(async_api_client: AsyncClient) -> None:
    async with async_api_client as client:
        assert await Group.objects.acount() == 0
        assert (await client.get("/probe/only-get")).json() == "got"
