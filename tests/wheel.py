"""Try the installed wheel, outside the repository: import, version, metadata, an application without extras."""

import asyncio
import sys
from importlib.metadata import requires, version
from importlib.resources import files

from django.conf import settings

import django_fastapi

PUBLIC = [
    "APIRouter",
    "DjangoRequest",
    "api",
    "atomic",
    "atomic_requests",
    "django_request",
    "get_asgi_application",
    "get_default_api",
    "get_wsgi_application",
    "hold_thread",
    "register_api",
    "set_default_api",
    "spawn",
]


async def status_of(path: str) -> int:
    statuses = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"", "http_version": "1.1"}
    await django_fastapi.get_asgi_application()(scope, receive, send)
    return statuses[0]


def main() -> None:
    assert version("django-fastapi-bridge") == django_fastapi.__version__
    assert files("django_fastapi").joinpath("py.typed").is_file()
    assert files("django_fastapi").joinpath("debug", "templates", "error.txt").is_file()
    assert not any("uvicorn" in one and "extra" not in one for one in requires("django-fastapi-bridge") or [])
    assert sorted(django_fastapi.__all__) == PUBLIC
    settings.configure(INSTALLED_APPS=["django_fastapi"], ROOT_URLCONF="django_fastapi.urls", ALLOWED_HOSTS=["*"])
    assert asyncio.run(status_of("/openapi.json")) == 200
    assert asyncio.run(status_of("/docs")) == 404, "without the extra `docs` the page says what to install"
    sys.stdout.write("The wheel works.\n")


if __name__ == "__main__":
    main()
