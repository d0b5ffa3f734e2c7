"""Questions asked at the same time are encoded together, and each asker gets their own vector."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from tests.fakes import HashEncoder, put
from vectorstore.batcher import MOST, ROOM, Encoded, QueryBatcher
from vectorstore.errors import EncoderError
from vectorstore.retriever import Retriever
from vectorstore.store import Store
from vectorstore.types import Vector

PATIENCE = 10.0


class SlowEncoder(HashEncoder):
    """Encodes when it is told to, and notes what came together."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[str]] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def encode_query(self, query: str) -> Vector:
        """Encode one query, as a batch of one."""
        return self.encode_queries([query])[0]

    def encode_queries(self, queries: Sequence[str]) -> list[Vector]:
        """Wait, then encode all, or fail if one of them says so."""
        self.batches.append(list(queries))
        self.begun.release()
        assert self.go.acquire(timeout=PATIENCE)
        if "fail" in queries:
            msg = "no memory"
            raise EncoderError(msg)
        return [HashEncoder.encode_query(self, query) for query in queries]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Enough threads for everybody who asks."""
    with ThreadPoolExecutor(40) as pool:
        yield pool


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.002)


class Crowd:
    """Threads that ask one after the other, each once the one before it waits."""

    def __init__(self, threads: ThreadPoolExecutor, batcher: QueryBatcher) -> None:
        self.threads = threads
        self.batcher = batcher

    def ask(self, *queries: str) -> list[Future[Encoded]]:
        """Have every query wait, in this order."""
        asked = []
        for query in queries:
            before = len(self.batcher._waiting)
            asked.append(self.threads.submit(self.batcher.encode, query))
            wait_until(lambda before=before: len(self.batcher._waiting) > before)  # type: ignore[misc]
        return asked


def begin(
    threads: ThreadPoolExecutor, **options: int
) -> tuple[SlowEncoder, QueryBatcher, Crowd, Future[Encoded]]:
    """Return a batcher that is encoding its first question."""
    encoder = SlowEncoder()
    batcher = QueryBatcher(encoder, **options)
    first = threads.submit(batcher.encode, "first")
    assert encoder.begun.acquire(timeout=PATIENCE)
    return encoder, batcher, Crowd(threads, batcher), first


def test_who_asks_alone_waits_for_nobody(threads: ThreadPoolExecutor) -> None:
    """While nothing is encoded, a question is encoded at once and on its own."""
    encoder, _, _, first = begin(threads)
    encoder.go.release()
    found = first.result(PATIENCE)
    assert encoder.batches == [["first"]]
    assert found.waited < 0.5
    assert np.array_equal(found.vector, HashEncoder().encode_query("first"))


def test_what_gathers_meanwhile_is_encoded_together(threads: ThreadPoolExecutor) -> None:
    """Questions that come while one is encoded make one batch, and each gets its own vector."""
    encoder, _, crowd, first = begin(threads)
    queries = [f"question {n}" for n in range(6)]
    asked = crowd.ask(*queries)
    encoder.go.release(2)
    first.result(PATIENCE)
    for query, future in zip(queries, asked, strict=True):
        expected = HashEncoder().encode_query(query)
        assert np.array_equal(future.result(PATIENCE).vector, expected)
    assert encoder.batches == [["first"], queries]


def test_a_batch_has_a_limit(threads: ThreadPoolExecutor) -> None:
    """More questions than fit into one pass are encoded in their order, in several."""
    encoder, _, crowd, _ = begin(threads)
    queries = [f"q{n}" for n in range(MOST + 3)]
    asked = crowd.ask(*queries)
    encoder.go.release(3)
    for future in asked:
        future.result(PATIENCE)
    assert encoder.batches == [["first"], queries[:MOST], queries[MOST:]]


def test_a_long_question_does_not_hold_up_short_ones(threads: ThreadPoolExecutor) -> None:
    """All of a batch are padded to its longest, so a very long question goes alone."""
    encoder, _, crowd, _ = begin(threads)
    long = "x" * (ROOM - 100)
    asked = crowd.ask("a", "b", long, "c", "d")
    encoder.go.release(4)
    for future in asked:
        future.result(PATIENCE)
    assert encoder.batches == [["first"], ["a", "b"], [long], ["c", "d"]]


def test_an_error_reaches_the_callers_of_its_batch_only(threads: ThreadPoolExecutor) -> None:
    """Who was encoded before and after gets a vector, and a question that failed may come again."""
    encoder, batcher, crowd, first = begin(threads)
    failing = crowd.ask("fail", "beside")
    encoder.go.release()
    first.result(PATIENCE)
    encoder.go.release()
    for future in failing:
        with pytest.raises(EncoderError, match="no memory"):
            future.result(PATIENCE)
    encoder.go.release()
    found = threads.submit(batcher.encode, "beside").result(PATIENCE)
    assert np.array_equal(found.vector, HashEncoder().encode_query("beside"))


def test_an_interrupt_is_for_its_own_thread(threads: ThreadPoolExecutor) -> None:
    """Ctrl-C in the thread that encodes ends it; those who waited for it are told, not stuck."""

    class Interrupted(SlowEncoder):
        def encode_queries(self, queries: Sequence[str]) -> list[Vector]:
            found = super().encode_queries(queries)
            if "stop" in queries:
                raise KeyboardInterrupt
            return found

    encoder = Interrupted()
    batcher = QueryBatcher(encoder)
    first = threads.submit(batcher.encode, "first")
    asked = Crowd(threads, batcher).ask("stop", "other")
    encoder.go.release(2)
    first.result(PATIENCE)
    ended = [future.exception(PATIENCE) for future in asked]
    assert sorted(type(error).__name__ for error in ended) == ["KeyboardInterrupt", "RuntimeError"]
    encoder.go.release()
    assert threads.submit(batcher.encode, "after").result(PATIENCE)


def test_the_same_question_is_encoded_once(threads: ThreadPoolExecutor) -> None:
    """Who asks what is being encoded, or was a moment ago, shares the vector, read-only."""
    encoder, batcher, _, first = begin(threads)
    second = threads.submit(batcher.encode, "first")
    encoder.go.release()
    vector = first.result(PATIENCE).vector
    assert second.result(PATIENCE).vector is vector
    assert batcher.encode("first").vector is vector
    assert encoder.batches == [["first"]]
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 1.0


def test_the_oldest_vectors_are_forgotten() -> None:
    """Of more questions than are kept, the one that was not asked for longest is encoded again."""
    encoder = SlowEncoder()
    encoder.go.release(10)
    batcher = QueryBatcher(encoder, kept=2)
    for query in ("a", "b", "a", "c", "a", "b"):
        batcher.encode(query)
    assert encoder.batches == [["a"], ["b"], ["c"], ["b"]]


def test_without_batching_each_is_encoded_alone(threads: ThreadPoolExecutor) -> None:
    """With most=1 and several passes, questions are encoded at the same time, none together."""
    encoder, batcher, _, first = begin(threads, most=1, kept=0, passes=2)
    other = threads.submit(batcher.encode, "other")
    assert encoder.begun.acquire(timeout=PATIENCE)
    encoder.go.release(2)
    assert first.result(PATIENCE)
    assert other.result(PATIENCE)
    assert sorted(encoder.batches) == [["first"], ["other"]]


def test_batching_follows_the_encoder(store: Store) -> None:
    """Vectors of the former encoder are forgotten in the moment of the switch."""

    class Mirrored(HashEncoder):
        def encode_query(self, query: str) -> Vector:
            return super().encode_query(query)[::-1].copy()

    put(store, "a", "Penguins eat krill.")
    retriever = Retriever(store, HashEncoder())
    before = retriever.retrieve("penguins", 1).query_vector
    assert retriever.retrieve("penguins", 1).query_vector is before
    retriever.encoder = Mirrored()
    assert np.array_equal(retriever.retrieve("penguins", 1).query_vector, before[::-1])


@pytest.mark.parametrize("batching", [True, False])
def test_batching_can_be_switched_off(
    store: Store, threads: ThreadPoolExecutor, batching: bool
) -> None:
    """The same passages come with it and without, and without it nothing is encoded together."""
    put(store, "a", "Penguins eat krill.", "Seals eat penguins.")
    encoder = SlowEncoder()
    retriever = Retriever(store, encoder, batching=batching)
    queries = [f"penguins {n}" for n in range(12)]
    asked = [threads.submit(retriever.retrieve, query, 2) for query in queries]
    wait_until(lambda: len(retriever._queries._underway) == 12)
    encoder.go.release(20)
    for future in asked:
        found = future.result(PATIENCE)
        assert len(found.passages) == 2
        assert min(found.timings.values()) >= 0
    assert (max(map(len, encoder.batches)) > 1) == batching
