"""`manage.py uvicorn` serves the site, and with DEBUG starts again when the code changes."""

import subprocess
import sys
from pathlib import Path

import pytest

from .marks import served_alone_by
from .servers import HOST, MANAGE, Running, Server, common_environment, wait_until

_COMMAND = (*MANAGE, "uvicorn", f"{HOST}:{{port}}")
_DEBUG = Server("uvicorn-command", _COMMAND)
_PRODUCTION = Server("uvicorn-command-production", _COMMAND, debug=False)


@served_alone_by([_DEBUG])
def test_it_serves_the_site_and_reloads(own_server: Running) -> None:
    with own_server.client() as client:
        assert client.get("/probe/state").json() == {"greeting": "from the lifespan"}
        assert client.get("/admin/login/").status_code == 200
        assert client.get("/static/admin/css/base.css").status_code == 200
    (own_server.log.parent / "new.py").write_text("")
    assert wait_until(lambda: len(own_server.count_notes("startup")) == 2)
    assert own_server.terminate() is not None
    assert own_server.count_notes("startup") == own_server.count_notes("shutdown")


@served_alone_by([_PRODUCTION])
def test_without_debug_there_is_one_process(own_server: Running) -> None:
    with own_server.client() as client:
        assert client.get("/probe/state").status_code == 200
    assert set(own_server.count_notes("startup")) == {own_server.process.pid}


@pytest.mark.parametrize("addrport", ["nonsense", "127.0.0.1:x"])
def test_an_address_that_is_none_is_an_error(addrport: str, site_data: Path) -> None:
    command = [sys.executable, *MANAGE[1:], "uvicorn", addrport]
    done = subprocess.run(
        command, env=common_environment(site_data), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (
        1,
        [f"CommandError: {addrport!r} is neither a port nor address:port."],
    )
