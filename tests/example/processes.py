"""Running the example in processes of its own, with an environment that the test decides."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "example"
DECIDED_BY_THE_TEST = {"DEBUG", "SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the folder of the example and return what it said, whatever the exit code."""
    inherited = {name: value for name, value in os.environ.items() if name not in DECIDED_BY_THE_TEST}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=EXAMPLE,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def manage(*arguments: str, **environment: str) -> str:
    """Run `manage.py` and return its output; fail with its errors."""
    run = run_python("manage.py", *arguments, **environment)
    assert run.returncode == 0, run.stderr
    return run.stdout
