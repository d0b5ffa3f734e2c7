"""Faults in what a chat model writes: shown as unsupported, on the whole way from stream to reader.

The sentences of bench/support.py, with its planted faults, are played as a chat model's reply that
cites the passages they are of, among passages that are near: app/generation/release.py may find
another passage that bears a sentence out, which a bare check cannot. WiCE's articles are cut into
passages of CUT sentences, under their own title and day of publication, as ingestion reads them,
and the title of the page that makes the claim; given are all of them, and cited are those that
people named as its support. A paragraph of SQuAD stands among the TOP_K of its
title that share most with the sentence. What the screen takes out counts as caught. The times are
of one sentence from the stream's last piece to its release, the encoder on one thread. Intervals
are 95 %, over pages.

    python bench/generation.py
"""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from corpora import argument_parser
from faults import KINDS
from report import Figure, percentile, print_figures, print_table
from support import CEILING, EVERY, FLOOR, NEEDED, SHORTEST, Case, faults, share

from app.answering.citations import Numbering
from app.answering.engine import TOP_K
from app.answering.evidence import Evidence, read
from app.answering.verify import Verifier
from app.evaluation.bootstrap import Interval, Resampler
from app.evaluation.curves import area_interval
from app.evaluation.files import read_lines
from app.generation.marks import CitationStream
from app.generation.prompts import ANSWER
from app.generation.release import Release
from app.generation.screen import Screen
from vectorstore.analysis import content_terms
from vectorstore.encoder import SentenceTransformerEncoder
from vectorstore.sentences import find_sentences
from vectorstore.types import (
    ArticleHead,
    Chunk,
    Encoder,
    EncoderInput,
    Passage,
    Sentence,
    Signals,
)

CUT = 5  # sentences of a passage
TOP = 10  # sentences among which an article's title stands
_TITLE = re.compile(r"TITLE:\s*(.+)")
ENCODED = 16  # passages at once

Shown = Callable[["Played", str], tuple[bool, float]]
"""A case and what is written to whether it is shown as supported, and how probable that is."""


@dataclass(frozen=True, slots=True)
class Played:
    """A sentence that is borne out, the passages given by key, and the keys it cites."""

    case: Case
    passages: dict[str, Passage]
    cited: tuple[str, ...]

    def reply(self, sentence: str) -> str:
        """Return what the model writes."""
        return f"{sentence} {''.join(f'[{key}]' for key in self.cited)}"


def passage_of(
    sentences: Sequence[str], title: str, ordinal: int, published: date | None = None
) -> Passage:
    """Return sentences as a passage of an article."""
    text = " ".join(sentences)
    spans, at = [], 0
    for sentence in sentences:
        spans.append(Sentence(at, at + len(sentence)))
        at += len(sentence) + 1
    digest = hashlib.sha256(text.encode()).hexdigest()
    head = ArticleHead(title, title, title, digest, "bench", published=published, language="en")
    chunk = Chunk(digest, title, ordinal, 0, len(text), text, tuple(spans))
    return Passage(chunk, head, 0.0, ordinal + 1, Signals(0.0, 0.0, 0.0))


def nearest(sentence: str, passages: Sequence[Passage]) -> list[Passage]:
    """Return the TOP_K passages that share most words with a sentence."""
    terms = set(content_terms(sentence))
    shares = [len(terms & set(content_terms(each.chunk.text))) for each in passages]
    order = sorted(range(len(passages)), key=lambda n: (-shares[n], n))
    return [passages[n] for n in order[:TOP_K]]


def played(case: Case, passages: Sequence[Passage], own: Sequence[Passage]) -> Played:
    """Return a case with the passages given, those it cites first."""
    given = [*own, *(each for each in passages if each not in own)]
    keys = [f"k{n:03d}" for n in range(len(given))]
    return Played(case, dict(zip(keys, given, strict=True)), tuple(keys[: len(own)]))


def wice(data: Path) -> list[Played]:
    """Return the claims that people judged supported, with their articles' passages."""
    found = []
    for row in read_lines(data / "wice" / "claims.dev.jsonl.gz"):
        if row["label"] != "supported":
            continue
        page = row["claim_title"]
        numbered = [(n, text) for n, text in enumerate(row["sentences"]) if text]
        whole = read(
            Evidence(" ".join(t for _, t in numbered), sentences=tuple(t for _, t in numbered))
        )
        titles = [m[1] for _, t in numbered[:TOP] if (m := _TITLE.search(t))]
        title = " - ".join([page, *titles[:1]])
        groups = [numbered[at : at + CUT] for at in range(0, len(numbered), CUT)]
        passages = [
            passage_of([t for _, t in g], title, n, whole.day) for n, g in enumerate(groups)
        ]
        needed = set(row["supporting_sentences"][0])
        own = [
            passage
            for passage, group in zip(passages, groups, strict=True)
            if needed & {n for n, _ in group}
        ]
        case = Case(row["claim"], page, whole.evidence, page)
        found.append(played(case, passages, own))
    return found


def squad(data: Path) -> list[Played]:
    """Return the longest sentence of every EVERYth paragraph, among paragraphs of its title."""
    rows = list(read_lines(data / "squad" / "paragraphs.jsonl"))
    by_title: dict[str, list[Passage]] = {}
    own: list[tuple[Case, Passage]] = []
    for number, row in enumerate(rows):
        text, title = row["text"], row["title"].replace("_", " ")
        spans = find_sentences(text, 0, len(text), "en")
        sentences = [text[span.start : span.end] for span in spans]
        passage = passage_of(sentences, title, number)
        by_title.setdefault(title, []).append(passage)
        longest = max(sentences, key=len)
        if number % EVERY == 0 and len(longest) >= SHORTEST:
            own.append((Case(longest, title, Evidence.of(passage), title), passage))
    return [
        played(case, nearest(case.text, by_title[case.page]), [passage]) for case, passage in own
    ]


def encoded(cases: Sequence[Played], encoder: Encoder) -> list[Played]:
    """Return the cases with the vectors of their passages' sentences."""
    different = list({p.chunk.id: p for case in cases for p in case.passages.values()}.values())
    vectors = {}
    for at in range(0, len(different), ENCODED):
        group = different[at : at + ENCODED]
        inputs = [
            EncoderInput("", p.chunk.text, tuple((s.start, s.end) for s in p.chunk.sentences))
            for p in group
        ]
        for passage, embedding in zip(group, encoder.encode_chunks(inputs), strict=True):
            vectors[passage.chunk.id] = np.asarray(embedding.sentences, dtype=np.float16)
    return [
        Played(
            case.case,
            {
                key: Passage(p.chunk, p.article, p.score, p.rank, p.signals, vectors[p.chunk.id])
                for key, p in case.passages.items()
            },
            case.cited,
        )
        for case in cases
    ]


def shown(encoder: Encoder | None, taken: list[float]) -> Shown:
    """Return what plays a sentence; milliseconds from its end to its release go to `taken`."""
    screen = Screen(ANSWER)
    verifier = Verifier(encoder)

    def play(case: Played, sentence: str) -> tuple[bool, float]:
        stream = CitationStream(case.passages)
        release = Release(case.passages, verifier, screen, Numbering())
        drafts = stream.feed(case.reply(sentence))
        start = time.perf_counter()
        drafts += stream.close()
        released = [release.sentence(draft) for draft in drafts]
        taken.append((time.perf_counter() - start) * 1e3)
        is_shown = all(each and each.sentence.support != "unsupported" for each in released)
        evidence = [Evidence.of(case.passages[key]) for key in case.cited]
        return is_shown, verifier.check(sentence, evidence).score

    return play


def measure(name: str, cases: Sequence[Played], play: Shown) -> list[Figure]:
    """Print how well faults are told, and return the figures that have bounds."""
    clean = [play(each, each.case.text) for each in cases]
    pages = [each.case for each in cases]
    alarms = share(pages, [not is_shown for is_shown, _ in clean])
    figures = [_figure(f"{name}: false alarms", alarms, ceiling=CEILING)]
    by_case = {id(each.case): each for each in cases}
    rows = []
    for kind in KINDS:
        planted = faults(kind, pages)
        if not planted:
            continue
        told = [play(by_case[id(case)], fault.text) for case, fault in planted]
        of = [case for case, _ in planted]
        floor = FLOOR if kind in NEEDED else None
        caught = share(of, [not is_shown for is_shown, _ in told])
        figures.append(_figure(f"{name}: {kind} shown as unsupported", caught, floor=floor))
        resampler = Resampler([case.page for case in [*pages, *of]])
        scores = [score for _, score in [*clean, *told]]
        area = area_interval(scores, [True] * len(pages) + [False] * len(of), resampler)
        rows.append([name, kind, f"{len(of)}", _text(area)])
    print_table(["set", "fault", "n", "score tells it from the untouched (AUROC)"], rows)
    return figures


def _figure(
    name: str, value: Interval, floor: float | None = None, ceiling: float | None = None
) -> Figure:
    note = f"n={value.n}, [{value.low:.3f}, {value.high:.3f}]"
    return Figure(name, value.value, floor=floor, ceiling=ceiling, note=note)


def _text(value: Interval) -> str:
    return f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"


def main() -> int:
    """Run from the command line."""
    parser = argument_parser(__doc__)
    data = parser.parse_args().data / "data"
    encoder = SentenceTransformerEncoder(threads=1)
    figures = []
    for name, cases in (("WiCE", wice(data)), ("SQuAD", squad(data))):
        taken: list[float] = []
        figures += measure(name, encoded(cases, encoder), shown(encoder, taken))
        for share_ in (0.5, 0.95):
            figures.append(
                Figure(
                    f"{name}: milliseconds a sentence, p{share_ * 100:.0f}",
                    percentile(taken, share_),
                    ceiling=10 if share_ == 0.5 else None,
                    digits=1,
                )
            )
    return 0 if print_figures(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
