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
from app.answering.writing import Rewritten, Task, Written
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
from app.generation.release import Release, share
from app.generation.screen import Screen, visible
from vectorstore.errors import ModelError
from vectorstore.language import language_of
from vectorstore.types import Encoder, Passage

logger = logging.getLogger(__name__)

PROPOSED_FROM = 5  # passages
PROPOSED = 150  # tokens of all proposed questions
LONGEST = 120  # characters of one
_SIGN = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s*")
TALK = 800  # tokens of the talk that a question is made to stand alone with
REWRITTEN = 120  # tokens of a question
SHORT = 8.0  # seconds for a question, or a few
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

    def write(self, task: Task, numbering: Numbering) -> Generator[Event, None, Written]:
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
        return (yield from self._read(task, prompt, numbering))

    def _read(
        self, task: Task, prompt: Prompt, numbering: Numbering
    ) -> Generator[Event, None, Written]:
        language = task.language or language_of(task.question)
        screen = Screen(prompt.messages[0].text, prompt.hidden)
        release = Release(
            prompt.passages,
            Verifier(self._encoder(), self._idf),
            screen,
            numbering,
            strict=self._strict,
            language=language,
        )
        stream = CitationStream(prompt.passages, language)
        found = _Found(task.question, screen)
        failed = ""
        reply = self.model.stream(prompt.messages)
        try:
            for piece in reply:
                if piece is None:
                    yield Waiting()
                else:
                    yield from found.told(stream.feed(piece), release)
        except ModelError as exc:
            failed = exc.reason
        finally:
            reply.close()
        yield from found.told(stream.close(), release)
        if not failed and reply.cut:
            yield Degraded("chat model: its reply was cut off, it had become too long")
        return Written(
            self._generation(reply.usage, task.before, stream.invented, release.unsupported),
            failed or found.useless(release),
            refused=found.refused and not release.borne_out and not failed,
            missing=tuple(found.missing),
            sentences=tuple(found.shown),
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

    def standalone(
        self, question: str, history: Sequence[Exchange]
    ) -> Generator[Event, None, Rewritten]:
        """Return a question as it can be asked without the talk before it; see `Writer`.

        What does not read like one question in the words of the talk is not believed.
        """
        messages = rewrite_prompt(question, history, TALK, self._encoder().count_tokens)
        reply = self.model.stream(messages, max_tokens=REWRITTEN, seconds=SHORT)
        text = failed = ""
        try:
            for piece in reply:
                if piece is None:
                    yield Waiting()
                else:
                    text += piece
        except ModelError as exc:
            failed = exc.reason
        finally:
            reply.close()
        asked = visible(text).strip().strip('"“”«»').strip()
        if not failed and not _stands_for(asked, question, history):
            failed = "chat model: it did not make the question stand alone"
        return Rewritten("" if failed else asked, self._generation(reply.usage), failed)

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
            text, _ = self.model.complete(messages, max_tokens=PROPOSED, seconds=SHORT)
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
        and share(asked, talk, 1.0) >= OWN
        and share(question, asked, 1.0) >= KEPT
        and not Screen(REWRITE).refuses(asked, [question])
    )


@dataclass(slots=True)
class _Found:
    """What a reply has brought so far.

    `missing` are the parts of the question that it says the passages do not answer. `held` are
    sentences without support that came before any with it: a reply that has none shows nothing.
    `shown` are the sentences that were told.
    """

    question: str
    screen: Screen
    refused: bool = False
    missing: list[str] = field(default_factory=list)
    held: list[SentenceReleased] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def told(self, drafts: Sequence[Draft], release: Release) -> Generator[Event, None, None]:
        """Yield what may be shown of drafts."""
        for draft in drafts:
            released = None if self._takes(draft) else release.sentence(draft)
            if released is None:
                continue
            self.held.append(released)
            if release.borne_out:
                self.shown += [each.sentence.text for each in self.held]
                yield from self.held
                self.held.clear()

    def useless(self, release: Release) -> str:
        """Return why quotations have to take over, "" if they need not."""
        if release.borne_out or self.refused:
            return ""
        return "chat model: nothing that it wrote is borne out by the passages"

    def _takes(self, draft: Draft) -> bool:
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
            and share(part, self.question, 1.0) >= ASKED
            and not self.screen.refuses(part, [self.question])
        )
