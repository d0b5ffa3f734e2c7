"""One process's open store: the lock, the catalogue, and the two indexes that follow it.

Publishing a group of articles takes four steps, each a state that a crash may leave behind:
staged in the catalogue; applied by both indexes; flipped, the moment of publication; swept,
when superseded chunks leave the indexes and then the catalogue. Opening the store resumes
whatever was left.
"""

from __future__ import annotations

import shutil
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from filelock import BaseFileLock

from vectorstore.catalogue import Catalogue, OutboxEntry
from vectorstore.dense import DenseIndex
from vectorstore.errors import IndexMismatchError, StoreError
from vectorstore.lexical import ANALYZER, LexicalIndex
from vectorstore.lock import acquire_lock
from vectorstore.publication import Publication
from vectorstore.types import ArticleHead

GROUP = 2_000  # outbox entries that an index applies with one commit
TITLE_BYTES = 190  # no script takes more tokens than bytes, so the text behind it has room
STEPS: Final = ("staged", "dense applied", "lexical applied", "flipped", "orphaned", "swept")


def embedding_context(head: ArticleHead) -> str:
    """The line put in front of a chunk when it is embedded and indexed, never cited."""
    date = f" ({head.published.isoformat()})" if head.published else ""
    title = head.title.encode(errors="ignore")[:TITLE_BYTES].decode(errors="ignore")
    return f"{title}{date}. "


class Store:
    """The open store of a data folder; one process has it, any number of threads may use it.

    Args:
        folder: The data folder, created if there is none.
        fingerprint: How articles are embedded and split; kept at the first opening.
        on_step: Called after each of STEPS, for tests that inject faults.
        lock: The folder's lock, where the caller has taken it already.

    Raises:
        StoreLockedError: Another process has the store open.
        IndexMismatchError: The store was built with another fingerprint.
    """

    def __init__(
        self,
        folder: Path,
        fingerprint: Mapping[str, str],
        on_step: Callable[[str], None] = lambda _: None,
        lock: BaseFileLock | None = None,
    ) -> None:
        self.folder = folder
        self._on_step = on_step
        self._publishing = threading.Lock()
        self._closed = False
        self._lock = lock or acquire_lock(folder)
        try:
            self.catalogue = Catalogue(folder / "catalogue.sqlite3")
            self._check(fingerprint)
            self.lexical = self._open_lexical()
            self.dense = self._open_dense()
            self._resume()
        except BaseException:
            self._lock.release()
            raise

    def _check(self, fingerprint: Mapping[str, str]) -> None:
        known = self.catalogue.facts()
        for key, value in fingerprint.items():
            if known.get(key, value) != value:
                msg = (
                    f"The index in {self.folder} was built with {key} {known[key]!r}; the settings "
                    f"ask for {value!r}. Go back to the former setting, or ingest the articles "
                    "again into a new data folder (--data-dir)."
                )
                raise IndexMismatchError(msg)
        if not fingerprint.keys() <= known.keys():
            self.catalogue.remember(fingerprint)

    def _open_lexical(self) -> LexicalIndex:
        folder = self.folder / "tantivy" / ANALYZER
        whole = self.catalogue.facts().get("lexical_built") == ANALYZER and folder.exists()
        if not whole:
            self.catalogue.remember({"lexical_built": ""})
            shutil.rmtree(folder, ignore_errors=True)  # a build that was interrupted
        index = LexicalIndex(folder)
        if not whole:
            numbers = [number for number, _ in self.catalogue.chunk_numbers()]
            for start in range(0, len(numbers), GROUP):
                index.apply([], self._lexical_rows(numbers[start : start + GROUP]))
            self.catalogue.acknowledge("lexical")
            self.catalogue.remember({"lexical_built": ANALYZER})
        return index

    def _open_dense(self) -> DenseIndex:
        root = self.folder / "chroma"
        generation = self.catalogue.facts().get("dense_generation")
        if generation and DenseIndex.is_clean(root, generation):
            return DenseIndex(root, generation)
        generation = uuid.uuid4().hex[:8]
        index = DenseIndex(root, generation)
        by_collection: dict[str, list[int]] = {}
        for number, collection in self.catalogue.chunk_numbers():
            by_collection.setdefault(collection, []).append(number)
        for collection, numbers in by_collection.items():
            for start in range(0, len(numbers), GROUP):
                found, vectors = self.catalogue.embeddings(numbers[start : start + GROUP])
                index.add(collection, found, vectors)
        self.catalogue.acknowledge("dense")
        self.catalogue.remember({"dense_generation": generation})
        DenseIndex.discard(root, keep=generation)
        return index

    def _resume(self) -> None:
        """Finish what the last process began: staged versions are complete, so publish them."""
        self._follow()
        self.catalogue.flip()
        self._sweep()

    @property
    def generation(self) -> int:
        """A number that grows with every change readers can see."""
        return self.catalogue.generation()

    def publish(self, publications: Sequence[Publication]) -> None:
        """Make the given versions of their articles the current ones, all together."""
        with self._publishing:
            self._refuse_if_closed()
            self.catalogue.stage(publications)
            self._on_step("staged")
            self._follow()
            self.catalogue.flip()
            self._on_step("flipped")
            self._sweep()

    def remove(self, article_ids: Sequence[str]) -> None:
        """Take articles from readers, then from the indexes and the catalogue."""
        with self._publishing:
            self._refuse_if_closed()
            self.catalogue.retire(article_ids)
            self._on_step("flipped")
            self._sweep()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            msg = f"The store in {self.folder} was closed meanwhile. Run the command again."
            raise StoreError(msg)

    def _sweep(self) -> None:
        self.catalogue.orphan()
        self._on_step("orphaned")
        self._follow()
        self.catalogue.sweep()
        self._on_step("swept")

    def _follow(self) -> None:
        """Bring both indexes up to the outbox; applying an entry twice changes nothing."""
        while entries := self.catalogue.pending("dense", GROUP):
            for action, collection, numbers in _runs(entries):
                if action == "add":
                    self.dense.add(collection, *self.catalogue.embeddings(numbers))
                else:
                    self.dense.remove(collection, numbers)
            self._on_step("dense applied")
            self.catalogue.acknowledge("dense", entries[-1].seq)
        while entries := self.catalogue.pending("lexical", GROUP):
            last = {entry.chunk: entry.action for entry in entries}
            added = [number for number, action in last.items() if action == "add"]
            removed = [number for number, action in last.items() if action == "remove"]
            self.lexical.apply(removed, self._lexical_rows(added))
            self._on_step("lexical applied")
            self.catalogue.acknowledge("lexical", entries[-1].seq)

    def _lexical_rows(self, numbers: Sequence[int]) -> Iterable[tuple[int, str, date | None, str]]:
        for number, text, head in self.catalogue.placed(numbers):
            yield number, head.collection, head.published, embedding_context(head) + text

    def close(self) -> None:
        """Close the indexes cleanly and let another process have the store."""
        with self._publishing:
            if self._closed:
                return
            self._closed = True
            self.dense.close()
            self.lexical.close()
            self.catalogue.close()
            self._lock.release()


def _runs(entries: Iterable[OutboxEntry]) -> Iterable[tuple[str, str, list[int]]]:
    """Group consecutive entries of one action and collection, keeping their order."""
    run: list[int] = []
    key: tuple[str, str] | None = None
    for entry in entries:
        this = (entry.action, entry.collection)
        if key is not None and this != key:
            yield *key, run
            run = []
        key = this
        run.append(entry.chunk)
    if key is not None:
        yield *key, run
