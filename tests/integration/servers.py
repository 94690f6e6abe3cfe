"""The ways to serve the site, each as a subprocess on a free port of 127.0.0.1."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import httpx

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 15.0
REQUEST_SECONDS = 20.0

_ATTEMPTS = 5
_PORT_IN_USE = ("address already in use", "already in use", "Errno 98", "EADDRINUSE")


@dataclass(frozen=True, slots=True)
class Server:
    """One way to serve the site.

    Args:
        name: The id of its tests.
        command: Its command line, with `{port}` where the port goes; "python" is this interpreter.
        interface: What it calls the application by.
        environment: What it needs beside the common environment.
        debug: Whether it runs with `DEBUG`.
        processes: How many processes serve requests.
        takes_chunked: Whether a chunked body reaches the application.
        ends_lifespan: Whether SIGTERM lets the application's lifespan end.
        keeps_alive: Whether it takes another request on the same connection.
        tells_disconnects: Whether it ends an answer, or a body that breaks off, when the client has gone.
    """

    name: str
    command: tuple[str, ...]
    interface: Literal["asgi", "wsgi"] = "asgi"
    environment: Mapping[str, str] = field(default_factory=dict)
    debug: bool = True
    processes: int = 1
    takes_chunked: bool = True
    ends_lifespan: bool = True
    keeps_alive: bool = True
    tells_disconnects: bool = True

    @property
    def speaks_websocket(self) -> bool:
        return self.interface == "asgi"


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    server: Server
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    lifespan_log: Path

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def client(self, **kwargs: object) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=REQUEST_SECONDS, trust_env=False, **kwargs)  # type: ignore[arg-type]

    def connect(self) -> socket.socket:
        return socket.create_connection((HOST, self.port), timeout=REQUEST_SECONDS)

    def console(self) -> str:
        """Return what the server has printed so far, on both streams."""
        return self.log.read_text(errors="replace")

    def notes(self) -> list[str]:
        """Return the lines the probe has written: what happened, and in which process."""
        return self.lifespan_log.read_text().splitlines() if self.lifespan_log.exists() else []

    def count_notes(self, what: str) -> Counter[int]:
        """Return how often `what` was noted, by process."""
        split = (note.rsplit(" ", 1) for note in self.notes())
        return Counter(int(pid) for said, pid in split if said == what)

    def resident_kilobytes(self) -> int:
        """Return what its processes hold in memory together."""
        total = 0
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            except (FileNotFoundError, ProcessLookupError):
                continue
            if fields["NSpgid"].split()[0] == str(self.process.pid):
                total += int(fields.get("VmRSS", "0 kB").split()[0])
        return total

    def terminate(self) -> int | None:
        """Send SIGTERM to the server, as a supervisor does, and return its exit status; None if it stays."""
        self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(STOP_SECONDS)
        return None


MANAGE = ("python", str(ROOT / "tests/project/manage.py"))
RUNSERVER = (*MANAGE, "runserver", f"{HOST}:{{port}}")
UVICORN = ("python", "-m", "uvicorn", "--host", HOST, "--port", "{port}")
GUNICORN = ("python", "-m", "gunicorn", "--bind", f"{HOST}:{{port}}", "--graceful-timeout", "5")
ASGI = "django_fastapi.asgi:application"
WSGI = "django_fastapi.wsgi:application"

DJANGO_SERVERS = (
    # SIGTERM ends Python at once, without its exit functions; the interrupt of a terminal does not.
    Server("runserver", (*RUNSERVER, "--noreload"), "wsgi", takes_chunked=False, ends_lifespan=False),
    # The reloader's parent kills its child.
    Server("runserver-reload", RUNSERVER, "wsgi", takes_chunked=False, ends_lifespan=False),
    # daphne neither speaks the lifespan protocol nor cancels what runs on its event loop.
    Server("runserver-daphne", (*RUNSERVER, "--noreload"), environment={"PROBE_DAPHNE": "1"}, ends_lifespan=False),
)
ASGI_SERVERS = (
    Server("uvicorn", (*UVICORN, ASGI)),
    Server("uvicorn-production", (*UVICORN, ASGI), debug=False),
    Server("uvicorn-workers", (*UVICORN, "--workers", "2", ASGI), processes=2),
    # The router knows no lifespan, and uvicorn ends by the signal it was sent, before its event loop is closed.
    Server("uvicorn-channels", (*UVICORN, "tests.project.channels_asgi:application"), ends_lifespan=False),
    Server("gunicorn-uvicorn", (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker", "-w", "2", ASGI), processes=2),
    Server(
        "daphne-production",
        ("python", "-m", "daphne", "-b", HOST, "-p", "{port}", ASGI),
        debug=False,
        ends_lifespan=False,
    ),
)
WSGI_SERVERS = (
    # It ends by the signal it was sent, without Python's exit functions. It never tells that a client has gone.
    Server(
        "uvicorn-wsgi",
        (*UVICORN, "--interface", "wsgi", WSGI),
        "wsgi",
        takes_chunked=False,
        ends_lifespan=False,
        tells_disconnects=False,
    ),
    Server("gunicorn-sync", (*GUNICORN, "-w", "2", WSGI), "wsgi", processes=2, keeps_alive=False),
    Server("gunicorn-preload", (*GUNICORN, "-k", "gthread", "--threads", "4", "--preload", WSGI), "wsgi"),
    Server("gunicorn-production", (*GUNICORN, "-k", "gthread", "--threads", "4", WSGI), "wsgi", debug=False),
)
SERVERS = (*DJANGO_SERVERS, *ASGI_SERVERS, *WSGI_SERVERS)


def common_environment(directory: Path) -> dict[str, str]:
    """Return the environment of every process that runs the project on the database in `directory`."""
    return {
        **os.environ,
        "HOME": str(directory),  # gunicorn keeps a socket there
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "example")]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "",
        "DJANGO_SETTINGS_MODULE": "tests.integration.settings",
        "DATABASE_URL": f"sqlite:///{directory / 'db.sqlite3'}",
        "PROBE_STATIC_ROOT": str(directory / "static_root"),
        "REDIS_URL": "",
        "SECRET_KEY": "only-for-integration-tests-" + "x" * 50,
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "DEBUG": "1",
    }


def prepare(directory: Path) -> None:
    """Migrate a new database in `directory`, with a superuser, and collect the static files there."""
    environment = common_environment(directory)
    for arguments, debug in ((["migrate"], "1"), (["ensure_superuser"], "1"), (["collectstatic", "--no-input"], "0")):
        subprocess.run(
            [sys.executable, *MANAGE[1:], *arguments, "--verbosity", "0"],
            cwd=directory,
            env={**environment, "DEBUG": debug},
            check=True,
        )


def load_atlas(directory: Path) -> None:
    """Put the largest cities of the atlas into the database in `directory`."""
    arguments = ["load_atlas", "--min-population", "1000000", "--verbosity", "0"]
    command = [sys.executable, *MANAGE[1:], *arguments]
    subprocess.run(command, cwd=directory, env={**common_environment(directory), "DEBUG": "1"}, check=True)


@contextmanager
def running(server: Server, data: Path, directory: Path) -> Iterator[Running]:
    """Run a server until the block ends.

    Args:
        server: Which one.
        data: The directory that `prepare` was given.
        directory: Where its logs go.

    Raises:
        RuntimeError: It does not answer; the message holds what it printed.
    """
    for attempt in range(_ATTEMPTS):
        one = _start(server, data, directory / f"{server.name}-{attempt}")
        try:
            if _wait_until_it_answers(one):
                yield one
                return
        finally:
            _end(one)
        if not any(words in one.console() for words in _PORT_IN_USE):
            break
    raise RuntimeError(f"{server.name} does not answer:\n{one.console()}")


def wait_until(holds: Callable[[], object], seconds: float = 10.0) -> bool:
    """Return whether a condition comes to hold within a time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _start(server: Server, data: Path, directory: Path) -> Running:
    directory.mkdir(parents=True)
    port = free_port()
    command = [part.format(port=port) for part in server.command]
    if command[0] == "python":
        command[0] = sys.executable
    lifespan_log = directory / "lifespan.log"
    environment = {
        **common_environment(data),
        "DEBUG": "1" if server.debug else "0",
        "PROBE_LIFESPAN_LOG": str(lifespan_log),
        **server.environment,
    }
    log = directory / "console.log"
    with log.open("wb") as console:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_heed_interrupts,  # noqa: PLW1509 (it calls nothing that another thread may hold a lock of)
        )
    return Running(server, port, process, log, lifespan_log)


def _heed_interrupts() -> None:
    """Undo what shells do for commands in their background: they have them ignore SIGINT, and all that these start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_answers(one: Running) -> bool:
    return wait_until(lambda: one.process.poll() is not None or _answers(one), START_SECONDS) and (
        one.process.poll() is None
    )


def _answers(one: Running) -> bool:
    connection = http.client.HTTPConnection(HOST, one.port, timeout=REQUEST_SECONDS)
    try:
        connection.request("GET", "/probe/only-get")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _end(one: Running) -> None:
    """End the server and the processes it started: all are in the group that was made for it."""
    group = one.process.pid
    if one.process.poll() is None:
        one.terminate()
    if not wait_until(lambda: _is_empty(group), 2.0):
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    one.process.wait()


def _is_empty(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False
