"""Everything one process needs to answer and to ingest, opened once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path

from filelock import BaseFileLock

from app.answering.answer import Event
from app.answering.cache import AnswerCache
from app.answering.conversation import Exchange
from app.answering.engine import Engine
from app.answering.suggester import Suggester, Told
from app.answering.times import read_time, utc_today
from app.generation.model import open_model
from app.generation.writer import ChatWriter
from app.identity import Allowed
from app.records.records import Records
from app.scope import EVERYTHING, Scope
from app.settings import Settings
from ingest.report import IngestReport, Progress
from ingest.sources import Source
from ingest.split import SPLITTER
from ingest.sync import Sync
from vectorstore import backup, upkeep
from vectorstore.child import ChildEncoder
from vectorstore.encoder import DEFAULT_MODEL, SentenceTransformerEncoder
from vectorstore.errors import EncoderError, SettingsError, UnknownNameError
from vectorstore.language import language_of
from vectorstore.reader import Collection, remembered
from vectorstore.reranker import Reranker
from vectorstore.retriever import Retrieved, Retriever
from vectorstore.store import Store
from vectorstore.types import Article, ArticleHead, Encoder, Filter, embedding_context

DEFAULT_COLLECTION = "articles"
LONGEST_NAME = 100  # characters of a collection's name
COUNTED_AT_ONCE = 1_000
ABOUT = "What can you answer?"

Emit = Callable[[Progress], None]


class Service:
    """The open store with its encoder and engine; any number of threads may use it.

    Args:
        settings: Where the data are, which encoder, how sure an answer must be.
        threads: CPU threads for encoding: 1 beside a server, all there are in bulk.
        lock: The data folder's lock, where the caller has taken it already.
        serving: Encode in bulk in a nice child process, so that answers stay fast.
        today: Tells the day from which "last week" is counted.

    Raises:
        StoreError: The data folder is in use, damaged, or was built differently; or a model is
            not on this machine or of another kind.
    """

    def __init__(
        self,
        settings: Settings,
        threads: int = 1,
        lock: BaseFileLock | None = None,
        serving: bool = False,
        today: Callable[[], date] = utc_today,
    ) -> None:
        self.settings = settings
        facts = remembered(settings.data_dir)
        self._threads = threads
        self._serving = serving
        self._model = _lasting(settings.encoder or facts.get("model", DEFAULT_MODEL))
        self._precision = settings.precision or facts.get("precision", "fp32")
        self.encoder = self._load(self._model, self._precision)
        self.reranker = (
            Reranker(settings.reranker, settings.rerank_ms, threads) if settings.reranker else None
        )
        # before the store, which would stay open if the model cannot be set up
        writer = self._open_writer(today) if settings.llm else None
        fingerprint = {"encoder": self.encoder.fingerprint, "splitter": SPLITTER}
        self.store = Store(settings.data_dir, fingerprint, lock=lock)
        if "model" not in facts:
            self.store.catalogue.remember({"model": self._model, "precision": self._precision})
        self.records = Records(settings.data_dir / "catalogue.sqlite3")
        self._retriever = Retriever(self.store, self.encoder, reranker=self.reranker)
        threshold = settings.threshold
        if writer is not None and settings.llm_threshold is not None:
            threshold = settings.llm_threshold
        self.engine = Engine(
            self.store, self._retriever, threshold, today, settings.multilingual, writer
        )
        self._answers = AnswerCache(self.engine, self.store)
        propose = writer.propose if writer else None
        self._suggester = Suggester(self.store, self._retriever, threshold, today, propose)
        self._writing = threading.Lock()

    def _load(self, model: str, precision: str) -> SentenceTransformerEncoder | ChildEncoder:
        encoder = SentenceTransformerEncoder(model, self._threads, precision)
        return ChildEncoder(encoder) if self._serving else encoder

    def _open_writer(self, today: Callable[[], date]) -> ChatWriter:
        return ChatWriter(
            open_model(self.settings),
            encoder=lambda: self.encoder,
            idf=lambda terms: self.store.lexical.idf(terms),
            budget=self.settings.llm_context,
            strict=self.settings.llm_strict,
            today=today,
        )

    def warm_up(self) -> None:
        """Load what answering needs, so that the first question does not wait.

        Raises:
            EncoderError: A model cannot be loaded.
        """
        self.encoder.encode_query("warm up")
        if self.reranker is not None:
            self.reranker.load()
        language_of("In welcher Sprache ist das?")
        read_time("What is new since last week?", utc_today())

    def close(self) -> None:
        """Close the store cleanly."""
        self.records.close()
        self.store.close()
        if isinstance(self.encoder, ChildEncoder):
            self.encoder.close()

    # -- asking --------------------------------------------------------------------------

    # `allowed` are the collections that whoever asks may see: others do not exist for them.

    def ask(
        self,
        question: str,
        scope: Scope = EVERYTHING,
        allowed: Allowed = None,
        history: Sequence[Exchange] = (),
    ) -> Iterator[Event]:
        """Yield the events of the answer to a question, which may lean on the turns before it.

        Raises:
            QuestionError: The question is empty or too long.
            UnknownNameError: There is no such collection.
        """
        return self._answers.stream(question, self.filter(scope, allowed), history)

    def search(
        self, query: str, top_k: int, scope: Scope = EVERYTHING, allowed: Allowed = None
    ) -> Retrieved:
        """Return the passages for a query, best first.

        Raises:
            QuestionError: The query is empty or too long, or top_k is below 1.
            UnknownNameError: There is no such collection.
        """
        return self._retriever.retrieve(query, top_k, self.filter(scope, allowed))

    def follow_ups(self, told: Told, condition: Filter) -> list[str]:
        """Return questions that go on from an answer and that the articles answer."""
        return self._suggester.follow_ups(told, condition)

    def starters(self, allowed: Allowed = None) -> list[str]:
        """Return questions to begin with: those of the settings, else such as are answered."""
        found = self.settings.examples or self._suggester.starters(Filter(allowed))
        return list(found) or [ABOUT]

    # -- articles ------------------------------------------------------------------------

    def ingest(
        self,
        sources: Sequence[str | Source],
        collection: str | None = None,
        prune: bool = False,
        on_progress: Emit = lambda _: None,
    ) -> IngestReport:
        """Take sources into a collection, created if there is none of that name."""
        with self._writing:
            name = _named(collection or DEFAULT_COLLECTION)
            target = self.store.catalogue.create_collection(name)
            return Sync(self.store, self.encoder, target, on_progress).run(sources, prune)

    def articles(self, collection: str | None = None, allowed: Allowed = None) -> list[ArticleHead]:
        """Return the articles, newest first."""
        named = None if collection is None else (collection,)
        return self.store.catalogue.heads(self.filter(Scope(named), allowed))

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

    # -- collections ---------------------------------------------------------------------

    def collections(self, allowed: Allowed = None) -> list[Collection]:
        """Return every collection with its counts, by name."""
        found = self.store.catalogue.collections()
        return [known for known in found if allowed is None or known.id in allowed]

    def create_collection(self, name: str) -> str:
        """Create a collection and return its id.

        Raises:
            SettingsError: The name is taken, empty or too long.
        """
        return self.store.catalogue.create_collection(self._free_name(name))

    def rename_collection(self, old: str, new: str) -> None:
        """Give a collection another name; its articles stay as they are.

        Raises:
            UnknownNameError: There is no collection `old`.
            SettingsError: The new name is taken, empty or too long.
        """
        self.store.catalogue.rename_collection(self._collection(old), self._free_name(new))

    def delete_collection(self, name: str) -> int:
        """Delete a collection with its articles; return how many they were.

        Raises:
            UnknownNameError: There is no such collection.
        """
        with self._writing:
            return self.store.delete_collection(self._collection(name))

    def _free_name(self, name: str) -> str:
        name = _named(name)
        if any(known.name == name for known in self.collections()):
            msg = f"There is a collection {name!r} already. Choose another name."
            raise SettingsError(msg)
        return name

    def _collection(self, name: str, allowed: Allowed = None) -> str:
        visible = self.collections(allowed)
        for known in visible:
            if known.name == name:
                return known.id
        names = ", ".join(repr(known.name) for known in visible) or "none yet"
        msg = f"There is no collection {name!r}. There are: {names}."
        raise UnknownNameError(msg)

    def ids_of(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the ids of collections.

        Raises:
            UnknownNameError: One of them does not exist.
        """
        return tuple(self._collection(name) for name in names)

    def filter(self, scope: Scope, allowed: Allowed = None) -> Filter:
        """Return what a scope asks for, within the collections that are allowed.

        Raises:
            UnknownNameError: It names a collection that is not there, or not allowed.
        """
        names = scope.collections
        return Filter(
            allowed if names is None else tuple(self._collection(name, allowed) for name in names),
            scope.sources,
            scope.languages,
            scope.published_from,
            scope.published_to,
        )

    # -- upkeep --------------------------------------------------------------------------

    def check(self, sample: int) -> upkeep.Checkup:
        """Compare the catalogue with every index; change nothing."""
        return upkeep.check(self.store, sample)

    def repair(self, emit: Emit) -> tuple[upkeep.Checkup, upkeep.Checkup]:
        """Heal what a check finds; return that check and the one after."""
        return upkeep.repair(self.store, _chunks(emit))

    def compact(self, emit: Emit) -> tuple[int, int]:
        """Leave what readers do not see out of every file; return the bytes before and after."""
        return upkeep.compact(self.store, _chunks(emit))

    def erase(self, names: Sequence[str], collection: str | None, emit: Emit) -> list[ArticleHead]:
        """Remove articles so that no file of the data folder holds anything of them.

        Raises:
            UnknownNameError: One of them does not exist.
        """
        with self._writing:
            heads = [self.article(name, collection).head for name in names]
            self.records.conversations.forget_articles([head.id for head in heads])
            upkeep.erase(self.store, [head.id for head in heads], _chunks(emit))
            return heads

    def backup(self, target: Path) -> backup.Manifest:
        """Write a backup into a new folder while the store answers and publishes."""
        return backup.backup(self.store, target)

    def rebuild(self, model: str | None, precision: str | None, emit: Emit) -> str:
        """Build the indexes anew, under another encoder if one is named; return its fingerprint.

        The old indexes answer until the switch. A rebuild that was interrupted goes on where it
        ended when it is asked for again.

        Raises:
            EncoderError: The model cannot be loaded, or reads less than the longest chunk.
        """
        model, precision = model or self._model, precision or self._precision
        encoder = self._load(model, precision)
        self.store.settle()
        if encoder.fingerprint == self.encoder.fingerprint:
            self.store.rebuild(emit=_chunks(emit))
            self.store.rebuild_lexical()
            return encoder.fingerprint
        old = self.encoder

        def switch() -> None:
            self.encoder = self._retriever.encoder = encoder
            self._model, self._precision = model, precision

        try:
            self._refuse_too_short(encoder)
            self.store.rebuild(
                encoder,
                emit=_chunks(emit),
                quiet=self._writing,
                on_switch=switch,
                facts={"model": model, "precision": precision},
            )
        finally:
            for unused in {encoder, old} - {self.encoder}:
                if isinstance(unused, ChildEncoder):
                    unused.close()
        return encoder.fingerprint

    def _refuse_too_short(self, encoder: Encoder) -> None:
        """Chunks are cut for the encoder they were ingested with; see that this reads them too."""
        if encoder.max_tokens >= self.encoder.max_tokens:
            return
        numbers = [number for number, _ in self.store.catalogue.chunk_numbers()]
        for start in range(0, len(numbers), COUNTED_AT_ONCE):
            texts = [
                embedding_context(row.article) + row.text
                for row in self.store.catalogue.placed(numbers[start : start + COUNTED_AT_ONCE])
            ]
            longest = max(encoder.count_tokens(texts), default=0) + 2
            if longest > encoder.max_tokens:
                msg = (
                    f"This encoder reads {encoder.max_tokens} tokens, a chunk here has {longest}. "
                    "Ingest the articles again into a new data folder (--data-dir)."
                )
                raise EncoderError(msg)


def _named(collection: str) -> str:
    name = collection.strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        msg = f"A collection's name has 1 to {LONGEST_NAME} characters, not {len(name)}."
        raise SettingsError(msg)
    return name


def _lasting(model: str) -> str:
    """Return a model's name as it holds in whatever folder the next process runs."""
    is_folder = model != DEFAULT_MODEL and Path(model).is_dir()
    return str(Path(model).absolute()) if is_folder else model


def _chunks(emit: Emit) -> Callable[[int, int], None]:
    return lambda done, total: emit(Progress(done, total, "chunks"))
