"""Answers where articles have dates: filtered, newest first, and where they disagree."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from app.answering.answer import Answer, gather
from app.answering.cache import AnswerCache
from app.answering.engine import Engine
from tests.fakes import HashEncoder, put
from vectorstore.retriever import Retriever
from vectorstore.store import Store
from vectorstore.types import Filter

TODAY = date(2026, 11, 24)
OLD = "The harbour bridge carries 40,000 cars a day across the river."
NEW = "The harbour bridge carries 52,000 cars a day across the river."
QUESTION = "How many cars a day does the harbour bridge carry?"
TOLD = "The articles disagree on a figure; the newest comes first"
Ask = Callable[..., Answer]


@pytest.fixture
def ask(store: Store, encoder: HashEncoder) -> Ask:
    """Ask an engine for which it is TODAY, and which finds every answer sure enough."""

    def asked(question: str, condition: Filter | None = None, today: date = TODAY) -> Answer:
        engine = Engine(store, Retriever(store, encoder), 0.0, lambda: today)
        return gather(engine.stream(question, condition))

    return asked


def test_a_relative_date_is_a_filter_that_is_shown(store: Store, ask: Ask) -> None:
    """Last June's articles answer, no others are found, and the filter is told."""
    put(store, "june", NEW, published=date(2026, 6, 9))
    put(store, "july", OLD, published=date(2026, 7, 1))
    answer = ask("How many cars did the harbour bridge carry last June?")
    assert answer.filters == Filter(published_from=date(2026, 6, 1), published_to=date(2026, 6, 30))
    assert {passage.article.uri for passage in answer.passages} == {"june"}


def test_the_clock_decides_what_last_june_is(store: Store, ask: Ask) -> None:
    """The same words a year before mean another June."""
    put(store, "june", NEW, published=date(2026, 6, 9))
    question = "What did the harbour bridge carry last June?"
    assert ask(question, today=date(2025, 11, 24)).passages == ()
    assert ask(question).passages != ()


def test_a_filter_that_leaves_nothing_is_named(store: Store, ask: Ask) -> None:
    """Where no article is of the time asked for, that is the answer: nothing is widened."""
    put(store, "july", OLD, published=date(2026, 7, 1))
    answer = ask("What was reported on the harbour bridge last June?")
    assert (answer.outcome, answer.passages, answer.closest) == ("not_found", (), ())
    assert answer.text == "The articles of June 2026 do not say."


def test_the_year_of_an_event_filters_nothing(store: Store, ask: Ask) -> None:
    """An article of today answers what happened in 1932."""
    put(store, "bridge", "The harbour bridge opened in 1932.", published=date(2026, 7, 1))
    answer = ask("Who opened the harbour bridge in 1932?")
    assert answer.filters == Filter()
    assert answer.outcome == "answered"


def test_a_period_narrows_what_was_filtered_already(store: Store, ask: Ask) -> None:
    """The reader's own filter and the question's both hold, even where they share no day."""
    put(store, "june", NEW, published=date(2026, 6, 9))
    since = Filter(published_from=date(2026, 6, 8))
    answer = ask("What did the bridge carry last June?", since)
    assert answer.filters == Filter(published_from=date(2026, 6, 8), published_to=date(2026, 6, 30))
    assert answer.passages
    later = ask("What did the bridge carry last June?", Filter(published_from=date(2026, 7, 1)))
    assert (later.outcome, later.passages) == ("not_found", ())


def test_without_dates_it_is_said_that_nothing_is_filtered(store: Store, ask: Ask) -> None:
    """Where no article has a date, a period filters nothing, and the answer says so."""
    put(store, "bridge", NEW)
    answer = ask("How many cars did the harbour bridge carry last June?")
    assert answer.filters == Filter()
    assert answer.degraded == ("No article has a date: those of June 2026 cannot be told.",)
    assert answer.outcome == "answered"


def test_the_latest_comes_first(store: Store, ask: Ask) -> None:
    """Of two articles that fit alike the newer answers, if the latest is asked for."""
    old, new = "The harbour bridge is painted grey.", "The harbour bridge is painted green."
    put(store, "a", old, published=date(2019, 1, 1))
    put(store, "b", new, published=date(2026, 1, 1))
    assert ask("What is the latest colour the harbour bridge is painted?").sentences[0].text == new
    store.remove(["news/a", "news/b"])
    put(store, "a", old, published=date(2026, 1, 1))
    put(store, "b", new, published=date(2019, 1, 1))
    assert ask("What is the latest colour the harbour bridge is painted?").sentences[0].text == old


@pytest.mark.parametrize("newer", [OLD, NEW])
def test_articles_that_disagree_are_both_told(store: Store, ask: Ask, newer: str) -> None:
    """Both figures are shown, the newer first, each cited, with a sentence that says so."""
    older = OLD if newer == NEW else NEW
    put(store, "a", older, published=date(2019, 5, 3))
    put(store, "b", newer, published=date(2026, 6, 9))
    answer = ask(QUESTION)
    assert [each.text for each in answer.sentences] == [
        newer, older, f"{TOLD} (9 June 2026, then 3 May 2019)."
    ]  # fmt: skip
    assert [each.citations for each in answer.sentences] == [(1,), (2,), ()]
    assert answer.sentences[2].support == "service"
    assert [each.article.uri for each in answer.citations] == ["b", "a"]


def test_three_articles_may_disagree(store: Store, ask: Ask) -> None:
    """An article without a date comes last, and is called so."""
    put(store, "a", OLD)
    put(store, "b", NEW, published=date(2026, 6, 9))
    put(store, "c", NEW.replace("52", "61"), published=date(2026, 7, 9))
    told = ask(QUESTION).sentences[-1].text
    assert told == f"{TOLD} (9 July 2026, then 9 June 2026, then without a date)."


@pytest.mark.parametrize(
    "other",
    [
        OLD.replace("40,000 cars", "forty thousand cars"),
        "The Severn bridge carries 52,000 cars a day across the river.",
        "The harbour bridge carried 52,000 cars and 900 lorries a day across the river.",
        "The harbour bridge carries 52,000 trams a day across the river.",
        "The harbour bridge cost 52,000 pounds to paint last spring.",
        "The harbour bridge carries cars across the river.",
        "The harbour bridge carries 52 % of the cars across the river a day.",
    ],
    ids=["same", "name", "two figures", "thing", "matter", "no figure", "unit"],
)
def test_what_tells_of_something_else_is_no_disagreement(
    store: Store, ask: Ask, other: str
) -> None:
    """The same figure in words, another name, thing, unit or case is no disagreement."""
    put(store, "a", OLD, published=date(2019, 5, 3))
    put(store, "b", other, published=date(2026, 6, 9))
    assert not any(each.support == "service" for each in ask(QUESTION).sentences)


def test_one_article_does_not_disagree_with_itself(store: Store, ask: Ask) -> None:
    """Two figures in one article are for its reader to tell apart."""
    put(store, "a", OLD, NEW, published=date(2019, 5, 3))
    assert not any(each.support == "service" for each in ask(QUESTION).sentences)


def test_an_updated_article_is_cited_as_it_is_now(store: Store, ask: Ask) -> None:
    """After an update only the new text is found, cited and quoted: it does not disagree."""
    put(store, "a", OLD, published=date(2019, 5, 3))
    before = ask(QUESTION).citations[0].article.sha256
    put(store, "a", NEW, published=date(2019, 5, 3))
    answer = ask(QUESTION)
    assert [each.text for each in answer.sentences] == [NEW]
    assert {each.quote for each in answer.citations} == {NEW}
    assert all(each.article.sha256 != before for each in answer.citations)
    assert all(OLD not in passage.chunk.text for passage in answer.passages)


def test_an_answer_of_yesterday_is_not_told_again(store: Store, encoder: HashEncoder) -> None:
    """What a relative date means ends with the day; other answers are told again."""
    put(store, "a", NEW, published=date(2026, 11, 23))
    day = [TODAY]
    engine = Engine(store, Retriever(store, encoder), 0.0, lambda: day[0])
    cache = AnswerCache(engine, store)

    def told(question: str) -> Answer:
        return gather(cache.stream(question, Filter()))

    relative = "How many cars did the harbour bridge carry yesterday?"
    assert told(relative).passages
    told(QUESTION)
    day[0] = date(2026, 11, 25)
    assert not told(relative).passages
    assert "cached" in told(QUESTION).timings
