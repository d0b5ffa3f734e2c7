from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from tests.fakes import HashEncoder, crash, make_publication, put
from tests.vectorstore.faults import Gate, OpenStore, check_whole, texts
from vectorstore import store as store_module
from vectorstore import vectors
from vectorstore.dense import DenseIndex
from vectorstore.exact import ExactIndex
from vectorstore.retriever import Retriever
from vectorstore.store import Store
from vectorstore.types import Filter, embedding_context

WORDS = "glacier river desert penguin krill volcano island summer ice wind storm harbour".split()
OLD = ("Glaciers in the Alps lose ice.", "Shared paragraph about rivers.")
NEW = ("Volcanoes in Iceland erupt often.", "Shared paragraph about rivers.")


@pytest.fixture(autouse=True)
def _large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have small stores searched as large ones are."""
    monkeypatch.setattr(vectors, "FEW", 0)


@pytest.fixture(autouse=True)
def _ask_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the graph answer however few chunks there are."""
    monkeypatch.setattr(vectors, "FEW", -1)


def drawn(count: int, seed: int, *words: str) -> list[str]:
    """Return paragraphs of random words, each with these, all different."""
    source = random.Random(seed)  # noqa: S311 (no secret)
    return [f"{' '.join([*source.choices(WORDS, k=6), *words])} {n}." for n in range(count)]


def put_several(store: Store, size: int, count: int, collection: str, *words: str) -> None:
    """Publish `count` random chunks in articles of `size`, all at once."""
    paragraphs = drawn(count, len(collection), *words)
    groups = [paragraphs[start : start + size] for start in range(0, count, size)]
    store.publish(
        [
            make_publication(store, f"{n}", group, collection=collection, title=f"{collection} {n}")
            for n, group in enumerate(groups)
        ]
    )


def refuse(*_: object) -> None:
    """Stand in for what must not be asked."""
    pytest.fail("the other index was asked")


def test_the_graph_finds_what_exact_search_finds(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While only collections decide, the graph answers, with the cosines of exact search."""
    put_several(store, 50, 300, "news")
    put_several(store, 50, 100, "board")
    board = store.catalogue.create_collection("board")
    conditions = (Filter(), Filter(collections=(board,)))
    queries = [HashEncoder().encode_query(text) for text in drawn(10, 7)]
    expected = [store.vectors.exact.search(q, 10, c) for q in queries for c in conditions]
    monkeypatch.setattr(ExactIndex, "search", refuse)
    found = [store.vectors.search(q, 10, c) for q in queries for c in conditions]
    for hits, best in zip(found, expected, strict=True):
        assert [cosine for _, cosine in hits] == pytest.approx([c for _, c in best], abs=1e-5)
        worst = best[-1][1] + 1e-5  # what ties with the last may be another
        assert {n for n, c in hits if c > worst} == {n for n, c in best if c > worst}


def test_few_vectors_are_all_compared(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are few chunks the graph is not asked, whatever it would find."""
    put_several(store, 50, 100, "news")
    monkeypatch.setattr(vectors, "FEW", 100)
    assert store.vectors.dense is not None
    monkeypatch.setattr(store.vectors.dense, "search", refuse)
    assert len(store.vectors.search(HashEncoder().encode_query("glacier"), 10, Filter())) == 10
    monkeypatch.setattr(vectors, "FEW", 99)
    with pytest.raises(pytest.fail.Exception, match="the other index"):
        store.vectors.search(HashEncoder().encode_query("glacier"), 10, Filter())


def test_few_chunks_are_all_compared(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to FEW visible chunks are compared one by one, so that none is missed."""
    monkeypatch.setattr(vectors, "FEW", 2)
    put(store, "a", *OLD)
    monkeypatch.setattr(DenseIndex, "search", refuse)
    vector = HashEncoder().encode_query("glaciers")
    assert len(store.vectors.search(vector, 5, Filter())) == 2


def test_hidden_records_do_not_crowd_out_visible_ones(store: Store) -> None:
    """Hundreds of nearer neighbours that readers no longer see leave the list as it should be."""
    put(store, "b", *drawn(20, 1, "melts"))
    for version in range(4):
        put(store, "a", *(f"Glacier ice melts, version {version}, part {n}." for n in range(80)))
    store.remove(["news/a"])
    assert store.vectors.dense is not None
    assert len(store.vectors.dense.held) == 340
    assert store.vectors.wasted == pytest.approx(320 / 340)
    vector = HashEncoder().encode_query("Glacier ice melts, version 1, part 1.")
    for top_k in (1, 5, 20):
        found = dict(store.vectors.search(vector, top_k, Filter()))
        assert len(found) == top_k
        exact = dict(store.vectors.exact.search(vector, top_k, Filter()))
        assert sorted(found.values()) == pytest.approx(sorted(exact.values()), abs=1e-5)
    assert all("Glacier ice melts" not in text for text in texts(store, "glacier ice melts"))


@pytest.mark.parametrize("visible", [2, 20, 100])
def test_a_probe_into_another_collection_finds_nothing(store: Store, visible: int) -> None:
    """Whether 1 %, 10 % or 50 % are in the collection, nothing from outside it comes back."""
    put_several(store, 4, visible, "news")
    put_several(store, 20, 200 - visible, "board", "secret", "codeword")
    news = store.catalogue.create_collection("news")
    retriever = Retriever(store, HashEncoder())
    for condition in (
        Filter(collections=(news,)),
        Filter(collections=(news, "unknown")),
        Filter(collections=(news,), languages=("en",)),
    ):
        found = retriever.retrieve("secret codeword of the board", 100, condition)
        assert {p.article.collection for p in found.passages} == {news}
        assert len(found.passages) == found.searched == visible


def test_a_filter_answers_as_comparing_everything_would(store: Store) -> None:
    """By source, language, date and collection, exactly the articles that fit are found."""
    places = ("/a", "/a/b", "/a/bc", "/d.jsonl")
    tags = ("en", "en-GB", "de", None)
    days = (None, date(2024, 2, 29), date(2026, 1, 1))
    group = []
    for n, paragraph in enumerate(drawn(60, 3)):
        made = make_publication(
            store, f"{n}", [paragraph], collection=f"c{n % 2}", published=days[n % 3]
        )
        head = replace(made.article.head, language=tags[n % 4])
        article = replace(made.article, head=head)
        group.append(replace(made, article=article, source=places[n // 4 % 4]))
    store.publish(group)
    c0 = store.catalogue.create_collection("c0")
    rules: dict[Filter, Callable[[int], bool]] = {
        Filter(sources=("/a/b", "/d.jsonl")): lambda n: n // 4 % 4 in (1, 3),
        Filter(sources=("/a",)): lambda n: n // 4 % 4 < 3,
        Filter(languages=("EN",)): lambda n: n % 4 < 2,
        Filter(languages=("de", "en-gb")): lambda n: n % 4 in (1, 2),
        Filter(published_to=date(2025, 1, 1)): lambda n: n % 3 == 1,
        Filter(published_from=date(2024, 2, 29)): lambda n: n % 3 != 0,
        Filter((c0,), ("/a",), ("en",), date(2026, 1, 1)): (
            lambda n: n % 2 == 0 and n // 4 % 4 < 3 and n % 4 < 2 and n % 3 == 2
        ),
        Filter(sources=()): lambda _: False,
    }
    query, encoder = "penguins eat krill near the ice", HashEncoder()
    vector = encoder.encode_query(query)
    for condition, fits in rules.items():
        found = Retriever(store, encoder).retrieve(query, 100, condition).passages
        assert {int(p.article.uri) for p in found} == {n for n in range(60) if fits(n)}
        assert {p.article.id for p in found} == {h.id for h in store.catalogue.heads(condition)}
        for passage in found:
            line = embedding_context(passage.article) + passage.chunk.text
            cosine = float(encoder.encode_query(line) @ vector)
            assert passage.signals.cosine == pytest.approx(cosine, abs=1e-5)


def test_a_wasteful_graph_is_built_anew_by_itself(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once more than WASTE of the graph is hidden, the next generation leaves that out."""
    monkeypatch.setattr(vectors, "LEAST_WASTE", 10)
    put(store, "b", *drawn(30, 1))
    put(store, "a", *drawn(10, 2))
    before = store.catalogue.facts()["dense_generation"]
    put(store, "a", *drawn(10, 3))
    assert not store.vectors.wasteful  # 10 of 50
    put(store, "a", *drawn(10, 4))
    check_whole(store)
    assert store.catalogue.facts()["dense_generation"] != before
    assert store.vectors.dense is not None
    assert store.vectors.dense.numbers() == store.vectors.exact.numbers()
    assert len(store.vectors.dense.held) == 40
    assert [path.name for path in (store.folder / "chroma").iterdir() if path.is_dir()] == [
        store.vectors.dense.generation
    ]


@pytest.fixture
def torn(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> Callable[[Gate], Store]:
    """Open a store whose graph a crash has spoilt; it is built anew in the background."""
    store = open_store()
    put(store, "a", *OLD)
    put(store, "b", "Deserts in Namibia grow.")
    crash(store)
    monkeypatch.setattr(store_module, "AT_ONCE", 0)

    def reopen(gate: Gate) -> Store:
        again = open_store(on_step=gate)
        assert gate.reached.wait(60)
        return again

    return reopen


@pytest.mark.parametrize("step", ["rebuild: begun", "dense: added", "rebuild: whole"])
def test_without_a_graph_answers_come_and_say_so(torn: Callable[[Gate], Store], step: str) -> None:
    """While the graph is built, every vector is compared, and the result tells so."""
    gate = Gate(step)
    store = torn(gate)
    retriever = Retriever(store, HashEncoder())
    meanwhile = retriever.retrieve("glaciers deserts", 5)
    assert store.is_rebuilding
    assert store.vectors.dense is None
    assert meanwhile.degraded == (store.degraded,)
    gate.opened.set()
    check_whole(store)
    after = retriever.retrieve("glaciers deserts", 5)
    assert after.degraded == ()
    assert [p.chunk for p in after.passages] == [p.chunk for p in meanwhile.passages]
    assert len(after.passages) == 3


@pytest.mark.parametrize("step", ["rebuild: begun", "dense: added", "rebuild: whole"])
def test_what_changes_during_a_rebuild_is_in_it(torn: Callable[[Gate], Store], step: str) -> None:
    """Articles that come, change and go while the graph is built are in it as they are then."""
    gate = Gate(step)
    store = torn(gate)
    put(store, "a", *NEW)
    put(store, "c", "Penguins breed on ice.", collection="another")
    store.remove(["news/b"])
    expected = sorted([*NEW, "Penguins breed on ice."])
    assert sorted(texts(store, "volcanoes rivers penguins deserts")) == expected
    gate.opened.set()
    check_whole(store)
    assert sorted(texts(store, "volcanoes rivers penguins deserts")) == expected


def test_closing_ends_a_rebuild(torn: Callable[[Gate], Store], open_store: OpenStore) -> None:
    """A store that is closed while its graph is built opens without one and builds it again."""
    gate = Gate("rebuild: begun")
    store = torn(gate)
    closer = threading.Thread(target=store.close)
    closer.start()
    assert store._stopping.wait(60)
    gate.opened.set()
    closer.join(60)
    assert not store._lock.is_locked
    assert not list((store.folder / "chroma").iterdir())
    again = open_store()
    check_whole(again)
    assert sorted(texts(again, "glaciers rivers deserts")) == sorted(
        [*OLD, "Deserts in Namibia grow."]
    )
