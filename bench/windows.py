"""Real text in any amount: windows of consecutive sentences over the public data.

The documents are SciFact's abstracts, SQuAD's and MTRAG's paragraphs, WiCE's cited articles and
the bodies of the article extraction benchmark: 94,000 sentences. A chunk is a window of 2
consecutive sentences, then of 3, 1 and 4, until there are enough. Each document is encoded once,
a run of sentences at a time; a window's vector is the mean of its sentences' late-pooled vectors
(Günther et al. 2024, arXiv 2409.04701). So 3 million tokens give 322,000 vectors. Windows of a
run overlap and share their context, so they are nearer to each other than chunks usually are:
harder for a graph index than chunks that do not overlap.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
from corpora import argument_parser, need, read_lines, workplace

from vectorstore.encoder import SentenceTransformerEncoder
from vectorstore.sentences import find_sentences
from vectorstore.types import EncoderInput

SIZES = (2, 3, 1, 4)  # sentences of a window, in the order in which they are used
SHORTEST = 20  # characters; what is shorter is no sentence
RUN = 900  # characters that are encoded together, about 220 tokens
BLOCK = 2_048  # runs that are encoded and kept together


@dataclass(frozen=True, slots=True)
class Document:
    """A text of the public data with its title and its sentences' offsets.

    `first` is the row of its first sentence among all sentences.
    """

    uri: str
    title: str
    text: str
    sentences: tuple[tuple[int, int], ...]
    first: int


@dataclass(frozen=True, slots=True)
class Window:
    """`size` consecutive sentences of a document, from its sentence `index` on."""

    document: Document
    index: int
    size: int

    @property
    def sentences(self) -> tuple[tuple[int, int], ...]:
        """The sentences' offsets in the document."""
        return self.document.sentences[self.index : self.index + self.size]

    @property
    def rows(self) -> slice:
        """The sentences' rows among all sentences."""
        first = self.document.first + self.index
        return slice(first, first + self.size)


def _texts(data: Path) -> Iterator[tuple[str, str, str]]:
    for row in read_lines(need(data / "data/scifact/corpus.jsonl.gz")):
        yield f"scifact/{row['_id']}", row["title"], row["text"]
    for row in read_lines(need(data / "data/squad/paragraphs.jsonl")):
        yield f"squad/{row['pid']}", row["title"].replace("_", " "), row["text"]
    for row in read_lines(need(data / "data/mtrag/passages.jsonl.gz")):
        yield f"mtrag/{row['pid']}", row["text"].strip().split("\n", 1)[0][:80], row["text"]
    seen: set[str] = set()
    for row in read_lines(need(data / "data/wice/claims.dev.jsonl.gz")):
        text = " ".join(row["sentences"])
        if text not in seen:
            seen.add(text)
            yield f"wice/{row['id']}", row["claim_title"], text
    for row in read_lines(need(data / "data/article_extraction/pages.dev.jsonl")):
        text = row["article_body"]
        yield f"web/{row['id']}", text.strip().split("\n", 1)[0][:80], text


@cache
def documents(data: Path) -> tuple[Document, ...]:
    """Return the documents, always in the same order."""
    found: list[Document] = []
    first = 0
    for uri, title, text in _texts(data):
        spans = tuple(
            (s.start, s.end)
            for s in find_sentences(text, 0, len(text), "en")
            if s.end - s.start >= SHORTEST
        )
        found.append(Document(uri, title, text, spans, first))
        first += len(spans)
    return tuple(found)


def every_window(data: Path) -> Iterator[Window]:
    """Yield the windows of every document, those of SIZES[0] first."""
    for size in SIZES:
        for document in documents(data):
            for index in range(len(document.sentences) - size + 1):
                yield Window(document, index, size)


def windows(data: Path, count: int) -> list[Window]:
    """Return the first `count` windows."""
    found = list(islice(every_window(data), count))
    if len(found) < count:
        sys.exit(f"The data give {len(found)} windows, not {count}.")
    return found


def sentence_vectors(data: Path, keep: Path) -> np.ndarray:
    """Return the vector of every sentence, float16; blocks in `keep` are not encoded again."""
    runs = list(_runs(data))
    encoder = SentenceTransformerEncoder(threads=2, precision="bf16")
    found = []
    for start in range(0, len(runs), BLOCK):
        path = keep / f"sentences-{start:06}.npy"
        if not path.exists():
            began = time.perf_counter()
            block = runs[start : start + BLOCK]
            embedded = encoder.encode_chunks(block)
            np.save(path, np.concatenate([e.sentences for e in embedded]))
            rate = len(block) / (time.perf_counter() - began)
            done = min(start + BLOCK, len(runs))
            print(f"  {done} of {len(runs)} runs, {rate:.0f} a second", file=sys.stderr, flush=True)
        found.append(np.load(path))
    return np.concatenate(found)


def _runs(data: Path) -> Iterator[EncoderInput]:
    for document in documents(data):
        run: list[tuple[int, int]] = []
        for span in document.sentences:
            if run and span[1] - run[0][0] > RUN:
                yield encoder_input(document, run)
                run = []
            run.append(span)
        if run:
            yield encoder_input(document, run)


def encoder_input(document: Document, spans: Sequence[tuple[int, int]]) -> EncoderInput:
    """Return consecutive sentences of a document as the encoder takes them."""
    start, end = spans[0][0], spans[-1][1]
    shifted = tuple((first - start, last - start) for first, last in spans)
    return EncoderInput(f"{document.title[:60]}. ", document.text[start:end], shifted)


def window_vectors(found: list[Window], sentences: np.ndarray) -> np.ndarray:
    """Return the unit vector of each window, float32, row by row."""
    vectors = np.stack([sentences[w.rows].astype(np.float32).mean(axis=0) for w in found])
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(norms, 1e-12)).astype(np.float32)


if __name__ == "__main__":
    chosen = argument_parser(__doc__).parse_args()
    with workplace(chosen.keep) as folder:
        print(len(sentence_vectors(chosen.data, folder)), "sentences")
