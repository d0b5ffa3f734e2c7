"""A scope is read from the words of a terminal or a page."""

from __future__ import annotations

from datetime import date

import pytest

from app.scope import EVERYTHING, Scope, read_scope
from vectorstore.errors import QuestionError


def test_what_is_left_out_lets_everything_through() -> None:
    """Neither a missing nor an empty condition filters, but an empty list lets nothing through."""
    assert read_scope({}) == EVERYTHING
    assert read_scope({"collections": None, "published_from": ""}) == EVERYTHING
    assert read_scope({"collections": []}) == Scope(collections=())


def test_every_condition_is_read() -> None:
    """Lists become tuples and dates become dates."""
    scope = read_scope(
        {
            "collections": ["news", "blog"],
            "sources": ["/articles"],
            "languages": ["en"],
            "published_from": "2026-01-01",
            "published_to": "2026-03-14",
        }
    )
    assert scope == Scope(
        ("news", "blog"), ("/articles",), ("en",), date(2026, 1, 1), date(2026, 3, 14)
    )


@pytest.mark.parametrize("value", ["14.3.2026", "2026-02-30", "today"])
def test_what_is_no_date_is_told(value: str) -> None:
    """A date that is none is an error that names it and shows the form."""
    with pytest.raises(QuestionError, match=f"{value}.*2026-03-14"):
        read_scope({"published_to": value})
