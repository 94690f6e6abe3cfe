"""The quickstart of the README, word by word, in a new project."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()

ASK = """
import asyncio
import httpx
from project.asgi import application as django_alone
from django_fastapi.asgi import application
from django.urls import reverse

async def main():
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        hello = await client.get(reverse("api:hello"))
        assert hello.json() == {"hello": "world"}, hello.text
        assert (await client.get("/v2/docs")).status_code == 200
        assert (await client.get("/admin/login/")).status_code == 200

asyncio.run(main())
from django_fastapi.wsgi import application
print("as the README says")
"""


def block(heading: str, containing: str) -> str:
    """Return the code block below a heading of the README that holds a text."""
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    [found] = [code for code in re.findall(r"```python\n(.*?)```", section, re.DOTALL) if containing in code]
    return str(found)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    def manage(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "django", *arguments], cwd=tmp_path, check=True)

    manage("startproject", "project", ".")
    manage("startapp", "shop")
    with (tmp_path / "project" / "settings.py").open("a") as settings:
        settings.write(block("Quickstart", "# settings.py") + '\nINSTALLED_APPS += ["shop"]\n')
    with (tmp_path / "project" / "urls.py").open("a") as urls:
        urls.write(
            "\nfrom django.urls import include\n" + block("Who serves what", "django_fastapi.urls").replace("=", "+=")
        )
    api = block("Quickstart", "# api.py") + block("Who serves what", "register_api")
    (tmp_path / "shop" / "api.py").write_text(api)
    return tmp_path


def test_the_quickstart_works_as_it_stands(project: Path) -> None:
    environment = {"PYTHONPATH": f"{project}:{ROOT}", "DJANGO_SETTINGS_MODULE": "project.settings"}
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=project, env=environment, check=True)
    checked = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=project, env=environment, capture_output=True, text=True, check=True
    )
    assert "no issues" in checked.stdout
    asked = subprocess.run(
        [sys.executable, "-c", ASK], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert asked.stdout == "as the README says\n", asked.stderr


def test_the_settings_of_the_readme_are_those_there_are() -> None:
    from django_fastapi.settings import ALL_SETTINGS  # noqa: PLC0415 (a test of the README, not of the module)

    section = README.split("\n## Settings\n", 1)[1].split("\n## ", 1)[0]
    assert set(re.findall(r"FASTAPI_\w+", section)) == {setting.name for setting in ALL_SETTINGS}
