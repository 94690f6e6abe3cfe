"""Whether somebody wants to hear of requests is found out once a second."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from django_fastapi import telemetry
from django_fastapi.telemetry import SECONDS, Lookups, Telemetry, spare_lookups

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
def looked_for() -> Iterator[list[str]]:
    """By which two names of `fastapi.routing` a trace was looked for."""
    looked_for: list[str] = []

    def count(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def counted(**options: Any) -> Any:
            looked_for.append(name)
            return original(**options)

        return counted

    with pytest.MonkeyPatch.context() as patch:
        for name in ("begin_operation", "get_telemetry_data"):
            patch.setattr(telemetry, name, count(name, getattr(telemetry, name)))
        Lookups().restore()
        yield looked_for
    Lookups().restore()


@pytest.fixture
def lookups() -> Iterator[Lookups]:
    """Give the lookups of a process that has had no trace."""
    yield Lookups()
    Lookups().restore()


def make_traced_api(spans: InMemorySpanExporter) -> FastAPI:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    api = FastAPI(telemetry={"tracer_provider": provider})
    api.get("/")(lambda: "traced")
    return api


def names_of(spans: InMemorySpanExporter) -> set[str]:
    return {span.name for span in spans.get_finished_spans()}


def test_two_names_of_fastapis_routing_are_asked_for_a_trace(api: FastAPI, looked_for: list[str]) -> None:
    assert fetch(api, "/").json() == "here"
    assert looked_for == ["get_telemetry_data", "begin_operation", "begin_operation"]


def test_nobody_looks_for_a_trace_before_there_is_one(api: FastAPI, looked_for: list[str], lookups: Lookups) -> None:
    lookups.spare()
    assert fetch(Telemetry(api), "/").json() == "here"
    assert fetch(api, "/").json() == "here"
    assert looked_for == []


def test_the_first_trace_of_a_process_is_whole(api: FastAPI, looked_for: list[str], lookups: Lookups) -> None:
    lookups.spare()
    spans = InMemorySpanExporter()
    fetch(api, "/")
    assert fetch(make_traced_api(spans), "/").json() == "traced"  # an application that is not ours
    assert {"GET /", "fastapi.dependencies", "fastapi.endpoint", "fastapi.serialization"} <= names_of(spans)
    assert "get_telemetry_data" in looked_for


def test_after_the_first_trace_nothing_is_spared_again(api: FastAPI, looked_for: list[str], lookups: Lookups) -> None:
    lookups.spare()
    fetch(make_traced_api(InMemorySpanExporter()), "/")
    lookups.spare()
    looked_for.clear()
    fetch(Telemetry(api), "/")
    assert len(looked_for) == 3


def test_a_traced_application_inside_of_a_request_without_a_trace_is_heard(lookups: Lookups) -> None:
    lookups.spare()
    spans, outer = InMemorySpanExporter(), FastAPI()
    traced = make_traced_api(spans)

    @outer.get("/")
    async def ask() -> Any:
        async with AsyncClient(transport=ASGITransport(traced), base_url="http://inner") as client:
            return (await client.get("/")).json()

    assert fetch(Telemetry(outer), "/").json() == "traced"
    assert {"GET /", "fastapi.endpoint"} <= names_of(spans)


def test_an_application_outside_that_writes_a_trace_is_heard(
    api: FastAPI, looked_for: list[str], lookups: Lookups
) -> None:
    lookups.spare()
    spans = InMemorySpanExporter()
    outside = make_traced_api(spans)
    outside.mount("/inside", Telemetry(api))
    assert fetch(outside, "/inside/").json() == "here"
    assert len(looked_for) == 3
    assert "fastapi.endpoint" in names_of(spans)


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
