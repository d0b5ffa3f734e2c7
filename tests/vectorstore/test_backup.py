from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes import HashEncoder, make_publication, put
from tests.vectorstore.faults import Bomb, Fault, OpenStore, check_whole, texts
from vectorstore import upkeep
from vectorstore.backup import CATALOGUE, FORMAT, MANIFEST, backup, restore
from vectorstore.errors import StoreError
from vectorstore.retriever import Retriever
from vectorstore.steps import STEPS
from vectorstore.store import Store
from vectorstore.types import ArticleHead, Chunk

QUERY = "glaciers rivers volcanoes deserts"
OLD = ("Glaciers in the Alps lose ice.", "Shared paragraph about rivers.")
NEW = ("Volcanoes in Iceland erupt often.", "Shared paragraph about rivers.")


def answers(store: Store) -> list[tuple[Chunk, ArticleHead, float]]:
    """Return what is found for a query, best first, with its score, rounded."""
    found = Retriever(store, HashEncoder()).retrieve(QUERY, 20).passages
    return [(p.chunk, p.article, round(p.score, 4)) for p in found]


@pytest.fixture
def saved(open_store: OpenStore, tmp_path: Path) -> Path:
    """A backup of a store with two articles, which has changed since and is closed."""
    store = open_store()
    put(store, "a", *OLD)
    put(store, "b", "Deserts in Namibia grow.", collection="other")
    backup(store, tmp_path / "saved")
    put(store, "a", *NEW)
    store.remove(["other/b"])
    store.close()
    return tmp_path / "saved"


def check_former(store: Store) -> None:
    """Check that the store is as it was after the backup."""
    check_whole(store)
    assert sorted(texts(store, QUERY)) == sorted(NEW)
    assert [c.name for c in store.catalogue.collections() if c.articles] == ["news"]


def check_restored(store: Store) -> None:
    """Check that the store is as it was at the backup."""
    check_whole(store)
    assert sorted(texts(store, QUERY)) == sorted([*OLD, "Deserts in Namibia grow."])
    assert upkeep.check(store, sample=0).findings == ()


def test_the_drill(open_store: OpenStore, tmp_path: Path) -> None:
    """After a backup, changes and a restore, the store answers as it did at the backup."""
    store = open_store()
    put(store, "a", *OLD)
    put(store, "b", "Deserts in Namibia grow.", collection="other")
    before, facts = answers(store), store.catalogue.facts()
    heads = store.catalogue.heads()
    manifest = backup(store, tmp_path / "saved")
    assert (manifest.articles, manifest.chunks) == (2, 3)
    assert (manifest.encoder, manifest.format) == (HashEncoder.fingerprint, FORMAT)
    put(store, "a", *NEW)
    put(store, "c", "Glaciers are also found in Norway.")
    store.remove(["other/b"])
    assert answers(store) != before
    store.close()

    assert restore(tmp_path / "saved", store.folder, replace=True) == manifest
    again = open_store()
    check_restored(again)
    assert answers(again) == before
    assert again.catalogue.heads() == heads
    for key in ("encoder", "splitter"):
        assert again.catalogue.facts()[key] == facts[key]
    put(again, "a", *NEW)
    check_whole(again)


def test_a_backup_is_restored_into_a_new_folder(
    saved: Path, open_store: OpenStore, tmp_path: Path
) -> None:
    """A folder that does not exist yet takes a backup, for its owner alone."""
    restore(saved, tmp_path / "deep" / "copy")
    assert (tmp_path / "deep" / "copy").stat().st_mode & 0o077 == 0
    check_restored(open_store(tmp_path / "deep" / "copy"))
    check_former(open_store())
    assert saved.stat().st_mode & 0o077 == 0


def test_a_backup_amid_publications_is_one_state(open_store: OpenStore, tmp_path: Path) -> None:
    """While another thread publishes, each backup holds every article whole, in one version."""
    store = open_store()
    groups = [[f"Glaciers {n}.", f"Rivers {n}.", f"Volcanoes {n}."] for n in range(10_000)]
    done = threading.Event()
    published = []

    def publish() -> None:
        for group in groups:
            store.publish([make_publication(store, uri, group) for uri in "ab"])
            published.append(group)
            if done.is_set():
                return

    writer = threading.Thread(target=publish)
    writer.start()
    try:
        for n in range(3):
            reached = len(published)
            while len(published) < reached + 2:
                assert writer.is_alive()
            manifest = backup(store, tmp_path / f"saved {n}")
            assert (manifest.articles, manifest.chunks) == (2, 6)
    finally:
        done.set()
        writer.join()
    check_whole(store)
    for n in range(3):
        restore(tmp_path / f"saved {n}", tmp_path / f"copy {n}")
        copy = open_store(tmp_path / f"copy {n}")
        check_whole(copy)
        assert upkeep.check(copy, sample=0).findings == ()
        (group,) = {copy.catalogue.article(f"news/{uri}").text for uri in "ab"}
        assert group.split("\n\n") in groups
        assert sorted(set(texts(copy, "glaciers rivers volcanoes"))) == group.split("\n\n")
        copy.close()


def test_an_unfinished_publication_is_finished_after_the_restore(
    open_store: OpenStore, tmp_path: Path
) -> None:
    """What was staged in the moment of the backup is published by the store restored from it."""
    store = open_store()
    put(store, "a", *OLD)
    store.catalogue.stage([make_publication(store, "a", NEW)])
    backup(store, tmp_path / "saved")
    restore(tmp_path / "saved", tmp_path / "copy")
    copy = open_store(tmp_path / "copy")
    check_whole(copy)
    assert sorted(texts(copy, QUERY)) == sorted(NEW)


def edit(manifest: Path, **changes: object) -> None:
    """Change what a manifest says."""
    known = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**known, **changes}))


def flip_a_byte(path: Path) -> None:
    """Change one byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped bit": (lambda saved: flip_a_byte(saved / CATALOGUE), rf"{CATALOGUE} is damaged"),
    "cut short": (lambda saved: (saved / CATALOGUE).write_bytes(b""), rf"{CATALOGUE} is damaged"),
    "lost": (lambda saved: (saved / CATALOGUE).unlink(), CATALOGUE),
    "without manifest": (lambda saved: (saved / MANIFEST).unlink(), MANIFEST),
    "not JSON": (lambda saved: (saved / MANIFEST).write_text("{"), MANIFEST),
    "not UTF-8": (lambda saved: (saved / MANIFEST).write_bytes(b"\xff{}"), MANIFEST),
    "a list": (lambda saved: (saved / MANIFEST).write_text("[]"), MANIFEST),
    "a field less": (lambda saved: (saved / MANIFEST).write_text('{"format": 1}'), MANIFEST),
    "no files": (lambda saved: edit(saved / MANIFEST, files={}), MANIFEST),
    "files of no kind": (lambda saved: edit(saved / MANIFEST, files=[CATALOGUE]), MANIFEST),
    "another digest": (
        lambda saved: edit(saved / MANIFEST, files={CATALOGUE: {"sha256": "0", "bytes": 1}}),
        rf"{CATALOGUE} is damaged",
    ),
    "a later form": (
        lambda saved: edit(saved / MANIFEST, format=FORMAT + 1, compression="zstd"),
        rf"format {FORMAT + 1} .* Upgrade",
    ),
    "a later schema": (lambda saved: edit(saved / MANIFEST, schema="c9999"), "c9999.* Upgrade"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_no_whole_backup_is_refused(saved: Path, open_store: OpenStore, name: str) -> None:
    """A damaged backup is refused by the name of what is wrong, and the former store stays."""
    damage, what = DAMAGES[name]
    damage(saved)
    folder = saved.parent / "data"
    with pytest.raises(StoreError, match=what):
        restore(saved, folder, replace=True)
    check_former(open_store())


def test_an_existing_target_is_refused(store: Store, tmp_path: Path) -> None:
    """A backup replaces nothing, be it a folder or a file."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    for name in ("folder", "file"):
        with pytest.raises(StoreError, match=rf"{name} exists already"):
            backup(store, tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"
    assert not list((tmp_path / "folder").iterdir())


def test_a_target_that_cannot_be_written_is_told(store: Store, tmp_path: Path) -> None:
    """A backup below a file is refused with its path."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match="file/saved"):
        backup(store, tmp_path / "file" / "saved")


def test_a_store_is_replaced_only_when_told(saved: Path, open_store: OpenStore) -> None:
    """Without `replace` a folder that holds a store keeps it."""
    with pytest.raises(StoreError, match="--replace"):
        restore(saved, saved.parent / "data")
    check_former(open_store())


@pytest.mark.parametrize("step", [step for step in STEPS if step.startswith("backup: ")])
def test_a_fault_leaves_no_half_backup(open_store: OpenStore, tmp_path: Path, step: str) -> None:
    """After a fault at any step there is a whole backup under its name, or none at all."""
    store = open_store()
    put(store, "a", *OLD)
    with pytest.raises(Fault):
        backup(store, tmp_path / "saved", Bomb(step, armed=True))
    assert (tmp_path / "saved").exists() == (step == "backup: renamed")
    if step != "backup: renamed":
        backup(store, tmp_path / "saved")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    restore(tmp_path / "saved", tmp_path / "copy")
    copy = open_store(tmp_path / "copy")
    check_whole(copy)
    assert sorted(texts(copy, QUERY)) == sorted(OLD)


RESTORING = [step for step in STEPS if step.startswith("restore: ")]


@pytest.mark.parametrize("step", RESTORING)
def test_a_fault_in_a_restore_leaves_one_store_whole(
    saved: Path, open_store: OpenStore, step: str
) -> None:
    """Until the catalogue is renamed a fault leaves the former store, from then on the other."""
    folder = saved.parent / "data"
    with pytest.raises(Fault):
        restore(saved, folder, True, Bomb(step, armed=True))
    assert not list(folder.glob(f"{CATALOGUE}.restoring*"))
    check = check_restored if step == "restore: renamed" else check_former
    check(open_store())


@pytest.mark.parametrize("step", RESTORING)
def test_a_killed_restore_leaves_one_store_whole(
    saved: Path, open_store: OpenStore, step: str
) -> None:
    """Whatever a killed restore leaves in the folder, the next opening has one whole store."""
    folder, left = saved.parent / "data", saved.parent / "left"

    def copy(passed: str) -> None:
        if passed == step:
            shutil.copytree(folder, left)

    restore(saved, folder, True, copy)
    check = check_restored if step == "restore: renamed" else check_former
    check(open_store(left))
    assert not list(left.glob(f"{CATALOGUE}.restoring*"))  # which no erasure would find


def test_leftovers_of_a_killed_restore_are_not_used(saved: Path, open_store: OpenStore) -> None:
    """What a killed restore has left beside the catalogue is deleted before the next one."""
    folder = saved.parent / "data"
    for name in ("", "-journal", "-wal", "-shm"):
        (folder / f"{CATALOGUE}.restoring{name}").write_bytes(b"torn")
    restore(saved, folder, replace=True)
    assert not list(folder.glob(f"{CATALOGUE}.restoring*"))
    check_restored(open_store())


@pytest.mark.parametrize("step", [None, "restore: copied"])
def test_the_former_log_is_not_taken_for_the_new_ones(
    saved: Path, open_store: OpenStore, step: str | None
) -> None:
    """A log that a crash has left belongs to the former catalogue, whether that stays or goes."""
    folder, left = saved.parent / "data", saved.parent / "left"
    store = open_store()
    put(store, "c", *(f"Storms rise, part {n}." for n in range(30)))
    shutil.copytree(folder, left, ignore=shutil.ignore_patterns("lock"))
    store.close()
    assert (left / f"{CATALOGUE}-wal").stat().st_size > 0
    if step is None:
        restore(saved, left, replace=True)
        assert not (left / f"{CATALOGUE}-wal").exists()
        check_restored(open_store(left))
        return
    with pytest.raises(Fault):
        restore(saved, left, True, Bomb(step, armed=True))
    again = open_store(left)
    check_whole(again)
    assert "Storms rise, part 7." in again.catalogue.article("news/c").text


def test_a_store_beyond_repair_can_be_replaced(saved: Path, open_store: OpenStore) -> None:
    """A catalogue that cannot even be read gives way to the backup, with its log."""
    folder = saved.parent / "data"
    (folder / CATALOGUE).write_bytes(b"torn" * 5_000)
    (folder / f"{CATALOGUE}-wal").write_bytes(b"torn" * 5_000)
    with pytest.raises(StoreError, match="Restore it from a backup"):
        open_store()
    restore(saved, folder, replace=True)
    check_restored(open_store())
