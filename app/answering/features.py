"""What a sentence's score is made of: plain numbers, each with a name.

All are computed from the question, the sentence, its neighbours and its passage; none looks at
anything but text, vectors and document frequencies, so a reader can follow each.

Where a reranker has reordered the passages, "1 / passage rank" is the place that it gave: so its
order reaches the choice of sentences. "passage score" and what is below the best one stay as
retrieval fused them, since trees were grown on such scores and a cross-encoder's have another
scale; without a reranker the two agree, with one they may not, and what the trees then make of
them was not measured on a real cross-encoder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from app.answering.citations import sentence_text
from app.answering.kinds import KINDS, expected_kind, has_kind
from app.answering.words import Token, Word, terms, tokens
from vectorstore.analysis import aliases
from vectorstore.retriever import Retrieved
from vectorstore.types import Passage, Sentence, embedding_context

NEAR = 3  # words between two of the question's words that belong together
PREFIX = 5  # letters that two words share to be of one family: "invade", "invasion"
PRONOUNS = frozenset("he she it they this that these those his her its their such".split())

SENTENCE = (
    "passage score",  # fused, by which retrieval picks what it scores
    "passage score below best",
    "1 / passage rank",
    "passage cosine",
    "passage coverage",  # of the weight of the question's words, with the title
    "passage families",  # the same, counting words of one family
    "passage pairs",  # neighbouring words of the question that are neighbours there
    "title coverage",
    "cosine",
    "cosine below passage's best",
    "cosine below best",
    "overlap",  # of the weight of the question's words
    "overlap below passage's best",
    "families",
    "with title and neighbours",  # the overlap if the title and the sentence before counted too
    "pairs",
    "rarest",  # the question's rarest word is there
    "names",  # share of the question's names and numbers that are there
    "of the kind",  # words of the kind of answer that the question asks for
    "new words",
    "words",
    "first of passage",
    "pronoun first",
    *(f"asks for {kind}" for kind in KINDS),
)

Features = NDArray[np.float64]
"""Shape (sentences, len(SENTENCE)), float64."""


class Asked:
    """A question, analysed once; texts in other languages are read by its own terms."""

    def __init__(
        self, question: str, weights: Mapping[str, float], language: str | None = None
    ) -> None:
        self.text = question
        self.language = language
        self.weights = weights  # idf of the content terms
        self.total = sum(weights.values()) or 1.0
        self.kind = expected_kind(question)
        self.tokens = tokens(question, language)
        self.terms = terms(question, language)
        self.pairs = _pairs(self.tokens, weights)
        self.families = _families(weights)
        self.rarest = max(weights, key=lambda term: weights[term], default="")
        self.names = names(self.tokens, weights)

    def tokens_of(self, text: str, language: str | None) -> list[Token]:
        """Return the words of a text in a language; those of the question have its terms."""
        found = tokens(text, language)
        if not (known := aliases(self.text, self.language, language)):
            return found
        return [token._replace(word=_renamed(token.word, known)) for token in found]

    def terms_of(self, text: str, language: str | None) -> frozenset[str]:
        """Return the different terms of such a text."""
        return frozenset(t for token in self.tokens_of(text, language) for t in token.word.terms)

    def coverage(self, held: Iterable[str]) -> float:
        """Return the share of the weight of the question's words that are among `held`."""
        return sum(self.weights[t] for t in self.weights.keys() & held) / self.total

    def family_coverage(self, held: Iterable[str]) -> float:
        """Return the same, counting words that begin alike."""
        begun = {term[:PREFIX] for term in held}
        return sum(self.families[t] for t in self.families.keys() & begun) / self.total

    def pair_share(self, places: Mapping[str, list[int]]) -> float:
        """Return the share of the question's pairs whose words are near each other."""
        if not self.pairs:
            return 0.0
        near = sum(
            any(abs(a - b) <= NEAR for a in places[one] for b in places[two])
            for one, two in self.pairs
            if one in places and two in places
        )
        return near / len(self.pairs)

    def name_share(self, held: Iterable[str]) -> float:
        """Return the share of the question's names and numbers among `held`, 1 if it has none."""
        return len(self.names & set(held)) / len(self.names) if self.names else 1.0


def _renamed(word: Word, known: Mapping[str, str]) -> Word:
    return replace(word, terms=tuple(known.get(term, term) for term in word.terms))


def _pairs(found: Sequence[Token], weights: Mapping[str, float]) -> list[tuple[str, str]]:
    content = [t for token in found for t in token.word.terms if t in weights]
    return [(a, b) for a, b in pairwise(content) if a != b]


def _families(weights: Mapping[str, float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for term, weight in weights.items():
        found[term[:PREFIX]] = found.get(term[:PREFIX], 0.0) + weight
    return found


def names(found: Sequence[Token], weights: Mapping[str, float]) -> frozenset[str]:
    """Return the terms of a question's names and numbers, as capitals and digits tell them."""
    return frozenset(
        term
        for number, token in enumerate(found)
        for term in token.word.terms
        if (token.word.digit or (token.word.capital and number)) and term in weights
    )


@dataclass(frozen=True, slots=True)
class Read:
    """A sentence with its words, and where each of the question's words stands in it."""

    passage: Passage
    sentence: Sentence
    text: str
    tokens: list[Token]
    held: frozenset[str]
    places: dict[str, list[int]]


def read(asked: Asked, passage: Passage, sentence: Sentence) -> Read:
    """Return a sentence as the features need it."""
    text = sentence_text(passage, sentence)
    found = asked.tokens_of(text, passage.article.language)
    places: dict[str, list[int]] = {}
    held = set()
    for place, token in enumerate(found):
        for term in token.word.terms:
            held.add(term)
            if term in asked.weights:
                places.setdefault(term, []).append(place)
    return Read(passage, sentence, text, found, frozenset(held), places)


def sentence_features(asked: Asked, retrieved: Retrieved) -> tuple[list[Read], Features]:
    """Return every sentence of the passages and its features, row by row."""
    rows: list[list[float]] = []
    sentences: list[Read] = []
    if not retrieved.passages:
        return [], np.zeros((0, len(SENTENCE)))
    top = max(passage.signals.fused for passage in retrieved.passages)
    asks = [float(asked.kind == kind) for kind in KINDS]
    for passage in retrieved.passages:
        vectors = passage.sentence_vectors
        if vectors is None or not len(vectors):
            continue
        cosines = (vectors.astype(np.float32) @ retrieved.query_vector).tolist()
        inside = [read(asked, passage, sentence) for sentence in passage.chunk.sentences]
        title = asked.terms_of(embedding_context(passage.article), passage.article.language)
        everything = title.union(*(each.held for each in inside))
        overlaps = [asked.coverage(each.held) for each in inside]
        of_passage = [
            passage.signals.fused,
            top - passage.signals.fused,
            1.0 / passage.rank,
            passage.signals.cosine,
            asked.coverage(everything),
            asked.family_coverage(everything),
            max(asked.pair_share(each.places) for each in inside),
            asked.coverage(title),
        ]
        best_cosine, best_overlap = max(cosines), max(overlaps)
        before: frozenset[str] = frozenset()
        for number, each in enumerate(inside):
            words = len(each.tokens)
            rows.append(
                [
                    *of_passage,
                    cosines[number],
                    best_cosine - cosines[number],
                    0.0,  # below the best of all, which is known only at the end
                    overlaps[number],
                    best_overlap - overlaps[number],
                    asked.family_coverage(each.held),
                    asked.coverage(each.held | title | before),
                    asked.pair_share(each.places),
                    float(asked.rarest in each.held),
                    asked.name_share(each.held | title),
                    float(has_kind(asked.kind, each.text, asked.terms)),
                    np.log1p(sum(not token.word.stop for token in each.tokens) - len(each.places)),
                    np.log1p(words),
                    float(number == 0),
                    float(bool(words) and each.tokens[0].word.lower in PRONOUNS),
                    *asks,
                ]
            )
            sentences.append(each)
            before = each.held
    features = np.array(rows, dtype=np.float64).reshape(-1, len(SENTENCE))
    if len(rows):
        cosine = features[:, SENTENCE.index("cosine")]
        features[:, SENTENCE.index("cosine below best")] = cosine.max() - cosine
    return sentences, features
