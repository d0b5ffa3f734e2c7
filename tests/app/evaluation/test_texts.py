from __future__ import annotations

import pytest

from app.evaluation.bootstrap import Resamplers
from app.evaluation.figures import OURS, figures
from app.evaluation.sets import ConversationSet, Page, PageSet, Turn
from app.evaluation.texts import REWRITERS, Rewriter, evaluate_pages, evaluate_turns


def turn(utterance: str, rewrite: str, history: tuple[str, ...] = ()) -> Turn:
    """Return a turn after earlier questions."""
    return Turn("t", "c", tuple((each, None) for each in history), utterance, rewrite)


def scores(one: Turn, **rewriters: Rewriter) -> dict[str, dict[str, float]]:
    """Return what rewriters get for one turn."""
    (row,) = evaluate_turns(ConversationSet("s", "", (one,)), rewriters or REWRITERS)
    return {name: dict(values) for name, values in row.scores.items()}


FOLLOW_UP = turn(
    "When was it built?", "When was the Eiffel Tower in Paris built?", ("Tell me about Paris",)
)


def test_added_words_by_hand() -> None:
    """Of the 3 words a person added, a rewriter adds 2 and one too many."""
    found = scores(FOLLOW_UP, ours=lambda _: "When was the Eiffel Tower bridge built?")["ours"]
    assert found["recall of added words"] == pytest.approx(2 / 3)
    assert (found["words added"], found["words added rightly"]) == (3, 2)


def test_precision_is_over_all_turns() -> None:
    """Two of three added words and none of none: two of three."""
    rows = evaluate_turns(
        ConversationSet("s", "", (FOLLOW_UP, turn("And it?", "And the Louvre?"))),
        {
            OURS: lambda t: (
                "When was the Eiffel Tower bridge built?" if t is FOLLOW_UP else t.utterance
            )
        },
    )
    found = {figure.measure: figure.interval.value for figure in figures(rows, Resamplers())}
    assert found["precision of added words"] == pytest.approx(2 / 3)
    assert found["recall of added words"] == pytest.approx(1 / 3)


def test_a_turn_that_stands_alone_must_be_left_so() -> None:
    """Case and marks may change, words may not."""
    alone = turn("Who built the Louvre?", "who built the Louvre")
    found = scores(alone, same=lambda t: t.utterance, more=lambda t: f"In Paris: {t.utterance}")
    assert found == {"same": {"left unchanged": 1.0}, "more": {"left unchanged": 0.0}}


def test_the_plain_rewriters() -> None:
    """As it stands adds nothing; the earlier questions in front bring Paris; no track, no score."""
    found = scores(FOLLOW_UP)
    assert found["as it stands"]["recall of added words"] == 0
    assert found["earlier questions in front"]["recall of added words"] == pytest.approx(1 / 3)
    assert "the track's own" not in found


def test_a_page_is_extracted_by_the_product() -> None:
    """An article's text is found, a page without one is worth nothing."""
    text = " ".join(f"This is sentence {at} of the story about the old bridge." for at in range(9))
    html = f"<html><body><nav>Home</nav><article><h1>A</h1><p>{text}</p></article></body></html>"
    good, bad = evaluate_pages(
        PageSet("p", "", (Page("1", "a", html.encode(), text), Page("2", "b", b"\x00", text)))
    )
    assert good.scores[OURS]["recall"] == 1.0
    assert bad.scores[OURS] == {"precision": 0.0, "recall": 0.0, "exactly right": 0.0}
    assert "not extracted" in bad.said
