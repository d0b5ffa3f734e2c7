"""Which HNSW settings are enough for real text, and what they cost.

The vectors are those of windows of real text (windows.py); the queries are questions of
SQuAD, claims of SciFact and windows that are not in the index. Every collection is opened in a
fresh process, and what it finds is compared with exact search. Asking for 100 results searches
with ef 100 at least, so recall@10 is that of the first ten of a hundred.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from chroma_7758 import elsewhere
from corpora import argument_parser, scifact_questions, squad_questions, workplace
from report import percentile, print_table
from threadpoolctl import threadpool_limits
from windows import sentence_vectors, window_vectors, windows

from vectorstore.encoder import SentenceTransformerEncoder
from vectorstore.types import Matrix

QUERIES = 500  # of each kind
BATCH = 2_000
TOP = 100
NAME = "windows"

Queries = dict[str, Matrix]
Setting = tuple[int, int, int]  # max_neighbors, ef_construction, sync_threshold


# -- vectors and queries -----------------------------------------------------------------


def rows(data: Path, keep: Path, count: int) -> tuple[Matrix, Matrix]:
    """Return the vectors of `count` windows to index and of QUERIES others."""
    vectors = window_vectors(windows(data, count + QUERIES), sentence_vectors(data, keep))
    vectors = vectors[vectors.any(axis=1)]  # zeros: sentences beyond what the encoder reads
    order = np.random.default_rng(0).permutation(len(vectors))
    return vectors[order[QUERIES:]], vectors[order[:QUERIES]]


def encoded(texts: Sequence[str], cache: Path) -> Matrix:
    """Return the texts encoded as queries, kept in `cache`."""
    if not cache.exists():
        encoder = SentenceTransformerEncoder()
        np.save(cache, np.array([encoder.encode_query(text) for text in texts], np.float32))
    return np.load(cache)


def queries(data: Path, keep: Path, held_out: Matrix) -> Queries:
    """Return the queries of every kind."""
    asked = [question.text for question in squad_questions(data)]
    claims = [question.text for question in islice(scifact_questions(data), QUERIES)]
    step = len(asked) // QUERIES
    return {
        "questions": encoded(asked[::step][:QUERIES], keep / "hnsw-questions.npy"),
        "claims": encoded(claims, keep / "hnsw-claims.npy"),
        "windows": held_out,
    }


# -- Chroma, each time in a process of its own -------------------------------------------


def open_collection(folder: Path, setting: Setting | None = None) -> tuple[Any, Any]:
    """Return the client and the collection, made with a setting if one is given."""
    import chromadb

    client: Any = chromadb.PersistentClient(str(folder))
    if setting is None:
        return client, client.get_collection(NAME, embedding_function=None)
    neighbors, construction, threshold = setting
    hnsw = {
        "space": "cosine",
        "max_neighbors": neighbors,
        "ef_construction": construction,
        "sync_threshold": threshold,
    }
    made = client.create_collection(NAME, configuration={"hnsw": hnsw}, embedding_function=None)
    return client, made


def build(folder: Path, setting: Setting, vectors: Matrix) -> tuple[float, float]:
    """Fill a collection; return the seconds until its first answer, of the clock and the CPU."""
    client, collection = open_collection(folder, setting)
    start, cpu = time.perf_counter(), time.process_time()
    for n in range(0, len(vectors), BATCH):
        part = vectors[n : n + BATCH]
        collection.add(ids=[str(n + m) for m in range(len(part))], embeddings=part)
    collection.query(query_embeddings=[vectors[0]], n_results=TOP, include=["distances"])
    seconds = time.perf_counter() - start, time.process_time() - cpu
    client.close()
    return seconds


def set_ef(folder: Path, ef: int) -> None:
    """Change ef_search; it takes effect when the collection is opened next."""
    client, collection = open_collection(folder)
    collection.modify(configuration={"hnsw": {"ef_search": ef}})
    client.close()


def search(
    folder: Path, kinds: Queries
) -> tuple[int, float, dict[str, list[list[int]]], list[float], float]:
    """Return ef_search, the seconds to open and answer once, and what was found for each kind.

    Then follow the milliseconds of every query and the CPU milliseconds of the mean one, which
    other work on the machine hardly changes.
    """
    import chromadb  # noqa: F401  (its import is not part of opening)

    first = kinds["questions"][0]
    start = time.perf_counter()
    client, collection = open_collection(folder)
    collection.query(query_embeddings=[first], n_results=TOP, include=["distances"])
    opened = time.perf_counter() - start
    told: dict[str, list[list[int]]] = {}
    times = []
    cpu = time.process_time()
    for kind, asked in kinds.items():
        told[kind] = []
        for query in asked:
            start = time.perf_counter()
            answer = collection.query(
                query_embeddings=[query], n_results=TOP, include=["distances"]
            )
            times.append((time.perf_counter() - start) * 1e3)
            told[kind].append([int(key) for key in answer["ids"][0]])
    cpu = (time.process_time() - cpu) * 1e3 / len(times)
    ef = collection.configuration_json["hnsw"]["ef_search"]
    client.close()
    return ef, opened, told, times, cpu


def unreachable(folder: Path, vectors: Matrix, some: Sequence[int]) -> int:
    """Return how many of some records a query for their own vector does not return."""
    client, collection = open_collection(folder)
    lost = 0
    for n in range(0, len(some), 500):
        numbers = some[n : n + 500]
        answer = collection.query(query_embeddings=vectors[numbers], n_results=TOP, include=[])
        lost += sum(
            str(number) not in found for number, found in zip(numbers, answer["ids"], strict=True)
        )
    client.close()
    return lost


def variants(folder: Path, asked: Matrix) -> list[list[str]]:
    """Return the milliseconds per query of other ways to ask, in turn with the usual one."""
    client, collection = open_collection(folder)
    ways: dict[str, Callable[[int], Any]] = {}
    for name, size, top, include in (
        ("as usual: 1 query, 100 results, distances", 1, TOP, ["distances"]),
        ("include=[]", 1, TOP, []),
        ("10 queries in one call", 10, TOP, ["distances"]),
        ("125 results", 1, 125, ["distances"]),
        ("200 results", 1, 200, ["distances"]),
        ("10 results", 1, 10, ["distances"]),
    ):
        ways[name] = lambda n, size=size, top=top, include=include: collection.query(
            query_embeddings=asked[n : n + size], n_results=top, include=include
        )
    times: dict[str, list[float]] = {name: [] for name in ways}
    for n in range(0, len(asked) - 10, 2):
        for name, ask in ways.items():
            start = time.perf_counter()
            ask(n)
            each = 10 if name.startswith("10 queries") else 1
            times[name].append((time.perf_counter() - start) * 1e3 / each)
    client.close()
    return [[name, f"{percentile(t, 0.5):.2f}", f"{percentile(t, 0.95):.2f}"]
            for name, t in times.items()]  # fmt: skip


# -- exact search ------------------------------------------------------------------------


def exact_times(vectors: Matrix, asked: Matrix) -> list[list[str]]:
    """Return the milliseconds of exact search on one thread and on two."""
    table = []
    for threads in (1, 2):
        times = []
        with threadpool_limits(threads):
            for query in asked[:200]:
                start = time.perf_counter()
                scores = vectors @ query
                top = np.argpartition(scores, -TOP)[-TOP:]
                top[np.argsort(-scores[top])]
                times.append((time.perf_counter() - start) * 1e3)
        name = f"exact, numpy float32, threads: {threads}"
        table.append([name, f"{percentile(times, 0.5):.2f}", f"{percentile(times, 0.95):.2f}"])
    return table


def least_scores(vectors: Matrix, asked: Matrix) -> dict[int, Matrix]:
    """Return the score of the 10th and of the 100th nearest for every query, exactly."""
    least: dict[int, list[np.ndarray]] = {10: [], TOP: []}
    for n in range(0, len(asked), 50):
        scores = asked[n : n + 50] @ vectors.T
        for top, found in least.items():
            found.append(np.partition(scores, -top, axis=1)[:, -top])
    return {top: np.concatenate(found) for top, found in least.items()}


def recall(
    vectors: Matrix, asked: Matrix, found: Sequence[Sequence[int]], least: Matrix, top: int
) -> float:
    """Return the mean share of the `top` nearest that was found; equally near ones count."""
    shares = [
        np.count_nonzero(vectors[numbers[:top]] @ query >= score - 1e-6) / top
        for query, numbers, score in zip(asked, found, least, strict=True)
    ]
    return float(np.mean(shares))


# -- the grid ----------------------------------------------------------------------------


def settings(text: str) -> list[Setting]:
    """Read `24/200` or `24/200/50000`, several with commas between.

    Example: "24/200" -> [(24, 200, 1000)]
    """
    return [
        (int(part[0]), int(part[1]), int(part[2]) if len(part) > 2 else 1_000)
        for part in (entry.split("/") for entry in text.split(","))
    ]


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argument_parser(__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="how many vectors [20000]")
    parser.add_argument(
        "--grid",
        type=settings,
        default="16/100,16/200,24/100,24/200,32/100,32/200,24/200/50000",
        help="max_neighbors/ef_construction[/sync_threshold], with commas between",
    )
    parser.add_argument("--ef", default="100,200,400", help="values of ef_search [100,200,400]")
    parser.add_argument(
        "--own", type=int, default=10_000, help="how many ask for their own vector [10000]"
    )
    parser.add_argument("--variants", default="24/200", help="which one to ask in other ways")
    return parser.parse_args()


def main() -> None:
    """Build every collection, search it with every ef_search and print."""
    options = parse()
    with workplace(options.keep) as keep, workplace(None) as folder:
        vectors, held_out = rows(options.data, keep, options.count)
        kinds = queries(options.data, keep, held_out)
        exact = {kind: least_scores(vectors, asked) for kind, asked in kinds.items()}
        table = []
        ways: list[list[str]] = []
        for setting in options.grid:
            place = folder / "chroma"
            seconds, cpu = elsewhere(build, place, setting, vectors)
            size = sum(p.stat().st_blocks * 512 for p in place.rglob("*")) / 1e6
            for ef in map(int, options.ef.split(",")):
                elsewhere(set_ef, place, ef)
                held, opened, told, times, each = elsewhere(search, place, kinds)
                row = [*map(str, setting), str(held), f"{seconds:.0f}", f"{cpu:.0f}", f"{size:.0f}"]
                row.append(f"{opened:.2f}")
                some = np.random.default_rng(1).permutation(len(vectors))[: options.own]
                row.append(str(elsewhere(unreachable, place, vectors, some.tolist())))
                row += [f"{percentile(times, share):.1f}" for share in (0.5, 0.95)]
                row.append(f"{each:.1f}")
                for kind, found in told.items():
                    row += [
                        f"{recall(vectors, kinds[kind], found, least, top):.3f}"
                        for top, least in exact[kind].items()
                    ]
                table.append(row)
                print(row, f"load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
                if ef == 200 and setting == settings(options.variants)[0]:
                    ways = elsewhere(variants, place, kinds["questions"])
                    print(ways, file=sys.stderr, flush=True)
            shutil.rmtree(place)
        ways += exact_times(vectors, kinds["questions"])
    print(f"{options.count} vectors, {os.cpu_count()} cores")
    heads = ["max_neighbors", "ef_construction", "sync_threshold", "ef_search", "build s"]
    heads += ["build CPU s", "MB", "open + first s", "unreachable", "p50 ms", "p95 ms", "CPU ms"]
    heads += [f"{kind}: recall@{top}" for kind in kinds for top in (10, TOP)]
    print_table(heads, table)
    print_table(["way to ask (ef_search 200), ms per query", "p50", "p95"], ways)


if __name__ == "__main__":
    main()
