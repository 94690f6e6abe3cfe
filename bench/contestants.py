"""Who is measured, and how their servers are started."""

import importlib.util
import sys
from dataclasses import dataclass

_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Contestant:
    """Somebody who is measured.

    Args:
        key: The name of its function in the modules of `bench.rows`.
        title: What to call it in the report.
        server: The Python module that is its server, with arguments; `{port}` in them is the port.
        needs: What has to be installed.
    """

    key: str
    title: str
    server: tuple[str, ...]
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """What is not installed of what it needs."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]

    def command(self, port: int) -> list[str]:
        """Return the command that starts its server: one process."""
        return [sys.executable, "-m", *(part.format(port=port) for part in self.server)]


def _uvicorn(application: str) -> tuple[str, ...]:
    fast = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
    return ("uvicorn", application, "--host", _HOST, "--port", "{port}", *fast)


def _gunicorn(application: str) -> tuple[str, ...]:
    return ("gunicorn", application, "--bind", f"{_HOST}:{{port}}", "-k", "gthread", "--threads", "4")


OURS = Contestant("ours", "django-fastapi-bridge", _uvicorn("bench.site.ours:application"))
BOLT = Contestant(
    "bolt", "django-bolt", ("django", "runbolt", "--host", _HOST, "--port", "{port}"), ("django_bolt", "msgspec")
)
FASTAPI = Contestant("fastapi", "FastAPI + Django models", _uvicorn("bench.site.plain_fastapi:application"))
NINJA = Contestant("ninja", "django-ninja", _gunicorn("bench.site.with_ninja:application"), ("ninja", "gunicorn"))
REST_FRAMEWORK = Contestant(
    "rest_framework",
    "Django REST framework",
    _gunicorn("bench.site.with_rest_framework:application"),
    ("rest_framework", "gunicorn"),
)
DJANGO = Contestant("django", "Django's ASGI handler", _uvicorn("bench.site.plain_django:application"))
FLOOR = Contestant("floor", "floor: SQL by hand", _uvicorn("bench.site.floor:application"), ("msgspec",))

CONTESTANTS = (OURS, BOLT, FASTAPI, NINJA, REST_FRAMEWORK, DJANGO, FLOOR)
