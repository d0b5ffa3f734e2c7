"""Dates order what fits about as well, and bring up nothing that fits less."""

from __future__ import annotations

from datetime import date

import pytest

from app.answering.recency import newest_day, timeliness, timely_passages
from app.answering.times import Period, Time
from vectorstore.types import ArticleHead, Chunk, Passage, Signals

LATEST = Time(newest=True)


def head(name: str, published: date | None, modified: date | None = None) -> ArticleHead:
    """Return an article of a day."""
    return ArticleHead(name, name, name, "f" * 64, "c", published=published, modified=modified)


def passage(name: str, score: float, year: int) -> Passage:
    """Return a passage of an article of that year."""
    chunk = Chunk(name, name, 0, 0, 4, "text", ())
    return Passage(chunk, head(name, date(year, 1, 1)), score, 1, Signals(score, 0.0, 0.0))


def test_an_update_counts_as_its_day() -> None:
    """The day of an article is that of its last change, where one is known."""
    assert newest_day(head("a", date(2020, 1, 1), date(2024, 1, 1))) == date(2024, 1, 1)
    assert newest_day(head("a", date(2020, 1, 1))) == date(2020, 1, 1)
    assert newest_day(head("a", None)) is None


def test_the_newest_fits_best_and_the_undated_least() -> None:
    """For the latest, fit follows the order of days, and equal days fit equally."""
    years = (2020, 2024, 2022, 2024)
    heads = [head(str(n), date(year, 1, 1)) for n, year in enumerate(years)]
    fits = timeliness([*heads, head("undated", None)], LATEST)
    assert fits == pytest.approx([1 / 3, 1.0, 2 / 3, 1.0, 0.0])


def test_a_period_is_met_by_publication_or_update() -> None:
    """For a period an article fits if it was published or updated in it."""
    time = Time(near=(Period(date(2024, 1, 1), date(2024, 12, 31)),))
    heads = [
        head("published", date(2024, 5, 1)),
        head("updated", date(2020, 5, 1), date(2024, 5, 1)),
        head("other", date(2023, 5, 1)),
        head("undated", None),
    ]
    assert timeliness(heads, time) == [1.0, 1.0, 0.0, 0.0]


def test_a_rerankers_order_is_what_time_lifts_from() -> None:
    """Passages that a reranker put in another order than their scores stay in it, but for dates."""
    found = [passage("weak", 0.90, 2020), passage("strong", 0.92, 2020), passage("new", 0.91, 2025)]
    ordered = timely_passages(found, LATEST)
    assert [each.article.id for each in ordered] == ["new", "weak", "strong"]


def test_the_newest_leads_among_the_best_only() -> None:
    """Of two that fit alike the newer leads; the newest of all fits less, and stays behind."""
    found = [passage("old", 0.90, 2019), passage("new", 0.88, 2025), passage("far", 0.3, 2026)]
    ordered = timely_passages(found, LATEST)
    assert [each.article.id for each in ordered] == ["new", "old", "far"]
    assert [each.rank for each in ordered] == [1, 2, 3]
    assert [each.score for each in ordered] == sorted((p.score for p in ordered), reverse=True)


def test_without_a_time_nothing_moves() -> None:
    """A question that says nothing of time leaves passages as they were found."""
    found = (passage("old", 0.90, 2019), passage("new", 0.89, 2025))
    assert timely_passages(found, Time()) == found
