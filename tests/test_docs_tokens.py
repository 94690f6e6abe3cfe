"""The code of `docs/tokens.md`, word by word, in a new project."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "tokens.md").read_text()

ASK = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("check", fail_level="WARNING")
from django.contrib.auth import get_user_model
get_user_model().objects.create_user("ada", "ada@example.test", "secret")
from django_fastapi.testing import Client
with Client() as client:
    assert client.get("/hello").status_code == 401
    tokens = client.post("/auth/token", data={"username": "ada", "password": "secret"}).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert client.get("/hello", headers=headers).json() == "Hello ada"
    assert client.get("/fast", headers=headers).json() == "1"
    answer = client.post("/auth/token/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert answer.json()["refresh_token"] != tokens["refresh_token"]
"""


def test_what_the_guide_says_works(tmp_path: Path) -> None:
    settings, api, sources, keys, foreign, signed = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    subprocess.run([sys.executable, "-m", "django", "startproject", "project", "."], cwd=tmp_path, check=True)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "api.py").write_text(api + sources)
    defaults = (tmp_path / "project" / "settings.py").read_text()
    hosts = 'INSTALLED_APPS += ["django.contrib.sessions", "shop"]\nALLOWED_HOSTS = ["testserver"]\n'
    for chosen in (settings, keys, foreign.replace(', "drf-token"', "")):
        text = f"{defaults}\nimport os\n{settings}\n{chosen}\n".replace('    "django.contrib.admin",\n', "")
        (tmp_path / "project" / "settings.py").write_text(text + hosts)
        (tmp_path / "project" / "urls.py").write_text("urlpatterns = []\n")
        (tmp_path / "db.sqlite3").unlink(missing_ok=True)
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "NEW_KEY": "n0" * 8 + "abcdefghijklmnopqrstuvwxyz",
            "OLD_KEY": "0ld" * 8 + "abcdefghijklmnopqrstuvwxyz",
        }
        program = [sys.executable, "-c", f"{ASK}\n{signed}"]
        subprocess.run(program, cwd=tmp_path, env=environment, check=True)
