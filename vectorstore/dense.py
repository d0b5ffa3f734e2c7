"""Chroma; the only file that imports chromadb.

One Chroma collection holds the vectors of one Citewell collection, under its opaque id and
in cosine space. Embedded Chroma does not survive being killed while it writes, and opening a
broken index can end the process; so a durable mark is set before the first write and cleared
at a clean close, and an index found with the mark is never opened: a new generation is built
from the catalogue's embeddings. Nothing is ever deleted or replaced in Chroma, because it can
lose live records from its graph after that (chroma-core/chroma#7758, which
bench/chroma_7758.py repeats): what readers no longer see is passed over in its results, and
left out of the next generation.
"""

from __future__ import annotations

import shutil
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import chromadb
from chromadb.config import Settings
from chromadb.errors import ChromaError

from vectorstore.errors import StoreError
from vectorstore.steps import Step, ignore, sync
from vectorstore.types import Matrix, Vector

BATCH = 1_000  # records; Chroma refuses more than 5,461 at once
HNSW = {"space": "cosine", "ef_construction": 200, "ef_search": 200, "max_neighbors": 24}


class DenseIndex:
    """One generation of the vectors, in `root/<generation>`, opened by one process at a time.

    `size` is how many records it holds, hidden ones too.
    """

    def __init__(self, root: Path, generation: str, on_step: Step = ignore) -> None:
        self.generation = generation
        self.folder = root / generation
        self._mark = root / f"{generation}.dirty"
        self._on_step = on_step
        self._users = 0
        self._idle = threading.Condition()
        self._closed = False
        root.mkdir(parents=True, exist_ok=True)
        if not self.folder.exists():
            self._soil()  # creating the files is a write too
        try:
            # Any: the client's public type lacks close()
            self._client: Any = chromadb.PersistentClient(
                str(self.folder), settings=Settings(anonymized_telemetry=False)
            )
            self._collections = {
                c.name: self._open(c.name) for c in self._client.list_collections()
            }
            self.size: int = sum(c.count() for c in self._collections.values())
        except (ChromaError, ValueError, OSError) as exc:
            msg = f"The dense index in {self.folder} cannot be opened: {exc}"
            raise StoreError(msg) from exc
        _blank_unused(self.folder)  # opening writes it too

    @staticmethod
    def is_clean(root: Path, generation: str) -> bool:
        """Whether the generation exists and was closed cleanly after its last write."""
        return (root / generation).is_dir() and not (root / f"{generation}.dirty").exists()

    @staticmethod
    def discard(root: Path, keep: Sequence[str]) -> None:
        """Delete every generation but those in `keep`, and their marks."""
        for path in root.iterdir() if root.exists() else ():
            if path.is_dir() and path.name not in keep:
                shutil.rmtree(path)
            elif path.suffix == ".dirty" and path.stem not in keep:
                path.unlink()

    def _open(self, name: str) -> Any:  # noqa: ANN401 (a chromadb Collection)
        collection = self._client.get_or_create_collection(
            name, configuration={"hnsw": HNSW}, embedding_function=None
        )
        space = collection.configuration_json["hnsw"]["space"]
        if space != "cosine":  # get_or_create ignores a configuration that differs
            msg = f"Chroma collection {name} in {self.folder} uses {space!r}, not 'cosine'."
            raise StoreError(msg)
        return collection

    def _soil(self) -> None:
        if not self._mark.exists():
            self._mark.touch()
            sync(self._mark)
            sync(self._mark.parent)
            self._on_step("dense: marked dirty")

    def add(self, collection: str, numbers: Sequence[int], vectors: Matrix) -> None:
        """Add chunks, none of which is `held`.

        Chroma can lose live records whose ids it is given again.
        """
        if not len(numbers):
            return
        _ = self.held  # read before anything is added
        self._soil()
        if collection not in self._collections:
            self._collections[collection] = self._open(collection)
        for start in range(0, len(numbers), BATCH):
            self._on_step("dense: before batch")
            try:
                self._collections[collection].add(
                    ids=[str(number) for number in numbers[start : start + BATCH]],
                    embeddings=vectors[start : start + BATCH],
                )
            except ChromaError as exc:
                msg = f"Writing to {self.folder} failed: {exc}. Check free space and permissions."
                raise StoreError(msg) from exc
            self.held.update(numbers[start : start + BATCH])
            self.size = len(self.held)
        _blank_unused(self.folder)
        self._on_step("dense: added")

    @contextmanager
    def _in_use(self) -> Iterator[bool]:
        """Keep the index open while a search runs; yields whether it still is."""
        with self._idle:
            self._users += 1
            is_open = not self._closed
        try:
            yield is_open
        finally:
            with self._idle:
                self._users -= 1
                self._idle.notify_all()

    def collections(self, wanted: Sequence[str] | None) -> list[str]:
        """Return those of `wanted` that have records here; None means all."""
        return [name for name in list(self._collections) if wanted is None or name in wanted]

    def search(
        self, vector: Vector, top_k: int, collections: Sequence[str] | None
    ) -> list[tuple[int, float]]:
        """Return (number, cosine) of the nearest chunks, nearest first; ties by number."""
        hits: list[tuple[int, float]] = []
        with self._in_use() as is_open:
            for name in self.collections(collections) if is_open else ():
                found = self._collections[name].query(
                    query_embeddings=[vector], n_results=top_k, include=["distances"]
                )
                # Chroma's cosine distance is 1 - cosine: here it becomes a similarity, once.
                hits += [
                    (int(number), 1.0 - distance)
                    for number, distance in zip(found["ids"][0], found["distances"][0], strict=True)
                ]
        return sorted(hits, key=lambda hit: (-hit[1], hit[0]))[:top_k]

    @cached_property
    def held(self) -> set[int]:
        """The numbers of its records; read from Chroma when the first are added."""
        return self.numbers()

    def numbers(self) -> set[int]:
        """Read the number of every chunk in the index from Chroma, hidden ones too."""
        return {
            int(number)
            for collection in self._collections.values()
            for number in collection.get(include=[])["ids"]
        }

    def close(self) -> None:
        """Wait for searches to end, close Chroma, then clear the mark: the files are whole."""
        with self._idle:
            self._closed = True
            self._idle.wait_for(lambda: self._users == 0)
        self._client.close()
        self._on_step("dense: closed")
        if self._mark.exists():
            self._mark.unlink()
            sync(self._mark.parent)


def _blank_unused(folder: Path) -> None:
    """Overwrite what Chroma's graph files hold behind their records.

    An index of few records is written with room for 100, out of memory that nobody has set and
    in which the text of an erased article may have been. The header is hnswlib's, with its
    version in front: the 4th number counts the records, the 5th is the size of one.
    """
    for header in folder.glob("*/header.bin"):
        _, _, _, count, size = struct.unpack_from("<i4Q", header.read_bytes())
        for name, width in (("data_level0.bin", size), ("length.bin", 4)):
            path = header.with_name(name)
            unused = path.stat().st_size - count * width
            if unused > 0:
                with path.open("r+b") as file:
                    file.seek(count * width)
                    file.write(bytes(unused))
