"""`manage.py uvicorn`: the site under uvicorn, for development."""

from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

uvicorn: Any = None
with suppress(ModuleNotFoundError):  # the extra `server`
    import uvicorn

_HOST = "127.0.0.1"
_PORT = "8000"
_APPLICATION = "django_fastapi.asgi.application"


class Command(BaseCommand):
    """Serve the project's ASGI application, as `runserver` serves its WSGI one."""

    help = "Serves the site with uvicorn, and with DEBUG again after each change of the code."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("addrport", nargs="?", default="", help="Port, or address:port (default: 127.0.0.1:8000).")
        parser.add_argument("--noreload", action="store_true", help="Do not start again when the code changes.")

    def handle(self, *_args: Any, addrport: str, noreload: bool, **_options: Any) -> None:
        """Serve until the process is ended.

        Raises:
            CommandError: uvicorn is not installed, or the address is none.
        """
        if uvicorn is None:
            raise CommandError('uvicorn is missing: `pip install "django-fastapi-bridge[server]"`.')
        host, port = _split(addrport)
        module, _, name = (settings.ASGI_APPLICATION or _APPLICATION).rpartition(".")
        self.check_migrations()
        uvicorn.run(f"{module}:{name}", host=host, port=port, reload=settings.DEBUG and not noreload)


def _split(addrport: str) -> tuple[str, int]:
    host, _, port = addrport.rpartition(":")
    port = port or _PORT
    if not port.isdecimal():
        raise CommandError(f"{addrport!r} is neither a port nor address:port.")
    return host.strip("[]") or _HOST, int(port)
