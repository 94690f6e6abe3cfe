"""A configuration of gunicorn: the parent uses the application, its threads and the database, and forks then."""

from typing import Any
from wsgiref.util import setup_testing_defaults


def when_ready(server: Any) -> None:
    for path in ("/load/def", "/load/async", "/django/load/def"):
        environ: dict[str, Any] = {"HTTP_HOST": "127.0.0.1", "PATH_INFO": path}
        setup_testing_defaults(environ)
        statuses: list[str] = []
        b"".join(server.app.wsgi()(environ, lambda status, *_, to=statuses: to.append(status)))
        assert statuses == ["200 OK"]
