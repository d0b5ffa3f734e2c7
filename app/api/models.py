"""What the API takes and gives, as OpenAPI describes it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.scope import Scope
from vectorstore.retriever import MAX_QUERY

Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Names = Annotated[tuple[Name, ...], Field(max_length=100)]


Verdict = Literal["helpful", "unhelpful"]
Reason = Literal["wrong", "incomplete", "outdated", "not_supported", "off_topic", "other"]


class Taken(BaseModel):
    """What a client sends; a field that is unknown is an error, not a wish."""

    model_config = ConfigDict(extra="forbid")


class Asked(Taken):
    """Which articles may answer; null means all that whoever asks may see."""

    collection: Name | None = None
    collections: Names | None = None
    sources: Annotated[tuple[str, ...], Field(max_length=100)] | None = None
    languages: Names | None = None
    published_from: date | None = None
    published_to: date | None = None

    @property
    def scope(self) -> Scope:
        """The articles that may answer."""
        named = (self.collection,) if self.collection is not None else None
        return Scope(
            named if self.collections is None else (*self.collections, *(named or ())),
            self.sources,
            self.languages,
            self.published_from,
            self.published_to,
        )


class PageContext(Taken):
    """The page that a question was asked on, as that page says: data that nothing is done with.

    `path` is without a query, which may hold what is nobody's business.
    """

    origin: Annotated[str, Field(max_length=300)]
    path: Annotated[str, Field(max_length=1_000, pattern=r"^/[^?#]*$")]
    title: Annotated[str, Field(max_length=300)] = ""
    selection: Annotated[str, Field(max_length=2_000)] | None = None


class Question(Asked):
    """What to answer; the answer is a stream of events if `stream` or the Accept header says so."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"question": "How many tree species are there on Earth?"}],
        },
    )

    question: Annotated[str, Field(max_length=MAX_QUERY)]
    conversation_id: str | None = None
    context: PageContext | None = None
    stream: bool | None = None


class Query(Asked):
    """What to look for."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"query": "tree species", "top_k": 3}]}
    )

    query: Annotated[str, Field(max_length=MAX_QUERY)]
    top_k: Annotated[int, Field(ge=1, le=100)] = 10


class Given(BaseModel):
    """What the API gives; fields are only ever added."""


class HeadOut(Given):
    """An article without its text."""

    article_id: str
    uri: str
    title: str
    url: str | None
    authors: list[str]
    published: date | None
    modified: date | None
    language: str | None
    sha256: str


class PassageOut(Given):
    """A passage, best first."""

    chunk_id: str
    article_id: str
    uri: str
    title: str
    url: str | None
    text: str
    start: int
    end: int
    published: date | None
    score: float
    rank: int
    signals: dict[str, float]


class CitationOut(Given):
    """Where a sentence is found: `quote` is the article's text from `start` to `end`."""

    number: int
    article_id: str
    article_sha256: str
    chunk_id: str
    title: str
    uri: str
    url: str | None
    published: date | None
    quote: str
    start: int
    end: int


class SentenceOut(Given):
    """A sentence of an answer; `part` is the part of the question it belongs to, or "".

    `begins`: it is the first sentence of a paragraph or of an item of a list.
    """

    text: str
    citations: list[int]
    span: tuple[int, int] | None
    support: str
    reason: str
    part: str = ""
    begins: Literal["", "paragraph", "item"] = ""


class GenerationOut(Given):
    """What a chat model did for an answer: its calls and tokens, and what was found wrong.

    `invented` are marks that cite nothing, `unsupported` sentences that what they cite does not
    say; `cost` is in the currency of the prices that are set.
    """

    model: str
    prompts: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    invented: int
    unsupported: int


class AnswerOut(Given):
    """An answer, every sentence of which is cited; `unanswered` are the parts that have none.

    `degraded_at` are the ids that the events of `degraded` have in its stream.
    """

    id: str
    question: str
    question_used: str
    filters: dict[str, Any]
    outcome: Literal["answered", "partial", "not_found"]
    text: str
    sentences: list[SentenceOut]
    citations: list[CitationOut]
    passages: list[PassageOut]
    closest: list[HeadOut]
    unanswered: list[str] = []
    degraded: list[str]
    degraded_at: list[int] = []
    generation: GenerationOut | None = None
    timings_ms: dict[str, float]


class SearchOut(Given):
    """The passages for a query."""

    query: str
    passages: list[PassageOut]
    degraded: list[str]


class ConversationIn(Taken):
    """A new conversation, or a new title."""

    title: Title = "Conversation"


class ConversationOut(Given):
    """A conversation without its answers."""

    id: str
    title: str
    created: datetime
    updated: datetime


class StoredOut(Given):
    """An answer as it was given; `answer` is null once something it quotes was erased."""

    id: str
    asked: datetime
    question: str
    outcome: str
    answer: AnswerOut | None


class ConversationWhole(ConversationOut):
    """A conversation with its answers, oldest first."""

    answers: list[StoredOut]


class ConversationPage(Given):
    """Conversations, the last changed first; `next_cursor` leads to more."""

    items: list[ConversationOut]
    next_cursor: str | None


class FeedbackIn(Taken):
    """What a reader thinks of an answer."""

    answer_id: str
    verdict: Verdict
    reason: Reason | None = None
    comment: Annotated[str, Field(max_length=2_000)] | None = None


class ArticlePage(Given):
    """Articles, newest first; `next_cursor` leads to more."""

    items: list[HeadOut]
    next_cursor: str | None


class ArticleOut(HeadOut):
    """An article with its text; `highlights` are the [start, end) of what was asked for."""

    text: str
    link: str | None
    highlights: list[tuple[int, int]]


Authors = Annotated[tuple[Name, ...], Field(max_length=50)]


class Correction(Taken):
    """What changes in an article; what is left out stays."""

    title: Title | None = None
    text: Annotated[str, Field(min_length=1, max_length=5_000_000)] | None = None
    url: str | None = None
    authors: Authors | None = None
    published: date | None = None
    language: Name | None = None


class JobOut(Given):
    """Long work; `done` and `total` tell how far it has come while it runs."""

    id: str
    kind: str
    state: Literal["running", "done", "failed", "interrupted"]
    done: int
    total: int
    result: dict[str, Any] | None
    error: str | None
    created: datetime
    finished: datetime | None


class JobPage(Given):
    """Jobs, newest first."""

    items: list[JobOut]
    next_cursor: str | None


class CollectionIn(Taken):
    """A collection's name."""

    name: Name


class CollectionOut(Given):
    """A collection with its counts."""

    id: str
    name: str
    articles: int
    chunks: int


class CollectionList(Given):
    """The collections that whoever asks may see."""

    items: list[CollectionOut]


class SuggestionList(Given):
    """Questions that the articles answer."""

    items: list[str]


class MeOut(Given):
    """Who makes the request, and with which rights; null stands for all collections."""

    subject: str
    rights: dict[str, list[str] | None]
