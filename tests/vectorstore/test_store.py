from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.fakes import FINGERPRINT, HashEncoder, crash, make_publication, put
from tests.vectorstore.faults import (
    NEW,
    OLD,
    Bomb,
    Fault,
    OpenStore,
    check_whole,
    run_python,
    texts,
)
from vectorstore.errors import IndexMismatchError, StoreLockedError
from vectorstore.lexical import LexicalIndex
from vectorstore.retriever import Retriever
from vectorstore.store import Store
from vectorstore.types import Filter


def test_publish_then_retrieve(store: Store) -> None:
    """What was published is found, with the text and the head it was published with."""
    article_id = put(store, "a", "Glaciers in the Alps lose ice every summer.", "Of rivers.")
    passages = Retriever(store, HashEncoder()).retrieve("glaciers ice", 5).passages
    assert passages[0].chunk.text == "Glaciers in the Alps lose ice every summer."
    assert passages[0].article == store.catalogue.article(article_id).head
    assert passages[0].article.authors == ("Ada Lovelace", "Émile Zola")
    check_whole(store)


def test_superseded_is_never_returned(store: Store) -> None:
    """After an update only the new version answers, and the old one's chunks are gone."""
    put(store, "a", *OLD)
    put(store, "a", *NEW)
    assert sorted(texts(store, "glaciers volcanoes rivers")) == sorted(NEW)
    check_whole(store)
    assert len(store.catalogue.chunk_numbers()) == 2


def test_staged_is_never_returned(store: Store) -> None:
    """A staged version is not seen, even when both indexes hold its chunks already."""
    article_id = put(store, "a", *OLD)
    store.catalogue.stage([make_publication(store, "a", NEW)])
    store._follow()
    assert len(store.lexical.numbers()) == 3
    assert sorted(texts(store, "glaciers volcanoes rivers")) == sorted(OLD)
    assert store.catalogue.article(article_id).text == "\n\n".join(OLD)


def test_superseded_is_not_returned_before_it_is_swept(open_store: OpenStore) -> None:
    """Between the flip and the sweep the old chunks are in the indexes and are not seen."""
    bomb = Bomb("flip: committed", 1)
    store = open_store(on_step=bomb)
    put(store, "a", *OLD)
    bomb.armed = True
    with pytest.raises(Fault):
        put(store, "a", *NEW)
    assert len(store.lexical.numbers()) == 3
    assert sorted(texts(store, "glaciers volcanoes rivers")) == sorted(NEW)


def test_removed_articles_do_not_answer(store: Store) -> None:
    """A removed article leaves readers, both indexes and the catalogue; others stay."""
    gone = put(store, "a", *OLD)
    put(store, "b", "Glaciers are also found in Norway.")
    store.remove([gone])
    assert texts(store, "glaciers alps rivers") == ["Glaciers are also found in Norway."]
    assert store.catalogue.chunk_ids(gone) == set()
    assert [head.uri for head in store.catalogue.heads()] == ["b"]
    check_whole(store)


def test_a_removed_article_can_come_back(store: Store) -> None:
    """Publishing what was removed before makes it answer again."""
    store.remove([put(store, "a", *OLD)])
    put(store, "a", *OLD)
    assert sorted(texts(store, "glaciers alps rivers")) == sorted(OLD)
    check_whole(store)


def test_moved_chunks_keep_their_numbers(store: Store) -> None:
    """A chunk that only moved within its article is neither embedded nor indexed again."""
    put(store, "a", *OLD)
    before = dict(store.catalogue.chunk_numbers())
    encoder = HashEncoder()
    put(store, "a", "Something entirely new.", *OLD, encoder=encoder)
    assert encoder.embedded == ["Something entirely new."]
    assert before.keys() < dict(store.catalogue.chunk_numbers()).keys()
    check_whole(store)


def test_a_group_is_published_together(open_store: OpenStore) -> None:
    """A crash before the flip is resumed with every article of the group."""
    bomb = Bomb("lexical: committed", 1)
    store = open_store(on_step=bomb)
    bomb.armed = True
    group = [make_publication(store, uri, [f"Glaciers of {uri}."]) for uri in "abc"]
    with pytest.raises(Fault):
        store.publish(group)
    assert store.catalogue.heads() == []
    crash(store)
    again = open_store()
    assert len(again.catalogue.heads()) == 3
    check_whole(again)


_HALF_CREATED = """
import os, sys
from pathlib import Path
from sqlalchemy import Engine, event
from tests.fakes import FINGERPRINT
from vectorstore.store import Store

tables = 0

@event.listens_for(Engine, "after_cursor_execute")
def count(connection, cursor, statement, *_):
    global tables
    tables += "CREATE TABLE" in statement
    if tables == 5:
        os._exit(9)

Store(Path(sys.argv[1]), FINGERPRINT)
"""


def test_a_process_killed_while_it_creates_the_catalogue(
    open_store: OpenStore, tmp_path: Path
) -> None:
    """A first opening killed between two tables leaves a folder that can be opened."""
    assert run_python(_HALF_CREATED, str(tmp_path / "data")).returncode == 9
    store = open_store()
    put(store, "a", *OLD)
    check_whole(store)


def test_the_dirty_mark_lives_from_a_write_to_the_close(
    open_store: OpenStore, tmp_path: Path
) -> None:
    """The mark is absent in a new store, present after a write, and gone after the close."""
    store = open_store()
    chroma = tmp_path / "data" / "chroma"
    assert not list(chroma.glob("*.dirty"))
    put(store, "a", *OLD)
    generation = store.catalogue.facts()["dense_generation"]
    assert [path.name for path in chroma.glob("*.dirty")] == [f"{generation}.dirty"]
    store.close()
    assert not list(chroma.glob("*.dirty"))


def test_a_clean_store_is_reopened_as_it_is(open_store: OpenStore) -> None:
    """After a clean close the same generation of the dense index is opened again."""
    store = open_store()
    put(store, "a", *OLD)
    generation = store.catalogue.facts()["dense_generation"]
    store.close()
    again = open_store()
    assert again.catalogue.facts()["dense_generation"] == generation
    assert sorted(texts(again, "glaciers rivers")) == sorted(OLD)
    check_whole(again)


def test_a_dirty_index_is_rebuilt_beside_and_the_old_one_deleted(
    open_store: OpenStore, tmp_path: Path
) -> None:
    """A mark found at opening makes a new generation from the catalogue's embeddings."""
    store = open_store()
    put(store, "a", *OLD)
    put(store, "b", "Deserts in Namibia grow.", collection="other")
    generation = store.catalogue.facts()["dense_generation"]
    store.close()
    chroma = tmp_path / "data" / "chroma"
    (chroma / f"{generation}.dirty").touch()
    (chroma / generation / "chroma.sqlite3").write_bytes(b"torn")  # must not even be looked at
    again = open_store()
    fresh = again.catalogue.facts()["dense_generation"]
    assert fresh != generation
    assert [path.name for path in chroma.iterdir() if path.is_dir()] == [fresh]
    check_whole(again)
    vector = HashEncoder().encode_query("Deserts in Namibia grow.")
    exact = dict(again.vectors.exact.search(vector, 10, Filter()))
    assert again.vectors.dense is not None
    assert dict(again.vectors.dense.search(vector, 10, None)) == pytest.approx(exact, abs=1e-5)
    again.close()
    assert not list(chroma.glob("*.dirty"))


def test_a_lost_dense_index_is_rebuilt(open_store: OpenStore, tmp_path: Path) -> None:
    """Without its folder the dense index is built again from the catalogue."""
    store = open_store()
    put(store, "a", *OLD)
    generation = store.catalogue.facts()["dense_generation"]
    store.close()
    (tmp_path / "data" / "chroma" / generation).rename(tmp_path / "lost")
    check_whole(open_store())


def test_a_lost_lexical_index_is_rebuilt(open_store: OpenStore, tmp_path: Path) -> None:
    """Without its folder the lexical index is built again from the catalogue."""
    store = open_store()
    put(store, "a", *OLD)
    store.close()
    (tmp_path / "data" / "tantivy").rename(tmp_path / "lost")
    check_whole(open_store())


def test_an_interrupted_rebuild_of_the_lexical_index_starts_over(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lexical index whose rebuild a fault ended is not taken for a whole one."""
    store = open_store()
    put(store, "a", *OLD)
    store.close()
    (tmp_path / "data" / "tantivy").rename(tmp_path / "lost")

    def fail(*_: object) -> None:
        raise Fault

    with monkeypatch.context() as patch:
        patch.setattr(LexicalIndex, "apply", fail)
        with pytest.raises(Fault):
            open_store()
    check_whole(open_store())


def test_a_second_store_in_the_process_is_refused(open_store: OpenStore) -> None:
    """A folder that this process has open cannot be opened a second time."""
    open_store()
    with pytest.raises(StoreLockedError, match="Another citewell process is using"):
        open_store()


def test_a_second_process_is_refused(store: Store) -> None:
    """A folder that is open cannot be opened by another process, whose error says why."""
    code = """
import sys
from pathlib import Path
from tests.fakes import FINGERPRINT
from vectorstore.errors import StoreLockedError
from vectorstore.store import Store
try:
    Store(Path(sys.argv[1]), FINGERPRINT)
except StoreLockedError as exc:
    sys.exit(str(exc))
"""
    run = run_python(code, str(store.folder))
    assert run.returncode == 1
    assert f"Another citewell process is using {store.folder}" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_store_may_be_closed_by_another_thread(open_store: OpenStore) -> None:
    """The lock is the process's: whichever thread closes the store frees the folder."""
    store = open_store()
    thread = threading.Thread(target=store.close)
    thread.start()
    thread.join()
    open_store()


def test_another_fingerprint_is_refused_with_both_values(open_store: OpenStore) -> None:
    """Opening with another encoder names the value of the index and that of the settings."""
    open_store().close()
    with pytest.raises(IndexMismatchError) as refused:
        open_store(fingerprint={**FINGERPRINT, "encoder": "other-384"})
    assert "'hash-256'" in str(refused.value)
    assert "'other-384'" in str(refused.value)
    open_store()  # and the refusal left nothing open


def test_the_folder_is_the_owners_alone(store: Store) -> None:
    """A new data folder cannot be read by other users."""
    assert store.folder.stat().st_mode & 0o077 == 0


def test_readers_never_miss_an_article_that_is_updated(store: Store) -> None:
    """While one thread publishes versions of an article, every retrieval finds one of them."""
    put(store, "a", "Glaciers version 0 melt.", "Rivers version 0 rise.")
    put(store, "b", "Glaciers in Norway.")
    done = threading.Event()
    misses: list[list[str]] = []
    errors: list[BaseException] = []
    rounds = [0]

    def read() -> None:
        retriever = Retriever(store, HashEncoder())
        try:
            while not done.is_set():
                found = retriever.retrieve("glaciers version rivers", 10).passages
                rounds[0] += 1
                of_a = [p.chunk.text for p in found if p.article.uri == "a"]
                versions = {text.split()[2] for text in of_a}
                if len(of_a) != 2 or len(versions) != 1:
                    misses.append(of_a)
        except BaseException as exc:
            errors.append(exc)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(1, 21):
        put(store, "a", f"Glaciers version {number} melt.", f"Rivers version {number} rise.")
    done.set()
    for reader in readers:
        reader.join()
    assert errors == []
    assert misses == []
    assert rounds[0] > 10
    check_whole(store)


@pytest.mark.parametrize("stage", ["search", "locate"])
def test_a_flip_in_the_middle_of_a_retrieval_hides_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """A version that is published between the search and the join is found by the same call."""
    put(store, "a", *OLD)
    flipped = []
    where = store.lexical if stage == "search" else store.catalogue
    original = getattr(where, stage)

    def after_a_flip(*arguments: object) -> object:
        if not flipped:
            flipped.append(True)
            put(store, "a", "Glaciers: all new text.")
        return original(*arguments)

    monkeypatch.setattr(where, stage, after_a_flip)
    assert texts(store, "glaciers") == ["Glaciers: all new text."]
