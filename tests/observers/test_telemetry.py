"""OpenTelemetry sees an unhandled exception once: by what FastAPI has built in, and by the instrumentation for it."""

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pytest_django import Settings
from starlette.types import ASGIApp

from django_fastapi.registry import APIRegistry
from tests.conftest import fetch


class Tracing(TracerProvider):
    """A provider that keeps the spans."""

    def __init__(self) -> None:
        super().__init__()
        self._spans = InMemorySpanExporter()
        self.add_span_processor(SimpleSpanProcessor(self._spans))

    def server_span(self) -> ReadableSpan:
        [span] = [span for span in self._spans.get_finished_spans() if span.kind is SpanKind.SERVER]
        return span


@pytest.fixture(params=[True, False], ids=["debug", "no debug"])
def serve(
    request: pytest.FixtureRequest, registry: APIRegistry, build: Callable[[], ASGIApp], settings: Settings
) -> Callable[[FastAPI], ASGIApp]:
    """Give a function that builds a site of an API that breaks, with and without `DEBUG`."""
    settings.DEBUG = request.param

    def serve_api(api: FastAPI) -> ASGIApp:
        registry.set_default(api)
        break_in(api)
        return build()

    return serve_api


def break_in(api: FastAPI) -> None:
    @api.get("/def")
    def synchronous() -> None:
        raise RuntimeError("broken")

    @api.get("/async-def")
    async def asynchronous() -> None:
        raise RuntimeError("broken")


@pytest.mark.parametrize("path", ["/def", "/async-def"])
def test_what_fastapi_has_built_in_sees_it_once(serve: Callable[[FastAPI], ASGIApp], path: str) -> None:
    tracing, logging, logs = Tracing(), LoggerProvider(), InMemoryLogRecordExporter()
    logging.add_log_record_processor(SimpleLogRecordProcessor(logs))
    api = FastAPI(telemetry={"tracer_provider": tracing, "logger_provider": logging, "metrics": False})
    assert fetch(serve(api), path).status_code == 500
    assert tracing.server_span().status.status_code is StatusCode.ERROR
    [record] = logs.get_finished_logs()
    assert record.log_record.event_name == "http.server.request.exception"


@pytest.mark.parametrize("path", ["/def", "/async-def"])
def test_the_instrumentation_sees_it_once(serve: Callable[[FastAPI], ASGIApp], path: str) -> None:
    tracing, api = Tracing(), FastAPI()
    FastAPIInstrumentor.instrument_app(api, tracer_provider=tracing)
    assert fetch(serve(api), path).status_code == 500
    span = tracing.server_span()
    assert span.status.status_code is StatusCode.ERROR
    assert [event.name for event in span.events] == ["exception"]
