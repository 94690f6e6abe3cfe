import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("what", ["every_flow", "every_token"])
def test_a_user_model_of_the_projects_own_does_in_every_flow(what: str) -> None:
    flows = f"tests/project/members/{what}.py"
    arguments = ["-m", "pytest", flows, "--noconftest", "--no-migrations", "-p", "no:cacheprovider", "-q"]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.project.members.settings"}
    ran = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
