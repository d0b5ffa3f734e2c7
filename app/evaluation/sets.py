"""What an evaluation asks: sets of questions, conversations, claims and pages.

A set is made by an adapter from a folder of public data, or from a user's own file. It says what
there is to be read and asked; nothing here runs anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

CORPUS = "corpus"  # the group of questions that are asked of everything
FOREIGN = "foreign"  # questions of another set's corpus

Answers = tuple[tuple[str, ...], ...]
"""The parts of a gold answer, all of which must be there; each by any of its spellings."""


@dataclass(frozen=True, slots=True)
class Record:
    """An article of a corpus.

    `place` is a path such as `title/paragraph`: questions limit by it, or by what is above it,
    what they may see.
    """

    uri: str
    title: str
    text: str
    place: str = ""
    published: str = ""

    def line(self) -> bytes:
        """Return the record as a line of JSON Lines, as `ingest` reads it."""
        said = {"uri": self.uri, "title": self.title, "text": self.text}
        if self.published:
            said["published"] = self.published
        return (json.dumps(said, ensure_ascii=False) + "\n").encode()


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what is right about it.

    Args:
        group: Questions of one group are asked under the same conditions; figures are per group.
        cluster: Questions that share one are no independent evidence: the bootstrap draws them
            together. Empty: the question is on its own.
        relevant: Article uri -> grade, at least 1. Empty: not known.
        answers: Empty: not known, or there is none.
        answerable: Whether what may be seen answers it.
        within: The places that may be seen; None: everything.
        reported: False where something that ships was fitted on it.
        any_case: Whether an answer's letter case does not matter.
        rejected: Quotes that a reader has found wrong for it.
    """

    id: str
    text: str
    group: str = CORPUS
    cluster: str = ""
    relevant: Mapping[str, int] = field(default_factory=dict)
    answers: Answers = ()
    answerable: bool = True
    within: tuple[str, ...] | None = None
    reported: bool = True
    any_case: bool = False
    rejected: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What identifies it in its set: the same question may be asked in several groups."""
        return f"{self.group}/{self.id}"


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Questions over a corpus; `records` is None where they are asked of the user's own data.

    `donates`: whether its questions may be asked of other corpora, which do not answer them.
    `part_name` says what the questions that count were chosen by.
    """

    name: str
    about: str
    records: tuple[Record, ...] | None
    questions: tuple[Question, ...]
    donates: bool = False
    part_name: str = "all"


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of a conversation: what was said before, the utterance and a person's rewrite.

    `history` are (user, system) pairs, oldest first; `system` is None where nobody recorded it.
    """

    id: str
    conversation: str
    history: tuple[tuple[str, str | None], ...]
    utterance: str
    rewrite: str
    automatic: str | None = None


@dataclass(frozen=True, slots=True)
class ConversationSet:
    """Turns whose stand-alone form is known."""

    name: str
    about: str
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence and the place of the article that it cites; people judged whether that is so."""

    id: str
    text: str
    place: str
    supported: bool
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class ClaimSet:
    """Claims, and the articles they cite."""

    name: str
    about: str
    records: tuple[Record, ...]
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A web page as it was fetched, and the text of the article in it."""

    id: str
    site: str
    html: bytes
    text: str


@dataclass(frozen=True, slots=True)
class PageSet:
    """Pages whose article is known."""

    name: str
    about: str
    pages: tuple[Page, ...]


AnySet = QuestionSet | ConversationSet | ClaimSet | PageSet
