"""How passages are found in a language that the default encoder was not trained on.

RGB's Chinese questions (evaluation only) over all their passages, each a chunk: recall of a passage
that holds the answer, by the lexical index alone, by the encoder alone, and by both as they are
fused. The intervals are 95 %, over questions.

    python bench/languages.py
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from corpora import argument_parser
from report import print_table

from app.evaluation.bootstrap import Resampler
from app.evaluation.files import read_lines
from vectorstore.encoder import SentenceTransformerEncoder
from vectorstore.lexical import LexicalIndex
from vectorstore.reader import LexicalRow
from vectorstore.retriever import ALPHA, CANDIDATES, fuse
from vectorstore.types import ArticleHead, Filter

TOP = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the numbers of the passages that hold its answer."""

    query: str
    relevant: frozenset[int]


def read(path: Path) -> tuple[list[str], list[Asked]]:
    """Return all passages of a set and its questions."""
    rows = list(read_lines(path))
    passages = dict.fromkeys(
        p for row in rows for kind in ("positive", "negative") for p in row[kind]
    )
    numbers = {passage: number for number, passage in enumerate(passages)}
    asked = [Asked(row["query"], frozenset(numbers[p] for p in row["positive"])) for row in rows]
    return list(passages), asked


def lexical(passages: Sequence[str], queries: Sequence[str]) -> list[dict[int, float]]:
    """Return the BM25 of the best passages for each query."""
    head = ArticleHead("a", "uri", "", "0" * 64, "c", language="zh")
    with tempfile.TemporaryDirectory() as folder:
        index = LexicalIndex(Path(folder))
        rows = ((LexicalRow(n, text, head, ""), text) for n, text in enumerate(passages))
        index.apply([], rows)
        found = [dict(index.search(query, CANDIDATES, Filter())) for query in queries]
        index.close()
    return found


def main() -> int:
    """Run from the command line."""
    parser = argument_parser(__doc__)
    path = parser.parse_args().data / "data" / "rgb" / "zh_fact.dev.jsonl"
    passages, asked = read(path)
    encoder = SentenceTransformerEncoder()
    rows = np.stack(encoder.encode_queries(passages))
    queries = np.stack(encoder.encode_queries([each.query for each in asked]))
    bm25 = lexical(passages, [each.query for each in asked])
    systems: dict[str, list[Mapping[int, float]]] = {"lexical": [], "dense": [], "fused": []}
    for vector, found in zip(queries, bm25, strict=True):
        cosines = dict(enumerate((rows @ vector).tolist()))
        systems["lexical"].append(found)
        systems["dense"].append(cosines)
        systems["fused"].append(fuse(cosines, found, ALPHA))
    resampler = Resampler(["" for _ in asked])
    table = []
    for name, scores in systems.items():
        cells = [name]
        for top in TOP:
            hits = []
            for each, score in zip(asked, scores, strict=True):
                best = sorted(score, key=lambda n, of=score: (-of[n], n))[:top]
                hits.append(float(bool(each.relevant.intersection(best))))
            share = resampler.mean(hits)
            cells.append(f"{share.value:.3f} [{share.low:.3f}, {share.high:.3f}]")
        table.append(cells)
    print(f"{len(asked)} questions, {len(passages)} passages")
    print_table(["index", *(f"holds the answer, top {top}" for top in TOP)], table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
