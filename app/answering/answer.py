"""The answer, its citations, and the events of which its stream consists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from vectorstore.types import ArticleHead, Filter, Passage

NOT_FOUND = "The articles do not say."

Outcome = Literal["answered", "partial", "not_found"]

Support = Literal["verbatim", "service"]
"""`verbatim`: the sentence is its citation's quote. `service`: Citewell speaks of itself, and
the sentence states nothing from an article and cites nothing."""


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a sentence of an answer is found: `quote == article.text[start:end]`.

    `number` counts from 1 in order of first use; `article_sha256` is the version cited; `url`
    opens the original at the quote where the article is on the web.
    """

    number: int
    article: ArticleHead
    chunk_id: str
    quote: str
    start: int
    end: int
    url: str | None


@dataclass(frozen=True, slots=True)
class AnswerSentence:
    """One sentence of an answer, the numbers of its citations, and why it is supported.

    `span` are offsets into `text`: the words that answer the question, if they can be told.
    """

    text: str
    citations: tuple[int, ...]
    span: tuple[int, int] | None
    support: Support
    reason: str


@dataclass(frozen=True, slots=True)
class Started:
    """The question was understood; `filters` are those in force."""

    answer_id: str
    question: str
    question_used: str
    filters: Filter


@dataclass(frozen=True, slots=True)
class PassagesFound:
    """What was retrieved, best first."""

    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class SentenceReleased:
    """A whole sentence, with its citations."""

    index: int
    sentence: AnswerSentence
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Degraded:
    """The answer was made without something it should have had."""

    reason: str


@dataclass(frozen=True, slots=True)
class Done:
    """The last event of an answer; `closest` are articles to look at when nothing fits.

    `timings` are milliseconds.
    """

    outcome: Outcome
    closest: tuple[ArticleHead, ...]
    timings: Mapping[str, float]


Event = Started | PassagesFound | SentenceReleased | Degraded | Done


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer, as its stream told it."""

    id: str
    question: str
    question_used: str
    filters: Filter
    sentences: tuple[AnswerSentence, ...]
    citations: tuple[Citation, ...]
    passages: tuple[Passage, ...]
    outcome: Outcome
    closest: tuple[ArticleHead, ...] = ()
    degraded: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The sentences, one after the other, each followed by its citation numbers."""
        if self.outcome == "not_found":
            return NOT_FOUND
        return " ".join(
            sentence.text + "".join(f" [{number}]" for number in sentence.citations)
            for sentence in self.sentences
        )


def gather(events: Iterable[Event]) -> Answer:
    """Return the answer that a stream of events tells."""
    started: Started | None = None
    done: Done | None = None
    sentences: list[AnswerSentence] = []
    citations: dict[int, Citation] = {}
    passages: tuple[Passage, ...] = ()
    degraded: list[str] = []
    for event in events:
        match event:
            case Started():
                started = event
            case PassagesFound(found):
                passages = found
            case SentenceReleased(_, sentence, cited):
                sentences.append(sentence)
                citations |= {citation.number: citation for citation in cited}
            case Degraded(reason):
                degraded.append(reason)
            case Done():
                done = event
    if started is None or done is None:
        msg = "an answer's stream starts with Started and ends with Done"
        raise ValueError(msg)
    return Answer(
        id=started.answer_id,
        question=started.question,
        question_used=started.question_used,
        filters=started.filters,
        sentences=tuple(sentences),
        citations=tuple(citations.values()),
        passages=passages,
        outcome=done.outcome,
        closest=done.closest,
        degraded=tuple(degraded),
        timings=done.timings,
    )
