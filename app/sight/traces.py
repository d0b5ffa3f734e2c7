"""Traces of requests and answers: the only file that imports opentelemetry.

It is imported only where CITEWELL_OTLP_ENDPOINT is set. Spans are sent by a thread of the SDK,
which drops them where nobody takes them; no request waits for it or fails with it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

PATIENCE = 5.0  # seconds for one attempt to send
LAST_PATIENCE = 2.0  # seconds that the end of the service waits for what is left
# What follows is composing the answer.
STAGES = ("rewrite", "wait", "encode", "retrieve", "rerank")
_PROPAGATOR = TraceContextTextMapPropagator()


class Traces:
    """Spans of requests, with the stages of an answer below the request that asked for it.

    Args:
        processor: What takes the finished spans.
    """

    def __init__(self, processor: SpanProcessor) -> None:
        resource = Resource.create(
            {"service.name": "citewell", "service.version": version("citewell")}
        )
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("citewell")

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """Have a span around what serves a request, below the caller's own if it names one."""
        caller = _PROPAGATOR.extract({"traceparent": headers.get("traceparent", "")})
        with self._tracer.start_as_current_span(
            method, caller, SpanKind.SERVER, record_exception=False
        ) as span:
            yield span

    def end_request(self, span: Span, seen: Mapping[str, Any]) -> None:
        """Write down what a request was."""
        span.update_name(f"{seen['method']} {seen['route']}")
        span.set_attributes(
            {
                "http.request.method": seen["method"],
                "http.route": seen["route"],
                "http.response.status_code": seen["status"],
                "citewell.request_id": seen["request_id"],
                "citewell.first_byte_ms": seen["first_byte_ms"] or 0.0,
            }
        )
        if seen["status"] >= 500:
            span.set_status(Status(StatusCode.ERROR))

    def answer(self, answer: Mapping[str, Any], ended: int) -> None:
        """Add the spans of an answer that has just ended, below the current span.

        Args:
            answer: Its JSON; its timings say how long each stage took, one after the other.
            ended: In nanoseconds since 1970.
        """
        timings = answer["timings_ms"]
        start = ended - _nanoseconds(timings.get("total", 0.0))
        whole = self._tracer.start_span("answer", start_time=start)
        whole.set_attributes(
            {
                "citewell.answer_id": answer["id"],
                "citewell.outcome": answer["outcome"],
                "citewell.sentences": len(answer["sentences"]),
                "citewell.degraded": len(answer["degraded"]),
            }
        )
        inside = set_span_in_context(whole)
        moment = start
        for stage in STAGES:
            if stage in timings:
                span = self._tracer.start_span(stage, inside, start_time=moment)
                moment = min(ended, moment + _nanoseconds(timings[stage]))
                span.end(moment)
        if "first_sentence" in timings:
            first = start + _nanoseconds(timings["first_sentence"])
            whole.add_event("first sentence", timestamp=first)
        self._tracer.start_span("compose", inside, start_time=moment).end(ended)
        whole.end(ended)

    def close(self) -> None:
        """Send what is left, within a short time."""
        last = threading.Thread(target=self._provider.shutdown, daemon=True)
        last.start()
        last.join(LAST_PATIENCE)


def traces_to(endpoint: str) -> Traces:
    """Return traces that are sent to an endpoint; a scheme of http means without TLS."""
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=PATIENCE)
    return Traces(BatchSpanProcessor(exporter))


def _nanoseconds(milliseconds: float) -> int:
    return round(milliseconds * 1e6)
