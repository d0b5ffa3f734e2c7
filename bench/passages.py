"""How long a passage should be, what is put in front of it, and how many an article may give.

SQuAD's paragraphs are joined to whole articles of the titles that nothing is fitted on, and cut
into windows of consecutive sentences. A window's vector is the mean of its sentences' late-pooled
vectors, by their lengths, so that no size needs encoding anew (Günther et al. 2024, arXiv
2409.04701). A window is right if it has a sentence of the question's paragraph with the answer.
MultiHop-RAG's articles are only known by the sentences that its questions need, up to four of
several articles: each article is made of those. Intervals are 95 %, over titles or questions.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import bm25s
import numpy as np
from asked import fits
from corpora import (
    Question,
    argument_parser,
    build,
    fill,
    open_service,
    read_lines,
    squad_questions,
    workplace,
)
from report import print_table

from app.evaluation.bootstrap import Resampler
from app.evaluation.stores import CachedQueries
from vectorstore import retriever
from vectorstore.analysis import analyze, content_terms
from vectorstore.lexical import BACKGROUND
from vectorstore.retriever import ALPHA, CANDIDATES, SCORED, Retriever, fuse
from vectorstore.rows import Located
from vectorstore.scoring import Scorer
from vectorstore.store import Store
from vectorstore.types import Chunk, EncoderInput, Sentence, Vector, embedding_context

SIZES = (5, 2, 3, 8, 12)  # sentences; about 110 tokens is what ingest aims at
EVERY = 4  # questions
FIRST_WORDS = 400
NEIGHBOURS = (0.1, 0.2, 0.4)  # of the better neighbour's score that a window gains
SAMPLED = 8  # titles that are encoded anew, without their titles in front
CAPS = (4, 1, 2, 3, 1000)
CAP_EVERY = 3  # questions of MultiHop-RAG
K1 = 1.2


class Windows:
    """Passages with their vectors, and which paragraphs' sentences they have; ranked as shipped."""

    def __init__(
        self, located: list[Located], vectors: np.ndarray, origins: list[frozenset[str]]
    ) -> None:
        self.located, self.origins = located, origins
        self._vectors = vectors
        terms = [analyze(embedding_context(hit.article) + hit.chunk.text) for hit in located]
        self._held = Counter(term for words in terms for term in set(words))
        self._index = bm25s.BM25(method="lucene", k1=K1, b=0.75)
        self._index.index(terms, show_progress=False)

    def ranked(self, query: str, vector: Vector, neighbours: float = 0.0) -> list[int]:
        """Return the best windows; `neighbours` of the better neighbour's score is added."""
        terms = content_terms(query) or analyze(query)
        most = min(CANDIDATES, len(self.located))
        found, scores = self._index.retrieve([terms], k=most, show_progress=False)
        pairs = zip(found[0].tolist(), scores[0].tolist(), strict=True)
        bm25 = {n: score * (K1 + 1) for n, score in pairs if score > 0}  # tantivy has the factor
        every = self._vectors @ vector
        near = np.argpartition(-every, most - 1)[:most].tolist()
        fused = fuse({n: float(every[n]) for n in (*near, *bm25)}, bm25, ALPHA)
        head = sorted(fused, key=lambda n: (-fused[n], n))[:SCORED]
        scorer = Scorer(query, vector, self._idf(terms))
        score = {n: scorer.score(self.located[n], bm25.get(n, 0.0)) for n in head}
        beside = {n: max(self._beside(n, score), default=0.0) for n in head}
        return sorted(head, key=lambda n: -(score[n] + neighbours * beside[n]))

    def _beside(self, number: int, score: Mapping[int, float]) -> Iterator[float]:
        title = self.located[number].article.title
        for other in (number - 1, number + 1):
            if other in score and self.located[other].article.title == title:
                yield score[other]

    def _idf(self, terms: Iterable[str]) -> dict[str, float]:
        size = len(self.located) + BACKGROUND
        held = {term: self._held[term] for term in terms}
        return {t: math.log(1 + (size - n + 0.5) / (n + 0.5)) for t, n in held.items()}


def chunks(store: Store) -> list[Located]:
    """Return the chunks of the titles that nothing is fitted on, in their articles' order."""
    found = store.catalogue.locate(sorted(store.vectors.exact.numbers())).values()
    hits = [hit for hit in found if not fits(hit.article.title)]
    return sorted(hits, key=lambda hit: (hit.article.uri, hit.chunk.ordinal))


def windows(hits: Sequence[Located], size: int) -> Windows:
    """Join the paragraphs of each title and cut them into windows of `size` sentences."""
    by_title: dict[str, list[tuple[Located, str, Vector]]] = {}
    for hit in hits:
        for sentence, vector in zip(hit.chunk.sentences, hit.sentence_vectors, strict=True):
            text = hit.chunk.text[sentence.start - hit.chunk.start : sentence.end - hit.chunk.start]
            by_title.setdefault(hit.article.title, []).append((hit, text, vector))
    located, vectors, origins = [], [], []
    for members in by_title.values():
        for start in range(0, len(members), size):
            inside = members[start : start + size]
            located.append(joined(len(located), inside))
            lengths = np.array([len(text) for _, text, _ in inside], dtype=np.float32)
            mean = lengths @ np.stack([v for _, _, v in inside]).astype(np.float32)
            vectors.append(mean / max(float(np.linalg.norm(mean)), 1e-9))
            origins.append(frozenset(hit.article.uri for hit, _, _ in inside))
    return Windows(located, np.stack(vectors), origins)


def joined(number: int, inside: Sequence[tuple[Located, str, Vector]]) -> Located:
    """Return sentences as one chunk."""
    text, sentences = "", []
    for _, sentence, _ in inside:
        sentences.append(Sentence(len(text), len(text) + len(sentence)))
        text += f"{sentence} "
    article = inside[0][0].article
    chunk = Chunk(str(number), article.id, number, 0, len(text), text, tuple(sentences))
    return Located(number, chunk, article, np.stack([vector for _, _, vector in inside]))


def measures(found: Windows, ranked: Sequence[int], question: Question) -> list[float]:
    """Return whether a right window is first, among five, and within FIRST_WORDS words."""
    (paragraph,) = question.relevant
    right = [
        paragraph in found.origins[n]
        and any(answer in found.located[n].chunk.text for answer in question.answers)
        for n in ranked
    ]
    words, within = 0, False
    for number, is_right in zip(ranked, right, strict=True):
        words += len(found.located[number].chunk.text.split())
        if words > FIRST_WORDS:
            break
        within = within or is_right
    return [float(any(right[:1])), float(any(right[:5])), float(within)]


def print_compared(
    headers: Sequence[str], rows: Mapping[str, np.ndarray], clusters: Sequence[str]
) -> None:
    """Print each row's means, shape (questions, measures), and what it gains over the first."""
    resampler = Resampler(clusters)
    first = next(iter(rows.values()))
    table = []
    for name, values in rows.items():
        cells = [name]
        for at in range(values.shape[1]):
            cell = f"{values[:, at].mean():.3f}"
            if values is not first:
                gain = resampler.difference(values[:, at].tolist(), first[:, at].tolist())
                cell += f", {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
            cells.append(cell)
        table.append(cells)
    print(f"\nn = {len(clusters)}")
    print_table(["", *headers], table)


def sizes(store: Store, questions: Sequence[Question], queries: CachedQueries) -> None:
    """Print sizes of windows, and what neighbours add."""
    hits = chunks(store)
    rows: dict[str, np.ndarray] = {}

    def add(name: str, found: Windows, neighbours: float = 0.0) -> None:
        ranked = (found.ranked(q.text, queries.encode_query(q.text), neighbours) for q in questions)
        told = [measures(found, r, q) for r, q in zip(ranked, questions, strict=True)]
        rows[name] = np.array(told)

    for size in SIZES:
        found = windows(hits, size)
        words = np.mean([len(hit.chunk.text.split()) for hit in found.located])
        add(f"{size} sentences, {words:.0f} words", found)
    found = windows(hits, SIZES[0])
    for share in NEIGHBOURS:
        add(f"{SIZES[0]} sentences, and {share} of the better neighbour", found, share)
    print("\n## Size of passages, neighbours")
    headers = ["R@1", "R@5", f"in the first {FIRST_WORDS} words"]
    print_compared(headers, rows, [question.title for question in questions])


def context(store: Store, questions: Sequence[Question], queries: CachedQueries) -> None:
    """Print what the title in front of the embedded text is worth, over SAMPLED titles."""
    hits = chunks(store)
    titles = sorted({hit.article.title for hit in hits})[::3][:SAMPLED]
    hits = [hit for hit in hits if hit.article.title in titles]
    asked = [question for question in questions if question.title in titles]
    inputs = [
        EncoderInput(
            "",
            hit.chunk.text,
            tuple(
                (s.start - hit.chunk.start, s.end - hit.chunk.start) for s in hit.chunk.sentences
            ),
        )
        for hit in hits
    ]
    bare = queries.encode_chunks(inputs)
    origins = [frozenset([hit.article.uri]) for hit in hits]
    titled = np.stack([store.vectors.exact.vector(hit.number) for hit in hits])
    without = [replace(h, sentence_vectors=e.sentences) for h, e in zip(hits, bare, strict=True)]
    systems = {
        "title and date in front (shipped)": Windows(hits, titled, origins),
        "not in front": Windows(without, np.stack([each.chunk for each in bare]), origins),
    }
    rows = {}
    for name, found in systems.items():
        ranked = (found.ranked(q.text, queries.encode_query(q.text)) for q in asked)
        told = [measures(found, r, q) for r, q in zip(ranked, asked, strict=True)]
        rows[name] = np.array(told)
    print(f"\n## The title in front of what is embedded, {len(titles)} titles, {len(hits)} chunks")
    headers = ["R@1", "R@5", f"in the first {FIRST_WORDS} words"]
    print_compared(headers, rows, [question.title for question in asked])


def caps(data: Path, folder: Path) -> None:
    """Print caps on the passages of one article, on MultiHop-RAG: one chunk for each fact."""
    facts = list(read_lines(data / "data/multihop_rag/evidence_pool.jsonl"))
    texts: dict[str, list[str]] = {}
    days = {row["title"]: (row["published_at"] or "")[:10] for row in facts}
    for row in facts:
        texts.setdefault(row["title"], []).append(row["fact"])
    service = open_service(folder / "multihop", threads=os.cpu_count() or 1)
    if len(service.articles()) != len(texts):
        dated = lambda title: {"published": days[title]} if days[title] else {}  # noqa: E731
        records = (
            {"uri": title, "title": title, "text": "\n\n".join(told), **dated(title)}
            for title, told in texts.items()
        )
        fill(service, folder, "multihop", records)
    rows_of = read_lines(data / "data/multihop_rag/queries.dev.jsonl")
    asked = [row for row in rows_of if row["evidence"]][::CAP_EVERY]
    queries = CachedQueries(service.encoder)
    queries.prepare([row["query"] for row in asked], folder / "multihop-queries.npz")
    ask = Retriever(service.store, queries, batching=False)
    shipped, rows = retriever.PER_ARTICLE, {}
    for cap in CAPS:
        retriever.PER_ARTICLE = cap
        told = []
        for row in asked:
            found = ask.retrieve(row["query"], 10).passages
            wanted = {each["title"] for each in row["evidence"]}
            held = [any(e["fact"] in p.chunk.text for p in found) for e in row["evidence"]]
            titles = {passage.article.title for passage in found}
            told.append([np.mean(held), len(wanted & titles) / len(wanted)])
        rows[f"at most {cap}{' (shipped)' if cap == shipped else ''}"] = np.array(told)
    retriever.PER_ARTICLE = shipped
    print(f"\n## Passages of one article, MultiHop-RAG, {len(texts)} articles")
    print_compared(["evidence in 10", "articles in 10"], rows, [row["id"] for row in asked])
    service.close()


def main() -> None:
    """Print every table."""
    options = argument_parser(__doc__).parse_args()
    with workplace(options.keep) as folder:
        service = open_service(build("squad", options.data, folder), threads=os.cpu_count() or 1)
        questions = [q for q in squad_questions(options.data) if not fits(q.title)][::EVERY]
        queries = CachedQueries(service.encoder)
        queries.prepare([q.text for q in questions], folder / "squad-queries.npz")
        sizes(service.store, questions, queries)
        caps(options.data, folder)
        context(service.store, questions, queries)
        service.close()


if __name__ == "__main__":
    main()
