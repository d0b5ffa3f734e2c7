"""Spans of requests and answers, as a collector gets them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as rpc
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.sight.traces import Traces, traces_to
from tests.kept import body

ROOT = Path(__file__).parents[3]
TIMINGS = {"wait": 1.0, "encode": 5.0, "retrieve": 2.0, "first_sentence": 9.0, "total": 10.0}
SEEN = {
    "method": "POST",
    "route": "/api/v1/answers",
    "status": 200,
    "request_id": "r1",
    "first_byte_ms": 3.5,
}
SECOND = 1_000_000_000  # nanoseconds


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """What takes the spans."""
    return InMemorySpanExporter()


@pytest.fixture
def traces(exporter: InMemorySpanExporter) -> Iterator[Traces]:
    """Traces into memory."""
    made = Traces(SimpleSpanProcessor(exporter))
    yield made
    made.close()


def named(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    """Return the finished spans by name."""
    return {span.name: span for span in exporter.get_finished_spans()}


def test_an_answer_lies_below_its_request(traces: Traces, exporter: InMemorySpanExporter) -> None:
    """Stages follow each other within the answer, the answer is a child of the request."""
    ended = time.time_ns()
    with traces.request("POST", {}) as span:
        traces.answer(body("q1", "Why so secret?", timings=TIMINGS), ended)
        traces.end_request(span, SEEN)
    found = named(exporter)
    assert found.keys() == {
        "wait", "encode", "retrieve", "compose", "answer", "POST /api/v1/answers",
    }  # fmt: skip
    request, answer = found["POST /api/v1/answers"], found["answer"]
    assert answer.parent is not None
    assert answer.parent.span_id == request.get_span_context().span_id
    assert (answer.end_time, answer.start_time) == (ended, ended - 10_000_000)
    moment = answer.start_time
    for stage, milliseconds in (("wait", 1), ("encode", 5), ("retrieve", 2), ("compose", 2)):
        span = found[stage]
        assert span.parent is not None
        assert span.parent.span_id == answer.get_span_context().span_id
        assert (span.start_time, span.end_time) == (moment, moment + milliseconds * 1_000_000)
        moment = span.end_time
    assert [event.name for event in answer.events] == ["first sentence"]
    assert request.attributes is not None
    assert request.attributes["http.route"] == "/api/v1/answers"
    told = "".join(each.to_json() for each in exporter.get_finished_spans())
    assert "secret" not in told


def test_a_failed_request_is_marked(traces: Traces, exporter: InMemorySpanExporter) -> None:
    """A status of 500 makes the span an error; one of 404 does not."""
    for status in (500, 404):
        with traces.request("GET", {}) as span:
            traces.end_request(span, {**SEEN, "status": status, "first_byte_ms": None})
    assert [span.status.is_ok for span in exporter.get_finished_spans()] == [False, True]


def test_a_callers_trace_goes_on(traces: Traces, exporter: InMemorySpanExporter) -> None:
    """A request that names its trace becomes a part of it; one that names nonsense does not."""
    for header in (f"00-{'a' * 32}-{'b' * 16}-00", "nonsense"):
        with traces.request("GET", {"traceparent": header}):
            pass
    first, second = exporter.get_finished_spans()
    assert first.get_span_context().trace_id == int("a" * 32, 16)
    assert first.parent is not None
    assert second.parent is None


class Collector(rpc.TraceServiceServicer):
    """Keeps the names of the spans it is sent."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def Export(self, request: service.ExportTraceServiceRequest, _: object) -> object:
        """Take spans."""
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.names += [span.name for span in scope.spans]
        return service.ExportTraceServiceResponse()


def test_spans_are_sent_to_the_endpoint() -> None:
    """Whoever listens at the endpoint (OTLP over gRPC) has every span when we have closed."""
    collector = Collector()
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        rpc.add_TraceServiceServicer_to_server(collector, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        traces = traces_to(f"http://127.0.0.1:{port}")
        traces.answer(body("q1", "Why?", timings=TIMINGS), time.time_ns())
        traces.close()
        server.stop(None).wait()
    assert collector.names == ["wait", "encode", "retrieve", "compose", "answer"]


def test_nobody_waits_for_a_collector_that_is_not_there() -> None:
    """Spans that nobody takes cost no request anything, and closing takes a short time."""
    traces = traces_to("http://127.0.0.1:1")
    start = time.monotonic()
    for _ in range(100):
        with traces.request("GET", {}) as span:
            traces.end_request(span, SEEN)
    assert time.monotonic() - start < 1
    traces.close()
    assert time.monotonic() - start < 4


def test_nothing_is_imported_without_an_endpoint() -> None:
    """A service that sends no traces loads neither the SDK nor the exporter.

    (The small API is loaded by FastAPI.)
    """
    code = (
        "import sys; from app.sight.sight import Sight; from app.settings import Settings\n"
        "Sight(Settings(), lambda: None)\n"
        "heavy = 'opentelemetry.sdk', 'opentelemetry.exporter', 'grpc', 'app.sight.traces'\n"
        "assert not [name for name in sys.modules if name.startswith(heavy)]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
