"""What Prometheus reads of the service."""

from __future__ import annotations

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.sight.metrics import Condition, Metrics
from tests.kept import body

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(metrics: Metrics) -> Samples:
    """Return every sample as a Prometheus server parses it."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture
def metrics() -> Metrics:
    """The metrics of a service that is open."""
    return Metrics(lambda: Condition(3, 18, 100, True))


def test_stages_fall_into_their_buckets(metrics: Metrics) -> None:
    """Each timing is counted in seconds; one that is no stage of ours is left out."""
    timings = {"encode": 4.0, "retrieve": 0.4, "total": 20_000.0, "steep": 1.0}
    metrics.answer(body("q1", "Why?", "not_found", timings))
    found = read(metrics)

    def bucket(stage: str, le: str) -> float:
        return found["citewell_stage_seconds_bucket", (("le", le), ("stage", stage))]

    assert (bucket("encode", "0.0025"), bucket("encode", "0.005")) == (0, 1)
    assert bucket("retrieve", "0.001") == 1
    assert (bucket("total", "10.0"), bucket("total", "+Inf")) == (0, 1)
    assert found["citewell_stage_seconds_sum", (("stage", "total"),)] == 20.0
    assert found["citewell_stage_seconds_count", (("stage", "first_sentence"),)] == 0
    assert not [labels for _, labels in found if ("stage", "steep") in labels]
    assert found["citewell_answers_total", (("outcome", "not_found"),)] == 1
    assert found["citewell_answers_total", (("outcome", "answered"),)] == 0


def test_what_a_chat_model_did_is_counted(metrics: Metrics) -> None:
    """Tokens are counted by direction, sentences by how they are supported."""
    told = body("q1", "Why?")
    used = {"model": "openai:m", "input_tokens": 900, "output_tokens": 40}
    metrics.answer(told)
    metrics.answer({**told, "generation": used})
    found = read(metrics)
    assert found["citewell_model_tokens_total", (("direction", "read"),)] == 900
    assert found["citewell_model_tokens_total", (("direction", "written"),)] == 40
    assert found["citewell_sentences_total", (("support", "verbatim"),)] == 2


def test_requests_are_counted_by_route_and_class(metrics: Metrics) -> None:
    """A status counts in its class, and a method that nobody knows as another."""
    metrics.request("GET", "/a/{id}", 200, 0.01)
    metrics.request("GET", "/a/{id}", 204, 0.02)
    metrics.request("PURGE", "other", 405, None)
    found = read(metrics)
    name = "citewell_requests_total"
    assert found[name, (("method", "GET"), ("route", "/a/{id}"), ("status", "2xx"))] == 2
    assert found[name, (("method", "other"), ("route", "other"), ("status", "4xx"))] == 1
    assert found["citewell_first_byte_seconds_count", (("route", "/a/{id}"),)] == 2
    assert ("citewell_first_byte_seconds_count", (("route", "other"),)) not in found


def test_refusals_are_counted_by_reason(metrics: Metrics) -> None:
    """Each reason is there from the first reading on, so that a rate can be told."""
    metrics.refusal("limit")
    found = read(metrics)
    counts = {
        r: found["citewell_refusals_total", (("reason", r),)] for r in ("busy", "limit", "auth")
    }
    assert counts == {"busy": 0, "limit": 1, "auth": 0}


def test_gauges_are_read_when_they_are_asked_for() -> None:
    """Load, counts and the index's state are those of the moment; unknown ones are left out."""
    now = [Condition(3, 18, 100, True)]
    metrics = Metrics(lambda: now[0])
    found = read(metrics)
    names = ("answers_in_the_making", "articles", "chunks", "index_degraded")
    assert [found[f"citewell_{name}", ()] for name in names] == [3, 18, 100, 1]
    now[0] = Condition(0)
    found = read(metrics)
    assert found["citewell_answers_in_the_making", ()] == 0
    assert ("citewell_articles", ()) not in found


def test_the_process_is_measured(metrics: Metrics) -> None:
    """Memory and CPU time of the process are there."""
    found = read(metrics)
    assert found["process_resident_memory_bytes", ()] > 1e6
    assert math.isfinite(found["process_cpu_seconds_total", ()])


def test_two_services_count_apart() -> None:
    """Each has a registry of its own."""
    one, other = (Metrics(lambda: Condition(0)) for _ in range(2))
    one.refusal("auth")
    assert read(other)["citewell_refusals_total", (("reason", "auth"),)] == 0
