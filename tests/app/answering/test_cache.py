"""An answer is told again until something changes that it rests on, and only to its like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.answering.answer import Answer, Event, gather
from app.answering.cache import AnswerCache
from app.answering.conversation import Exchange
from app.answering.engine import Engine
from app.answering.parts import Understood
from app.settings import Settings
from tests.cross_encoders import make_cross_encoder
from tests.fakes import HashEncoder, put
from vectorstore.errors import CitewellError, QuestionError
from vectorstore.reranker import Reranker
from vectorstore.retriever import Retriever
from vectorstore.store import Store
from vectorstore.types import Filter

QUESTION = "When was the harbour bridge opened?"
OPENED = "The harbour bridge opened on 3 May 1932 after eight years of work."


class Counted(Engine):
    """An engine that counts what it is asked, and can fail."""

    asked = 0
    is_broken = False

    def events(self, asked: str, meant: Understood, condition: Filter) -> Iterator[Event]:
        """Answer, or break off after the first event."""
        self.asked += 1
        events = super().events(asked, meant, condition)
        yield next(events)
        if self.is_broken:
            msg = "the model is gone"
            raise CitewellError(msg)
        yield from events


@pytest.fixture
def engine(store: Store, encoder: HashEncoder) -> Counted:
    """An engine over one article."""
    put(store, "bridge", OPENED, collection="news")
    return Counted(store, Retriever(store, encoder), Settings().threshold)


def ask(cache: AnswerCache, question: str = QUESTION, condition: Filter | None = None) -> Answer:
    """Return the whole answer."""
    return gather(cache.stream(question, condition or Filter()))


def test_the_same_question_has_the_same_answer_under_another_id(
    store: Store, engine: Counted
) -> None:
    """The second answer is the first but for its id and timings, and nothing is searched."""
    cache = AnswerCache(engine, store)
    first, second = ask(cache), ask(cache)
    assert engine.asked == 1
    assert first.sentences
    assert first.id != second.id
    assert replace(second, id=first.id, timings=first.timings) == first
    assert "cached" not in first.timings
    assert set(second.timings) == {"cached", "first_sentence", "total"}


def test_blanks_do_not_matter_but_case_does(store: Store, engine: Counted) -> None:
    """A question spaced otherwise is the same, and is told back as it was asked."""
    cache = AnswerCache(engine, store)
    ask(cache)
    spaced = ask(cache, "  When was the\n harbour  bridge opened? ")
    assert (engine.asked, spaced.question) == (1, "When was the\n harbour  bridge opened?")
    ask(cache, QUESTION.upper())
    assert engine.asked == 2


@pytest.mark.parametrize("change", ["publish", "remove", "correct"])
def test_a_publication_ends_what_was_kept(store: Store, engine: Counted, change: str) -> None:
    """Whatever changes what readers see, the next answer is made anew and shows it."""
    cache = AnswerCache(engine, store)
    assert "1932" in ask(cache).text
    if change == "publish":
        put(store, "other", "Penguins eat krill.", collection="news")
    elif change == "remove":
        store.remove(["news/bridge"])
    else:
        put(store, "bridge", OPENED.replace("1932", "1931"), collection="news")
    assert ("1932" in ask(cache).text) == (change == "publish")
    assert engine.asked == 2
    ask(cache)
    assert engine.asked == 2


def test_a_publication_while_an_answer_is_made_keeps_it_from_being_kept(
    store: Store, engine: Counted
) -> None:
    """An answer that began before a publication is not told after it."""
    cache = AnswerCache(engine, store)
    events = cache.stream(QUESTION, Filter())
    next(events)
    put(store, "other", "Penguins eat krill.", collection="news")
    gather_rest = list(events)
    assert gather_rest
    ask(cache)
    assert engine.asked == 2


@pytest.mark.parametrize(("deadline", "asked"), [(60_000, 1), (0, 2)])
def test_what_a_deadline_cut_short_is_not_told_again(
    store: Store, encoder: HashEncoder, tmp_path: Path, deadline: int, asked: int
) -> None:
    """An answer whose passages the reranker had no time for is made anew; a whole one is kept."""
    put(store, "bridge", OPENED, collection="news")
    folder = make_cross_encoder(tmp_path / "model", {(QUESTION, OPENED): 1.0})
    retriever = Retriever(store, encoder, reranker=Reranker(str(folder), deadline))
    engine = Counted(store, retriever, Settings().threshold)
    cache = AnswerCache(engine, store)
    first, second = ask(cache), ask(cache)
    assert engine.asked == asked
    assert first.degraded == second.degraded
    assert bool(first.degraded) == (deadline == 0)


def test_other_filters_have_other_answers(store: Store, engine: Counted) -> None:
    """Each filter is answered on its own, the empty one and that for nothing included."""
    cache = AnswerCache(engine, store)
    news = store.catalogue.create_collection("news")
    for number, condition in enumerate(
        [Filter(), Filter(collections=()), Filter(collections=(news,)), Filter(languages=("en",))]
    ):
        answer = ask(cache, condition=condition)
        assert answer.filters == condition
        assert engine.asked == number + 1
    assert ask(cache, condition=Filter(collections=())).passages == ()


def test_what_was_degraded_is_not_told_once_it_is_whole(
    store: Store, engine: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer made without the dense index is made anew with it, and the other way round."""
    cache = AnswerCache(engine, store)
    with monkeypatch.context() as patch:
        patch.setattr(store.vectors, "dense", None)
        assert ask(cache).degraded
        assert ask(cache).degraded
    assert engine.asked == 1
    assert not ask(cache).degraded
    assert engine.asked == 2


def test_errors_and_what_was_broken_off_are_not_kept(store: Store, engine: Counted) -> None:
    """After a failure, or a listener who left, the question is answered anew."""
    cache = AnswerCache(engine, store)
    engine.is_broken = True
    with pytest.raises(CitewellError, match="gone"):
        ask(cache)
    engine.is_broken = False
    left = cache.stream(QUESTION, Filter())
    next(left)
    del left
    assert ask(cache).sentences
    assert engine.asked == 3
    with pytest.raises(QuestionError):
        cache.stream("  ", Filter())


def test_the_oldest_answers_are_forgotten(store: Store, engine: Counted) -> None:
    """Of more answers than are kept, the one that was not asked for longest goes."""
    cache = AnswerCache(engine, store, kept=2)
    for question in ("one", "two", "one", "three", "one", "two"):
        ask(cache, question)
    assert engine.asked == 4


def test_a_follow_up_is_not_told_to_another_conversation(engine: Counted, store: Store) -> None:
    """The same words after other turns are another question, and get an answer of their own."""
    cache = AnswerCache(engine, store)
    bridge, vault = Exchange("Where is the harbour bridge?"), Exchange("Who guards the vault?")
    first = gather(cache.stream("How old is it?", Filter(), [bridge]))
    other = gather(cache.stream("How old is it?", Filter(), [vault]))
    again = gather(cache.stream("How old is it?", Filter(), [bridge]))
    assert engine.asked == 2
    assert first.question_used == again.question_used != other.question_used
    assert again.question == "How old is it?"
