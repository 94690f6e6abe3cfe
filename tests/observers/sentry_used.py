"""What Sentry is sent by a site that breaks; a process of its own, since the SDK patches what it observes.

Usage: python -m tests.observers.sentry_used django|all
"""

import asyncio
import json
import sys
from typing import Any

import django
import httpx
import sentry_sdk
from django.http import Http404
from fastapi import BackgroundTasks, FastAPI
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.transport import Transport

events: list[dict[str, Any]] = []


class Capture(Transport):
    """A transport that goes nowhere."""

    def capture_envelope(self, envelope: Envelope) -> None:
        event = envelope.get_event()
        if event is not None:
            events.append(dict(event))


def add_routes(api: FastAPI) -> None:
    @api.get("/def")
    def synchronous() -> None:
        raise RuntimeError("def")

    @api.get("/async-def")
    async def asynchronous() -> None:
        raise RuntimeError("async-def")

    @api.get("/task")
    def task(tasks: BackgroundTasks) -> None:
        tasks.add_task(fail, "task")

    @api.get("/missing")
    def missing() -> None:
        raise Http404("nothing")


def fail(word: str) -> None:
    raise RuntimeError(word)


async def ask(application: Any, paths: list[str]) -> None:
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for path in paths:
            await client.get(path)


def main(which: str) -> None:
    only_django: dict[str, Any] = {
        "default_integrations": False,
        "auto_enabling_integrations": False,
        "integrations": [DjangoIntegration()],
    }
    sentry_sdk.init(dsn="https://key@localhost/1", transport=Capture(), **(only_django if which == "django" else {}))
    django.setup()
    from django_fastapi import api, get_asgi_application  # noqa: PLC0415 (after `django.setup`)

    add_routes(api)
    application = get_asgi_application()
    asyncio.run(ask(application, ["/def", "/async-def", "/task", "/missing", "/django/crash/"]))
    sentry_sdk.flush()
    print(json.dumps([message_of(event) for event in events]))  # noqa: T201 (for the test that started this)


def message_of(event: dict[str, Any]) -> str:
    values = event.get("exception", {}).get("values", [])
    return str(values[-1]["value"] if values else event.get("logentry"))


if __name__ == "__main__":
    main(sys.argv[1])
