"""Asking the real engine, and noting what it told, how sure it was, and what it cost."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.answering.answer import Answer, gather
from app.answering.engine import Engine
from app.answering.extractive import rank_sentences
from app.answering.refusal import probability
from app.evaluation.sets import Question
from app.evaluation.stores import place_name
from app.service import Service
from vectorstore.retriever import Retrieved, Retriever
from vectorstore.types import Encoder, Filter, Passage, Vector

DEPTH = 50  # passages from which articles are ranked
STAGES = ("encode", "retrieve", "answer")


@dataclass(frozen=True, slots=True)
class Told:
    """What one question got.

    `chance` is how probable the engine found it that it can answer, in [0, 1]; `spans` are the
    words marked in each sentence, empty where none are; `verbatim` tells, for each citation,
    whether the cited version of the article has the quote where the citation says.
    """

    sentences: tuple[str, ...]
    spans: tuple[str, ...]
    outcome: str
    chance: float
    verbatim: tuple[bool, ...]

    @property
    def refused(self) -> bool:
        """Whether the answer was that the articles do not say."""
        return self.outcome == "not_found"


@dataclass(slots=True)
class Meter:
    """Milliseconds that the stages of one answer took: on the clock, and of all CPUs."""

    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what is done in the context as this stage."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            for spent, now in (
                (self.wall, time.perf_counter() - wall),
                (self.cpu, time.process_time() - cpu),
            ):
                spent[name] = spent.get(name, 0.0) + now * 1e3


class _MeteredRetriever(Retriever):
    """The real one, which remembers what it found last."""

    meter = Meter()
    last: Retrieved | None = None

    def retrieve(
        self,
        query: str,
        top_k: int,
        condition: Filter | None = None,
        language: str | None = None,
        rerank: bool = True,
    ) -> Retrieved:
        with self.meter.stage("retrieve"):
            self.last = super().retrieve(query, top_k, condition, language, rerank)
        return self.last


class _MeteredEncoder:
    """An encoder whose queries are metered."""

    def __init__(self, encoder: Encoder, retriever: _MeteredRetriever) -> None:
        self._encoder = encoder
        self._retriever = retriever

    def encode_query(self, query: str) -> Vector:
        with self._retriever.meter.stage("encode"):
            return self._encoder.encode_query(query)

    def encode_queries(self, queries: Sequence[str]) -> list[Vector]:
        return [self.encode_query(query) for query in queries]

    def __getattr__(self, name: str) -> object:
        return getattr(self._encoder, name)


class Asker:
    """Asks an open service's engine, one question after the other.

    Args:
        service: Whose store and threshold are used.
        encoder: Encodes the questions; the service's own, or one that knows them already.
    """

    def __init__(self, service: Service, encoder: Encoder) -> None:
        self._service = service
        self._texts: dict[str, tuple[str, str]] = {}  # article id -> sha256, text
        self._retriever = _MeteredRetriever(
            service.store, encoder, batching=False, reranker=service.reranker
        )
        self._retriever.encoder = _MeteredEncoder(encoder, self._retriever)  # type: ignore[assignment]
        self._engine = Engine(service.store, self._retriever, service.settings.threshold)

    def rank(self, question: Question) -> tuple[str, ...]:
        """Return the uris of the articles found, each once, best first."""
        found = self._retriever.retrieve(question.text, DEPTH, _condition(question))
        return article_uris(found.passages)

    def ask(self, question: Question) -> Told:
        """Return what the engine tells."""
        self._retriever.last = None
        answer = gather(self._engine.stream(question.text, _condition(question)))
        told = [sentence for sentence in answer.sentences if sentence.support != "service"]
        return Told(
            sentences=tuple(sentence.text for sentence in told),
            spans=tuple(s.text[slice(*s.span)] if s.span else "" for s in told),
            outcome=answer.outcome,
            chance=self._chance(question, answer),
            verbatim=self._verbatim(answer),
        )

    def meter(self, question: Question) -> tuple[Mapping[str, float], Mapping[str, float]]:
        """Ask once more; return wall and CPU milliseconds, by STAGES and `total`."""
        meter = self._retriever.meter = Meter()
        with meter.stage("total"):
            gather(self._engine.stream(question.text, _condition(question)))
        for spent in (meter.wall, meter.cpu):
            encode = spent.setdefault("encode", 0.0)
            retrieve = spent.setdefault("retrieve", 0.0)  # has the encoding in it
            spent["answer"] = spent["total"] - retrieve
            spent["retrieve"] = retrieve - encode
        return meter.wall, meter.cpu

    def _chance(self, question: Question, answer: Answer) -> float:
        """Return what the decision to answer rested on; 1 for what Citewell says of itself."""
        found = self._retriever.last
        if found is None:
            return 1.0
        ranked = rank_sentences(question.text, found)
        return probability(ranked, found.searched) if ranked else 0.0

    def _verbatim(self, answer: Answer) -> tuple[bool, ...]:
        return tuple(
            self._read(citation.article.id)
            == (citation.article.sha256, self._read(citation.article.id)[1])
            and self._read(citation.article.id)[1][citation.start : citation.end] == citation.quote
            for citation in answer.citations
        )

    def _read(self, article_id: str) -> tuple[str, str]:
        if article_id not in self._texts:
            article = self._service.store.catalogue.article(article_id)
            self._texts[article_id] = (article.head.sha256, article.text)
        return self._texts[article_id]


def article_uris(passages: Sequence[Passage]) -> tuple[str, ...]:
    """Return the passages' articles, each once, best first."""
    return tuple(dict.fromkeys(passage.article.uri for passage in passages))


def _condition(question: Question) -> Filter | None:
    if question.within is None:
        return None
    return Filter(sources=tuple(place_name(place) for place in question.within))
