from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from tests.fakes import HashEncoder, put
from vectorstore.errors import QuestionError
from vectorstore.retriever import (
    MAX_QUERY,
    PER_ARTICLE,
    SCORED,
    Retriever,
    check_query,
    coverage,
    fuse,
)
from vectorstore.store import Store
from vectorstore.types import Filter, Passage


@pytest.fixture
def retriever(store: Store, encoder: HashEncoder) -> Retriever:
    """A retriever over the test's store."""
    return Retriever(store, encoder)


def find(
    retriever: Retriever, query: str, top_k: int = 10, condition: Filter | None = None
) -> tuple[Passage, ...]:
    """Return the passages for a query."""
    return retriever.retrieve(query, top_k, condition).passages


def test_passages_come_in_the_order_of_their_scores(store: Store, retriever: Retriever) -> None:
    """Scores fall, ranks count from 1, and the passage that shares most words leads."""
    put(store, "a", "Penguins breed on ice.", "Penguins eat krill near the ice shelf.")
    put(store, "b", "Deserts are dry.", "Krill swarm in spring.")
    passages = find(retriever, "do penguins eat krill?")
    assert passages[0].chunk.text == "Penguins eat krill near the ice shelf."
    assert [p.rank for p in passages] == list(range(1, len(passages) + 1))
    scores = [p.score for p in passages]
    assert scores == sorted(scores, reverse=True)
    assert len({p.chunk.id for p in passages}) == len(passages)


def test_scoring_orders_the_head_and_loses_nothing(store: Store, retriever: Retriever) -> None:
    """All that is fused comes back once; a short list is of the fused head."""
    for number in range(SCORED + 10):
        put(store, f"a{number}", f"Penguins {'eat krill ' * (number % 3)}number {number}.")
    every = find(retriever, "what do penguins eat?", SCORED + 10)
    assert sorted(p.article.uri for p in every) == sorted(f"a{n}" for n in range(SCORED + 10))
    fused = sorted((p.signals.fused for p in every), reverse=True)
    short = find(retriever, "what do penguins eat?", 5)
    assert all(p.signals.fused >= fused[SCORED - 1] for p in short)
    assert 0 <= min(fused) <= max(fused) <= 1


def test_equal_scores_keep_the_fused_order(store: Store, retriever: Retriever) -> None:
    """Where scores tie, what was fused higher stays first, then what came first."""
    for uri in ("b", "a", "c"):
        put(store, uri, "zzz" if uri == "b" else f"{uri}{uri}{uri}")
    found = find(retriever, "penguins")
    ties = [(p.score, p.signals.fused) for p in found]
    assert ties == sorted(ties, reverse=True)


def test_the_same_query_gives_the_same_passages(store: Store, retriever: Retriever) -> None:
    """Retrieval is a function of the store and the query."""
    put(store, "a", *(f"Penguins number {n} swim." for n in range(3)))
    put(store, "b", *(f"Penguins number {n} walk." for n in range(3)))
    assert find(retriever, "penguins") == find(retriever, "  penguins ")


def test_top_k_bounds_the_list(store: Store, retriever: Retriever) -> None:
    """At most top_k passages come back, the same as the head of a longer list."""
    for uri in "abc":
        put(store, uri, f"Penguins of {uri}.", f"Seals of {uri}.")
    assert find(retriever, "penguins seals", 2) == find(retriever, "penguins seals", 6)[:2]


def test_an_empty_store_has_no_passages(retriever: Retriever) -> None:
    """Nothing published, nothing found."""
    assert find(retriever, "penguins") == ()


def test_signals_are_in_range(store: Store, retriever: Retriever) -> None:
    """Cosine is in [-1, 1], BM25 at least 0, coverage in [0, 1], even for an exact copy."""
    text = "Penguins eat krill near the ice shelf in Antarctica during the long summer"
    put(store, "a", text, "Deserts are dry.", "Krill.", title="On penguins")
    for query in (f"On penguins. {text}", "krill", "the of", "zebra crossing", "penguins?"):
        for passage in find(retriever, query):
            assert passage.signals.cosine is not None
            assert -1 <= passage.signals.cosine <= 1
            assert passage.signals.bm25 >= 0
            assert 0 <= passage.signals.coverage <= 1
            assert 0 <= passage.score <= 1 + 1e-9


def test_signals_tell_what_is_shared(store: Store, retriever: Retriever) -> None:
    """Coverage is 1 where all content terms are held, and 0 with BM25 0 where none is."""
    put(store, "a", "Penguins eat krill.", "Deserts are dry.", title="T")
    by_text = {p.chunk.text: p.signals for p in find(retriever, "Do penguins eat krill?")}
    assert by_text["Penguins eat krill."].coverage == pytest.approx(1)
    assert by_text["Penguins eat krill."].bm25 > 0
    assert by_text["Deserts are dry."].coverage == 0
    assert by_text["Deserts are dry."].bm25 == 0


def test_a_title_counts_for_its_chunks(store: Store, retriever: Retriever) -> None:
    """A chunk is found by its article's title, which its text does not repeat."""
    put(store, "a", "They breed on ice.", title="Emperor penguins")
    put(store, "b", "They breed in burrows.", title="Puffins")
    passages = find(retriever, "emperor penguins")
    assert passages[0].chunk.text == "They breed on ice."
    assert passages[0].signals.coverage == pytest.approx(1)


def test_a_passage_carries_its_sentences_vectors(store: Store, retriever: Retriever) -> None:
    """Each passage has one float16 unit row a sentence."""
    put(store, "a", "Penguins eat krill.")
    (passage,) = find(retriever, "krill")
    assert passage.sentence_vectors is not None
    assert passage.sentence_vectors.shape == (len(passage.chunk.sentences), 256)
    assert passage.sentence_vectors.dtype == np.float16
    norms = np.linalg.norm(passage.sentence_vectors.astype(np.float32), axis=1)
    assert norms == pytest.approx(np.ones(1), abs=1e-2)


def test_another_collection_is_invisible(store: Store, retriever: Retriever) -> None:
    """A probe for a text of another collection returns nothing, dated or not."""
    put(store, "a", "The secret codeword is xylophone.", collection="board")
    put(store, "b", "Penguins eat krill.", collection="news", published=date(2026, 1, 1))
    news = store.catalogue.create_collection("news")
    empty = store.catalogue.create_collection("empty")
    for condition in (
        Filter(collections=(news,)),
        Filter(collections=(news,), published_from=date.min),
    ):
        texts = [p.chunk.text for p in find(retriever, "secret codeword xylophone", 10, condition)]
        assert texts == ["Penguins eat krill."]
    for collections in ((empty,), (), ("no such",)):
        condition = Filter(collections=collections)
        assert find(retriever, "secret codeword xylophone", 10, condition) == ()


@pytest.mark.parametrize(
    ("since", "until", "uris"),
    [
        (date(2026, 1, 1), date(2026, 1, 31), ["first", "last"]),
        (date(2026, 1, 2), None, ["after", "last"]),
        (None, date(2026, 1, 1), ["before", "first"]),
        (date(2026, 1, 31), date(2026, 1, 31), ["last"]),
        (date(2027, 1, 1), None, []),
        (None, None, ["after", "before", "first", "last", "undated"]),
    ],
)
def test_the_date_filter_is_exact(
    store: Store,
    retriever: Retriever,
    since: date | None,
    until: date | None,
    uris: list[str],
) -> None:
    """Both ends are included and articles without a date are left out."""
    for uri, day in {
        "before": date(2025, 12, 31),
        "first": date(2026, 1, 1),
        "last": date(2026, 1, 31),
        "after": date(2026, 2, 1),
        "undated": None,
    }.items():
        put(store, uri, f"Penguins {uri}.", published=day)
    found = find(retriever, "penguins", 10, Filter(published_from=since, published_to=until))
    assert sorted(p.article.uri for p in found) == uris


def test_copies_of_a_text_collapse(store: Store, retriever: Retriever) -> None:
    """A text that several articles share is one passage, however it is spaced and cased."""
    put(store, "a", "Penguins eat krill.")
    put(store, "b", "PENGUINS  eat krill.")
    put(store, "c", "Penguins swim.")
    texts = [p.chunk.text for p in find(retriever, "penguins eat krill")]
    assert len(texts) == 2
    assert "Penguins swim." in texts


def test_copies_do_not_crowd_out_other_passages(store: Store, retriever: Retriever) -> None:
    """However often a text was syndicated, the other passages that fit are returned."""
    for number in range(15):
        put(store, f"copy {number}", "Penguins eat krill.")
    put(store, "a", "Penguins swim.")
    put(store, "b", "Krill swarm.")
    texts = [p.chunk.text for p in find(retriever, "penguins eat krill", 3)]
    assert sorted(texts) == ["Krill swarm.", "Penguins eat krill.", "Penguins swim."]


def test_one_article_does_not_fill_the_list(store: Store, retriever: Retriever) -> None:
    """At most PER_ARTICLE passages of one article are returned."""
    put(store, "a", *(f"Penguins eat krill, part {n}." for n in range(30)))
    put(store, "b", "Deserts are dry.")
    found = find(retriever, "penguins eat krill", 5)
    assert [p.article.uri for p in found].count("a") == PER_ARTICLE
    assert found[-1].article.uri == "b"


@pytest.mark.parametrize("query", ["", "  \n\t ", "x" * (MAX_QUERY + 1)])
def test_a_blank_or_endless_query_is_refused(retriever: Retriever, query: str) -> None:
    """What is no question is refused before anything is searched."""
    with pytest.raises(QuestionError, match="question"):
        find(retriever, query)


@pytest.mark.parametrize("top_k", [0, -3])
def test_top_k_must_be_positive(retriever: Retriever, top_k: int) -> None:
    """Asking for no passage is an error that shows the number."""
    with pytest.raises(QuestionError, match=str(top_k)):
        find(retriever, "penguins", top_k)


def test_a_query_of_the_longest_length_is_taken() -> None:
    """MAX_QUERY characters are allowed, not counting blanks around them."""
    assert check_query(f"  {'x' * MAX_QUERY}\n") == "x" * MAX_QUERY


@pytest.mark.parametrize("query", ["👩‍👩‍👧", "\ufffd", "' OR 1=1 --", "a" * MAX_QUERY, "你好吗?"])
def test_odd_queries_are_answered(store: Store, retriever: Retriever, query: str) -> None:
    """Odd characters in a query are no error."""
    put(store, "a", "Penguins eat krill.")
    assert len(find(retriever, query)) == 1


def test_timings_are_told(store: Store, retriever: Retriever) -> None:
    """The result tells the milliseconds of each stage and the weight of each content term."""
    put(store, "a", "Penguins eat krill.")
    found = retriever.retrieve("Do penguins eat?", 3)
    assert set(found.timings) == {"wait", "encode", "retrieve"}
    assert min(found.timings.values()) >= 0
    assert set(found.idf) == {"penguin", "eat"}


def test_fuse_as_its_docstring_says() -> None:
    """The worked example holds, and nothing gives nothing."""
    assert fuse({1: 0.8, 2: 0.4}, {2: 6.0}, 0.5) == {1: 0.5, 2: 0.5}
    assert fuse({}, {}, 0.5) == {}
    assert fuse({1: 0.3}, {}, 0.5) == {1: 0.0}


def test_coverage_is_weighted() -> None:
    """Coverage is the share of the terms' weight, and 0 where there is no term."""
    assert coverage({"penguin": 3.0, "eat": 1.0}, ["the", "penguin"]) == 0.75
    assert coverage({}, ["penguin"]) == 0.0


def test_a_selective_date_loses_no_recall(store: Store, retriever: Retriever) -> None:
    """Under a date filter the few matching chunks are found among many better ones."""
    put(store, "many", *(f"Penguins eat krill, part {n}." for n in range(150)))
    put(store, "few", "Something loosely about birds.", published=date(2024, 2, 29))
    condition = Filter(published_from=date(2024, 2, 29), published_to=date(2024, 2, 29))
    assert [p.article.uri for p in find(retriever, "penguins krill", 3, condition)] == ["few"]
