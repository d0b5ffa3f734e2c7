"""Every current chunk's vector in memory, with what its article is filtered by.

This is what Chroma's graph is measured against, and what answers in its place: under filters,
where the graph loses recall, and while the graph is away. Comparing every vector costs 9 ms at
100,000 chunks; the vectors take 1.5 KB a chunk.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vectorstore.reader import Reader, Shown
from vectorstore.types import Filter, Matrix, Vector

BLOCK = 16_384  # rows that are kept together; growing copies nothing but numbers
COPIED = 256  # rows that are copied out at once: they fit into the processor's cache
MOST_COPIED = 0.6  # of a block's rows; where more are wanted, all are compared
HIDDEN = -1  # in place of an article: staged, superseded or removed

Rows = NDArray[np.intp]


class ExactIndex:
    """The vectors of chunks, by number; changed by one thread at a time, read by any."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._row_of: dict[int, int] = {}
        self._numbers = np.zeros(BLOCK, dtype=np.int64)
        self._article = np.full(BLOCK, HIDDEN, dtype=np.int32)
        self._blocks: list[Matrix] = []
        self._size = 0
        self._shown = 0
        self._ordinals: dict[str, int] = {}  # of articles
        self._attributes = np.zeros((4, 64), dtype=np.int32)  # _ROWS below, one column an article
        self._codes: tuple[dict[str, int], ...] = ({}, {}, {})

    @classmethod
    def load(cls, catalogue: Reader, encoder: int | None = None) -> ExactIndex:
        """Return the index of everything readers see, under an encoder (default: in use)."""
        index = cls()
        for numbers, vectors in catalogue.every_vector(encoder):
            index.learn(numbers, vectors)
        index.show(catalogue.shown())
        return index

    # -- changes -------------------------------------------------------------------------

    def unknown(self, numbers: Iterable[int]) -> list[int]:
        """Return those of `numbers` whose vectors are not here yet."""
        return [number for number in numbers if number not in self._row_of]

    def learn(self, numbers: Sequence[int], vectors: Matrix) -> None:
        """Add vectors, hidden until `show` gives them to an article."""
        with self._changing:
            for start in range(0, len(numbers), BLOCK):
                self._append(numbers[start : start + BLOCK], vectors[start : start + BLOCK])

    def _append(self, numbers: Sequence[int], vectors: Matrix) -> None:
        first, last = self._size, self._size + len(numbers)
        while last > len(self._numbers):
            self._numbers = np.concatenate([self._numbers, np.zeros_like(self._numbers)])
            hidden = np.full_like(self._article, HIDDEN)
            self._article = np.concatenate([self._article, hidden])
        while last > len(self._blocks) * BLOCK:
            self._blocks.append(np.zeros((BLOCK, vectors.shape[1]), dtype=np.float32))
        self._numbers[first:last] = numbers
        split = min(len(numbers), BLOCK - first % BLOCK)
        self._blocks[first // BLOCK][first % BLOCK : first % BLOCK + split] = vectors[:split]
        if split < len(numbers):
            self._blocks[first // BLOCK + 1][: len(numbers) - split] = vectors[split:]
        self._row_of |= zip(numbers, range(first, last), strict=True)
        self._size = last

    def show(self, articles: Iterable[Shown], gone: Iterable[str] = ()) -> None:
        """Let readers see these articles, each with its current chunks, and others no more.

        A chunk whose vector was not learnt stays hidden; `upkeep.check` names it.
        """
        with self._changing:
            owners = self._article[: self._size]
            for article_id in gone:
                if article_id in self._ordinals:
                    owners[owners == self._ordinals[article_id]] = HIDDEN
            for article in articles:
                known = article.article_id in self._ordinals
                ordinal = self._ordinals.setdefault(article.article_id, len(self._ordinals))
                if known:
                    owners[owners == ordinal] = HIDDEN
                elif ordinal >= self._attributes.shape[1] - 1:  # the last stays for HIDDEN
                    wider = np.zeros_like(self._attributes)
                    self._attributes = np.concatenate([self._attributes, wider], axis=1)
                self._attributes[:, ordinal] = (
                    self._code(0, article.collection),
                    self._code(1, article.source),
                    self._code(2, (article.language or "").lower()),
                    article.published.toordinal() if article.published else 0,
                )
                known_rows = (self._row_of.get(number) for number in article.numbers)
                owners[[row for row in known_rows if row is not None]] = ordinal
            self._shown = int(np.count_nonzero(owners != HIDDEN))

    def _code(self, attribute: int, value: str) -> int:
        codes = self._codes[attribute]
        return codes.setdefault(value, len(codes))

    # -- what a filter lets through ------------------------------------------------------

    def spell_out(self, condition: Filter) -> Filter:
        """Return the filter with each known source and language, in lower case, that it means."""
        if condition.sources is not None:
            sources = _below(self._codes[1], condition.sources, "/")
            condition = replace(condition, sources=tuple(sources))
        if condition.languages is not None:
            tags = _below(self._codes[2], [tag.lower() for tag in condition.languages], "-")
            condition = replace(condition, languages=tuple(tags))
        return condition

    def _lets_through(self, condition: Filter) -> NDArray[np.bool_]:
        """Return, row by row, whether readers may see it under the filter."""
        # Copied before the attributes are read, which know every owner before it is set.
        owners = self._article[: self._size].copy()
        if condition == Filter():
            shown: NDArray[np.bool_] = owners != HIDDEN
            return shown
        attributes = self._attributes
        allowed = np.ones(attributes.shape[1], dtype=np.bool_)
        spelt = self.spell_out(condition)
        wanted = (spelt.collections, spelt.sources, spelt.languages)
        for row, (codes, values) in enumerate(zip(self._codes, wanted, strict=True)):
            if values is not None:
                known = [codes[value] for value in values if value in codes]
                allowed &= np.isin(attributes[row], known)
        if condition.dated:
            allowed &= attributes[3] > 0
        if condition.published_from is not None:
            allowed &= attributes[3] >= condition.published_from.toordinal()
        if condition.published_to is not None:
            allowed &= attributes[3] <= condition.published_to.toordinal()
        allowed[HIDDEN] = False  # the last column, which no article has
        seen: NDArray[np.bool_] = allowed[owners]
        return seen

    def count(self, condition: Filter) -> int:
        """Return how many chunks the filter lets through."""
        if condition == Filter():
            return self._shown
        return int(np.count_nonzero(self._lets_through(condition)))

    @property
    def hidden(self) -> int:
        """How many vectors are kept that readers do not see."""
        return self._size - self.count(Filter())

    def numbers(self) -> set[int]:
        """Return the number of every chunk that readers see."""
        return set(self._numbers[: self._size][self._lets_through(Filter())].tolist())

    def seen(self, numbers: Iterable[int], condition: Filter) -> list[int]:
        """Return those of `numbers` that the filter lets through, in their order."""
        if condition == Filter():  # only the rows asked for are looked at
            owners = self._article
            known = ((n, self._row_of.get(n, len(owners))) for n in numbers)
            return [n for n, row in known if row < len(owners) and owners[row] != HIDDEN]
        through = self._lets_through(condition)
        end = len(through)  # what is learnt from here on is not seen yet
        return [n for n in numbers if (row := self._row_of.get(n, end)) < end and through[row]]

    def vector(self, number: int) -> Vector:
        """Return the vector of a chunk that is here."""
        row = self._row_of[number]
        vector: Vector = self._blocks[row // BLOCK][row % BLOCK]
        return vector

    # -- search --------------------------------------------------------------------------

    def search(self, vector: Vector, top_k: int, condition: Filter) -> list[tuple[int, float]]:
        """Return (number, cosine) of the nearest chunks let through, nearest first."""
        through = self._lets_through(condition)
        found: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
        for start in range(0, len(through), BLOCK):
            rows = np.flatnonzero(through[start : start + BLOCK])
            if not len(rows):
                continue
            block = self._blocks[start // BLOCK][: min(BLOCK, len(through) - start)]
            cosines = _compare(block, rows, vector)
            if len(rows) > top_k:
                best = cosines >= np.partition(cosines, -top_k)[-top_k]  # and all as near
                rows, cosines = rows[best], cosines[best]
            found.append((self._numbers[start + rows], cosines))
        if not found:
            return []
        numbers = np.concatenate([numbers for numbers, _ in found])
        cosines = np.concatenate([cosines for _, cosines in found])
        order = np.lexsort((numbers, -cosines))[:top_k]
        return list(zip(numbers[order].tolist(), cosines[order].tolist(), strict=True))

    def cosines(self, numbers: Sequence[int], vector: Vector) -> dict[int, float]:
        """Return the cosine of each of `numbers`, which must be here."""
        if not numbers:
            return {}
        vectors = np.stack([self.vector(number) for number in numbers])
        return dict(zip(numbers, (vectors @ vector).tolist(), strict=True))


def _compare(block: Matrix, rows: Rows, vector: Vector) -> NDArray[np.float32]:
    """Return the cosine of each of a block's rows."""
    if len(rows) > MOST_COPIED * len(block):
        every: NDArray[np.float32] = block @ vector
        return every[rows]
    cosines = np.empty(len(rows), dtype=np.float32)
    copied = np.empty((COPIED, block.shape[1]), dtype=np.float32)
    for start in range(0, len(rows), COPIED):
        some = rows[start : start + COPIED]
        # with "clip" numpy writes into `copied` itself; all rows are in range
        np.take(block, some, axis=0, out=copied[: len(some)], mode="clip")
        np.dot(copied[: len(some)], vector, out=cosines[start : start + len(some)])
    return cosines


def _below(known: Iterable[str], values: Iterable[str], separator: str) -> list[str]:
    """Return the known values that are one of these, or one and more behind the separator."""
    wanted = [value.rstrip(separator) for value in values]
    prefixes = tuple(value + separator for value in wanted)
    return [
        value
        for value in list(known)
        if value.rstrip(separator) in wanted or value.startswith(prefixes)
    ]
