from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import chromadb
import numpy as np
import pytest

from vectorstore.dense import BATCH, DenseIndex
from vectorstore.errors import StoreError
from vectorstore.types import Matrix


def unit_rows(count: int, dimension: int = 16, seed: int = 1) -> Matrix:
    """Return random unit vectors, the same for the same arguments."""
    rows = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[DenseIndex]:
    """An empty index."""
    opened = DenseIndex(tmp_path / "chroma", "g1")
    yield opened
    opened.close()


def test_nearest_come_first_with_their_cosine(index: DenseIndex) -> None:
    """Search returns what exact search does: numbers by falling cosine, not distance."""
    rows = unit_rows(200)
    index.add("col-1", range(1, 201), rows)
    exact = rows @ rows[7]
    order = [int(number) + 1 for number in np.argsort(-exact)[:10]]
    hits = index.search(rows[7], 10, ["col-1"])
    assert [number for number, _ in hits] == order
    assert hits[0] == (8, pytest.approx(1.0, abs=1e-6))
    assert [cosine for _, cosine in hits] == pytest.approx(sorted(exact)[::-1][:10], abs=1e-5)


def test_ties_are_broken_by_number(index: DenseIndex) -> None:
    """Chunks with the same vector come in the order of their numbers."""
    row = unit_rows(1)
    index.add("col-1", [3, 1, 2], np.repeat(row, 3, axis=0))
    assert [number for number, _ in index.search(row[0], 3, None)] == [1, 2, 3]


def test_collections_are_searched_apart(index: DenseIndex) -> None:
    """Only the collections that are asked for are searched; None means all, () none."""
    rows = unit_rows(4)
    index.add("col-1", [1, 2], rows[:2])
    index.add("col-2", [3, 4], rows[2:])
    assert {number for number, _ in index.search(rows[0], 10, ["col-2"])} == {3, 4}
    assert {number for number, _ in index.search(rows[0], 10, None)} == {1, 2, 3, 4}
    assert index.search(rows[0], 10, []) == []
    assert index.search(rows[0], 10, ["unknown"]) == []


def test_more_than_one_batch_is_added(index: DenseIndex) -> None:
    """What Chroma refuses to take at once is cut into batches."""
    index.add("col-1", range(BATCH + 500), unit_rows(BATCH + 500, dimension=2))
    assert index.numbers() == index.held == set(range(BATCH + 500))


def test_the_mark_is_set_by_the_first_write(tmp_path: Path) -> None:
    """Creating the files and every write set the mark, opening does not, a clean close ends it."""
    root = tmp_path / "chroma"
    index = DenseIndex(root, "g1")
    assert not DenseIndex.is_clean(root, "g1")
    index.add("col-1", [1], unit_rows(1))
    index.close()
    assert DenseIndex.is_clean(root, "g1")
    again = DenseIndex(root, "g1")
    assert DenseIndex.is_clean(root, "g1")
    again.add("col-1", [2], unit_rows(1))
    assert not DenseIndex.is_clean(root, "g1")
    again.close()


def test_a_closed_index_finds_nothing_and_waits_for_searches(tmp_path: Path) -> None:
    """A close waits until a search that is under way has ended; later ones find nothing."""
    index = DenseIndex(tmp_path, "g1")
    index.add("col-1", [1], unit_rows(1))
    closer = threading.Thread(target=index.close)
    with index._in_use():
        closer.start()
        closer.join(0.2)
        assert closer.is_alive()
    closer.join(10)
    assert not closer.is_alive()
    assert index.search(unit_rows(1)[0], 1, None) == []


def test_a_missing_generation_is_not_clean(tmp_path: Path) -> None:
    """A generation without a folder must be built."""
    assert not DenseIndex.is_clean(tmp_path, "g1")


def test_discard_keeps_one_generation(tmp_path: Path) -> None:
    """All folders and marks but those of the generation that is kept are deleted."""
    for name in ("g1", "g2"):
        (tmp_path / name).mkdir()
        (tmp_path / f"{name}.dirty").touch()
    DenseIndex.discard(tmp_path, keep=["g2"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g2", "g2.dirty"]


def test_it_survives_a_clean_close(tmp_path: Path) -> None:
    """What was added is found after the index was closed and opened again."""
    rows = unit_rows(50)
    index = DenseIndex(tmp_path, "g1")
    index.add("col-1", range(50), rows)
    index.close()
    again = DenseIndex(tmp_path, "g1")
    assert again.search(rows[9], 1, ["col-1"])[0][0] == 9
    again.close()


def test_another_space_is_refused(tmp_path: Path) -> None:
    """A Chroma collection that is not in cosine space is not used."""
    client = chromadb.PersistentClient(str(tmp_path / "g1"))
    client.create_collection("col-1", configuration={"hnsw": {"space": "l2"}})
    client.close()
    with pytest.raises(StoreError, match="'l2', not 'cosine'"):
        DenseIndex(tmp_path, "g1")


@pytest.mark.parametrize("count", [3, 2_500])
def test_nothing_but_records_is_left_in_the_files(tmp_path: Path, count: int) -> None:
    """What lay in memory that Chroma did not set is in no file, while it is open or after."""
    rows = unit_rows(count)
    for opening in range(3):
        _leave_in_memory(b"Xyzzyglorps")
        index = DenseIndex(tmp_path / "chroma", "g1")
        if opening == 0:
            index.add("col-1", range(count), rows)
        files = {path: path.read_bytes() for path in index.folder.rglob("*.bin")}
        assert len(files) == 4
        assert not [path.name for path, content in files.items() if b"Xyzzy" in content]
        (header,) = index.folder.rglob("header.bin")
        _, _, _, records, size = struct.unpack_from("<i4Q", files[header])
        level = files[header.with_name("data_level0.bin")]
        assert not any(level[records * size :])
        assert index.search(rows[2], 1, None) == [(2, pytest.approx(1.0, abs=1e-6))]
        index.close()


def _leave_in_memory(words: bytes) -> None:
    """Fill memory with words and give it back, for the next that asks for some."""
    room = [bytearray(words * (size // len(words))) for size in range(100_000, 200_000, 500)]
    del room
