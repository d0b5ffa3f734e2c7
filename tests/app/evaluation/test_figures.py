from __future__ import annotations

import pytest

from app.evaluation.bootstrap import Resamplers
from app.evaluation.figures import ALL, OURS, REPORTED, Former, Row, Scores, against, figures


def row(key: str, ours: float, theirs: float | None = None, reported: bool = True) -> Row:
    """Return a row with one measure, of ours and perhaps of a peer."""
    scores: dict[str, dict[str, float]] = {OURS: {"R@1": ours}}
    if theirs is not None:
        scores["peer"] = {"R@1": theirs}
    frozen: Scores = scores
    return Row(key, "corpus", "", reported, f"What is {key}?", frozen)


def values(rows: list[Row]) -> dict[tuple[str, str, str], tuple[int, float]]:
    """Return n and value by part, system and what it is compared with."""
    return {
        (f.part, f.system, f.against): (f.interval.n, f.interval.value)
        for f in figures(rows, Resamplers())
    }


def test_means_and_differences_by_hand() -> None:
    """Two of three against one of the two that the peer has."""
    found = values([row("a", 1, 0), row("b", 1, 1), row("c", 0)])
    assert found == {
        (REPORTED, OURS, ""): (3, pytest.approx(2 / 3)),
        (REPORTED, "peer", ""): (2, 0.5),
        (REPORTED, OURS, "peer"): (2, 0.5),
    }


def test_what_was_fitted_on_does_not_count() -> None:
    """Questions that something was fitted on are only among all."""
    found = values([row("a", 1), row("b", 0, reported=False)])
    assert found == {(REPORTED, OURS, ""): (1, 1.0), (ALL, OURS, ""): (2, 0.5)}


def test_a_former_run_is_compared_by_question() -> None:
    """Only questions of the same key and text are paired; those that changed are counted."""
    rows = [row("a", 1), row("b", 1), row("c", 1), row("d", 1)]
    former = {
        "a": Former("What is a?", {"R@1": 0.0}),
        "b": Former("What is b?", {"R@1": 1.0}),
        "c": Former("What was c?", {"R@1": 0.0}),
    }
    found, changed = against(rows, former, "before", Resamplers())
    assert changed == 1
    (difference,) = found
    assert (difference.interval.n, difference.interval.value) == (2, 0.5)
    assert (difference.system, difference.against) == (OURS, "before")
