"""Whether somebody wants to hear of requests is found out once a second."""

from collections.abc import Callable
from typing import Any

import fastapi.routing
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from django_fastapi import telemetry
from django_fastapi.telemetry import SECONDS, Telemetry, spare_lookups

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
    spare_lookups()
    app, spans, provider = Telemetry(api), InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    fetch(app, "/")
    native: Any = vars(api)["_native_telemetry"]
    native.config["tracer_provider"] = provider
    fetch(app, "/")
    assert not spans.get_finished_spans()
    clock.now += SECONDS
    fetch(app, "/")
    assert {"GET /", "fastapi.endpoint"} <= {span.name for span in spans.get_finished_spans()}


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which of the two names in `fastapi.routing` were asked whether a trace is written."""
    names = vars(fastapi.routing)
    lookups: list[str] = []

    def count(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def counted(**options: Any) -> Any:
            lookups.append(name)
            return original(**options)

        return counted

    for attribute, name in (("_operation", "_operation"), ("_get_data", "get_telemetry_data")):
        original = getattr(telemetry, attribute)
        monkeypatch.setitem(names, name, count(name, original))
        monkeypatch.setattr(telemetry, attribute, names[name])
    return lookups


def test_two_names_of_fastapis_routing_are_asked_for_a_trace(api: FastAPI, lookups: list[str]) -> None:
    assert fetch(api, "/").json() == "here"
    assert lookups == ["get_telemetry_data", "_operation", "_operation"]


def test_nobody_is_asked_for_a_trace_that_is_not_written(api: FastAPI, lookups: list[str]) -> None:
    spare_lookups()
    assert fetch(Telemetry(api), "/").json() == "here"
    assert lookups == []
    assert fetch(api, "/").json() == "here"  # an application that is not ours
    assert len(lookups) == 3


def test_an_application_outside_that_writes_a_trace_is_heard(api: FastAPI, lookups: list[str]) -> None:
    spare_lookups()
    around = Telemetry(api)

    async def outside(scope: Any, receive: Any, send: Any) -> None:
        await around({**scope, "fastapi.telemetry": object()}, receive, send)

    assert fetch(outside, "/").json() == "here"
    assert len(lookups) == 3


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
