"""How well a sentence is borne out by the words of others: one probability."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from vectorstore.analysis import content_terms

Idf = Callable[[Iterable[str]], Mapping[str, float]]
"""Terms to their inverse document frequency, as `LexicalIndex.idf` gives it."""

BEST = 3  # sentences that may bear a sentence out together
BACKGROUND = 20  # sentences of other articles, imagined, when a term's weight is told


@dataclass(frozen=True, slots=True)
class Match:
    """The words of a sentence found in others, each share weighted by idf, in [0, 1].

    `best` is the share in one sentence, `few` in BEST together, `anywhere` in all of them and
    what their reader knows; `ranked` are the sentences' indexes, best first.
    """

    best: float
    few: float
    anywhere: float
    ranked: tuple[int, ...]


def match(
    sentence: str, told: Sequence[frozenset[str]], known: frozenset[str], idf: Idf | None
) -> Match:
    """Return how much of a sentence's content others hold.

    Args:
        sentence: The sentence to bear out.
        told: The content terms of each sentence of the evidence.
        known: Terms that need no support: of titles.
        idf: How much each term weighs; None counts in `told`.
    """
    terms = content_terms(sentence)
    weights = idf(terms) if idf else _weights(terms, told)
    total = sum(weights[term] for term in terms)
    if not total:
        return Match(0.0, 0.0, 0.0, tuple(range(len(told))))
    asked = frozenset(terms)
    held = [asked & each for each in told]
    shares = [sum(weights[term] for term in each) / total for each in held]
    ranked = sorted(range(len(told)), key=lambda n: (-shares[n], n))
    covered: frozenset[str] = frozenset()
    for _ in range(BEST):
        gains = [sum(weights[t] for t in held[n] - covered) for n in ranked[:50]]
        if gains and max(gains) > 0:
            covered |= held[ranked[gains.index(max(gains))]]
    everywhere = frozenset().union(*held) | (asked & known)
    return Match(
        shares[ranked[0]] if ranked else 0.0,
        sum(weights[t] for t in covered) / total,
        sum(weights[t] for t in everywhere) / total,
        tuple(ranked),
    )


def _weights(terms: Iterable[str], told: Sequence[frozenset[str]]) -> dict[str, float]:
    """Inverse frequency among the sentences told, and as many more that hold none of them."""
    counts = Counter(term for each in told for term in each)
    size = len(told) + BACKGROUND
    return {t: math.log(1 + (size - counts[t] + 0.5) / (counts[t] + 0.5)) for t in terms}


WEIGHTS = (2.0, 3.0, -1.5)  # of `few`, `anywhere`, and each fault
INTERCEPT = -3.0
MOST_FAULTS = 3


def probability(found: Match, faults: int) -> float:
    """Return how probable it is, in [0, 1], that a sentence is borne out, by its words alone.

    The weights are round ones: a regression fitted on WiCE's claims and tested on other pages'
    separates no better (bench/support.py).
    """
    values = (found.few, found.anywhere, min(faults, MOST_FAULTS))
    logit = sum(w * v for w, v in zip(WEIGHTS, values, strict=True)) + INTERCEPT
    return 1.0 / (1.0 + math.exp(-logit))
