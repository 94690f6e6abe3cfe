import subprocess
import sys
from pathlib import Path

import pytest

from bench.contestants import ALL_WORK, APPLICATIONS, DJANGO, FASTAPI, OURS, Work
from bench.exceptions import BenchmarkError
from bench.load import Round, read_ab, read_wrk
from bench.measurement import Result, ratio_to_best_peer, require_same_answer
from bench.report import table
from bench.servers import Server

ROOT = Path(__file__).resolve().parent.parent

WRK = """\
Running 1s test @ http://127.0.0.1:8000/ping
  1 threads and 10 connections
  2602 requests in 1.00s, 368.44KB read
  Socket errors: connect 1, read 2, write 0, timeout 4
  Non-2xx or 3xx responses: 30
Requests/sec:   2599.06
Transfer/sec:    368.03KB
"""

AB = """\
Failed requests:        2
Non-2xx responses:      3
Requests per second:    1234.50 [#/sec] (mean)
"""


def test_quick_run_works_and_writes_no_page() -> None:
    page = ROOT / "docs" / "bench.md"
    before = page.read_bytes() if page.exists() else None
    run = subprocess.run(
        [sys.executable, "-m", "bench", "--quick"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "SQLite" in run.stdout
    for work in ALL_WORK:
        assert work.path in run.stdout
    assert (page.read_bytes() if page.exists() else None) == before


def test_every_row_has_this_project_first_and_a_peer() -> None:
    for work in ALL_WORK:
        assert work.contestants[0] == OURS
        assert len(work.contestants) > 1
        assert set(work.contestants) <= set(APPLICATIONS)


def test_answers_that_differ_end_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    servers = {name: Server(name, pid=0, port=0) for name in (OURS, FASTAPI)}
    work = Work("a thing", "/thing", (OURS, FASTAPI))
    monkeypatch.setattr(Server, "fetch", lambda server, path: {"path": path})  # noqa: ARG005
    require_same_answer(work, servers)
    monkeypatch.setattr(Server, "fetch", lambda server, path: {"path": path, "by": server.contestant})
    with pytest.raises(BenchmarkError, match="/thing"):
        require_same_answer(work, servers)


def test_reports_of_the_load_generators_are_read() -> None:
    assert read_wrk(WRK) == Round(2599.06, 37)
    assert read_ab(AB) == Round(1234.5, 5)
    with pytest.raises(BenchmarkError, match="no rate"):
        read_wrk("unable to connect")


def test_ratio_is_to_the_best_peer_round_by_round() -> None:
    work = Work("a thing", "/thing", (OURS, FASTAPI, DJANGO))
    ours = Result(work, OURS, rates=[100.0, 200.0, 400.0])
    best = Result(work, FASTAPI, rates=[100.0, 100.0, 100.0])
    worst = Result(work, DJANGO, rates=[10.0, 10.0, 10.0])
    ratio = ratio_to_best_peer([ours, best, worst])
    assert (ratio.median, ratio.lowest, ratio.highest) == (2.0, 1.0, 4.0)


def test_table_lists_everybody() -> None:
    work = Work("a thing", "/thing", (OURS, FASTAPI))
    ours = Result(work, OURS, rates=[1000.0, 2000.0, 4000.0], errors=3, connections=7)
    peer = Result(work, FASTAPI, rates=[1000.0, 1000.0, 1000.0])
    lines = table([[ours, peer]]).splitlines()
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == [
        "a thing (`/thing`)",
        OURS,
        "2,000",
        "1,000",
        "4,000",
        "2.00 (1.00 to 4.00)",
        "3",
        "7",
    ]
    assert lines[3].split("|")[-2].strip() == "-"
    assert len({len(line) for line in lines}) == 1
