"""How retrieval grows: latency, recall, cold open, memory and disk at 1,000 to 300,000 chunks.

Chunks are windows of real text (windows.py), questions those of SQuAD, encoded beforehand: every
time is after the query vector is known. Recall is that of the dense hits of a search against
exact search, computed here over all vectors and not by the store. Filters are ranges of dates that
let 1, 10 and 50 % of the articles through. Cold open is a store that was closed, opened in a
fresh process after its imports, up to the end of its first search.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from corpora import argument_parser, squad_questions, workplace
from report import Figure, percentile, print_figures, print_table
from windows import Window, sentence_vectors, window_vectors, windows

from vectorstore.encoder import SentenceTransformerEncoder
from vectorstore.publication import Publication
from vectorstore.retriever import Retriever
from vectorstore.store import Store
from vectorstore.types import Article, ArticleHead, Chunk, Embedding, Filter, Sentence, Vector

FINGERPRINT = {"encoder": "windows/bf16", "splitter": "windows"}
SIZES = (1_000, 10_000, 100_000, 300_000)
DAYS = 100  # every article is published on one of so many days
FIRST_DAY = date(2020, 1, 1)
GROUP = 512  # chunks that are published together
QUESTIONS = 500
TOP_K = 10
SELECTIVITIES = (0.01, 0.1, 0.5)


class Prepared:
    """An encoder that knows the vectors of the questions and encodes nothing."""

    fingerprint = FINGERPRINT["encoder"]
    max_tokens = 256

    def __init__(self, vectors: dict[str, Vector]) -> None:
        self._vectors = vectors

    def encode_query(self, query: str) -> Vector:
        """Return the question's vector."""
        return self._vectors[query]

    def encode_queries(self, queries: Sequence[str]) -> list[Vector]:
        """Return the questions' vectors."""
        return [self._vectors[query] for query in queries]


def published(uri: str) -> date:
    """Return the day of an article, spread evenly over DAYS."""
    return FIRST_DAY + timedelta(days=int(sha256(uri.encode()).hexdigest(), 16) % DAYS)


def condition(selectivity: float) -> Filter:
    """Return a filter that lets so large a share of the articles through."""
    last = FIRST_DAY + timedelta(days=round(selectivity * DAYS) - 1)
    return Filter(published_from=FIRST_DAY, published_to=last)


def article_of(window: Window) -> str:
    """Return the uri of the article that a window is a chunk of."""
    return f"{window.document.uri}#{window.size}"


def publications(found: list[Window], sentences: np.ndarray, collection: str) -> Iterator[Any]:
    """Yield an article for each document and size of window, with its chunks."""
    vectors = window_vectors(found, sentences)
    start = 0
    for uri, group in groupby(found, key=article_of):
        chunks = list(group)
        document = chunks[0].document
        head = ArticleHead(
            id=sha256(uri.encode()).hexdigest()[:24],
            uri=uri,
            title=document.title,
            sha256=sha256(document.text.encode()).hexdigest(),
            collection=collection,
            published=published(uri),
            language="en",
        )
        cut = [
            Chunk(
                id=sha256(f"{uri}/{ordinal}".encode()).hexdigest()[:32],
                article_id=head.id,
                ordinal=ordinal,
                start=window.sentences[0][0],
                end=window.sentences[-1][1],
                text=document.text[window.sentences[0][0] : window.sentences[-1][1]],
                sentences=tuple(Sentence(*span) for span in window.sentences),
            )
            for ordinal, window in enumerate(chunks)
        ]
        embeddings = {
            chunk.id: Embedding(vectors[start + n], sentences[chunks[n].rows])
            for n, chunk in enumerate(cut)
        }
        start += len(cut)
        yield Publication(Article(head, document.text), tuple(cut), embeddings, uri, head.sha256)


def build(folder: Path, found: list[Window], sentences: np.ndarray) -> float:
    """Build the store of these windows in `folder` and return the seconds it took."""
    began = time.perf_counter()
    store = Store(folder, FINGERPRINT)
    try:
        collection = store.catalogue.create_collection("windows")
        group: list[Publication] = []
        done = 0
        for publication in publications(found, sentences, collection):
            group.append(publication)
            if sum(len(each.chunks) for each in group) >= GROUP:
                done += sum(len(each.chunks) for each in group)
                store.publish(group)
                group = []
                if done % 10_000 < GROUP:
                    print(f"  {done} chunks published", file=sys.stderr, flush=True)
        store.publish(group)
        store.settle()
    finally:
        store.close()
    return time.perf_counter() - began


def questions(data: Path, keep: Path) -> dict[str, Vector]:
    """Return QUESTIONS questions of SQuAD with their vectors, encoded once."""
    cache = keep / "questions.npz"
    every = squad_questions(data)
    texts = [question.text.strip() for question in every[:: len(every) // QUESTIONS]][:QUESTIONS]
    if not cache.exists():
        encoder = SentenceTransformerEncoder(threads=2, precision="bf16")
        np.savez(cache, vectors=np.stack([encoder.encode_query(text) for text in texts]))
    with np.load(cache) as saved:
        return dict(zip(texts, saved["vectors"], strict=True))


# -- what a fresh process measures ----------------------------------------------------------


def measure(folder: Path, keep: Path, data: Path, count: int) -> dict[str, Any]:
    """Open the store in `folder` and measure it."""
    import vectorstore.dense
    import vectorstore.lexical

    vectors = questions(data, keep)
    began = time.perf_counter()
    store = Store(folder, FINGERPRINT)
    retriever = Retriever(store, Prepared(vectors))
    retriever.retrieve(next(iter(vectors)), TOP_K)
    cold = time.perf_counter() - began
    try:
        if store.degraded:
            sys.exit(f"{folder} was not closed cleanly: build it again.")
        found = windows(data, count)
        matrix = window_vectors(found, sentence_vectors(data, keep))
        days = np.array([published(article_of(window)).toordinal() for window in found])
        figures: dict[str, Any] = {"cold_s": cold, "ef_search": vectorstore.dense.HNSW["ef_search"]}
        for name, wanted, allowed in (
            ("all", Filter(), np.ones(count, dtype=bool)),
            *(
                (str(share), condition(share), days < FIRST_DAY.toordinal() + round(share * DAYS))
                for share in SELECTIVITIES
            ),
        ):
            figures[name] = {
                "share": float(allowed.mean()),
                **_search(store, retriever, vectors, wanted, matrix, allowed),
            }
    finally:
        store.close()
    figures["memory_mb"] = _resident(folder)
    figures["disk_mb"] = {
        part: sum(p.stat().st_blocks * 512 for p in _files(folder, part)) / 1e6
        for part in ("catalogue", "chroma", "tantivy")
    }
    figures["sentence_vectors_mb"] = _table_bytes(folder, "sentence_embeddings") / 1e6
    figures["vectors_mb"] = _table_bytes(folder, "embeddings") / 1e6
    return figures


def _search(
    store: Store,
    retriever: Retriever,
    vectors: dict[str, Vector],
    wanted: Filter,
    matrix: np.ndarray,
    allowed: np.ndarray,
) -> dict[str, float]:
    rows = np.flatnonzero(allowed)
    times, dense, recall = [], [], []
    for question in list(vectors)[:20]:
        retriever.retrieve(question, TOP_K, wanted)  # pages and caches are warm from here on
    for question, vector in vectors.items():
        times.append(retriever.retrieve(question, TOP_K, wanted).timings["retrieve"])
        began = time.perf_counter()
        hits = store.vectors.search(vector, 100, wanted)
        dense.append((time.perf_counter() - began) * 1e3)
        if not len(rows):  # in a small store a filter may let nothing through
            recall.append(float(not hits))
            continue
        cosines = np.sort(matrix[rows] @ vector if len(rows) < 60_000 else (matrix @ vector)[rows])
        least = cosines[-min(TOP_K, len(cosines))] - 1e-5  # copies of a text have one cosine
        good = sum(cosine >= least for _, cosine in hits[:TOP_K])
        recall.append(min(good, TOP_K) / min(TOP_K, len(cosines)))
    return {
        "p50": percentile(times, 0.5),
        "p95": percentile(times, 0.95),
        "dense_p50": percentile(dense, 0.5),
        "dense_p95": percentile(dense, 0.95),
        "recall": float(np.mean(recall)),
    }


def _resident(folder: Path) -> float:
    """Return the MB that a fresh process with the store open holds beyond its imports."""
    code = (
        "import sys; from pathlib import Path; import vectorstore.store as s;"
        "import vectorstore.retriever; held = lambda: int(Path('/proc/self/statm')"
        ".read_text().split()[1]) * 4096; b = held();"
        f"store = s.Store(Path(sys.argv[1]), {FINGERPRINT!r});"
        "import numpy as np; from vectorstore.types import Filter;"
        "v = np.ones(384, dtype=np.float32) / 384 ** .5;"
        "[store.vectors.search(v, 100, Filter()) for _ in range(3)];"
        "store.lexical.search('ice', 100, Filter());"
        "print((held() - b) / 1e6); store.close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def _files(folder: Path, part: str) -> Iterable[Path]:
    if part == "catalogue":
        return folder.glob("catalogue.sqlite3*")
    return (path for path in (folder / part).rglob("*") if path.is_file())


def _table_bytes(folder: Path, table: str) -> float:
    import sqlite3

    connection = sqlite3.connect(folder / "catalogue.sqlite3")
    column = "vectors" if table == "sentence_embeddings" else "vector"
    (total,) = connection.execute(f"SELECT sum(length({column})) FROM {table}").fetchone()  # noqa: S608
    connection.close()
    return float(total or 0)


# -- the report -----------------------------------------------------------------------------


def main() -> None:
    """Build what is missing, measure each size in a process of its own, and print."""
    parser = argument_parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="numbers of chunks")
    parser.add_argument("--plot", type=Path, help="write the plot to this file")
    parser.add_argument("--measure", type=int, help="measure one size and print JSON")
    options = parser.parse_args()
    with workplace(options.keep) as keep:
        if options.measure:
            folder = keep / f"scale-{options.measure}"
            print(json.dumps(measure(folder, keep, options.data, options.measure)))
            return
        questions(options.data, keep)
        results: dict[int, dict[str, Any]] = {}
        for count in options.sizes:
            folder = keep / f"scale-{count}"
            if not (folder / "built").exists():
                sentences = sentence_vectors(options.data, keep)
                seconds = build(folder, windows(options.data, count), sentences)
                print(f"{count} chunks built in {seconds:.0f} s", file=sys.stderr, flush=True)
                (folder / "built").write_text(f"{seconds:.0f}")
            results[count] = _measured(keep, options.data, count)
            results[count]["build_s"] = float((folder / "built").read_text())
        _print(results)
        if options.plot:
            _plot(results, options.plot)
        if 100_000 in results and not print_figures(_figures(results[100_000])):
            sys.exit(1)


def _measured(keep: Path, data: Path, count: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--keep", str(keep), "--data", str(data)]
    done = subprocess.run(
        [*command, "--measure", str(count)], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _print(results: dict[int, dict[str, Any]]) -> None:
    print_table(
        [
            "chunks",
            "retrieval p50",
            "p95 (ms)",
            "dense p50",
            "p95 (ms)",
            "dense recall@10",
            "cold open (s)",
            "memory (MB)",
            "catalogue",
            "of it vectors",
            "sentence vectors",
            "chroma",
            "tantivy (MB)",
            "built in (s)",
        ],
        [
            [
                f"{count:,}",
                f"{r['all']['p50']:.1f}",
                f"{r['all']['p95']:.1f}",
                f"{r['all']['dense_p50']:.1f}",
                f"{r['all']['dense_p95']:.1f}",
                f"{r['all']['recall']:.3f}",
                f"{r['cold_s']:.2f}",
                f"{r['memory_mb']:.0f}",
                f"{r['disk_mb']['catalogue']:.0f}",
                f"{r['vectors_mb']:.0f}",
                f"{r['sentence_vectors_mb']:.0f}",
                f"{r['disk_mb']['chroma']:.0f}",
                f"{r['disk_mb']['tantivy']:.0f}",
                f"{r['build_s']:.0f}",
            ]
            for count, r in results.items()
        ],
    )
    print_table(
        ["chunks", "filter lets through", "retrieval p50", "p95 (ms)", "dense p95", "recall@10"],
        [
            [
                f"{count:,}",
                f"{r[str(share)]['share']:.1%}",
                f"{r[str(share)]['p50']:.1f}",
                f"{r[str(share)]['p95']:.1f}",
                f"{r[str(share)]['dense_p95']:.1f}",
                f"{r[str(share)]['recall']:.3f}",
            ]
            for count, r in results.items()
            for share in SELECTIVITIES
        ],
    )


def _figures(result: dict[str, Any]) -> list[Figure]:
    found = [
        Figure("retrieval p50 (ms)", result["all"]["p50"], ceiling=10, digits=1),
        Figure("retrieval p95 (ms)", result["all"]["p95"], ceiling=30, digits=1),
        Figure("dense recall@10", result["all"]["recall"], floor=0.98),
        Figure("cold open (s)", result["cold_s"], ceiling=3, digits=2),
    ]
    for share in SELECTIVITIES:
        name = f"filter {share:.0%}"
        found.append(Figure(f"{name}: p95 (ms)", result[str(share)]["p95"], ceiling=50, digits=1))
        found.append(Figure(f"{name}: recall@10", result[str(share)]["recall"], floor=0.98))
    return found


def _plot(results: dict[int, dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    counts = list(results)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
    for name, key in (
        ("all articles", "all"),
        *((f"{s:.0%} let through", str(s)) for s in SELECTIVITIES),
    ):
        left.plot(counts, [results[c][key]["p95"] for c in counts], marker="o", label=name)
    left.set(xscale="log", xlabel="chunks", ylabel="retrieval p95 (ms)")
    left.set_ylim(bottom=0)
    left.legend()
    for name, value in (
        ("memory", lambda r: r["memory_mb"]),
        ("catalogue", lambda r: r["disk_mb"]["catalogue"]),
        ("chroma", lambda r: r["disk_mb"]["chroma"]),
        ("tantivy", lambda r: r["disk_mb"]["tantivy"]),
    ):
        right.plot(counts, [value(results[c]) for c in counts], marker="o", label=name)
    right.set(xscale="log", yscale="log", xlabel="chunks", ylabel="MB")
    right.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    main()
