from __future__ import annotations

import numpy as np
import pytest

from app.evaluation.baselines import (
    Plain,
    best_articles,
    bm25_scores,
    convex,
    has_peer,
    rank_peer,
    rank_plain,
    ranked,
    reciprocal_ranks,
)
from tests.fakes import HashEncoder

TEXTS = {
    "tea": "Tea grows in Assam and Darjeeling.",
    "coffee": "Coffee grows in Ethiopia.",
    "steel": "Steel is an alloy of iron and carbon.",
}


def plain() -> Plain:
    """Return what the pipelines read of three articles of one chunk each."""
    encoder = HashEncoder()
    return Plain(
        uris=tuple(TEXTS),
        contexts=("",) * 3,
        texts=tuple(TEXTS.values()),
        vectors=np.stack([encoder.encode_query(text) for text in TEXTS.values()]),
        articles=TEXTS,
    )


def test_reciprocal_ranks_by_hand() -> None:
    """The sum of 1 / (60 + rank) over the rankings that have it."""
    assert reciprocal_ranks({"a": 2.0, "b": 1.0}, {"b": 5.0}) == {
        "a": pytest.approx(1 / 61),
        "b": pytest.approx(1 / 62 + 1 / 61),
    }


def test_the_convex_combination_by_hand() -> None:
    """Half the min-max cosine, half BM25 over its maximum."""
    assert convex({"a": 0.8, "b": 0.4}, {"b": 6.0, "c": 3.0}) == {
        "a": pytest.approx(0.5),
        "b": pytest.approx(0.5),
        "c": pytest.approx(0.25),
    }
    assert convex({}, {}) == {}


def test_ties_are_broken_by_uri() -> None:
    """The same scores give the same ranking."""
    assert ranked({"b": 1.0, "a": 1.0, "c": 2.0}) == ("c", "a", "b")


def test_an_article_is_as_near_as_its_best_chunk() -> None:
    """Two chunks of one article give one entry, with the higher cosine."""
    two = Plain(("a", "a", "b"), ("",) * 3, ("",) * 3, np.eye(3, dtype=np.float32), {})
    vector = np.array([0.6, 0.8, 0.0], dtype=np.float32)
    assert best_articles(two, vector) == {"a": pytest.approx(0.8), "b": pytest.approx(0.0)}


def test_bm25_leaves_out_what_shares_no_word() -> None:
    """bm25s fills up with articles of score 0, which are no hits."""
    coffee, nothing = bm25_scores(TEXTS, ["Where does coffee grow?", "zzz"])
    assert list(coffee) == ["coffee"]
    assert nothing == {}


def test_every_plain_pipeline_finds_the_obvious() -> None:
    """All four rank the article that shares the question's words first."""
    found = rank_plain(plain(), ["alloy of iron", "grows in Ethiopia"], HashEncoder())
    assert set(found) == {"dense", "bm25", "rrf", "convex"}
    for rankings in found.values():
        assert [ranking[0] for ranking in rankings] == ["steel", "coffee"]


@pytest.mark.skipif(not has_peer(), reason="txtai, an optional extra, is not installed")
def test_the_peer_uses_our_vectors() -> None:
    """The peer ranks by the vectors it is given, and loads no model."""
    assert rank_peer(plain(), ["alloy of iron"], HashEncoder())[0][0] == "steel"
