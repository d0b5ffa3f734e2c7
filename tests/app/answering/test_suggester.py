"""Questions are offered only if the articles that may be seen answer them with something new."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast

import pytest

from app.answering.conversation import Exchange
from app.answering.suggester import Suggester, Told
from tests.fakes import HashEncoder, put
from vectorstore.reranker import Reranked, Reranker
from vectorstore.retriever import Retrieved, Retriever
from vectorstore.store import Store
from vectorstore.types import Filter, Passage

OPENED = "The harbour bridge was opened by the mayor on 19 March 1932."
LONG = "The Harbour Bridge is 1149 metres long."
PAINTED = "In 1950 the Harbour Bridge Trust painted the arch of the Harbour Bridge."
QUESTION = "When was the harbour bridge opened?"


@pytest.fixture
def article(store: Store) -> str:
    """The id of an article in `news`; another one is in `other`."""
    put(store, "tunnel", "The Harbour Tunnel is 2300 metres long.", collection="other")
    return put(store, "bridge", OPENED, LONG, PAINTED, collection="news")


def told(article: str, *turns: Exchange) -> Told:
    """Return what was told by an answer from an article."""
    last = Exchange(QUESTION, OPENED, "", (article,))
    return Told((*turns, last), (article,), (), frozenset({OPENED}))


def suggester(store: Store, encoder: HashEncoder, **more: object) -> Suggester:
    """Return one that lets everything through that is at all likely."""
    return Suggester(store, Retriever(store, encoder), threshold=-0.1, **more)  # type: ignore[arg-type]


def test_what_was_not_shown_is_offered(store: Store, encoder: HashEncoder, article: str) -> None:
    """A follow-up asks for another sentence of the article than the one that was shown."""
    found = suggester(store, encoder).follow_ups(told(article), Filter())
    assert "How long is the Harbour Bridge?" in found
    assert QUESTION not in found


def test_what_was_asked_or_shown_is_not_offered(
    store: Store, encoder: HashEncoder, article: str
) -> None:
    """Neither a question of the conversation nor a sentence of its answers comes again."""
    for turn in (Exchange("How long is the Harbour Bridge?"), Exchange("Tell me more.", LONG)):
        found = suggester(store, encoder).follow_ups(told(article, turn), Filter())
        assert "How long is the Harbour Bridge?" not in found


def test_what_may_not_be_seen_is_not_offered(
    store: Store, encoder: HashEncoder, article: str
) -> None:
    """Of an article that the filter leaves out, nothing is asked."""
    hidden = Filter(collections=("none",))
    both = suggester(store, encoder)
    assert both.follow_ups(told(article), hidden) == []
    assert both.starters(hidden) == []


def test_what_would_be_refused_is_not_offered(
    store: Store, encoder: HashEncoder, article: str
) -> None:
    """Where nothing is sure enough, there is a summary at most."""
    strict = Suggester(store, Retriever(store, encoder), threshold=1.0)
    found = strict.follow_ups(told(article), Filter())
    assert all(each.startswith("Summarise") for each in found)


def test_candidates_take_no_turn_of_the_reranker(
    store: Store, encoder: HashEncoder, article: str
) -> None:
    """However many are checked, the reranker is left to the answers."""

    class Counted:
        """Counts what it is asked to rerank."""

        asked = 0

        def rerank(self, query: str, passages: Sequence[Passage]) -> Reranked:
            """Leave the order as it is."""
            self.asked += 1
            return Reranked(tuple(passages))

    reranker = Counted()
    retriever = Retriever(store, encoder, reranker=cast(Reranker, reranker))
    asks = Suggester(store, retriever, threshold=-0.1)
    assert asks.follow_ups(told(article), Filter())
    assert asks.starters(Filter())
    assert reranker.asked == 0
    retriever.retrieve(QUESTION, 10)
    assert reranker.asked == 1


def test_a_model_proposes_and_retrieval_decides(
    store: Store, encoder: HashEncoder, article: str
) -> None:
    """Proposals stand in for the patterns; one that asks two things, or nothing, is left out."""
    seen: list[tuple[Sequence[Passage], str]] = []

    def propose(
        passages: Sequence[Passage], question: str, history: Sequence[Exchange]
    ) -> list[str]:
        seen.append((passages, question))
        assert not history
        return ["", "Hello", "Who opened it and when did it close?", "How long is the bridge?"]

    found = suggester(store, encoder, propose=propose).follow_ups(told(article), Filter())
    assert found[:1] == ["How long is the bridge?"]
    assert not {"", "Hello"} & set(found)
    passages, question = seen[0]
    assert question == QUESTION
    assert {passage.article.id for passage in passages} == {article}


def test_starters_are_made_anew_when_the_store_changes(
    store: Store, encoder: HashEncoder, article: str
) -> None:
    """They come from different articles, and from what is there now."""
    asks = suggester(store, encoder)
    before = asks.starters(Filter())
    assert before == asks.starters(Filter())
    assert len(before) == len(set(before)) > 1
    store.remove([article])
    assert not any("Bridge" in each for each in asks.starters(Filter()))


def test_follow_ups_of_an_answer_are_sought_once(
    store: Store, encoder: HashEncoder, article: str
) -> None:
    """They are remembered for that answer, for who may see the same, until the store changes."""
    sought: list[str] = []

    def propose(_: Sequence[Passage], question: str, __: Sequence[Exchange]) -> list[str]:
        sought.append(question)
        return ["How long is the bridge?"]

    asks = suggester(store, encoder, propose=propose)
    one, other = (replace(told(article), answer=answer) for answer in ("one", "other"))
    assert asks.follow_ups(one, Filter()) == asks.follow_ups(one, Filter()) != []
    assert len(sought) == 1
    asks.follow_ups(other, Filter())
    asks.follow_ups(one, Filter(languages=("en",)))
    asks.follow_ups(one, Filter(collections=("none",)))
    assert asks.follow_ups(one, Filter(collections=("none",))) == []
    before = len(sought)
    put(store, "tower", "The tower is 90 metres tall.", collection="news")
    asks.follow_ups(one, Filter())
    assert len(sought) == before + 1


def test_a_slow_search_keeps_nobody_waiting(
    store: Store, encoder: HashEncoder, article: str
) -> None:
    """While starters are sought for one reader, others with other rights get theirs."""
    begun, let_go = threading.Event(), threading.Event()

    class Slow(Retriever):
        """Is slow where every collection may be seen."""

        def retrieve(self, query: str, top_k: int, *others: Any, **more: Any) -> Retrieved:  # noqa: ANN401
            """Retrieve, once it is let go."""
            if others[0].collections is None:
                begun.set()
                assert let_go.wait(30)
            return super().retrieve(query, top_k, *others, **more)

    asks = Suggester(store, Slow(store, encoder), threshold=-0.1)
    news = store.catalogue.article(article).head.collection
    with ThreadPoolExecutor(2) as pool:
        try:
            slow = pool.submit(asks.starters, Filter())
            assert begun.wait(30)
            assert pool.submit(asks.starters, Filter((news,))).result(30)
            assert not slow.done()
        finally:
            let_go.set()
        assert slow.result(30)
