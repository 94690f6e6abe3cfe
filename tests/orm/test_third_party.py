"""Models that nobody here wrote: those of well-known packages."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [
    "allauth",
    "django_countries",
    "djmoney",
    "guardian",
    "mptt",
    "oauth2_provider",
    "phonenumber_field",
    "rest_framework",
    "simple_history",
    "taggit",
    "timezone_field",
    "treebeard",
]


@pytest.mark.skipif(not all(map(find_spec, PACKAGES)), reason="not all of the third-party apps are installed")
def test_every_model_of_well_known_apps_is_read() -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.project.thirdparty.settings"}
    program = [sys.executable, "-W", "ignore", "-m", "tests.project.thirdparty.read_all"]
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert not [line for line in lines if "FAILED" in line]
    assert len(lines) > 30
    assert sum(line.endswith(": rows") for line in lines) > 25
    assert "thirdparty.Company:   because `Company.country` is an attribute of its own kind" in lines
