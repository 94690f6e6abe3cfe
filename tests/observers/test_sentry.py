"""Sentry sees an unhandled exception once, whichever of its integrations are on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("which", ["django", "all"])
def test_sentry_is_sent_each_exception_once(which: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "example")]),
        "DJANGO_SETTINGS_MODULE": "tests.integration.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "SECRET_KEY": "only-for-integration-tests-" + "x" * 50,
        "ALLOWED_HOSTS": "localhost",
        "DEBUG": "0",
    }
    run = subprocess.run(
        [sys.executable, "-m", "tests.observers.sentry_used", which],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    messages = [message.strip() for message in json.loads(run.stdout)]
    assert messages == ["def", "async-def", "task", "the Django view broke"]
