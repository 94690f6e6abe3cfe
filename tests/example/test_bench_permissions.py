import doctest
import shutil
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import bench_permissions
import pytest

from tests.example.processes import manage, run_python

REPORT = """#!/bin/sh
for url; do :; done
echo "$url" >> {log}
echo "Failed requests:        {failed}"
{non_2xx}
echo "Requests per second:    123.45 [#/sec] (mean)"
exit {code}
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('bench') / 'db.sqlite3'}"
    manage("migrate", "--verbosity", "0", DATABASE_URL=url)
    return url


def bench_with_fake_ab(
    folder: Path, database: str, *, failed: int = 0, non_2xx: str = "", code: int = 0
) -> subprocess.CompletedProcess[str]:
    ab = folder / "ab"
    ab.write_text(REPORT.format(log=folder / "urls", failed=failed, non_2xx=non_2xx, code=code))
    ab.chmod(0o755)
    return run_python("bench_permissions.py", PATH=f"{folder}:/usr/bin:/bin", DATABASE_URL=database)


def test_the_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(bench_permissions).failed == 0


def test_both_endpoints_are_measured_and_the_server_ends(tmp_path: Path, database: str) -> None:
    run = bench_with_fake_ab(tmp_path, database)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.split() == ["/permissions", "123.5", "requests/s", "/async/permissions", "123.5", "requests/s"]
    urls = [urlsplit(url) for url in (tmp_path / "urls").read_text().split()]
    assert [url.path for url in urls] == ["/permissions", "/async/permissions"]
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", urls[0].port or 0)):
        pass


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ({"failed": 3}, "Failed requests: 3 of 10000"),
        ({"non_2xx": 'echo "Non-2xx responses:      7"'}, "Non-2xx responses: 7 of 10000"),
        ({"code": 22}, "ab:"),
    ],
)
def test_failed_requests_fail_the_benchmark(
    tmp_path: Path, database: str, problem: dict[str, object], message: str
) -> None:
    run = bench_with_fake_ab(tmp_path, database, **problem)  # type: ignore[arg-type]
    assert run.returncode == 1
    assert message in run.stderr


def test_a_missing_ab_is_told(tmp_path: Path) -> None:
    run = run_python("bench_permissions.py", PATH=str(tmp_path))
    assert run.returncode == 1
    assert "`ab` is not installed" in run.stderr


@pytest.mark.skipif(shutil.which("ab") is None, reason="ApacheBench is not installed")
def test_a_database_without_tables_is_told(tmp_path: Path) -> None:
    run = run_python("bench_permissions.py", DATABASE_URL=f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    assert run.returncode == 1
    assert "Was `python manage.py migrate` run?" in run.stderr


@pytest.mark.skipif(shutil.which("ab") is None, reason="ApacheBench is not installed")
def test_the_real_ab_measures(database: str) -> None:
    run = run_python("bench_permissions.py", "-n", "50", "-c", "5", DATABASE_URL=database)
    assert run.returncode == 0, run.stderr
    rates = [float(line.split()[1]) for line in run.stdout.splitlines()]
    assert len(rates) == 2
    assert min(rates) > 0
