"""The answer, its citations, and the events of which its stream consists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, Literal

from vectorstore.types import ArticleHead, Filter, Passage

NOT_FOUND = "The articles do not say."
NOT_SUPPORTED = "not supported by the articles"
_NOT_FOUND = re.compile(r"The articles(?: (?:of|since|until) [\w ]+)? do not say\.")

Outcome = Literal["answered", "partial", "not_found"]

Support = Literal["verbatim", "supported", "unsupported", "unchecked", "service"]
"""`verbatim`: the sentence is its citation's quote. `supported`: what it cites says it in other
words. `unsupported`: it does not, or nothing is cited. `unchecked`: numbers and dates are there,
the rest cannot be checked in this language. `service`: Citewell speaks of itself, and the
sentence states nothing from an article and cites nothing."""

Begins = Literal["", "paragraph", "item"]


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
    `part` is what the sentence belongs to where the answer has several parts: the part of the
    question, the side of a comparison, the title that is summed up; else "". `begins` says what
    it is the first sentence of, where a chat model wrote paragraphs or lists.
    """

    text: str
    citations: tuple[int, ...]
    span: tuple[int, int] | None
    support: Support
    reason: str
    part: str = ""
    begins: Begins = ""


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
    """The answer was made without something it should have had.

    `passing`: the same question, asked again, may have it. Such an answer is not kept.
    """

    reason: str
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """The chat model is silent; told so that who makes the answer sees that nobody listens."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What a chat model did for an answer, and what was found wrong with it.

    `prompts` is the version of what it was told; tokens are the provider's count, 0 where it
    gives none; `cost` is in the currency of the prices set, None without prices. `invented` are
    marks that cite nothing, which were taken out; `unsupported` sentences were marked as such,
    or removed in strict mode.
    """

    model: str
    prompts: str
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    invented: int = 0
    unsupported: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """The last event of an answer; `closest` are articles to look at when nothing fits.

    `timings` are milliseconds; `unanswered` are the parts of the question, in its words, that
    have no answer where others have one; `generation` is None where no chat model was asked.
    """

    outcome: Outcome
    closest: tuple[ArticleHead, ...]
    timings: Mapping[str, float]
    unanswered: tuple[str, ...] = ()
    generation: Generation | None = None


Told = Started | PassagesFound | SentenceReleased | Degraded | Done
Event = Told | Waiting


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer, as its stream told it.

    `degraded_at` are the places of the `degraded` in the stream, whose first event has the place 0.
    """

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
    unanswered: tuple[str, ...] = ()
    generation: Generation | None = None
    degraded_at: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The sentences, one after the other, each followed by its citation numbers."""
        if self.outcome == "not_found":
            return not_found_text(self.filters)
        told = "".join(map(told_text, self.sentences)).strip()
        return f"{told} {lacking(self.unanswered)}" if self.unanswered else told


BEGINNINGS: Final[Mapping[str, str]] = {"": " ", "paragraph": "\n\n", "item": "\n- "}


def told_text(sentence: AnswerSentence) -> str:
    """Return a sentence as it goes on with what is before it, with its citation numbers.

    Where nothing supports it, that is said behind it.
    """
    marks = "".join(f" [{number}]" for number in sentence.citations)
    return BEGINNINGS[sentence.begins] + sentence.text + marks + doubt_text(sentence.support)


def doubt_text(support: str) -> str:
    """Return what goes on behind the marks of a sentence with this verdict; "" for most."""
    return f" ({NOT_SUPPORTED})" if support == "unsupported" else ""


def lacking(unanswered: Sequence[str]) -> str:
    """Return what is said of the parts of a question that have no answer; at least one.

    Example: ("When did it close?",) -> "The articles do not say: When did it close?"
    """
    return f"{NOT_FOUND.removesuffix('.')}: {' · '.join(unanswered)}"


def not_found_text(condition: Filter) -> str:
    """Return what is said where the articles under a filter do not answer."""
    period = period_text(condition)
    return f"The articles {period} do not say." if period else NOT_FOUND


def says_not_found(text: str) -> bool:
    """Whether a text is one that `not_found_text` gives."""
    return _NOT_FOUND.fullmatch(text) is not None


def period_text(condition: Filter) -> str:
    """Return the days that a filter lets through, as "articles" go on; "" for all.

    Example: published_from 2026-06-01, published_to 2026-06-30 -> "of June 2026"
    """
    first, last = condition.published_from, condition.published_to
    if first is None:
        return "" if last is None else f"until {day_text(last)}"
    if last is None:
        return f"since {day_text(first)}"
    form = ""
    if first.day == 1 and (last + timedelta(days=1)).day == 1:
        form = "%Y" if (first.month, last.month) == (1, 12) else "%B %Y"
    ends = dict.fromkeys(f"{day:{form}}" if form else day_text(day) for day in (first, last))
    return f"of {' to '.join(ends)}"


def day_text(day: date) -> str:
    """Return a day as it is written: "3 June 2026"."""
    return f"{day.day} {day:%B} {day.year}"


def gather(events: Iterable[Event]) -> Answer:
    """Return the answer that a stream of events tells."""
    started: Started | None = None
    done: Done | None = None
    sentences: list[AnswerSentence] = []
    citations: dict[int, Citation] = {}
    passages: tuple[Passage, ...] = ()
    degraded: dict[int, str] = {}
    told = (event for event in events if not isinstance(event, Waiting))
    for place, event in enumerate(told):
        match event:
            case Started():
                started = event
            case PassagesFound(found):
                passages = found
            case SentenceReleased(_, sentence, cited):
                sentences.append(sentence)
                citations |= {citation.number: citation for citation in cited}
            case Degraded(reason):
                degraded[place] = reason
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
        degraded=tuple(degraded.values()),
        timings=done.timings,
        unanswered=done.unanswered,
        generation=done.generation,
        degraded_at=tuple(degraded),
    )
