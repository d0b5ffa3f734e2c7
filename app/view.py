"""The service as one identity may use it: every face asks through this, and only through this."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from app.answering.answer import Event
from app.answering.conversation import Exchange
from app.answering.suggester import Told
from app.answering.wire import Json, read_filter
from app.identity import Allowed, Identity
from app.records.conversations import StoredAnswer
from app.scope import EVERYTHING, Scope
from app.service import DEFAULT_COLLECTION, Service
from ingest.report import IngestReport, Progress
from ingest.uploads import Upload, upload_source
from vectorstore.errors import ForbiddenError, UnknownNameError
from vectorstore.reader import Collection
from vectorstore.retriever import Retrieved
from vectorstore.types import Article, ArticleHead

Emit = Callable[[Progress], None]


class View:
    """What `identity` sees of the service, and what it may do there.

    Every method raises UnauthenticatedError or ForbiddenError where the right is missing. What
    lies in other collections does not exist here: neither text nor names nor counts.
    """

    def __init__(self, service: Service, identity: Identity) -> None:
        self.service = service
        self.identity = identity

    # -- reading -------------------------------------------------------------------------

    def ask(
        self, question: str, scope: Scope = EVERYTHING, history: Sequence[Exchange] = ()
    ) -> Iterator[Event]:
        """Yield the events of an answer."""
        return self.service.ask(question, scope, self.identity.need("ask"), history)

    def said(self, conversation: str) -> list[Exchange]:
        """Return what was asked and answered in one of their conversations, oldest first.

        Raises:
            UnknownNameError: They have none of this id.
        """
        _, stored = self.service.records.conversations.read(self.identity.subject, conversation)
        return [said_in(each) for each in stored]

    def search(self, query: str, top_k: int, scope: Scope = EVERYTHING) -> Retrieved:
        """Return the passages for a query."""
        return self.service.search(query, top_k, scope, self.identity.need("search"))

    def collections(self) -> list[Collection]:
        """Return the collections that are visible, by name."""
        return self.service.collections(self._visible())

    def articles(self, collection: str | None = None) -> list[ArticleHead]:
        """Return the articles, newest first."""
        return self.service.articles(collection, self._visible())

    def article(self, article_id: str) -> Article:
        """Return an article by its id.

        Raises:
            UnknownNameError: There is none.
        """
        return self._article(article_id, self._visible())

    def _visible(self) -> Allowed:
        return self.identity.need("ask", "search", "ingest", "admin")

    def _article(self, article_id: str, allowed: Allowed) -> Article:
        article = self.service.store.catalogue.article(article_id)
        if allowed is not None and article.head.collection not in allowed:
            msg = f"There is no article {article_id!r}. See: citewell articles list"
            raise UnknownNameError(msg)
        return article

    def stored_answer(self, answer_id: str) -> dict[str, Any]:
        """Return one of their answers, as it was given.

        Raises:
            UnknownNameError: There is none of theirs, or something that it quotes was erased.
        """
        self.identity.need("ask")
        stored = self.service.records.conversations.answer(self.identity.subject, answer_id)
        if stored.body is None:
            msg = f"What answer {answer_id!r} quotes was erased. Ask again."
            raise UnknownNameError(msg)
        return stored.body

    def follow_ups(self, answer_id: str, said: Sequence[Exchange] = ()) -> list[str]:
        """Return questions that go on from one of their answers, none where it was erased.

        Args:
            answer_id: The answer's.
            said: What was said before it, where it belongs to no conversation that is kept.

        Raises:
            UnknownNameError: There is no such answer of theirs.
        """
        self.identity.need("ask")
        conversations = self.service.records.conversations
        stored = conversations.answer(self.identity.subject, answer_id)
        if stored.body is None:
            return []
        if stored.conversation is not None:
            _, answers = conversations.read(self.identity.subject, stored.conversation)
            said = [said_in(each) for each in answers if each.asked < stored.asked]
        return self._following(stored.body, said)

    def _following(self, body: Json, said: Sequence[Exchange]) -> list[str]:
        """Return what goes on from an answer; from one of no article, what one may begin with."""
        allowed = self.identity.need("ask")
        if body["sentences"] and not body["passages"]:
            return self.starters()
        condition = read_filter(body["filters"])
        if allowed is not None:
            named = condition.collections
            seen = allowed if named is None else tuple(each for each in named if each in allowed)
            condition = replace(condition, collections=seen)
        return self.service.follow_ups(told_in(body, said), condition)

    def starters(self) -> list[str]:
        """Return questions to begin with."""
        return self.service.starters(self.identity.need("ask"))

    # -- writing -------------------------------------------------------------------------

    def target(self, collection: str | None) -> str:
        """Return the name of the collection that may be written to.

        Raises:
            ForbiddenError: It is not one of those they may write to; only who may write to all
                creates one.
        """
        name = (collection or DEFAULT_COLLECTION).strip()
        allowed = self.identity.need("ingest")
        names = [known.name for known in self.service.collections(allowed)]
        if allowed is not None and name not in names:
            msg = f"{self.identity.subject} may not write to a collection {name!r}."
            raise ForbiddenError(msg)
        return name

    def ingest(self, uploads: Sequence[Upload], collection: str, emit: Emit) -> IngestReport:
        """Take uploads into a collection that `target` has let through."""
        source = upload_source(uploads)
        return self.service.ingest([source], self.target(collection), on_progress=emit)

    def correct(self, article_id: str, changes: dict[str, Any], emit: Emit) -> IngestReport:
        """Replace an article's text, title or dates; what `changes` leaves out stays.

        It keeps its place: if a file or feed that it came from changes, that wins again.
        """
        allowed = self.identity.need("ingest")
        article = self._article(article_id, allowed)
        head = article.head
        record = {
            "uri": head.uri,
            "title": head.title,
            "text": article.text,
            "url": head.url,
            "authors": list(head.authors),
            "published": head.published and head.published.isoformat(),
            "modified": head.modified and head.modified.isoformat(),
            "language": head.language,
            **changes,
        }
        (collection,) = (
            known.name for known in self.service.collections() if known.id == head.collection
        )
        known = self.service.store.catalogue.known(head.collection)[head.uri]
        data = json.dumps({key: value for key, value in record.items() if value is not None})
        upload = Upload(head.uri, data.encode(), "record", head.uri)
        source = upload_source([upload], known.source)
        return self.service.ingest([source], collection, on_progress=emit)

    def remove(self, article_id: str) -> ArticleHead:
        """Remove an article."""
        self._article(article_id, self.identity.need("ingest"))
        return self.service.remove([article_id])[0]

    def create_collection(self, name: str) -> str:
        """Create a collection and return its id; takes `admin` without limits."""
        self.administer()
        return self.service.create_collection(name)

    def rename_collection(self, old: str, new: str) -> None:
        """Give a collection another name."""
        self.administer()
        self.service.rename_collection(old, new)

    def delete_collection(self, name: str) -> int:
        """Delete a collection with its articles; return how many they were."""
        self.administer()
        return self.service.delete_collection(name)

    def administer(self) -> None:
        """See that they may administer everything; some collections are not enough."""
        if self.identity.need("admin") is not None:
            msg = f"{self.identity.subject} may administer some collections only."
            raise ForbiddenError(msg)


def said_in(stored: StoredAnswer) -> Exchange:
    """Return a stored answer as a turn; of one that quotes what was erased only the question."""
    body = stored.body
    return Exchange(stored.question) if body is None else _exchange(body)


def told_in(body: Json, said: Sequence[Exchange]) -> Told:
    """Return what a reader has seen once they were told an answer, after what was said before."""
    cited = [each["article_id"] for each in body["citations"]]
    found = [each["article_id"] for each in body["passages"]]
    return Told(
        turns=(*said, _exchange(body)),
        articles=tuple(dict.fromkeys(cited or found[:1])),
        chunks=tuple(each["chunk_id"] for each in body["passages"]),
        quotes=frozenset(each["quote"] for each in body["citations"]),
        answer=body["id"],
    )


def _exchange(body: Json) -> Exchange:
    if body["outcome"] == "not_found":
        return Exchange(body["question"])
    sentences = body["sentences"]
    span = sentences[0]["span"] if sentences else None
    marked = sentences[0]["text"][slice(*span)] if span else ""
    evidence = tuple((each["article_id"], each["start"]) for each in body["citations"])
    return Exchange(
        body["question"],
        " ".join(each["text"] for each in sentences if each["support"] != "unsupported"),
        marked,
        tuple(dict.fromkeys(article for article, _ in evidence)),
        tuple(dict.fromkeys(evidence)),
    )
