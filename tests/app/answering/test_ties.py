"""What the talk adds to a question stays where the articles tie it to the question."""

from __future__ import annotations

import pytest

from app.answering.answer import gather
from app.answering.conversation import Exchange
from app.answering.engine import Engine
from app.answering.parts import ADDED, Part, Understood
from app.answering.ties import tied
from tests.fakes import HashEncoder, put
from vectorstore.retriever import Retriever
from vectorstore.store import Store
from vectorstore.types import Filter

BRIDGE = Exchange("When was the harbour bridge opened?", "The harbour bridge opened in 1932.")


@pytest.fixture
def articles(store: Store) -> Store:
    """A bridge with its cable, a kilogram, and what only an inner circle reads."""
    put(store, "bridge", "The harbour bridge hangs on a steel cable.", collection="news")
    put(store, "kilogram", "The kilogram was made of platinum.", collection="news")
    put(store, "secret", "The kilogram of the harbour bridge is lost.", collection="internal")
    return store


def news(store: Store) -> Filter:
    """Let the collection of all readers through."""
    return Filter(tuple(c.id for c in store.catalogue.collections() if c.name == "news"))


def query(store: Store, text: str, *added: str, history: tuple[Exchange, ...] = (BRIDGE,)) -> str:
    """Return what is searched with for a question to which phrases were added."""
    whole = f"{text} ({', '.join(added)})"
    return tied(Understood(whole, (Part(text, whole),)), history, store, news(store)).question


def test_what_a_passage_ties_to_the_question_is_added(articles: Store) -> None:
    """The cable of the bridge is meant where a passage has both."""
    asked = "Where was the cable made?"
    assert query(articles, asked, "harbour bridge") == f"{asked} (harbour bridge)"


def test_another_subject_drops_the_old_one(articles: Store) -> None:
    """What only other passages tell of is asked as it stands."""
    assert query(articles, "What does the kilogram weigh?", "harbour bridge") == (
        "What does the kilogram weigh?"
    )


def test_what_may_not_be_seen_ties_nothing(articles: Store) -> None:
    """A passage that the filter keeps back decides nothing, so that nothing shows of it."""
    asked, added = "What does the kilogram weigh?", "harbour bridge"
    whole = f"{asked} ({added})"
    meant = Understood(whole, (Part(asked, whole),))
    assert tied(meant, (BRIDGE,), articles, Filter()) == meant
    assert tied(meant, (BRIDGE,), articles, news(articles)).question == asked


@pytest.mark.parametrize(
    "asked", ["How heavy is it?", "And the kilogram?", "What are the causes?", "Is there another?"]
)
def test_what_points_back_keeps_what_is_added(articles: Store, asked: str) -> None:
    """A pronoun, a fragment, "the causes" lean on the talk, whatever the articles say."""
    assert query(articles, asked, "harbour bridge") == f"{asked} (harbour bridge)"


def test_of_two_subjects_apart_the_later_stays(articles: Store) -> None:
    """No passage has both, so that one of them is meant: the one said last."""
    talk = (BRIDGE, Exchange("What was the kilogram made of?", "Of platinum."))
    told = query(articles, "How old is it?", "harbour bridge", "kilogram", history=talk)
    assert told == "How old is it? (kilogram)"


def test_a_word_that_no_article_has_changes_nothing(articles: Store) -> None:
    """Where the question's own subject is nowhere, the addition stays."""
    asked = "Who painted the ceiling?"
    assert query(articles, asked, "harbour bridge") == f"{asked} (harbour bridge)"


def test_the_engine_asks_what_is_tied(articles: Store, encoder: HashEncoder) -> None:
    """A change of subject is shown and answered as it was asked."""
    engine = Engine(articles, Retriever(articles, encoder), 0.0)
    asked = "What was the kilogram made of?"
    answer = gather(engine.stream(asked, news(articles), [BRIDGE]))
    assert answer.question_used == asked
    assert answer.sentences[0].text == "The kilogram was made of platinum."


def test_added_words_count_less_in_sentences() -> None:
    """The reader's own words say what is asked, and those added where to look."""
    part = Part("What about the roof?", "What about the roof? (Notre-Dame)")
    assert part.weights({"roof": 2.0, "notr": 4.0}) == {"roof": 2.0, "notr": 4.0 * ADDED}
    assert Part("And then?", "And then? (Ann)").weights({"ann": 2.0}) == {"ann": 2.0}
    assert Part("roof", "roof").weights({"roof": 2.0}) == {"roof": 2.0}
