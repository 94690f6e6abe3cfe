"""Whether somebody wants to hear of requests is found out once a second."""

from typing import Any

import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from django_fastapi import telemetry
from django_fastapi.telemetry import SECONDS, Telemetry

from .conftest import fetch


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(telemetry, "time", clock)
    return clock


@pytest.fixture
def api() -> FastAPI:
    api = FastAPI()
    api.get("/")(lambda: "here")
    return api


def count_questions(api: FastAPI, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    native: Any = vars(api)["_native_telemetry"]
    enabled, answers = native.enabled, []

    def ask() -> bool:
        answers.append(enabled())
        return answers[-1]

    monkeypatch.setattr(native, "enabled", ask)
    return answers


def test_nobody_is_asked_again_within_a_second(api: FastAPI, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = count_questions(api, monkeypatch)
    app = Telemetry(api)
    for _ in range(3):
        assert fetch(app, "/").json() == "here"
    assert answers == [False]
    clock.now += SECONDS
    assert fetch(app, "/").json() == "here"
    assert answers == [False, False]


def test_a_provider_that_is_set_later_is_told_after_a_second(api: FastAPI, clock: Clock) -> None:
    app, spans, provider = Telemetry(api), InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    fetch(app, "/")
    native: Any = vars(api)["_native_telemetry"]
    native.config["tracer_provider"] = provider
    fetch(app, "/")
    assert not spans.get_finished_spans()
    clock.now += SECONDS
    fetch(app, "/")
    assert "GET /" in [span.name for span in spans.get_finished_spans()]


def test_a_fastapi_without_it_is_left_alone(api: FastAPI) -> None:
    plain = FastAPI()
    plain.get("/")(lambda: "plain")
    del vars(plain)["_native_telemetry"]
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await api(scope, receive, send)

    around = Telemetry(plain)
    around.app = app
    assert fetch(around, "/").json() == "here"
    assert "fastapi.telemetry" not in scopes[0]
