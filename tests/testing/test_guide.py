"""The tests in docs/testing.md pass, in a new project."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = """
import pytest

@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
"""


def test_the_tests_of_the_guide_pass(tmp_path: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "testing.md").read_text(), re.DOTALL)
    (tmp_path / "test_groups.py").write_text(code)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    subprocess.run([sys.executable, "-m", "django", "startproject", "project", "."], cwd=tmp_path, check=True)
    with (tmp_path / "project" / "settings.py").open("a") as settings:
        settings.write('\nINSTALLED_APPS += ["django_fastapi"]\n')
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "-c", os.devnull, "."]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "PYTEST_"))}
    environment = {**kept, "DJANGO_SETTINGS_MODULE": "project.settings", "PYTHONPATH": str(tmp_path)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "3 passed" in run.stdout, run.stdout + run.stderr
