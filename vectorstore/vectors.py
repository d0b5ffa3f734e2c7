"""Nearest chunks: Chroma's graph, and every vector compared where the graph is not enough.

The graph answers over many chunks, while it is whole and only collections decide who sees what.
Exact search answers over few, under every other filter, where hidden records would crowd out
visible ones, and while the graph is being built anew.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path

from vectorstore.catalogue import Catalogue
from vectorstore.dense import DenseIndex
from vectorstore.exact import ExactIndex
from vectorstore.reader import OutboxEntry
from vectorstore.steps import Step
from vectorstore.types import Filter, Vector

GROUP = 2_000  # records that are read from the catalogue at once
FEW = 10_000  # chunks; so many are compared as fast as the graph is walked, and none is missed
MANY = 4  # collections; their graphs are walked one after the other
ROUNDS = 3  # of a build, each taking in what was published during the one before
WASTE = 0.25  # share of hidden records in the graph above which it is built anew
LEAST_WASTE = 1_000

Emit = Callable[[int, int], None]


class Vectors:
    """The vectors of an open store; one thread at a time may change them."""

    def __init__(self, root: Path, catalogue: Catalogue, on_step: Step) -> None:
        self.root = root
        self._catalogue = catalogue
        self._on_step = on_step
        self.exact = ExactIndex.load(catalogue)
        self.dense: DenseIndex | None = None
        generation = catalogue.facts().get("dense_generation", "")
        if generation and DenseIndex.is_clean(root, generation):
            self.dense = DenseIndex(root, generation, on_step)
        DenseIndex.discard(root, keep=[generation] if self.dense else [])

    # -- following the outbox ------------------------------------------------------------

    @property
    def followers(self) -> list[str]:
        """The names under which the outbox keeps this index's place."""
        return [follower_name(self.dense.generation)] if self.dense else []

    def follow(self) -> None:
        """Take in what was staged: hidden in memory, and in the graph if there is one."""
        unknown = self.exact.unknown(self._catalogue.staged_numbers())
        self.exact.learn(*self._catalogue.embeddings(unknown))
        if self.dense is not None:
            self._apply(self.dense)

    def _apply(self, index: DenseIndex) -> None:
        follower = follower_name(index.generation)
        while entries := self._catalogue.pending(follower, GROUP):
            for collection, numbers in _added(entries):
                # Chroma may lose a record that it is given again (bench/chroma_7758.py).
                fresh = [number for number in numbers if number not in index.held]
                index.add(collection, *self._catalogue.embeddings(fresh))
            self._on_step("dense: applied")
            self._catalogue.acknowledge(follower, entries[-1].seq)

    # -- search --------------------------------------------------------------------------

    def search(self, vector: Vector, top_k: int, condition: Filter) -> list[tuple[int, float]]:
        """Return (number, cosine) of the nearest chunks that the filter lets through."""
        index = self.dense
        visible = self.exact.count(condition)
        if (
            index is None
            or visible <= FEW
            or not condition.by_collection_only
            or len(names := index.collections(condition.collections)) > MANY
        ):
            return self.exact.search(vector, top_k, condition)
        spare = int(top_k * self.wasted) + 10 if self.wasted else 0
        hits = index.search(vector, top_k + min(spare, top_k), names)
        seen = set(self.exact.seen((number for number, _ in hits), condition))
        found = [hit for hit in hits if hit[0] in seen][:top_k]
        if len(found) < min(top_k, visible):
            return self.exact.search(vector, top_k, condition)  # crowded out by hidden ones
        return found

    @property
    def wasted(self) -> float:
        """The share of the graph's records that readers do not see."""
        if self.dense is None or not self.dense.size:
            return 0.0
        return max(0.0, 1.0 - self.exact.count(Filter()) / self.dense.size)

    @property
    def wasteful(self) -> bool:
        """Whether the graph holds so many hidden records that it should be built anew."""
        size = self.dense.size if self.dense else 0
        return self.wasted > WASTE and self.wasted * size >= LEAST_WASTE

    # -- another generation --------------------------------------------------------------

    def build(self, encoder: int, emit: Emit, stopping: Callable[[], bool]) -> DenseIndex | None:
        """Build a generation beside the one in use; None if it was told to stop.

        It is whole on disk when this returns, but for what was published meanwhile.
        """
        index = DenseIndex(self.root, uuid.uuid4().hex[:8], self._on_step)
        self._on_step("rebuild: begun")
        for _ in range(ROUNDS):
            if self._fill(index, encoder, emit, stopping) <= GROUP:
                break
        index.close()
        if stopping():
            return None
        self._on_step("rebuild: whole")
        return DenseIndex(self.root, index.generation, self._on_step)

    def _fill(
        self, index: DenseIndex, encoder: int, emit: Emit, stopping: Callable[[], bool]
    ) -> int:
        """Add every chunk that a generation lacks; return how many there were to add."""
        numbers = sorted(self._catalogue.chunk_numbers(), key=itemgetter(1))
        lacking = [row for row in numbers if row[0] not in index.held]
        done = len(numbers) - len(lacking)
        for collection, rows in groupby(lacking, key=itemgetter(1)):
            for batch in _batches([number for number, _ in rows]):
                if stopping():
                    return 0
                index.add(collection, *self._catalogue.embeddings(batch, encoder))
                done += len(batch)
                emit(done, len(numbers))
                self._on_step("rebuild: batch added")
        return len(lacking)

    def catch_up(self, index: DenseIndex, encoder: int) -> None:
        """Bring a built generation up to the catalogue; nothing may be published meanwhile."""
        self._fill(index, encoder, lambda _done, _total: None, lambda: False)
        self._catalogue.acknowledge(follower_name(index.generation))

    def adopt(self, index: DenseIndex, exact: ExactIndex) -> DenseIndex | None:
        """Put a built generation in place and return the one it replaces, which is open."""
        old, self.dense, self.exact = self.dense, index, exact
        return old

    def discard(self) -> None:
        """Delete the files of every generation but the one in use."""
        DenseIndex.discard(self.root, keep=[self.dense.generation] if self.dense else [])
        self._on_step("rebuild: old generation discarded")

    def close(self) -> None:
        """Close Chroma cleanly."""
        if self.dense is not None:
            self.dense.close()


def follower_name(generation: str) -> str:
    """Return the name under which the outbox keeps a generation's place."""
    return f"dense {generation}"


def _added(entries: Iterable[OutboxEntry]) -> Iterator[tuple[str, list[int]]]:
    """Yield the numbers to add, collection by collection; removals wait for a new generation."""
    added = sorted((e for e in entries if e.action == "add"), key=attrgetter("collection"))
    for collection, group in groupby(added, key=attrgetter("collection")):
        yield collection, list(dict.fromkeys(entry.chunk for entry in group))


def _batches(numbers: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(numbers), GROUP):
        yield numbers[start : start + GROUP]
