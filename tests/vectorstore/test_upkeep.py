from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import HashEncoder, make_publication, put
from tests.vectorstore.faults import OpenStore, ReversedEncoder, check_whole, texts
from vectorstore import upkeep, vectors
from vectorstore.dense import DenseIndex
from vectorstore.errors import StoreError
from vectorstore.store import Store
from vectorstore.types import EncoderInput, Filter, Vector

PARAGRAPHS = (
    "Glaciers in the Alps lose ice.",
    "Rivers carry the water to the sea.",
    "Penguins breed on the ice.",
)


def ignore(_done: int, _total: int) -> None:
    """Take in progress without a word."""


@pytest.fixture
def full(store: Store) -> Store:
    """A store with two articles in two collections."""
    put(store, "a", *PARAGRAPHS)
    put(store, "b", "Deserts in Namibia grow.", "Volcanoes erupt.", collection="other")
    return store


def execute(store: Store, statement: str) -> None:
    """Change the catalogue behind the store's back, keys or not."""
    connection = sqlite3.connect(store.catalogue.path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def first(store: Store) -> int:
    """Return the number of the first chunk."""
    return store.catalogue.chunk_numbers()[0][0]


def test_a_whole_store_has_no_findings(full: Store) -> None:
    """A check of a whole store counts what is there, loses nothing and finds nothing."""
    found = upkeep.check(full, sample=0)
    assert found == upkeep.Checkup(
        articles=2, chunks=5, sampled=5, lost=0, recall=1.0, hidden=0.0, findings=()
    )
    assert upkeep.check(full, sample=2, seed=1).sampled == 2


def test_an_empty_store_has_no_findings(store: Store) -> None:
    """Nothing published, nothing to look up."""
    assert upkeep.check(store) == upkeep.Checkup(0, 0, 0, 0, 1.0, 0.0, ())


def test_what_is_hidden_is_told_and_is_no_finding(full: Store) -> None:
    """Records that readers no longer see are normal, and their share is told."""
    full.remove(["news/a"])
    found = upkeep.check(full, sample=0)
    assert found.hidden == 0.6
    assert found.findings == ()


def test_copies_of_a_text_are_not_lost(store: Store) -> None:
    """A chunk behind many copies of its text counts as found."""
    store.publish(
        [make_publication(store, f"{n}", ["Glaciers lose ice."]) for n in range(2 * upkeep.TOP_K)]
    )
    found = upkeep.check(store, sample=0)
    assert (found.lost, found.recall, found.findings) == (0, 1.0, ())


def lack_in_tantivy(store: Store) -> None:
    """Lose a chunk from the lexical index."""
    store.lexical.apply([first(store)], [])


def extra_in_tantivy(store: Store) -> None:
    """Leave a chunk in the lexical index that is not in the catalogue."""
    (row,) = store.catalogue.placed([first(store)])
    store.lexical.apply([], [(replace(row, number=999), row.text)])


def lack_in_chroma(store: Store) -> None:
    """Lose a record from the graph."""
    assert store.vectors.dense is not None
    (collection,) = (c for c in store.catalogue.collections() if c.name == "news")
    store.vectors.dense._collections[collection.id].delete(ids=[str(first(store))])


def lack_the_graph(store: Store) -> None:
    """Be without a graph, as after a rebuild that failed."""
    assert store.vectors.dense is not None
    store.vectors.dense.close()
    store.vectors.dense = None


def lack_in_memory(store: Store) -> None:
    """Hide an article in memory that readers should see."""
    store.vectors.exact.show((), gone=["news/a"])


def extra_in_memory(store: Store) -> None:
    """Show an article in memory that was removed from the catalogue."""
    shown = store.catalogue.shown(["news/a"])
    store.remove(["news/a"])
    store.vectors.exact.show(shown)


def orphan(store: Store) -> None:
    """Leave a chunk that is in no version."""
    execute(store, "INSERT INTO chunks (id, article_id) VALUES ('orphan', 'news/a')")


def stage(store: Store) -> None:
    """Leave a version that was staged and never published."""
    store.catalogue.stage([make_publication(store, "c", ["Storms rise."])])


def leave_generation(store: Store) -> None:
    """Leave the files of a generation that no rebuild finished."""
    (store.folder / "chroma" / "deadbeef").mkdir()


def leave_lexical(store: Store) -> None:
    """Leave the files of a lexical index that no rebuild finished."""
    (store.folder / "tantivy" / "old").mkdir()


def leave_embeddings(store: Store) -> None:
    """Leave what another encoder embedded before its rebuild was interrupted."""
    number = store.catalogue.use_encoder(ReversedEncoder.fingerprint)
    (row,) = store.catalogue.unembedded(number, 1)
    entry = EncoderInput("", row[1].text, ())
    store.catalogue.add_embeddings(number, {row[0]: ReversedEncoder().encode_chunks([entry])[0]})


@pytest.mark.parametrize(
    ("damage", "what", "heal"),
    [
        (lack_in_tantivy, "the lexical index lacks 1 chunks", "lexical"),
        (extra_in_tantivy, "the lexical index holds 1 chunks .*: 999", "lexical"),
        (lack_in_chroma, "the dense index lacks 1 chunks", "dense"),
        (lack_the_graph, "there is no dense index", "dense"),
        (lack_in_memory, "memory lacks 3 chunks", "memory"),
        (extra_in_memory, "memory holds 3 chunks", "memory"),
        (orphan, "1 chunks belong to no version", "sweep"),
        (stage, "1 versions are staged or superseded", "sweep"),
        (stage, "lexical has not applied all changes", "sweep"),
        (leave_generation, "chroma/deadbeef belongs to no index", "sweep"),
        (leave_lexical, "tantivy/old belongs to no index", "sweep"),
        (leave_embeddings, "an interrupted rebuild", "sweep"),
    ],
)
def test_damage_is_found_and_healed(
    full: Store, damage: Callable[[Store], None], what: str, heal: str
) -> None:
    """A check tells what is wrong, a repair heals it, and a second check finds nothing."""
    damage(full)
    found = upkeep.check(full, sample=0)
    assert [f.heal for f in found.findings if re.match(what, f.what)] == [heal]
    assert upkeep.check(full, sample=0) == found  # which has changed nothing
    before, after = upkeep.repair(full, ignore, sample=0)
    assert before == found
    assert after.findings == ()
    assert (after.lost, after.recall) == (0, 1.0)
    check_whole(full)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE versions SET text = text || '!' WHERE article_id = 'news/a'", "the text of 'a'"),
        ("UPDATE versions SET text = 'cut' WHERE article_id = 'news/a'", "3 chunks lie outside"),
        ("DELETE FROM embeddings WHERE chunk = 1", "1 chunks have no embedding"),
        ("UPDATE placements SET chunk = 999 WHERE chunk = 1", "1 rows refer to none"),
    ],
)
def test_what_only_a_source_or_a_backup_can_heal_is_told(
    full: Store, statement: str, what: str
) -> None:
    """Damage to the catalogue itself is found, with what to do about it."""
    execute(full, statement)
    found = [f for f in upkeep.check(full, sample=0).findings if f.what.startswith(what)]
    assert [f.heal for f in found] == ["nothing"]
    assert re.search("ingest|restore", found[0].what)


def test_a_store_opens_although_an_embedding_is_lost(full: Store, open_store: OpenStore) -> None:
    """A chunk without its vector keeps the others neither from answering nor from being checked."""
    execute(full, "DELETE FROM embeddings WHERE chunk = 1")
    full.close()
    again = open_store()
    assert "Penguins breed on the ice." in texts(again, "penguins ice")
    assert any("have no embedding" in f.what for f in upkeep.check(again).findings)


def test_a_graph_that_lost_its_way_is_found_and_healed(store: Store) -> None:
    """A record that is there and is not found by its own vector is told, and healed."""
    put(store, "a", *(f"Paragraph {n}." for n in range(60)), encoder=NoiseEncoder())
    number = first(store)
    assert store.vectors.dense is not None
    (collection,) = store.vectors.dense._collections.values()
    collection.update(ids=[str(number)], embeddings=[-store.vectors.exact.vector(number)])
    before, after = upkeep.repair(store, ignore, sample=0)
    assert before.lost == 1
    assert before.recall < 1
    lost = "1 of 60 chunks are not found by their own vectors"
    assert before.findings == (upkeep.Finding(lost, "dense"),)
    assert (after.lost, after.recall, after.findings) == (0, 1.0, ())


def test_compact_leaves_out_what_readers_do_not_see(store: Store) -> None:
    """After many versions every file is smaller, nothing is hidden, and answers are the same."""
    put(store, "b", "Deserts in Namibia grow.")
    for version in range(4):
        put(store, "a", *(f"Version {version} of paragraph {n}: {'ice ' * n}" for n in range(60)))
    found = texts(store, "deserts version ice")
    before, after = upkeep.compact(store, ignore)
    assert after < before
    assert after == sum(path.stat().st_size for path in store.folder.rglob("*") if path.is_file())
    assert store.vectors.wasted == store.vectors.exact.hidden == 0
    check_whole(store)
    assert store.vectors.dense is not None
    assert store.vectors.dense.numbers() == store.vectors.exact.numbers()
    assert texts(store, "deserts version ice") == found
    assert upkeep.check(store).findings == ()


@pytest.mark.parametrize("act", [upkeep.compact, lambda store, emit: upkeep.erase(store, [], emit)])
def test_upkeep_of_a_wasteful_store_does_not_meet_its_own_rebuild(
    store: Store, monkeypatch: pytest.MonkeyPatch, act: Callable[..., object]
) -> None:
    """Where a rebuild is overdue, as after one that failed, upkeep does it, once."""
    put(store, "a", *PARAGRAPHS)
    put(store, "a", "Storms rise.")
    monkeypatch.setattr(vectors, "LEAST_WASTE", 1)
    assert store.vectors.wasteful
    act(store, ignore)
    check_whole(store)
    assert store.vectors.wasted == 0


class NoiseEncoder(HashEncoder):
    """Gives each text a vector that shares no part with any other's."""

    def encode_query(self, query: str) -> Vector:
        """Return noise that only this text gives."""
        seed = int.from_bytes(hashlib.sha256(query.encode()).digest()[:8])
        vector = np.random.default_rng(seed).normal(size=self.dimension).astype(np.float32)
        return vector / np.linalg.norm(vector)


def parts(blob: bytes) -> list[bytes]:
    """Return a vector's bytes in parts, so that one cut in two is found as well."""
    return [blob[start : start + 32] for start in range(0, len(blob), 32)]


def held(folder: Path, needles: Sequence[bytes]) -> dict[bytes, list[str]]:
    """Return in which files of a folder each needle is, whatever its case."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    found: dict[bytes, list[str]] = {needle: [] for needle in needles}
    for path in files:
        content = path.read_bytes()
        for needle in needles:
            if needle in content or (needle.isalpha() and needle.lower() in content.lower()):
                found[needle].append(str(path.relative_to(folder)))
    return found


def test_an_erased_article_is_in_no_file(open_store: OpenStore) -> None:
    """No word, sentence, title, place or vector of an erased article is left in any file."""
    store = open_store()
    encoder = NoiseEncoder()
    told = "The password Xyzzyglorps was given to Quuxlivia on a Tuesday."
    put(store, "a", *PARAGRAPHS, told, encoder=encoder, title="Frobnicating")
    put(store, "a", told, *PARAGRAPHS, encoder=encoder, title="Frobnicated")
    put(store, "b", *PARAGRAPHS, encoder=encoder)
    gone = make_publication(store, "hidden-uri", [told], encoder=encoder, title="Wobblefish")
    store.publish([replace(gone, source="/home/plugh")])
    assert texts(store, "Xyzzyglorps", encoder)
    words = [b"Xyzzyglorp", b"Quuxlivia", b"Tuesday", b"Frobnicat", b"Wobblefish", b"plugh"]
    words += [b"hidden-uri", gone.article.head.sha256.encode()]
    line = encoder.encode_query(f"Wobblefish. {told}")
    old = encoder.encode_query(f"Frobnicated. {told}")
    sentence = encoder.encode_query(told).astype(np.float16)
    blobs = [part for vector in (line, old, sentence) for part in parts(vector.tobytes())]
    store.close()
    before = held(store.folder, [*words, *blobs])
    assert [needle for needle, files in before.items() if not files] == []
    assert any(name.startswith("chroma") for name in before[parts(line.tobytes())[0]])

    again = open_store()
    upkeep.erase(again, ["news/a", "news/hidden-uri"], ignore)
    open_files = held(again.folder, [*words, *blobs])
    assert {needle: files for needle, files in open_files.items() if files} == {}
    again.close()
    after = held(again.folder, [*words, *blobs])
    assert {needle: files for needle, files in after.items() if files} == {}
    once_more = open_store()
    check_whole(once_more)
    assert sorted(texts(once_more, "glaciers rivers penguins", encoder)) == sorted(PARAGRAPHS)
    assert once_more.lexical.search("Xyzzyglorps Frobnicated", 5, Filter()) == []


def test_an_erasure_that_fails_says_so_and_can_be_repeated(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erasure that could not build the indexes anew is an error; the next one erases."""
    put(store, "a", "The password Xyzzyglorps.")
    put(store, "b", *PARAGRAPHS)

    def fail(*_: object) -> None:
        msg = "the disk is full"
        raise StoreError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(DenseIndex, "add", fail)
        with pytest.raises(StoreError, match="the disk is full"):
            upkeep.erase(store, ["news/a"], ignore)
    assert "The password Xyzzyglorps." not in texts(store, "xyzzyglorps")
    upkeep.erase(store, ["news/a"], ignore)
    assert held(store.folder, [b"Xyzzyglorp"]) == {b"Xyzzyglorp": []}
    check_whole(store)
