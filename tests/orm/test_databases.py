import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_several_databases_and_routers_mean_what_they_mean_to_the_orm() -> None:
    program = [sys.executable, "-W", "error", "-m", "tests.project.library.two_databases"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
