"""A configuration of gunicorn: the application serves a request in the parent, before the workers are forked."""

from typing import Any
from wsgiref.util import setup_testing_defaults


def when_ready(server: Any) -> None:
    environ: dict[str, Any] = {"HTTP_HOST": "127.0.0.1", "PATH_INFO": "/permissions"}
    setup_testing_defaults(environ)
    statuses: list[str] = []
    b"".join(server.app.wsgi()(environ, lambda status, *_: statuses.append(status)))
    assert statuses == ["200 OK"]
