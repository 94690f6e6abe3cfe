import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.contestants import CONTESTANTS, DJANGO, FASTAPI, FLOOR, OURS
from bench.exceptions import BenchmarkError
from bench.load import Round, ab_request, read_ab, read_wrk, wrk_request
from bench.measurement import Result, best_peer, ratio, require_same_answer
from bench.plot import plot
from bench.report import table
from bench.servers import Server, clear, fill
from bench.work import Work, all_rows

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
Complete requests:      617
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
    for row in all_rows():
        assert row.work.path in run.stdout
    assert (page.read_bytes() if page.exists() else None) == before


def test_every_row_has_this_project_and_a_peer() -> None:
    keys = {one.key for one in CONTESTANTS}
    assert len({row.work.path for row in all_rows()}) == len(all_rows())
    for row in all_rows():
        assert OURS.key in row.contestants, row.work
        assert len((row.contestants & keys) - {OURS.key, FLOOR.key}) > 0, row.work


def test_every_round_of_writing_begins_with_the_same_rows(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'db.sqlite3'}"
    fill(url)
    writing = [row for row in all_rows() if row.work.method != "GET"]
    assert [row.work.path for row in writing] == ["/tours"]
    assert all(row.is_cleared for row in writing)
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as connection:
        connection.execute("INSERT INTO site_tour (name, day, price, country_id) VALUES ('x', '2025-05-01', 1, 1)")
        connection.execute("INSERT INTO site_tour_languages (tour_id, language_id) VALUES (1, 1)")
        connection.commit()
        clear(url)
        for table, count in (("site_tour", 0), ("site_tour_languages", 0), ("site_country", 20)):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (count,)  # noqa: S608


def test_answers_that_differ_end_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    servers = [Server(one, pid=0, port=0) for one in (OURS, FASTAPI)]
    work = Work("a thing", "/thing", differs=frozenset({"id"}))
    monkeypatch.setattr(Server, "fetch", lambda server, work: {"path": work.path, "id": server.contestant.key})
    require_same_answer(work, servers)
    with pytest.raises(BenchmarkError, match="/thing"):
        require_same_answer(Work("a thing", "/thing"), servers)


def test_load_generators_are_told_of_the_request(tmp_path: Path) -> None:
    get = Work("a thing", "/thing", headers=(("Cookie", "sessionid=1"),))
    assert wrk_request(get, tmp_path / "file") == ab_request(get, tmp_path / "file") == ["-H", "Cookie: sessionid=1"]
    post = Work("a thing", "/thing", "POST", (("Content-Type", "application/json"),), '{"name": "x"}')
    script = tmp_path / "script"
    assert wrk_request(post, script) == ["-H", "Content-Type: application/json", "-s", str(script)]
    assert script.read_text() == 'wrk.method = "POST"\nwrk.body = "{\\"name\\": \\"x\\"}"\n'
    body = tmp_path / "body"
    assert ab_request(post, body) == ["-p", str(body), "-T", "application/json"]
    assert body.read_text() == post.body
    with pytest.raises(BenchmarkError, match="install wrk"):
        ab_request(Work("a thing", "/thing", "PATCH"), body)


def test_reports_of_the_load_generators_are_read() -> None:
    assert read_wrk(WRK) == Round(2599.06, 37, 2602)
    assert read_ab(AB) == Round(1234.5, 5, 617)
    with pytest.raises(BenchmarkError, match="no rate"):
        read_wrk("unable to connect")


def test_ratio_is_to_the_best_peer_round_by_round() -> None:
    work = Work("a thing", "/thing")
    ours = Result(work, OURS, rates=[100.0, 200.0, 400.0])
    best = Result(work, FASTAPI, rates=[100.0, 100.0, 100.0])
    worst = Result(work, DJANGO, rates=[10.0, 10.0, 10.0])
    floor = Result(work, FLOOR, rates=[1000.0, 1000.0, 1000.0])
    assert best_peer([ours, worst, best, floor]) is best
    found = ratio(ours, best)
    assert (found.median, found.lowest, found.highest) == (2.0, 1.0, 4.0)


@pytest.fixture
def results() -> list[Result]:
    work = Work("a <thing>", "/thing")
    ours = Result(work, OURS, rates=[1000.0, 2000.0, 4000.0], errors=3, connections=7, requests=1000, cpu_seconds=0.5)
    return [ours, Result(work, FASTAPI, rates=[1000.0, 1000.0, 1000.0])]


def test_table_lists_everybody(results: list[Result]) -> None:
    lines = table([results]).splitlines()
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == [
        "a <thing> (`/thing`)",
        OURS.title,
        "2,000",
        "1,000",
        "4,000",
        "best peer: 2.00 (1.00 to 4.00)",
        "0.50",
        "3",
        "7",
    ]
    assert lines[3].split("|")[-2].strip() == "-"
    assert len({len(line) for line in lines}) == 1


def test_plot_shows_everybody(results: list[Result]) -> None:
    picture = ET.fromstring(plot("SQLite", [results]))  # noqa: S314 (written by us)
    texts = [one.text for one in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["Requests a second on SQLite, medians", "a <thing>", OURS.title, "2,000", FASTAPI.title, "1,000"]
    widths = [int(one.get("width", "")) for one in picture.iter("{http://www.w3.org/2000/svg}rect") if one.get("x")]
    assert widths[0] == 2 * widths[1]
