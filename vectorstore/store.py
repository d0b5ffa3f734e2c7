"""One process's open store: the lock, the catalogue, and the indexes that follow it.

Publishing a group of articles takes four steps, each a state that a crash may leave behind:
staged in the catalogue; applied by both indexes; flipped, the moment of publication; swept,
when superseded chunks leave the indexes and then the catalogue. Opening the store resumes
whatever was left.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from filelock import BaseFileLock

from vectorstore import lexical_generations as generations
from vectorstore.catalogue import Catalogue
from vectorstore.dense import DenseIndex
from vectorstore.errors import IndexMismatchError, StoreError
from vectorstore.exact import ExactIndex
from vectorstore.lock import acquire_lock
from vectorstore.publication import Publication
from vectorstore.seqlock import Seqlock
from vectorstore.steps import Step, ignore
from vectorstore.types import Encoder, EncoderInput, embedding_context
from vectorstore.vectors import Emit, Vectors, follower_name

logger = logging.getLogger(__name__)

AT_ONCE = 2_000  # chunks whose graph is built while the store opens; more take seconds
EMBEDDED_AT_ONCE = 128


class Store:
    """The open store of a data folder; one process has it, any number of threads may use it.

    Args:
        folder: The data folder, created if there is none.
        fingerprint: How articles are embedded (`encoder`) and split (`splitter`); kept at the
            first opening.
        on_step: Called before and after each durable step, for tests that inject faults.
        lock: The folder's lock, where the caller has taken it already.

    Raises:
        StoreLockedError: Another process has the store open.
        IndexMismatchError: The store was built with another fingerprint.
    """

    def __init__(
        self,
        folder: Path,
        fingerprint: Mapping[str, str],
        on_step: Step = ignore,
        lock: BaseFileLock | None = None,
    ) -> None:
        self.folder = folder
        self._tantivy = folder / "tantivy"
        self._on_step = on_step
        self._publishing = threading.RLock()
        self.state = Seqlock()
        self._rebuilding = threading.Lock()
        self._stopping = threading.Event()
        self._rebuilder: threading.Thread | None = None
        self._closed = False
        self._lock = lock or acquire_lock(folder)
        try:
            for left in folder.glob("catalogue.sqlite3.restoring*"):  # by a restore that was killed
                left.unlink()
            self.catalogue = Catalogue(folder / "catalogue.sqlite3", on_step)
            self._check(fingerprint)
            self.catalogue.encoder = self.catalogue.use_encoder(fingerprint["encoder"])
            self.lexical = generations.open_current(self._tantivy, self.catalogue, on_step)
            generations.discard(self._tantivy, keep=self.lexical)
            self.vectors = Vectors(folder / "chroma", self.catalogue, on_step)
            self._drop_old_followers()
            self._resume()
            self._mend()
        except BaseException:
            self._lock.release()
            raise

    def _check(self, fingerprint: Mapping[str, str]) -> None:
        known = self.catalogue.facts()
        for key, value in fingerprint.items():
            if known.get(key, value) != value:
                way = (
                    "change the store to it: citewell upkeep rebuild --model (see --help)"
                    if key == "encoder"
                    else "ingest the articles again into a new data folder (--data-dir)"
                )
                msg = (
                    f"The index in {self.folder} was built with {key} {known[key]!r}; the settings "
                    f"ask for {value!r}. Go back to the former setting, or {way}."
                )
                raise IndexMismatchError(msg)
        if not fingerprint.keys() <= known.keys():
            self.catalogue.remember(fingerprint)

    def _drop_old_followers(self) -> None:
        """Forget the places of generations that are no more, or the outbox would only grow."""
        kept = [generations.FOLLOWER, *self.vectors.followers]
        if set(self.catalogue.followers()) - set(kept):
            self.catalogue.switch({}, kept)

    def _resume(self) -> None:
        """Finish what the last process began: staged versions are complete, so publish them."""
        self._follow()
        self._flip()
        self._sweep()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Change what readers see; whoever reads meanwhile looks again."""
        with self.state.changing():
            try:
                yield
            except BaseException:  # whatever was committed, memory shows it
                self.vectors.exact = ExactIndex.load(self.catalogue)
                raise

    # -- publication ---------------------------------------------------------------------

    def publish(self, publications: Sequence[Publication]) -> None:
        """Make the given versions of their articles the current ones, all together."""
        with self._writing():
            self.catalogue.stage(publications)
            self._follow()
            self._flip()
            self._sweep()

    def remove(self, article_ids: Sequence[str]) -> None:
        """Take articles from readers, then from the indexes and the catalogue."""
        with self._writing():
            with self._changing():
                self.catalogue.retire(article_ids)
                self.vectors.exact.show((), gone=article_ids)
            self._sweep()

    def note_source(self, article_id: str, source: str, source_sha256: str) -> None:
        """Note new bytes or a new place for an article whose text and head did not change."""
        with self._writing(), self._changing():
            self.catalogue.note_source(article_id, source, source_sha256)
            self.vectors.exact.show(self.catalogue.shown([article_id]))

    def catch_up(self) -> None:
        """Have the indexes apply what only concerns filters, after `note_source`."""
        with self._writing():
            self._follow()

    def delete_collection(self, collection: str) -> int:
        """Delete a collection, by id, with its articles; return how many they were."""
        with self._writing():
            article_ids = [
                shown.article_id
                for shown in self.catalogue.shown()
                if shown.collection == collection
            ]
            self.remove(article_ids)
            self.catalogue.delete_collection(collection)
            return len(article_ids)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._publishing:
            if self._closed:
                msg = f"The store in {self.folder} was closed meanwhile. Run the command again."
                raise StoreError(msg)
            yield

    def paused(self) -> AbstractContextManager[None]:
        """Let nothing be published while the context lasts; readers go on.

        Raises:
            StoreError: The store is closed.
        """
        return self._writing()

    def sweep(self) -> None:
        """Clear whatever a fault may have left: unfinished versions, orphans, other encoders."""
        with self._writing():
            self._resume()
            self.catalogue.drop_orphans()
            if not self._rebuilding.locked():
                while not self.catalogue.forget_encoders(keep=self.catalogue.encoder):
                    pass
                self.vectors.discard()
            generations.discard(self._tantivy, keep=self.lexical)

    def reload(self) -> None:
        """Read what readers see from the catalogue again."""
        with self._writing(), self._changing():
            self.vectors.exact = ExactIndex.load(self.catalogue)

    def _flip(self) -> None:
        with self._changing():
            article_ids = self.catalogue.flip()
            self.vectors.exact.show(self.catalogue.shown(article_ids))

    def _sweep(self) -> None:
        self.catalogue.orphan()
        self._follow()
        self.catalogue.sweep()
        if self.vectors.wasteful:
            self.start_rebuild()

    def _follow(self) -> None:
        """Bring the indexes up to the outbox; applying an entry twice changes nothing."""
        self.vectors.follow()
        generations.follow(self.lexical, self.catalogue)

    def rebuild_lexical(self) -> None:
        """Build the lexical index anew from the catalogue; the old one answers meanwhile."""
        with self._writing():
            self._follow()
            index = generations.build(self._tantivy, self.catalogue, self._on_step)
            with self._changing():
                old, self.lexical = self.lexical, index
            old.close()
            generations.discard(self._tantivy, keep=index)

    # -- the dense index, built anew -----------------------------------------------------

    @property
    def degraded(self) -> str | None:
        """What readers have to do without at the moment, if anything."""
        if self.vectors.dense is None:
            return "The dense index is being built anew; every vector is compared meanwhile."
        return None

    def _mend(self) -> None:
        """Build the dense index if there is none, in the background if it takes long."""
        if self.vectors.dense is None:
            if len(self.vectors.exact.numbers()) <= AT_ONCE:
                self.rebuild()
            else:
                self.start_rebuild()

    def start_rebuild(self) -> None:
        """Build the dense index anew in a thread of its own, unless that is under way."""
        if self._rebuilding.locked() or self._stopping.is_set():
            return
        if self._rebuilder is not None and self._rebuilder.is_alive():
            return

        def work() -> None:
            try:
                self.rebuild()
            except StoreError as exc:
                if not self._stopping.is_set():  # the next opening builds it
                    logger.error("the dense index could not be built: %s", exc)

        self._rebuilder = threading.Thread(target=work, name="rebuild", daemon=True)
        self._rebuilder.start()

    @property
    def is_rebuilding(self) -> bool:
        """Whether a rebuild is under way."""
        return self._rebuilding.locked()

    def settle(self) -> None:
        """Wait until no rebuild is under way."""
        if self._rebuilder is not None:
            self._rebuilder.join()

    def rebuild(
        self,
        encoder: Encoder | None = None,
        emit: Emit = lambda _done, _total: None,
        quiet: AbstractContextManager[object] | None = None,
        on_switch: Callable[[], None] = lambda: None,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        """Build the dense index anew beside the old one, which answers until the switch.

        Args:
            encoder: Embed every chunk anew with this one first. What it has embedded is kept,
                so that the next run goes on where this one was interrupted.
            emit: Told (done, total) chunks.
            quiet: Held around the switch to another encoder; whoever embeds for publication
                holds it too.
            on_switch: Called in the moment of the switch, to change the encoder of queries.
            facts: What the store shall remember from the switch on.

        Raises:
            StoreError: Another rebuild is under way, or the store was closed meanwhile.
        """
        if not self._rebuilding.acquire(blocking=False):
            msg = "The index is being rebuilt already. Wait until that ends."
            raise StoreError(msg)
        if self._closed:  # and another process may have the folder
            self._rebuilding.release()
            msg = f"The store in {self.folder} was closed meanwhile. Run the command again."
            raise StoreError(msg)
        try:
            number = self.catalogue.encoder
            facts = dict(facts or {})
            if encoder is not None:
                number = self.catalogue.use_encoder(encoder.fingerprint)
                facts["encoder"] = encoder.fingerprint
                self._embed_all(encoder, number, emit)
            index = self.vectors.build(number, emit, self._stopping.is_set)
            if index is None:
                msg = f"The store in {self.folder} was closed before its index was rebuilt."
                raise StoreError(msg)
            with quiet or nullcontext(), self._writing():
                if encoder is not None:
                    self._embed_all(encoder, number, emit)  # what was published meanwhile
                self._switch(index, number, facts, on_switch)
            if encoder is not None:
                while not self.catalogue.forget_encoders(keep=number):
                    pass
        finally:
            try:
                self.vectors.discard()
                self._drop_old_followers()
            finally:
                self._rebuilding.release()

    def _embed_all(self, encoder: Encoder, number: int, emit: Emit) -> None:
        total = len(self.catalogue.chunk_numbers())
        done = total - self.catalogue.count_unembedded(number)
        while rows := self.catalogue.unembedded(number, EMBEDDED_AT_ONCE):
            if self._stopping.is_set():
                msg = f"The store in {self.folder} was closed; run the rebuild again to go on."
                raise StoreError(msg)
            inputs = [
                EncoderInput(
                    embedding_context(head),
                    chunk.text,
                    tuple((s.start - chunk.start, s.end - chunk.start) for s in chunk.sentences),
                )
                for _, chunk, head in rows
            ]
            numbers = [row[0] for row in rows]
            found = dict(zip(numbers, encoder.encode_chunks(inputs), strict=True))
            with self._writing():  # nothing is swept in between
                self.catalogue.add_embeddings(number, found)
            done += len(rows)
            emit(done, total)

    def _switch(
        self, index: DenseIndex, encoder: int, facts: dict[str, str], on_switch: Callable[[], None]
    ) -> None:
        self._on_step("rebuild: before switch")
        self.vectors.catch_up(index, encoder)
        exact = ExactIndex.load(self.catalogue, encoder)
        facts["dense_generation"] = index.generation
        with self._changing():
            self.catalogue.switch(facts, [generations.FOLLOWER, follower_name(index.generation)])
            self.catalogue.encoder = encoder
            old = self.vectors.adopt(index, exact)
            on_switch()
        if old is not None:
            old.close()
        self._on_step("rebuild: switched")

    # -- the end -------------------------------------------------------------------------

    def close(self) -> None:
        """Close the indexes cleanly and let another process have the store."""
        self._stopping.set()
        with self._rebuilding:  # a rebuild stops at its next batch
            pass
        with self._publishing:
            if self._closed:
                return
            self._closed = True
            self.vectors.close()
            self.lexical.close()
            self.catalogue.close()
            self._lock.release()
