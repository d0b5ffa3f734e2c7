"""Answers written by a chat model: every sentence is checked before it shows."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import date

from app.answering.answer import Degraded, Event, Generation, SentenceReleased, Waiting
from app.answering.citations import Numbering
from app.answering.conversation import Exchange
from app.answering.support import Idf
from app.answering.times import utc_today
from app.answering.verify import Verifier
from app.answering.writing import Task, Written
from app.generation.failures import failure
from app.generation.marks import CitationStream, Draft
from app.generation.model import ChatModel, Usage
from app.generation.prompts import (
    MISSING,
    NO_ANSWER,
    REWRITE,
    VERSION,
    Prompt,
    answer_prompt,
    language_name,
    rewrite_prompt,
    suggest_prompt,
)
from app.generation.release import Release
from app.generation.screen import Screen, visible
from vectorstore.errors import ModelError
from vectorstore.language import language_of
from vectorstore.lexical import content_terms
from vectorstore.types import Encoder, Passage

logger = logging.getLogger(__name__)

PROPOSED_FROM = 5  # passages
PROPOSED = 150  # tokens of all proposed questions
LONGEST = 120  # characters of one
_SIGN = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s*")
TALK = 800  # tokens of the talk that a question is made to stand alone with
REWRITTEN = 120  # tokens of a question
REWRITE_SECONDS = 8.0
LONGEST_QUESTION = 600  # characters of a rewritten one
OWN = 0.6  # share of a rewritten question's words that come from the talk
ASKED = 0.75  # of the words of a part without an answer that the question has
LONGER = 40  # characters that such a part may have more than the question
MOST_MISSING = 3  # such parts
KEPT = 0.5  # share of a question's words that are kept when it is rewritten


class ChatWriter:
    """Has a chat model write answers.

    Args:
        model: The chat model.
        encoder: Gives the encoder of the passages' sentences, for the check by meaning.
        idf: How much each term weighs.
        budget: Tokens of a prompt.
        strict: Leave out sentences without support, instead of marking them.
        today: Tells the day, for "last year".
    """

    def __init__(
        self,
        model: ChatModel,
        encoder: Callable[[], Encoder],
        idf: Idf,
        *,
        budget: int,
        strict: bool = False,
        today: Callable[[], date] = utc_today,
    ) -> None:
        self.model = model
        self._encoder = encoder
        self._idf = idf
        self._budget = budget
        self._strict = strict
        self._today = today

    def write(
        self, task: Task, numbering: Numbering, first: int = 0
    ) -> Generator[Event, None, Written]:
        """Yield sentences as they are written and checked; see `Writer`."""
        prompt = answer_prompt(
            task.question,
            task.passages,
            task.history,
            today=self._today(),
            language=language_name(task.language),
            budget=self._budget,
            count=self._encoder().count_tokens,
        )
        if prompt.dropped:
            yield Degraded(
                f"chat model: {prompt.dropped} of {len(task.passages)} passages had no room"
            )
        return (yield from self._read(task, prompt, numbering, first))

    def _read(
        self, task: Task, prompt: Prompt, numbering: Numbering, first: int
    ) -> Generator[Event, None, Written]:
        screen = Screen(prompt.messages[0].text, prompt.hidden)
        release = Release(
            prompt.passages,
            Verifier(self._encoder(), self._idf),
            screen,
            numbering,
            first=first,
            strict=self._strict,
            language=language_of(task.question),
        )
        stream = CitationStream(prompt.passages)
        found = _Found(task.question, screen)
        failed = ""
        reply = self.model.stream(prompt.messages)
        try:
            for piece in reply:
                if piece is None:
                    yield Waiting()
                    continue
                yield from _told(stream.feed(piece), release, found)
        except ModelError as exc:
            failed = exc.reason
        finally:
            reply.close()
        yield from _told(stream.close(), release, found)
        if not failed and reply.cut:
            yield Degraded("chat model: its reply was cut off, it had become too long")
        return Written(
            self._generation(reply.usage, task.before, stream.invented, release.unsupported),
            failed or _useless(release, found),
            refused=found.refused and not release.borne_out and not failed,
            missing=tuple(found.missing),
            next=release.index - len(found.held),
        )

    def _generation(
        self,
        usage: Usage,
        before: Generation | None = None,
        invented: int = 0,
        unsupported: int = 0,
    ) -> Generation:
        earlier = before or Generation(self.model.name, VERSION)
        costs = [cost for cost in (earlier.cost, usage.cost) if cost is not None]
        return Generation(
            model=self.model.name,
            prompts=VERSION,
            calls=earlier.calls + usage.calls,
            input_tokens=earlier.input_tokens + usage.input_tokens,
            output_tokens=earlier.output_tokens + usage.output_tokens,
            cost=sum(costs) if costs else None,
            invented=invented,
            unsupported=unsupported,
        )

    def standalone(self, question: str, history: Sequence[Exchange]) -> tuple[str, Generation]:
        """Return a question as it can be asked without the talk before it, and what that took.

        What does not read like one question in the words of the talk is not believed.

        Raises:
            ModelError: The model failed, or replied with something else.
        """
        messages = rewrite_prompt(question, history, TALK, self._encoder().count_tokens)
        text, usage = self.model.complete(messages, max_tokens=REWRITTEN, seconds=REWRITE_SECONDS)
        asked = visible(text).strip().strip('"“”«»').strip()
        if not _stands_for(asked, question, history):
            said = "it did not make the question stand alone"
            raise failure(self.model.name, "malformed", said)
        return asked, self._generation(usage)

    def propose(
        self, passages: Sequence[Passage], question: str, history: Sequence[Exchange]
    ) -> list[str]:
        """Return questions that the passages may answer; none where the model fails.

        Whether the articles answer them is for others to check.
        """
        before = "\n".join([*(each.question for each in history), question])
        language = language_name(language_of(question))
        messages = suggest_prompt(passages[:PROPOSED_FROM], before, language)
        try:
            text, _usage = self.model.complete(
                messages, max_tokens=PROPOSED, seconds=REWRITE_SECONDS
            )
        except ModelError as exc:
            logger.warning("no questions were proposed: %s", exc.reason)
            return []
        screen = Screen(messages[0].text)
        lines = (_SIGN.sub("", line).strip().strip('"“”') for line in visible(text).splitlines())
        asked = [line for line in lines if line.endswith(("?", "？", "؟")) and len(line) <= LONGEST]
        return [line for line in asked if screen.refuses(line, ()) is None]


def _stands_for(asked: str, question: str, history: Sequence[Exchange]) -> bool:
    """Whether a rewritten question reads like the question, in the words of the talk."""
    talk = " ".join([question, *(e.question + " " + e.answer for e in history)])
    return (
        bool(asked)
        and "\n" not in asked
        and len(asked) <= LONGEST_QUESTION
        and _share(asked, talk) >= OWN
        and _share(question, asked) >= KEPT
        and not Screen(REWRITE).refuses(asked, [question])
    )


@dataclass(slots=True)
class _Found:
    """What a reply has brought so far beside sentences that are borne out.

    `missing` are the parts of the question that it says the passages do not answer. `held` are
    sentences without support that came before any with it: a reply that has none shows nothing.
    """

    question: str
    screen: Screen
    refused: bool = False
    missing: list[str] = field(default_factory=list)
    held: list[SentenceReleased] = field(default_factory=list)

    def takes(self, draft: Draft) -> bool:
        """Take a draft that tells what has no answer; whether it was one."""
        text = " ".join(visible(draft.text).split()).strip(" *_.\"'")
        if text.casefold().startswith(NO_ANSWER.casefold()):
            self.refused = True
            return True
        if text.startswith(MISSING):
            part = text.removeprefix(MISSING).strip(" *_")
            if self._is_asked(part) and part not in self.missing:
                self.missing.append(part)
            return True
        return False

    def _is_asked(self, part: str) -> bool:
        """Whether a part is of the question, in its words."""
        return (
            bool(part)
            and len(self.missing) < MOST_MISSING
            and len(part) <= len(self.question) + LONGER
            and _share(part, self.question) >= ASKED
            and not self.screen.refuses(part, [self.question])
        )


def _told(drafts: Sequence[Draft], release: Release, found: _Found) -> Generator[Event, None, None]:
    for draft in drafts:
        if found.takes(draft):
            continue
        released = release.sentence(draft)
        if released is None:
            continue
        found.held.append(released)
        if release.borne_out:
            yield from found.held
            found.held.clear()


def _useless(release: Release, found: _Found) -> str:
    if release.borne_out or found.refused:
        return ""
    return "chat model: nothing that it wrote is borne out by the passages"


def _share(text: str, said: str) -> float:
    """Return the share of a text's words that are said, 1 where it has none."""
    terms = set(content_terms(text))
    return len(terms & set(content_terms(said))) / len(terms) if terms else 1.0
