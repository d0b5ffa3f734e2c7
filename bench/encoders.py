"""What a lower precision of the encoder gains in speed and loses in agreement with fp32.

Chunks are windows of 2 and of 4 sentences of the first SQuAD paragraphs, questions those asked
on these paragraphs. The precisions take turns, block by block and question by question, so that
what else the machine does spoils them alike; how many times as fast is the median over the
blocks. Searches are exact, with questions and chunks in the same precision; as the windows
overlap, many passages are nearly as near as the nearest.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
import torch
from corpora import argument_parser, squad_questions
from report import percentile, print_table
from windows import Window, encoder_input, every_window

from vectorstore.encoder import PRECISIONS, SentenceTransformerEncoder
from vectorstore.types import EncoderInput, Matrix, Vector

SIZES = (2, 4)  # sentences of a window
BLOCK = 64  # chunks that one precision encodes before it is the next one's turn
THREADS = 2  # in bulk; a query is encoded with one
ALONE = 32  # chunks that are encoded once more, each by itself
TOP = 10


@dataclass(slots=True)
class Measured:
    """What was measured of one precision."""

    encoder: SentenceTransformerEncoder
    chunks: list[Vector] = field(default_factory=list)
    queries: list[Vector] = field(default_factory=list)
    alone: list[Vector] = field(default_factory=list)
    seconds: dict[int, list[float]] = field(default_factory=lambda: {n: [] for n in SIZES})
    latencies: list[float] = field(default_factory=list)  # ms

    def ranking(self) -> np.ndarray:
        """Return the rows of the chunks by falling cosine, one line for each question."""
        found: np.ndarray = np.argsort(
            -np.array(self.queries) @ np.array(self.chunks).T, axis=1, kind="stable"
        )
        return found


def first_windows(data: Path, count: int) -> dict[int, list[Window]]:
    """Return the first `count` windows of each size over the paragraphs of SQuAD."""
    found: dict[int, list[Window]] = {size: [] for size in SIZES}
    for window in every_window(data):
        kept = found.get(window.size)
        if kept is not None and len(kept) < count and window.document.uri.startswith("squad/"):
            kept.append(window)
    return found


def spread(values: Sequence[str], count: int) -> list[str]:
    """Return `count` of the values, evenly spread; all if there are fewer.

    Example: [a, b, c, d], 2 -> [a, c]
    """
    if len(values) <= count:
        return list(values)
    return [values[n * len(values) // count] for n in range(count)]


def in_turns(measured: Sequence[Measured], rounds: int) -> Iterator[tuple[int, Measured]]:
    """Yield each precision once a round; the one that begins changes with the round."""
    for n in range(rounds):
        first = n % len(measured)
        yield from ((n, one) for one in [*measured[first:], *measured[:first]])


def encode_chunks(measured: Sequence[Measured], found: dict[int, list[Window]]) -> None:
    """Encode all chunks in each precision, and some of them alone."""
    torch.set_num_threads(THREADS)
    inputs: list[EncoderInput] = []
    for size in SIZES:
        mine = [encoder_input(window.document, window.sentences) for window in found[size]]
        inputs += mine
        blocks = [mine[start : start + BLOCK] for start in range(0, len(mine), BLOCK)]
        for n, one in in_turns(measured, len(blocks)):
            start = time.perf_counter()
            embeddings = one.encoder.encode_chunks(blocks[n])
            one.seconds[size].append(time.perf_counter() - start)
            one.chunks += [embedding.chunk for embedding in embeddings]
        print(f"  {len(mine)} chunks of {size} sentences", file=sys.stderr, flush=True)
    for one in measured:
        one.alone = [one.encoder.encode_chunks([entry])[0].chunk for entry in inputs[:ALONE]]


def encode_queries(measured: Sequence[Measured], questions: Sequence[str]) -> None:
    """Encode the questions one at a time, on one thread."""
    torch.set_num_threads(1)
    for one in measured:
        one.encoder.encode_query(questions[0])
    for n, one in in_turns(measured, len(questions)):
        start = time.perf_counter()
        one.queries.append(one.encoder.encode_query(questions[n]))
        one.latencies.append((time.perf_counter() - start) * 1e3)


def cosines(some: Sequence[Vector], others: Sequence[Vector]) -> Matrix:
    """Return the cosine of each vector with its counterpart."""
    found: Matrix = (np.array(some) * np.array(others)).sum(axis=1)
    return found


def row(one: Measured, exact: Measured) -> list[str]:
    """Return the cells of one precision."""
    ratios = [
        slow / fast
        for size in SIZES
        for slow, fast in zip(exact.seconds[size], one.seconds[size], strict=True)
    ]
    per_size = len(one.chunks) // len(SIZES)
    agreement = cosines(one.chunks, exact.chunks)
    mine, theirs = one.ranking(), exact.ranking()
    pairs = list(zip(mine[:, :TOP].tolist(), theirs[:, :TOP].tolist(), strict=True))
    return [
        one.encoder.precision,
        *(f"{per_size / sum(one.seconds[size]):.1f}" for size in SIZES),
        f"{median(ratios):.2f}",
        f"{percentile(one.latencies, 0.5):.1f}",
        f"{percentile(one.latencies, 0.95):.1f}",
        f"{agreement.mean():.5f}",
        f"{agreement.min():.5f}",
        f"{np.mean([len(set(a) & set(b)) / TOP for a, b in pairs]):.3f}",
        f"{np.mean(mine[:, 0] == theirs[:, 0]):.3f}",
        f"{cosines(one.alone, one.chunks[: len(one.alone)]).min():.5f}",
    ]


def main() -> int:
    """Measure and print."""
    parser = argument_parser(__doc__)
    parser.add_argument("--chunks", type=int, default=1000, help="chunks of each size [1000]")
    parser.add_argument("--questions", type=int, default=200, help="how many questions [200]")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores; load average at the start {load:.1f}")
    found = first_windows(options.data, options.chunks)
    paragraphs = {window.document.uri.removeprefix("squad/") for window in found[SIZES[-1]]}
    asked = [q.text for q in squad_questions(options.data) if paragraphs & set(q.relevant)]
    questions = spread(asked, options.questions)
    measured = [Measured(SentenceTransformerEncoder(precision=name)) for name in PRECISIONS]
    for one in measured:
        one.encoder.load()
    encode_chunks(measured, found)
    encode_queries(measured, questions)
    total = len(measured[0].chunks)
    print(f"{total} chunks, {THREADS} threads; {len(questions)} questions, 1 thread.")
    headers = [
        "precision",
        *(f"chunks/s, {size} sentences" for size in SIZES),
        "times as fast as fp32",
        "query p50 (ms)",
        "query p95 (ms)",
        "cosine to fp32, mean",
        "min",
        f"overlap@{TOP} with fp32",
        "same first",
        "cosine alone to in a batch, min",
    ]
    print_table(headers, [row(one, measured[0]) for one in measured])
    return 0


if __name__ == "__main__":
    sys.exit(main())
