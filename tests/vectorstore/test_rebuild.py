from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from tests.fakes import FINGERPRINT, HashEncoder, crash, put
from tests.vectorstore.faults import (
    Bomb,
    Fault,
    Gate,
    OpenStore,
    ReversedEncoder,
    check_whole,
    texts,
)
from vectorstore import store as store_module
from vectorstore.dense import DenseIndex
from vectorstore.errors import IndexMismatchError, StoreError
from vectorstore.retriever import Retriever
from vectorstore.schema import embeddings, sentence_embeddings
from vectorstore.store import Store
from vectorstore.types import Embedding, EncoderInput, Filter

OLD = ("Glaciers in the Alps lose ice.", "Shared paragraph about rivers.")
NEW = ("Volcanoes in Iceland erupt often.", "Shared paragraph about rivers.")
REVERSED = {**FINGERPRINT, "encoder": ReversedEncoder.fingerprint}


def generations(store: Store) -> list[str]:
    """Return the generations whose files are there."""
    return [path.name for path in (store.folder / "chroma").iterdir() if path.is_dir()]


def embedded(store: Store) -> set[int]:
    """Return the numbers of the encoders that have any vectors."""
    with store.catalogue.connect() as connection:
        return {
            row.encoder
            for table in (embeddings, sentence_embeddings)
            for row in connection.execute(table.select())
        }


def fail_to_add(*_: object) -> None:
    """Stand in for a graph that cannot be written to."""
    msg = "the disk is full"
    raise StoreError(msg)


def test_one_rebuild_in_the_background_is_enough(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking again before the thread has begun its work starts no second one."""
    begun = []
    go_on = threading.Event()

    def rebuild() -> None:
        begun.append(threading.current_thread())
        assert go_on.wait(60)

    monkeypatch.setattr(store, "rebuild", rebuild)
    for _ in range(3):
        store.start_rebuild()
    go_on.set()
    store.settle()
    assert len(begun) == 1


def test_closing_waits_for_a_rebuild_of_another_thread(open_store: OpenStore) -> None:
    """The folder is not given away while a rebuild still writes and deletes in it."""
    gate = Gate("rebuild: begun")
    store = open_store()
    put(store, "a", *OLD)
    store.vectors._on_step = gate
    refused: list[StoreError] = []

    def rebuild() -> None:
        try:
            store.rebuild()
        except StoreError as exc:
            refused.append(exc)

    builder = threading.Thread(target=rebuild)
    builder.start()
    assert gate.reached.wait(60)
    closer = threading.Thread(target=store.close)
    closer.start()
    closer.join(0.3)
    was_locked = store._lock.is_locked
    gate.opened.set()
    builder.join(60)
    closer.join(60)
    assert was_locked
    assert "was closed" in str(refused[0])


def test_a_closed_store_cannot_be_rebuilt(open_store: OpenStore) -> None:
    """A rebuild that comes too late touches nothing of the store that has the folder now."""
    closed = open_store()
    put(closed, "a", *OLD)
    closed.close()
    store = open_store()
    store.rebuild()
    with pytest.raises(StoreError, match="was closed"):
        closed.rebuild()
    assert generations(store) == [store.catalogue.facts()["dense_generation"]]
    check_whole(store)


def test_a_failed_rebuild_leaves_the_old_graph(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a rebuild fails, the old graph answers, no trace is left, and it can be repeated."""
    put(store, "a", *OLD)
    before = store.catalogue.facts()
    with monkeypatch.context() as patch:
        patch.setattr(DenseIndex, "add", fail_to_add)
        with pytest.raises(StoreError, match="the disk is full"):
            store.rebuild()
        assert not store.is_rebuilding
    assert store.catalogue.facts() == before
    check_whole(store)
    assert generations(store) == [before["dense_generation"]]
    assert sorted(texts(store, "glaciers rivers")) == sorted(OLD)
    put(store, "b", "Deserts in Namibia grow.")
    store.rebuild()
    check_whole(store)
    assert len(texts(store, "glaciers rivers deserts")) == 3


def test_a_second_rebuild_is_refused(store: Store) -> None:
    """While one rebuild runs another is refused, and the first is not disturbed."""
    put(store, "a", *OLD)
    refused = []

    def again(_done: int, _total: int) -> None:
        with pytest.raises(StoreError, match="already"):
            store.rebuild()
        refused.append(True)

    store.rebuild(emit=again)
    assert refused
    check_whole(store)


def test_a_failed_clean_up_is_no_obstacle(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the old generation cannot be deleted, the store says so and can be rebuilt again."""
    put(store, "a", *OLD)

    def fail_to_delete(*_: object, **__: object) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(DenseIndex, "discard", fail_to_delete)
        with pytest.raises((PermissionError, StoreError)):
            store.rebuild()
    assert not store.is_rebuilding
    store.rebuild()
    check_whole(store)
    assert generations(store) == [store.catalogue.facts()["dense_generation"]]


def test_another_encoder_takes_over_at_the_switch(store: Store) -> None:
    """The old encoder answers until the switch; from then on only the new one has vectors."""
    put(store, "a", *OLD)
    put(store, "b", "Deserts in Namibia grow.", collection="other")
    retriever = Retriever(store, HashEncoder())
    before = [p.chunk for p in retriever.retrieve("glaciers rivers", 5).passages]
    other = ReversedEncoder()
    progress = []

    def answer(done: int, total: int) -> None:
        progress.append((done, total))
        found = retriever.retrieve("glaciers rivers", 5)
        assert [p.chunk for p in found.passages] == before
        assert found.degraded == ()
        assert store.catalogue.facts()["encoder"] == HashEncoder.fingerprint

    def switch() -> None:
        retriever.encoder = other

    store.rebuild(other, answer, on_switch=switch, facts={"model": "reversed"})
    assert progress[-1] == (3, 3)
    assert sorted(other.embedded) == sorted([*OLD, "Deserts in Namibia grow."])
    found = retriever.retrieve("glaciers rivers", 5)
    assert [p.chunk for p in found.passages] == before
    assert np.array_equal(found.query_vector, other.encode_query("glaciers rivers"))
    assert store.catalogue.facts()["encoder"] == other.fingerprint
    assert store.catalogue.facts()["model"] == "reversed"
    assert store.catalogue.encoders() == {other.fingerprint: store.catalogue.encoder}
    assert embedded(store) == {store.catalogue.encoder}
    check_whole(store)


def test_another_encoder_gives_each_chunk_its_own_vector(open_store: OpenStore) -> None:
    """After the switch and a new opening, graph and memory hold the new encoder's vectors."""
    store = open_store()
    put(store, "a", *OLD)
    store.rebuild(ReversedEncoder())
    put(store, "c", "Penguins breed on ice.", encoder=ReversedEncoder())
    store.close()
    with pytest.raises(IndexMismatchError, match="'reversed-256'"):
        open_store()
    again = open_store(fingerprint=REVERSED)
    check_whole(again)
    for text in (*OLD, "Penguins breed on ice."):
        vector = ReversedEncoder().encode_query(f"A title. {text}")
        assert again.vectors.dense is not None
        assert again.vectors.dense.search(vector, 1, None)[0][1] == pytest.approx(1, abs=1e-5)
        assert again.vectors.exact.search(vector, 1, Filter())[0][1] == pytest.approx(1, abs=1e-5)


def test_an_interrupted_embedding_goes_on_where_it_was(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another encoder has embedded before a crash is not embedded again."""
    monkeypatch.setattr(store_module, "EMBEDDED_AT_ONCE", 2)
    bomb = Bomb("embed: committed", 3)
    store = open_store(on_step=bomb)
    paragraphs = [f"Glacier number {n}." for n in range(6)]
    put(store, "a", *paragraphs)
    first, second = ReversedEncoder(), ReversedEncoder()
    bomb.left, bomb.armed = 2, True
    with pytest.raises(Fault):
        store.rebuild(first)
    crash(store)
    again = open_store()
    assert sorted(texts(again, "glacier number")) == sorted(paragraphs)[:4]
    again.rebuild(second)
    assert len(first.embedded) == 4
    assert sorted(first.embedded + second.embedded) == sorted(paragraphs)
    check_whole(again)


class MeddlingEncoder(ReversedEncoder):
    """Has the articles changed while it embeds the first chunks."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store

    def encode_chunks(self, inputs: Sequence[EncoderInput]) -> list[Embedding]:
        """Change an article, remove another and publish a third; then embed."""
        if not self.embedded:
            put(self._store, "a", *NEW)
            self._store.remove(["news/b"])
            put(self._store, "c", "Penguins breed on ice.")
        return super().encode_chunks(inputs)


def test_articles_may_change_while_they_are_embedded_anew(store: Store) -> None:
    """Chunks that go while another encoder reads them do not end the rebuild."""
    put(store, "a", *OLD)
    put(store, "b", "Deserts in Namibia grow.")
    store.rebuild(MeddlingEncoder(store))
    check_whole(store)
    found = texts(store, "volcanoes rivers penguins deserts", ReversedEncoder())
    assert sorted(found) == sorted([*NEW, "Penguins breed on ice."])


@pytest.mark.parametrize(
    "step", ["rebuild: begun", "dense: marked dirty", "dense: added", "rebuild: whole"]
)
def test_what_is_published_while_another_encoder_is_built_is_in_its_graph(
    open_store: OpenStore, step: str
) -> None:
    """What is published under the old encoder until the switch is in the new graph too."""
    published: list[str] = []

    def publish(passed: str) -> None:
        if armed and passed == step and not published:
            published.append(step)
            put(store, "a", *NEW)
            put(store, "c", "Penguins breed on ice.", collection="another")

    armed = False
    store = open_store(on_step=publish)
    put(store, "a", *OLD)
    armed = True
    store.rebuild(ReversedEncoder())
    assert published
    check_whole(store)
    found = texts(store, "volcanoes rivers penguins", ReversedEncoder())
    assert sorted(found) == sorted([*NEW, "Penguins breed on ice."])
