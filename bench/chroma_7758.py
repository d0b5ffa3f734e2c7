"""Live records that Chroma no longer finds: chroma-core/chroma issue #7758, and our way round it.

https://github.com/chroma-core/chroma/issues/7758 reports that after deletes and upserts some
records are never returned by query(), not even for their own embedding, while get() has them.
Here its steps run with its settings and with ours, step by step, to see which of them loses
records, and so does what Citewell does instead: records are only ever added, what is removed is
hidden outside Chroma, and a new collection is built from the rest when much is hidden.
"""

from __future__ import annotations

import math
import multiprocessing
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from corpora import argument_parser, workplace
from report import print_table
from windows import sentence_vectors, window_vectors, windows

from vectorstore.dense import HNSW
from vectorstore.types import Matrix

COUNT = 4_000  # records at first
DELETED = 0.5  # of them
REWRITTEN = 0.3  # of what is left
BATCH = 500
DIMENSION = 384
THEIRS = {"space": "l2"}  # the settings of the issue: Chroma's own

SEQUENCES: tuple[tuple[str, ...], ...] = (
    (),
    ("delete",),
    ("upsert",),
    ("delete", "upsert"),  # as reported
    ("upsert the same",),
    ("delete", "upsert the same"),
    ("delete", "replace"),
    ("delete", "add new ids"),
    ("add existing ids",),
    ("hide", "supersede"),  # Citewell
    ("hide", "supersede", "rebuild"),  # Citewell, when much is hidden
)


class Store:
    """A Chroma collection in a folder, and beside it what it should hold."""

    def __init__(self, folder: Path, hnsw: dict[str, Any], pool: Matrix, seed: int) -> None:
        self.folder = folder
        self.live: dict[str, np.ndarray] = {}
        self._hnsw = hnsw
        self._fresh: Iterator[np.ndarray] = iter(pool)
        self._rng = np.random.default_rng(seed)
        self._count = 0
        self._open()

    def _open(self) -> None:
        import chromadb  # slow, and not needed by the process that prints

        self.client: Any = chromadb.PersistentClient(str(self.folder))
        self.collection = self.client.get_or_create_collection(
            "records", configuration={"hnsw": self._hnsw}, embedding_function=None
        )

    def sample(self, share: float) -> list[str]:
        """Return some of the live ids, in random order."""
        ids = list(self.live)
        return [ids[n] for n in self._rng.permutation(len(ids))[: int(share * len(ids))]]

    def write(self, verb: str, ids: Sequence[str], vectors: Sequence[np.ndarray]) -> None:
        """Call add or upsert."""
        for n in range(0, len(ids), BATCH):
            part = np.array(vectors[n : n + BATCH])
            getattr(self.collection, verb)(ids=list(ids[n : n + BATCH]), embeddings=part)
        self.live |= dict(zip(ids, vectors, strict=True))

    def add(self, count: int) -> None:
        """Add so many records under new ids."""
        ids = [str(self._count + n) for n in range(count)]
        self._count += count
        self.write("add", ids, [next(self._fresh) for _ in ids])

    def delete(self, ids: Sequence[str]) -> None:
        """Delete records in Chroma."""
        for n in range(0, len(ids), BATCH):
            self.collection.delete(ids=list(ids[n : n + BATCH]))
        self.hide(ids)

    def hide(self, ids: Sequence[str]) -> None:
        """Forget records without telling Chroma."""
        for key in ids:
            del self.live[key]

    def step(self, name: str) -> None:
        """Do one step of a sequence."""
        some = self.sample(DELETED if name in ("delete", "hide") else REWRITTEN)
        new = [next(self._fresh) for _ in some] if name in ("upsert", "replace") else []
        held = [self.live[key] for key in some]
        if name == "delete":
            self.delete(some)
        elif name == "hide":
            self.hide(some)
        elif name in ("upsert", "upsert the same"):
            self.write("upsert", some, new or held)
        elif name == "replace":
            self.delete(some)
            self.write("add", some, new)
        elif name == "add existing ids":
            self.write("add", some, [next(self._fresh) for _ in some])
            self.live |= dict(zip(some, held, strict=True))  # add leaves them as they were
        elif name in ("supersede", "add new ids"):
            if name == "supersede":
                self.hide(some)
            self.add(len(some))
        elif name == "rebuild":
            self.client.close()
            self.folder = self.folder.with_name(f"{self.folder.name}-rebuilt")
            self._open()
            self.write("add", list(self.live), list(self.live.values()))

    def unreachable(self) -> tuple[int, int, int]:
        """Return how many live records a query for their own embedding does not return.

        In the top 100, in the top 1,000, and how many get() does not return as they are. Hidden
        records are made up for by asking for more. The larger search covers the smaller one, so
        only what the smaller one misses is asked for again.
        """
        lost = list(self.live)
        misses = []
        for top in (100, 1_000):
            lost = [key for key, found in self._ask(lost, top) if key not in found]
            misses.append(len(lost))
        got = self.collection.get(include=["embeddings"])
        held = dict(zip(got["ids"], got["embeddings"], strict=True))
        wrong = sum(
            key not in held or not np.allclose(held[key], vector, atol=1e-5)
            for key, vector in self.live.items()
        )
        return misses[0], misses[1], wrong

    def _ask(self, ids: Sequence[str], top: int) -> Iterator[tuple[str, list[str]]]:
        total = self.collection.count()
        asked = min(total, math.ceil(top * total / len(self.live)))
        for n in range(0, len(ids), BATCH):
            keys = ids[n : n + BATCH]
            found = self.collection.query(
                query_embeddings=np.array([self.live[key] for key in keys]),
                n_results=asked,
                include=[],
            )["ids"]
            for key, ranked in zip(keys, found, strict=True):
                yield key, [other for other in ranked if other in self.live][:top]


def first_process(
    folder: Path, hnsw: dict[str, Any], pool: Matrix, seed: int
) -> list[tuple[Path, dict[str, np.ndarray], tuple[int, ...]]]:
    """Run every sequence; return where its records lie, what they are and the misses."""
    told = []
    for n, steps in enumerate(SEQUENCES):
        store = Store(folder / str(n), hnsw, pool, seed)
        store.add(COUNT)
        for step in steps:
            store.step(step)
        told.append((store.folder, store.live, store.unreachable()))
        store.client.close()
        print(steps, len(store.live), told[-1][2], file=sys.stderr, flush=True)
    return told


def second_process(stores: Sequence[tuple[Path, dict[str, np.ndarray]]]) -> list[tuple[int, ...]]:
    """Open the stores again and return the misses of each."""
    told = []
    for folder, live in stores:
        store = Store(folder, {}, np.empty((0, DIMENSION), np.float32), 0)
        store.live = live
        told.append(store.unreachable())
        store.client.close()
    return told


def elsewhere(function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
    """Call a function in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def random_rows(seed: int, clusters: int) -> Matrix:
    """Return unit rows: in any direction, or around the centres of clusters, as texts lie."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(2 * COUNT, DIMENSION))
    if clusters:
        centres = rng.normal(size=(clusters, DIMENSION))
        rows = 6 * centres[rng.integers(0, clusters, len(rows))] + rows
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def text_rows(data: Path, keep: Path, seed: int) -> Matrix:
    """Return the vectors of windows of real text, from other places for every seed."""
    vectors = window_vectors(windows(data, 20 * COUNT), sentence_vectors(data, keep))
    vectors = vectors[vectors.any(axis=1)]  # zeros: sentences beyond what the encoder reads
    return np.random.default_rng(seed).permutation(vectors)[: 2 * COUNT]


def cases(data: Path, keep: Path, seed: int) -> Iterator[tuple[str, dict[str, Any], Matrix]]:
    """Yield name, settings and vectors."""
    text = text_rows(data, keep, seed)
    yield "Citewell's, text", HNSW, text
    yield "Chroma's, text", THEIRS, text
    yield "Chroma's, 50 clusters", THEIRS, random_rows(seed, 50)
    yield "Citewell's, 50 clusters", HNSW, random_rows(seed, 50)
    yield "Chroma's, random", THEIRS, random_rows(seed, 0)
    yield "Citewell's, random", HNSW, random_rows(seed, 0)


def main() -> None:
    """Run every sequence for every setting and seed, and print the sums over the seeds."""
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds [3]")
    parser.add_argument("--only", default="", help="cases whose name has this in it [all]")
    options = parser.parse_args()
    sums: dict[tuple[str, str], list[np.ndarray]] = defaultdict(list)
    with workplace(options.keep) as keep:
        for seed in range(options.seeds):
            for name, hnsw, pool in cases(options.data, keep, seed):
                if options.only not in name:
                    continue
                print(name, seed, file=sys.stderr, flush=True)
                with workplace(None) as folder:
                    first = elsewhere(first_process, folder, hnsw, pool, seed)
                    second = elsewhere(second_process, [(path, live) for path, live, _ in first])
                for steps, (_, live, before), after in zip(SEQUENCES, first, second, strict=True):
                    figures = np.array([len(live), *before, *after])
                    sums[name, ", ".join(steps) or "insert only"].append(figures)
    print(f"\nChroma's settings {THEIRS}, Citewell's {HNSW}; sums over {options.seeds} seeds.")
    print_table(
        "settings, vectors|steps|live|not in top 100|not in top 1,000|get differs"
        "|reopened: 100|reopened: 1,000|reopened: get".split("|"),
        [[*case, *map(str, sum(rows))] for case, rows in sorted(sums.items())],
    )


if __name__ == "__main__":
    main()
