"""Everything one process needs to answer and to ingest, opened once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from filelock import BaseFileLock

from app.answering.answer import Event
from app.answering.engine import Engine
from app.settings import Settings
from ingest.report import IngestReport, Progress
from ingest.split import SPLITTER
from ingest.sync import Sync
from vectorstore.catalogue import Collection
from vectorstore.encoder import SentenceTransformerEncoder
from vectorstore.errors import UnknownNameError
from vectorstore.retriever import Retrieved, Retriever
from vectorstore.store import Store
from vectorstore.types import Article, ArticleHead, Filter

DEFAULT_COLLECTION = "articles"


class Service:
    """The open store with its encoder and engine; any number of threads may use it.

    Args:
        settings: Where the data are, which encoder, how sure an answer must be.
        threads: CPU threads for encoding: 1 beside a server, all there are in bulk.
        lock: The data folder's lock, where the caller has taken it already.

    Raises:
        StoreError: The data folder is in use, damaged, or was built differently.
    """

    def __init__(
        self, settings: Settings, threads: int = 1, lock: BaseFileLock | None = None
    ) -> None:
        self.encoder = SentenceTransformerEncoder(settings.encoder, threads)
        fingerprint = {"encoder": self.encoder.fingerprint, "splitter": SPLITTER}
        self.store = Store(settings.data_dir, fingerprint, lock=lock)
        self._retriever = Retriever(self.store, self.encoder)
        self._engine = Engine(self.store, self._retriever, settings.threshold)
        self._writing = threading.Lock()

    def close(self) -> None:
        """Close the store cleanly."""
        self.store.close()

    def ask(self, question: str, collection: str | None = None) -> Iterator[Event]:
        """Yield the events of the answer to a question.

        Raises:
            QuestionError: The question is empty or too long.
            UnknownNameError: There is no such collection.
        """
        return self._engine.stream(question, self._filter(collection))

    def search(self, query: str, top_k: int, collection: str | None = None) -> Retrieved:
        """Return the passages for a query, best first.

        Raises:
            QuestionError: The query is empty or too long, or top_k is below 1.
            UnknownNameError: There is no such collection.
        """
        return self._retriever.retrieve(query, top_k, self._filter(collection))

    def ingest(
        self,
        sources: Sequence[str],
        collection: str | None = None,
        prune: bool = False,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> IngestReport:
        """Take sources into a collection, created if there is none of that name."""
        with self._writing:
            target = self.store.catalogue.create_collection(collection or DEFAULT_COLLECTION)
            return Sync(self.store, self.encoder, target, on_progress).run(sources, prune)

    def articles(self, collection: str | None = None) -> list[ArticleHead]:
        """Return the articles, newest first."""
        return self.store.catalogue.heads(self._filter(collection))

    def article(self, name: str, collection: str | None = None) -> Article:
        """Return the article with this id or uri.

        Raises:
            UnknownNameError: There is none, or several collections have one of this uri.
        """
        found = [head for head in self.articles(collection) if name in (head.id, head.uri)]
        if len(found) > 1:
            msg = f"{len(found)} collections have an article {name!r}. Name one with --collection."
            raise UnknownNameError(msg)
        if not found:
            msg = f"There is no article {name!r}. See: citewell articles list"
            raise UnknownNameError(msg)
        return self.store.catalogue.article(found[0].id)

    def remove(self, names: Sequence[str], collection: str | None = None) -> list[ArticleHead]:
        """Remove articles by id or uri, all or none, and return what was removed.

        Raises:
            UnknownNameError: One of them does not exist.
        """
        with self._writing:
            heads = [self.article(name, collection).head for name in names]
            self.store.remove([head.id for head in heads])
            return heads

    def collections(self) -> list[Collection]:
        """Return every collection with its counts, by name."""
        return self.store.catalogue.collections()

    def _filter(self, collection: str | None) -> Filter:
        if collection is None:
            return Filter()
        for known in self.collections():
            if known.name == collection:
                return Filter(collections=(known.id,))
        names = ", ".join(repr(known.name) for known in self.collections()) or "none yet"
        msg = f"There is no collection {collection!r}. There are: {names}."
        raise UnknownNameError(msg)
