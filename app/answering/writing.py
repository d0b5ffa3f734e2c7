"""What the engine asks of whoever writes answers in words of their own: a chat model, so far."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.answering.answer import Event, Generation
from app.answering.citations import Numbering
from app.answering.conversation import Exchange
from vectorstore.types import Passage


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be answered, as it can be asked alone, from which passages, best first.

    `language` is the reader's, as a tag, None if it is not known; `before` is what was asked of
    the model for this answer already.
    """

    question: str
    passages: Sequence[Passage]
    history: Sequence[Exchange] = ()
    language: str | None = None
    before: Generation | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """How it went.

    `failure`: why quotations have to take over, "" if they need not. `refused`: no answer was
    found in the passages. `missing` are the parts of the question that none was found for.
    `sentences` are those that were shown.
    """

    generation: Generation
    failure: str = ""
    refused: bool = False
    missing: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A question as it can be asked alone, "" if it could not be found, and then why."""

    question: str
    generation: Generation
    failure: str = ""


class Writer(Protocol):
    """Writes answers from passages, every sentence checked against what it cites."""

    def write(self, task: Task, numbering: Numbering) -> Generator[Event, None, Written]:
        """Yield sentences as they are written and checked; return how it went.

        Closing the generator stops the writing.

        Args:
            task: What to answer.
            numbering: Of the whole answer, of which others may write parts as well.
        """

    def standalone(
        self, question: str, history: Sequence[Exchange]
    ) -> Generator[Event, None, Rewritten]:
        """Return a question as it can be asked without the talk before it; yield while waiting."""
