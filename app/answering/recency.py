"""The dates of articles in the order of what was found, where a question speaks of time.

A recency term among the best: what is within reach of the best score, and holds about as much of
the question, is lifted by up to a fixed weight. So the newest of the articles that fit comes
first, and one that fits less stays behind whatever its date. bench/dated.py chose the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from app.answering.extractive import Candidate
from app.answering.times import Time
from vectorstore.types import ArticleHead, Passage


@dataclass(frozen=True, slots=True)
class Lift:
    """What is lifted: how far below the best score it may be, and by how much at most.

    `held` is the share of the weight of the question's words in the best one that it must hold.
    """

    reach: float
    weight: float
    held: float = 0.0


PASSAGES = Lift(reach=0.16, weight=0.065)  # of a score, in [0, 1]
LATEST = Lift(reach=4.5, weight=9.0, held=0.8)  # logits; the newest was asked for
MILD = Lift(reach=4.5, weight=3.0, held=0.8)  # the question says "now", or names a time


def newest_day(head: ArticleHead) -> date | None:
    """Return the day of an article's current version: when it was updated, else published."""
    return max((day for day in (head.published, head.modified) if day), default=None)


def timeliness(heads: Sequence[ArticleHead], time: Time) -> list[float]:
    """Return how well each article's dates fit, in [0, 1].

    For the newest, the place of its day among those of the others; for periods, whether it was
    published or updated in one. An article without a date fits neither.
    """
    if not (time.newest or time.current):
        return [
            float(any(p.holds(head.published) or p.holds(head.modified) for p in time.near))
            for head in heads
        ]
    days = sorted({day for head in heads if (day := newest_day(head))})
    place = {day: index / len(days) for index, day in enumerate(days, start=1)}
    return [place[day] if (day := newest_day(head)) else 0.0 for head in heads]


def timely_passages(
    passages: Sequence[Passage], time: Time, lift: Lift = PASSAGES
) -> tuple[Passage, ...]:
    """Return the passages in the order that a question's time gives them.

    A passage is lifted from its place: from the score that retrieval gave to what stood there,
    which a reranker's order need not follow.
    """
    if not time.ranks or not passages:
        return tuple(passages)
    least = max(passage.score for passage in passages) - lift.reach
    near = [passage for passage in passages if passage.score >= least]
    fits = timeliness([passage.article for passage in near], time)
    by = {each.chunk.id: lift.weight * fit for each, fit in zip(near, fits, strict=True)}
    lifted = [replace(p, score=p.score + by.get(p.chunk.id, 0.0)) for p in passages]
    places = sorted((passage.score for passage in passages), reverse=True)
    at = {p.chunk.id: at + by.get(p.chunk.id, 0.0) for p, at in zip(passages, places, strict=True)}
    ordered = sorted(lifted, key=lambda passage: -at[passage.chunk.id])
    return tuple(replace(passage, rank=rank) for rank, passage in enumerate(ordered, start=1))


def timely_sentences(
    ranked: Sequence[Candidate], time: Time, lift: Lift | None = None
) -> list[Candidate]:
    """Return the sentences in the order that a question's time gives them.

    Args:
        ranked: Best first.
        time: What the question says of time.
        lift: Another one than those shipped, to measure it.
    """
    if not time.ranks or not ranked:
        return list(ranked)
    lift = lift or (LATEST if time.newest else MILD)
    best = ranked[0]
    least = lift.held * best.asked.coverage(best.read.held)
    near = [
        each
        for each in ranked
        if each.score >= best.score - lift.reach and each.asked.coverage(each.read.held) >= least
    ]
    fits = timeliness([each.passage.article for each in near], time)
    by = {id(each): lift.weight * fit for each, fit in zip(near, fits, strict=True)}
    lifted = [replace(each, score=each.score + by.get(id(each), 0.0)) for each in ranked]
    return sorted(lifted, key=lambda each: -each.score)
