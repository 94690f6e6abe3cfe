import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from .servers import ROOT, free_port, wait_until

_LOADING_SECONDS = 100.0
_LINE = re.compile(r"^  ([A-Z][\w ]*?) +(http://\S+)(?: +\(user (\w+), password (\w+)\))?$", re.MULTILINE)
_OF_THIS_RUN = ("DJANGO_SETTINGS_MODULE", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[str]:
    """Give what `make demo` has printed when it serves, on a database of its own."""
    environment = {name: value for name, value in os.environ.items() if name not in _OF_THIS_RUN}
    environment["DATABASE_URL"] = f"sqlite:///{tmp_path / 'demo.sqlite3'}"
    # What is installed here is all it needs.
    command = ["make", "demo", f"PORT={free_port()}", f"VENV={sys.prefix}", f"--old-file={sys.prefix}/.example"]
    log = tmp_path / "demo.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        ) as process,
    ):
        try:
            assert wait_until(lambda: _serves(log) or process.poll() is not None, _LOADING_SECONDS), log.read_text()
            assert process.poll() is None, log.read_text()
            yield log.read_text()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)


def _serves(log: Path) -> bool:
    found = _LINE.search(log.read_text())
    try:
        return found is not None and httpx.get(found[2], trust_env=False).is_success
    except httpx.ConnectError:
        return False


def test_make_demo_serves_what_it_prints(demo: str) -> None:
    lines = {name: url for name, url, _, _ in _LINE.findall(demo)}
    assert set(lines) == {"Start page", "Countries", "Cities", "Pages", "Docs page", "Admin"}
    with httpx.Client(trust_env=False, follow_redirects=True, timeout=30) as client:
        answers = {name: client.get(url) for name, url in lines.items()}
        assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(lines, 200)
        assert re.search(r"^cities: 3\d{4}$", demo, re.MULTILINE)
        assert all(answers[name].json()["items"][0]["name"] for name in ("Countries", "Cities"))
        assert "swagger-ui" in answers["Docs page"].text
        [(url, user, password)] = [found[1:] for found in _LINE.findall(demo) if found[2]]
        form = {"username": user, "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        inside = client.post(f"{url}login/?next=/admin/atlas/country/", data=form)
        assert (inside.status_code, "Select country to change" in inside.text) == (200, True)
