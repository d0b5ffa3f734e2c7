"""What the records tell, in the forms in which it leaves the house."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from app.records.feedback import Feedback
from app.records.insight import Gap
from app.reports import case_json, cell, gaps_csv
from tests.kept import body


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30", "'+49 30"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("Is 1=1?", "Is 1=1?"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(text: str, safe: str) -> None:
    """What a spreadsheet would compute begins with an apostrophe; all else stays as it is."""
    assert cell(text) == safe


def test_a_table_survives_what_is_asked() -> None:
    """Quotes, commas and line ends in a question stay in its cell."""
    hostile = '=HYPERLINK("http://evil.example","x"),\n"y"'
    table = gaps_csv([Gap(hostile, 3, 2, 1, 0.0, ("@one", "two, three"))])
    head, row = csv.reader(io.StringIO(table, newline=""))
    assert head == ["question", "count", "not_found", "partial", "last", "closest"]
    assert row == [f"'{hostile}", "3", "2", "1", "1970-01-01T00:00:00Z", "'@one; two, three"]
    assert table.count("\r\n") == 2


def case(verdict: str, reason: str | None, outcome: str) -> dict[str, Any]:
    """Return the case of a verdict on an answer with an outcome."""
    given = Feedback("q1", verdict, reason, "hm", 0.0, "Why?", body("q1", "Why?", outcome))
    found = case_json(given)
    assert found is not None
    return found


CITED = [{"article_id": "c1", "uri": "c1.md", "quote": "It is so."}]


@pytest.mark.parametrize(
    ("verdict", "reason", "outcome", "expected", "answer"),
    [
        ("helpful", None, "answered", "answered", ["It is so."]),
        ("helpful", None, "partial", "answered", ["It is so."]),
        ("helpful", None, "not_found", "not_found", []),
        ("unhelpful", "wrong", "answered", "answered", None),
        ("unhelpful", None, "answered", "answered", None),
        ("unhelpful", "off_topic", "answered", "not_found", []),
        ("unhelpful", "not_supported", "answered", "not_found", []),
        ("unhelpful", "incomplete", "not_found", "answered", None),
        ("unhelpful", "off_topic", "not_found", "answered", None),
    ],
)
def test_feedback_makes_cases(
    verdict: str, reason: str | None, outcome: str, expected: str, answer: list[str] | None
) -> None:
    """What helped is to be answered so again; of what did not, a person says how."""
    found = case(verdict, reason, outcome)
    assert (found["expected"], found["answer"]) == (expected, answer)
    is_cited = outcome != "not_found"
    helped = verdict == "helpful"
    assert found["relevant"] == (CITED if helped and is_cited else [])
    assert found["rejected"] == (CITED if not helped and is_cited else [])
    assert found["article"] == ("c1.md" if helped and is_cited else None)
    assert (found["id"], found["question"]) == ("q1", "Why?")
    assert (found["verdict"], found["reason"], found["comment"]) == (verdict, reason, "hm")


def test_what_cites_nothing_is_no_refusal() -> None:
    """Thanks for a greeting do not make a case that is to be refused."""
    greeting = {**body("q1", "Hello"), "citations": []}
    found = case_json(Feedback("q1", "helpful", None, None, 0.0, "Hello", greeting))
    assert found is not None
    assert (found["expected"], found["answer"]) == ("answered", None)


def test_what_was_erased_makes_no_case() -> None:
    """Without the answer nobody knows what was right."""
    assert case_json(Feedback("q1", "helpful", None, None, 0.0, "Why?", None)) is None
