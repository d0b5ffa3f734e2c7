"""An article's text becomes chunks of whole sentences that fit the encoder.

Where a chunk ends depends only on the text around that place, never on what came before in
the article, so an edit changes the chunks beside it and no others. Every boundary between
paragraphs has a priority (headings first, then a hash of the paragraph that follows); a
boundary is a cut where no other within WINDOW tokens has a better one (the local-maximum
method of content-dependent chunking: Bjørner, Blass and Gurevich 2010). What is still too
long is halved at its best boundary until it fits.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.boilerplate import is_boilerplate, is_reference_list, is_reference_title
from vectorstore.sentences import find_sentences, strip
from vectorstore.types import Article, Chunk, Sentence, embedding_context

# In the store's fingerprint and in the key of the evaluation's cache. A change of where chunks or
# sentences end, here, in boilerplate.py or in vectorstore/sentences.py, needs a new name.
SPLITTER = "anchored-1"
WINDOW = 110  # tokens; chunks come out between half of it and the encoder's limit
SPECIAL_TOKENS = 2
MIN_BUDGET = 48  # tokens left for text when a title is absurdly long

TokenCounter = Callable[[Sequence[str]], list[int]]


@dataclass(frozen=True, slots=True)
class Unit:
    """What is never cut: a paragraph, or one sentence of a paragraph that is too long.

    `level` is 0 before a heading, 1 before a paragraph, 2 before a sentence: cuts prefer low.
    """

    sentences: tuple[Sentence, ...]
    cited: tuple[Sentence, ...]
    tokens: int
    level: int

    @property
    def start(self) -> int:
        """Where the unit starts in the article, in characters."""
        return self.sentences[0].start

    @property
    def end(self) -> int:
        """Where the unit ends in the article, in characters."""
        return self.sentences[-1].end


def split(
    article: Article, headings: Collection[int], count_tokens: TokenCounter, max_tokens: int
) -> tuple[Chunk, ...]:
    """Return the article's chunks, in order.

    Boilerplate (contact lines, "for more stories", lists of sources) is in no chunk. Headings
    are in the text of chunks but not among their sentences, which are what may be cited.

    Args:
        article: With its extracted text.
        headings: The offsets at which headings start.
        count_tokens: Tokens of each text, special ones left out.
        max_tokens: What the encoder reads of one input, special tokens included.
    """
    context = embedding_context(article.head)
    budget = max(max_tokens - SPECIAL_TOKENS - count_tokens([context])[0], MIN_BUDGET)
    chunks: list[Chunk] = []
    occurrences: dict[str, int] = {}
    for run in _runs(article, headings, count_tokens, budget):
        for piece in _cut(run, article.text, budget):
            cited = tuple(s for unit in piece for s in unit.cited)
            if not cited:
                continue  # headings alone
            start = piece[0].start
            text = article.text[start : piece[-1].end]
            spans = [(s.start - start, s.end - start) for s in cited]
            occurrences[text] = occurrences.get(text, 0) + 1
            chunks.append(
                Chunk(
                    id=chunk_id(article.head.id, context + text, spans, occurrences[text]),
                    article_id=article.head.id,
                    ordinal=len(chunks),
                    start=start,
                    end=piece[-1].end,
                    text=text,
                    sentences=cited,
                )
            )
    return tuple(chunks)


def chunk_id(
    article_id: str, embedded: str, spans: Sequence[tuple[int, int]], occurrence: int
) -> str:
    """Return the id of the nth chunk of an article that is embedded as the same text.

    `spans` are its sentences' offsets in the chunk: their vectors are kept with the chunk's.
    """
    key = f"{article_id}\0{embedded}\0{spans}\0{occurrence}"
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _runs(
    article: Article, headings: Collection[int], count_tokens: TokenCounter, budget: int
) -> list[list[Unit]]:
    """Return the units of the article, in runs parted by boilerplate."""
    text = article.text
    paragraphs = [
        (match.start(), find_sentences(text, *match.span(), article.head.language))
        for match in re.finditer(r"[^\s][^\n]*", text)
    ]
    counts = iter(count_tokens([text[s.start : s.end] for _, found in paragraphs for s in found]))
    runs: list[list[Unit]] = [[]]
    listing = False  # whether a list of sources is being passed over
    # Without headings nothing says where such a list ends: it is believed near the end only.
    late = 0 if headings else len(text) * 2 // 3
    for start, sentences in paragraphs:
        heading = start in headings
        paragraph = text[sentences[0].start : sentences[-1].end]
        titled = is_reference_title(paragraph) and start >= late
        listing = titled or (listing and not heading)
        units = _units(text, sentences, counts, heading, count_tokens, budget)
        if listing or (start >= late and is_reference_list(paragraph)):
            units = [None]
        for unit in units:
            if unit is None:
                runs.append([])
            else:
                runs[-1].append(unit)
    return [run for run in runs if any(unit.cited for unit in run)]


def _units(
    text: str,
    sentences: Sequence[Sentence],
    counts: Iterator[int],
    heading: bool,
    count_tokens: TokenCounter,
    budget: int,
) -> list[Unit | None]:
    """Return a paragraph's units; None stands where boilerplate was left out."""
    units: list[Unit | None] = []
    group: list[tuple[Sentence, int]] = []
    for sentence in sentences:
        tokens = next(counts)
        if not heading and is_boilerplate(text[sentence.start : sentence.end]):
            units += [*_pack(group, heading, budget), None]
            group = []
        else:
            group += _fit(text, sentence, tokens, count_tokens, budget)
    return units + _pack(group, heading, budget)


def _fit(
    text: str, sentence: Sentence, tokens: int, count_tokens: TokenCounter, budget: int
) -> list[tuple[Sentence, int]]:
    """Halve a sentence that alone exceeds the budget, at a blank where there is one."""
    length = sentence.end - sentence.start
    if tokens <= budget or length < 2:
        return [(sentence, tokens)]
    middle = sentence.start + length // 2
    blank = text.rfind(" ", sentence.start + length // 4, middle)
    middle = blank if blank > sentence.start else middle
    halves = strip(text, sentence.start, middle) + strip(text, middle, sentence.end)
    counts = count_tokens([text[half.start : half.end] for half in halves])
    fitted: list[tuple[Sentence, int]] = []
    for half, size in zip(halves, counts, strict=True):
        fitted += _fit(text, half, size, count_tokens, budget)
    return fitted


def _pack(group: Sequence[tuple[Sentence, int]], heading: bool, budget: int) -> list[Unit | None]:
    if not group:
        return []
    sentences = tuple(sentence for sentence, _ in group)
    tokens = sum(size for _, size in group)
    if tokens <= budget:
        return [Unit(sentences, () if heading else sentences, tokens, 0 if heading else 1)]
    return [
        Unit((sentence,), () if heading else (sentence,), size, 1 if position == 0 else 2)
        for position, (sentence, size) in enumerate(group)
    ]


def _cut(run: Sequence[Unit], text: str, budget: int) -> list[Sequence[Unit]]:
    """Cut a run at its anchors, and what is still too long at its best boundary."""
    if sum(unit.tokens for unit in run) <= 2 * budget:
        return _halve(run, budget)  # so short that anchors would only cut it smaller
    positions = [0]
    for unit in run:
        positions.append(positions[-1] + unit.tokens)
    priorities = [(unit.level, _hash(text[unit.start : unit.end])) for unit in run]
    cuts = [
        index
        for index in range(1, len(run))
        if positions[index] >= WINDOW / 2
        and positions[-1] - positions[index] >= WINDOW / 2
        and _is_anchor(index, positions, priorities)
    ]
    edges = [0, *cuts, len(run)]
    pieces: list[Sequence[Unit]] = []
    for first, last in pairwise(edges):
        pieces += _halve(run[first:last], budget)
    return pieces


def _is_anchor(index: int, positions: Sequence[int], priorities: Sequence[tuple[int, str]]) -> bool:
    for step in (-1, 1):
        other = index + step
        while 1 <= other < len(priorities) and abs(positions[other] - positions[index]) < WINDOW:
            if (priorities[other], other) < (priorities[index], index):
                return False
            other += step
    return True


def _halve(units: Sequence[Unit], budget: int) -> list[Sequence[Unit]]:
    total = sum(unit.tokens for unit in units)
    if total <= budget or len(units) == 1:
        return [units]
    best, lowest, before = 1, (9, float("inf")), 0
    for index in range(1, len(units)):
        before += units[index - 1].tokens
        # A boundary of a better level may lie off the middle by a quarter of the whole.
        off = abs(before - total / 2)
        key = (units[index].level if off <= total / 4 else 8, off)
        if key < lowest:
            best, lowest = index, key
    return _halve(units[:best], budget) + _halve(units[best:], budget)


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
