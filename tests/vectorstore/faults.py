"""Faults that tests make in a store, and the check that it is whole again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from tests.fakes import HashEncoder
from vectorstore.retriever import Retriever
from vectorstore.store import Store
from vectorstore.types import Encoder, Vector

OpenStore = Callable[..., Store]

OLD = ("Glaciers in the Alps lose ice.", "Shared paragraph about rivers.")
NEW = ("Volcanoes in Iceland erupt often.", "Shared paragraph about rivers.")


class Fault(Exception):
    """What the tests raise in the middle of a change."""


class Bomb:
    """Raises at the nth time a step is passed, once armed."""

    def __init__(self, step: str, occurrence: int = 1, armed: bool = False) -> None:
        self.step = step
        self.left = occurrence
        self.armed = armed
        self.fired = False

    def __call__(self, step: str) -> None:
        """Count a step and raise when it is the one."""
        if self.armed and step == self.step:
            self.left -= 1
            if self.left == 0:
                self.fired = True
                raise Fault(step)


class Gate:
    """Holds whoever comes to a step until it is opened."""

    def __init__(self, step: str) -> None:
        self.step = step
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, step: str) -> None:
        """Wait at the step."""
        if step == self.step and not self.opened.is_set():
            self.reached.set()
            assert self.opened.wait(60)


class ReversedEncoder(HashEncoder):
    """Another encoder: the same counts in the opposite order, so that cosines stay the same."""

    fingerprint = "reversed-256"

    def encode_query(self, query: str) -> Vector:
        """Return the query's hashed word counts, last first."""
        return super().encode_query(query)[::-1].copy()


def texts(store: Store, query: str, encoder: Encoder | None = None) -> list[str]:
    """Return the texts that are found for a query, best first."""
    found = Retriever(store, encoder or HashEncoder()).retrieve(query, 20)
    return [passage.chunk.text for passage in found.passages]


def check_whole(store: Store) -> None:
    """Check that every index holds the catalogue's chunks and nothing is pending.

    Chroma alone may hold more: what readers no longer see is left out of its next generation.
    """
    store.settle()
    numbers = {number for number, _ in store.catalogue.chunk_numbers()}
    assert store.vectors.dense is not None
    assert store.vectors.dense.numbers() >= numbers
    assert store.vectors.exact.numbers() == numbers
    assert store.lexical.numbers() == numbers
    assert set(store.catalogue.followers()) == {"lexical", *store.vectors.followers}
    for follower in store.catalogue.followers():
        assert store.catalogue.pending(follower, 10) == []
    assert {row.number for row in store.catalogue.placed(sorted(numbers))} == numbers


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in another process, from the repository's root."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
