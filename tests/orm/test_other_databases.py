"""The ORM's tests on PostgreSQL, with the fields that only it has, and the law of the row path on MariaDB too."""

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(600)  # each is a whole run of pytest

ROOT = Path(__file__).resolve().parents[2]
POSTGRES, MARIADB = "TEST_POSTGRES_URL", "TEST_MARIADB_URL"
PARTS = [
    ("test_fields.py", "test_generic.py", "test_planning.py", "test_schemas.py"),
    ("test_rows.py", "test_rows_equal_instances.py", "postgres_only.py"),
    ("test_streaming.py",),
]


def run_on(variable: str, *arguments: str) -> None:
    """Run pytest on a database of its own on the server that a variable names."""
    server = os.environ.get(variable) or pytest.skip(f"{variable} is not set")
    url = re.sub(r"/[^/]*$", f"/orm_{uuid.uuid4().hex[:8]}", server)
    environment = {**os.environ, "DATABASE_URL": url, POSTGRES: "", MARIADB: ""}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part[-1])
def test_all_holds_on_postgresql(part: tuple[str, ...]) -> None:
    run_on(POSTGRES, *(f"tests/orm/{name}" for name in part))


def test_rows_are_instances_on_mariadb() -> None:
    run_on(MARIADB, "-p", "tests.pymysql_driver", "tests/orm/test_rows_equal_instances.py")
