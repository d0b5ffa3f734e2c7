"""From a question to the stream of its answer, with verbatim sentences and no chat model."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence

from app.answering.answer import (
    AnswerSentence,
    Degraded,
    Done,
    Event,
    PassagesFound,
    SentenceReleased,
    Started,
)
from app.answering.citations import Numbering
from app.answering.conversation import Exchange, standalone
from app.answering.extractive import Candidate, choose, rank_sentences
from app.answering.refusal import probability
from app.answering.replies import own_reply
from vectorstore.retriever import Retriever, check_query
from vectorstore.store import Store
from vectorstore.types import ArticleHead, Filter, Passage

TOP_K = 10
CLOSEST = 3


class Engine:
    """Answers questions from an open store.

    Args:
        store: Where the articles are.
        retriever: Finds the passages in it.
        threshold: How probable it must be, in [0, 1], that the best sentence answers;
            below it the answer is that the articles do not say.
    """

    def __init__(self, store: Store, retriever: Retriever, threshold: float) -> None:
        self._store = store
        self._retriever = retriever
        self._threshold = threshold

    def stream(
        self, question: str, condition: Filter | None = None, history: Sequence[Exchange] = ()
    ) -> Iterator[Event]:
        """Yield the answer's events; sentences are whole and numbered when they come.

        Args:
            question: What was asked.
            condition: Which articles may answer.
            history: The turns before, oldest first, which the question may lean on.

        Raises:
            QuestionError: The question is empty or too long; raised before the first event.
        """
        asked = check_query(question)
        return self._events(asked, standalone(asked, history).question, condition or Filter())

    def _events(self, asked: str, question: str, condition: Filter) -> Iterator[Event]:
        start = time.perf_counter()
        yield Started(new_answer_id(), asked, question, condition)
        if reply := own_reply(question, lambda: self._store.catalogue.heads(condition)):
            yield from _service_sentences(reply)
            yield Done("answered", (), {"total": _since(start)})
            return
        retrieved = self._retriever.retrieve(question, TOP_K, condition)
        for reason in retrieved.degraded:
            yield Degraded(reason)
        yield PassagesFound(retrieved.passages)
        ranked = rank_sentences(question, retrieved)
        timings = {**retrieved.timings}
        if not ranked or probability(ranked, retrieved.searched) < self._threshold:
            yield Done("not_found", closest(retrieved.passages), timings | {"total": _since(start)})
            return
        numbering = Numbering()
        for index, candidate in enumerate(choose(ranked)):
            event = _quoted(index, candidate, numbering)
            if index == 0:
                timings["first_sentence"] = _since(start)
            yield event
        yield Done("answered", (), timings | {"total": _since(start)})


def new_answer_id() -> str:
    """Return an id that no other answer has."""
    return f"q{uuid.uuid4().hex}"


def closest(passages: tuple[Passage, ...]) -> tuple[ArticleHead, ...]:
    """Return the articles of the best passages, each once, at most CLOSEST."""
    return tuple(dict.fromkeys(passage.article for passage in passages))[:CLOSEST]


def _quoted(index: int, candidate: Candidate, numbering: Numbering) -> SentenceReleased:
    citation = numbering.cite(candidate.passage, candidate.sentence)
    sentence = AnswerSentence(
        text=candidate.text,
        citations=(citation.number,),
        span=candidate.span(),
        support="verbatim",
        reason="quoted word for word",
    )
    return SentenceReleased(index, sentence, (citation,))


def _service_sentences(texts: list[str]) -> Iterator[SentenceReleased]:
    for index, text in enumerate(texts):
        sentence = AnswerSentence(text, (), None, "service", "Citewell speaks of itself")
        yield SentenceReleased(index, sentence, ())


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3
