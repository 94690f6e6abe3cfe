"""The code of `docs/auth.md`, word by word, in a new project."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from django_fastapi.auth.settings import AuthSettings, JWTSettings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "auth.md").read_text()

ASK = """
import django
django.setup()
from django.core.management import call_command
call_command("check")
call_command("makemigrations", "shop", verbosity=0)
call_command("migrate", verbosity=0)
from django.contrib.auth.models import Group, Permission, User
from django_fastapi.testing import Client
from shop.models import Book
ada = User.objects.create_user("ada", password="analytical", email="ada@example.org")
book = Book.objects.create(title="Notes", owner=ada)
with Client() as client:
    assert client.get("/hello").json() == "Hello stranger"
    assert [client.get(path).status_code for path in ("/name", "/drafts")] == [401, 401]
    assert client.delete("/books/1").status_code == 401
    assert client.post("/auth/login", json={"username": "ada", "password": "analytical"}).status_code == 200
    assert client.get("/hello").json() == "Hello ada"
    assert client.get("/name").json() == "ada"
    assert client.get("/drafts").status_code == 403
    ada.groups.add(Group.objects.create(name="editors"))
    assert client.get("/drafts").json() == ["Notes"]
    assert client.put("/books/1?title=x").status_code == 403
    assert client.delete("/books/1").status_code == 403
    assert [client.post("/search?text=NOTE").json() for _ in range(20)] == [["Notes"]] * 20
    assert client.post("/search?text=NOTE").status_code == 429
    ada.user_permissions.add(Permission.objects.get(codename="delete_book"))
    assert client.delete("/books/1").status_code == 204
    ada.is_staff = True
    ada.save()
    with client.websocket_connect("/news", headers={"Origin": "http://testserver"}) as websocket:
        assert websocket.receive_text() == "Hello ada"
with Client() as client:
    assert client.get("/stock", auth=("ada", "analytical")).json() == 0
    # Twice as many as allowed: they may come in two windows.
    assert {client.get("/stock", auth=("ada", "x")).status_code for _ in range(120)} == {401, 429}
    token = client.post("/auth/token", data={"username": "ada", "password": "analytical"}).json()["access_token"]
    assert client.get("/name", headers={"Authorization": f"Bearer {token}"}).json() == "ada"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    def manage(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "django", *arguments], cwd=tmp_path, check=True)

    manage("startproject", "project", ".")
    manage("startapp", "shop")
    settings, models, *api = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    with (tmp_path / "project" / "settings.py").open("a") as file:
        file.write(f'\n{settings}ALLOWED_HOSTS = ["testserver"]\n')
        file.write('PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]\n')
    (tmp_path / "shop" / "models.py").write_text(models)
    (tmp_path / "shop" / "api.py").write_text("\n".join(api))
    return tmp_path


def test_the_code_of_the_page_works_as_it_stands(project: Path) -> None:
    environment = {"PYTHONPATH": f"{project}:{ROOT}", "DJANGO_SETTINGS_MODULE": "project.settings"}
    asked = subprocess.run(
        [sys.executable, "-c", ASK], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr


@pytest.mark.parametrize("kind", [AuthSettings, JWTSettings])
def test_every_key_of_the_settings_is_there(kind: type) -> None:
    named = set(re.findall(r"`([A-Z_]+)`", PAGE))
    assert {name.upper() for name in kind.__dataclass_fields__} <= named  # type: ignore[attr-defined]
