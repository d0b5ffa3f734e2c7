"""The head of the fused list, ordered anew by what single sentences say.

A fused score is of a whole chunk: one that holds the query's words here and there may have as
much of them as one with a sentence that says what is asked. A passage's score is therefore a
weighted sum of four numbers (FEATURES), read off what is there anyway: late-pooled sentence
vectors, words and their document frequencies. None depends on what else was found, so scores can
be compared between queries. bench/retrieval.py fits the weights and prints what each is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise

import numpy as np

from vectorstore.analysis import aliases, analyze, analyzer_of
from vectorstore.rows import Located
from vectorstore.types import Vector, embedding_context

FEATURES = (
    "bm25",  # the share of the most that the query's terms can give
    "meaning",  # the cosine of the sentence nearest to the query
    "said",  # the mean of cosine and coverage by families, with the title, of the best sentence
    "phrases",  # the weight of the query's neighbouring words that are neighbours in a sentence
)
WEIGHTS = (0.13, 0.34, 0.44, 0.09)
PREFIX = 5  # letters that two terms share to be of one family: "Canada", "Canadian"
SATURATED = 2.2  # what BM25 gives a term at most, by its idf: k1 + 1
FORM = 1.0  # the weight of a word without an idf of its own, in a pair: "in 1973"
KEPT = 65_536  # words, about 15 MB; what is rare falls out
LONGEST = 40  # characters of a word that is kept; where there are no blanks, all is one


@lru_cache(maxsize=KEPT)
def _terms_of(word: str, analyzer: str) -> tuple[str, ...]:
    return tuple(analyze(word, analyzer))  # takes microseconds, looking it up a tenth of one


def _terms(text: str, language: str | None) -> list[str]:
    name = analyzer_of(language)
    return [
        term
        for word in text.split()
        for term in (_terms_of(word, name) if len(word) <= LONGEST else analyze(word, name))
    ]


class Scorer:
    """Scores passages for one query.

    Args:
        query: As it is asked.
        vector: Its vector.
        idf: The weight of each of its content terms.
        language: What it is in.
    """

    def __init__(
        self, query: str, vector: Vector, idf: Mapping[str, float], language: str | None = None
    ) -> None:
        self._query = query
        self._language = language
        self._vector = vector
        self._families: dict[str, float] = {}
        for term, weight in idf.items():
            family = term[:PREFIX]
            self._families[family] = self._families.get(family, 0.0) + weight
        self._total = sum(idf.values()) or 1.0
        self._pairs = {
            (one, two): idf.get(one, FORM) + idf.get(two, FORM)
            for one, two in pairwise(_terms(query, language))
        }
        self._pairs_total = sum(self._pairs.values()) or 1.0

    def score(self, located: Located, bm25: float) -> float:
        """Return a passage's score, in [0, 1]: FEATURES by WEIGHTS."""
        return sum(w * f for w, f in zip(WEIGHTS, self.features(located, bm25), strict=True))

    def features(self, located: Located, bm25: float) -> tuple[float, float, float, float]:
        """Return FEATURES of a passage, each in [0, 1]."""
        chunk = located.chunk
        cosines = (located.sentence_vectors.astype(np.float32) @ self._vector).tolist()
        title = self._held(self._read(embedding_context(located.article), located))
        meaning = said = 0.0
        together: set[tuple[str, str]] = set()
        for cosine, sentence in zip(cosines, chunk.sentences, strict=True):
            text = chunk.text[sentence.start - chunk.start : sentence.end - chunk.start]
            terms = self._read(text, located)
            held = title | self._held(terms)
            coverage = sum(self._families[family] for family in held) / self._total
            meaning = max(meaning, min(cosine, 1.0))  # but for rounding
            said = max(said, (min(cosine, 1.0) + coverage) / 2)
            together.update(pair for pair in pairwise(terms) if pair in self._pairs)
        phrases = sum(self._pairs[pair] for pair in together) / self._pairs_total
        return min(1.0, bm25 / (SATURATED * self._total)), meaning, said, phrases

    def _read(self, text: str, located: Located) -> list[str]:
        """Return the terms of a text of a passage; those of the query's words are the query's."""
        language = located.article.language
        known = aliases(self._query, self._language, language)
        terms = _terms(text, language)
        return [known.get(term, term) for term in terms] if known else terms

    def _held(self, terms: list[str]) -> set[str]:
        return self._families.keys() & {term[:PREFIX] for term in terms}
