"""What a Prometheus server reads: the only file that imports prometheus_client.

Every label has few values: routes are templates, methods and reasons are of a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST
STAGES = (
    "wait",
    "rewrite",
    "encode",
    "retrieve",
    "rerank",
    "generate",
    "first_sentence",
    "total",
)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REASONS = ("busy", "limit", "auth")
OUTCOMES = ("answered", "partial", "not_found")
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

# Nobody asks when a series began, and these would double what is read.
disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Condition:
    """How the service stands; counts are None while its store is not open."""

    load: int
    articles: int | None = None
    chunks: int | None = None
    degraded: bool | None = None


class Metrics:
    """The measures of one service, in a registry of its own.

    Args:
        condition: Tells how the service stands when the metrics are read.
    """

    def __init__(self, condition: Callable[[], Condition]) -> None:
        self._registry = CollectorRegistry()
        self._stages = Histogram(
            "citewell_stage_seconds",
            "How long a stage of an answer took; total is the whole answer.",
            ("stage",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._answers = Counter(
            "citewell_answers", "Finished answers.", ("outcome",), registry=self._registry
        )
        self._sentences = Counter(
            "citewell_sentences",
            "Sentences of finished answers, by how they are supported.",
            ("support",),
            registry=self._registry,
        )
        self._tokens = Counter(
            "citewell_model_tokens",
            "Tokens that the chat model read and wrote, as its provider counts them.",
            ("direction",),
            registry=self._registry,
        )
        self._refusals = Counter(
            "citewell_refusals",
            "Requests refused: too many wait (busy), a share is used up (limit), or whoever "
            "asks may not (auth).",
            ("reason",),
            registry=self._registry,
        )
        self._requests = Counter(
            "citewell_requests",
            "Requests by route and class of status.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._first_byte = Histogram(
            "citewell_first_byte_seconds",
            "How long until the reply to a request began.",
            ("route",),
            buckets=SECONDS,
            registry=self._registry,
        )
        for stage in STAGES:
            self._stages.labels(stage)
        for outcome in OUTCOMES:
            self._answers.labels(outcome)
        for reason in REASONS:
            self._refusals.labels(reason)
        ProcessCollector(registry=self._registry)
        self._registry.register(_Gauges(condition))

    def answer(self, answer: Mapping[str, Any]) -> None:
        """Count a finished answer, by its JSON."""
        self._answers.labels(answer["outcome"]).inc()
        for stage, milliseconds in answer["timings_ms"].items():
            if stage in STAGES:
                self._stages.labels(stage).observe(milliseconds / 1e3)
        for sentence in answer["sentences"]:
            self._sentences.labels(sentence["support"]).inc()
        if generation := answer.get("generation"):  # answers kept before have none
            self._tokens.labels("read").inc(generation["input_tokens"])
            self._tokens.labels("written").inc(generation["output_tokens"])

    def request(self, method: str, route: str, status: int, first_byte: float | None) -> None:
        """Count a request; `first_byte` is in seconds, None where nothing was replied."""
        known = method if method in METHODS else "other"
        self._requests.labels(known, route, f"{status // 100}xx").inc()
        if first_byte is not None:
            self._first_byte.labels(route).observe(first_byte)

    def refusal(self, reason: str) -> None:
        """Count a refusal for one of REASONS."""
        self._refusals.labels(reason).inc()

    def exposition(self) -> bytes:
        """Return all measures in Prometheus' text format."""
        return generate_latest(self._registry)


class _Gauges(Collector):
    """What is read from the service when it is asked for; nothing is kept."""

    def __init__(self, condition: Callable[[], Condition]) -> None:
        self._condition = condition

    def collect(self) -> Iterable[GaugeMetricFamily]:
        now = self._condition()
        told = (
            ("citewell_answers_in_the_making", "Answers being made or waited for.", now.load),
            ("citewell_articles", "Articles that readers can find.", now.articles),
            ("citewell_chunks", "Chunks of these articles.", now.chunks),
            (
                "citewell_index_degraded",
                "Whether readers do without an index at the moment (1) or not (0).",
                now.degraded,
            ),
        )
        for name, meaning, value in told:
            if value is not None:
                yield GaugeMetricFamily(name, meaning, float(value))
