"""Follow-up questions become questions that can be searched with, without a chat model.

"What was she famous for?" becomes "What was she famous for? (Anne Bonny)": the reader's own words
stay, and what they lean on is added behind them, in the words in which it was said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.answering import dependence, reading, topics
from app.answering.mentions import COMMON, Phrase, Word, is_common, stems_of, words_of
from app.answering.reading import Reader
from vectorstore.language import ENGLISH, language_of
from vectorstore.retriever import MAX_QUERY

_COMMON_STEMS = stems_of(COMMON)

Why = Literal["alone", "follows", "accepts", "again"]

LAST = 10  # questions before that count, beside the first
LONG = 600  # characters: a question so long says what it is about
ANSWER = 1_200  # characters of the last answer that are read
# Chosen by bench/conversation.py: precision of the added words first, then recall.
NEEDS = 0.0  # least log of the odds that a question leans, and on something that was found
BACKED = 0.4  # what the likeliest phrase counts for in it
FIRST, SECOND = -1.4, -0.75  # least log of the odds of a phrase
# The same where an encoder reads the talk; below MAY_LEAN nothing is read.
MAY_LEAN = -0.8
NEEDS_READ = -0.8
FIRST_READ, SECOND_READ = -1.2, -1.1
PHRASES = 2
LONGEST = 60  # characters of a name

_YES = re.compile(
    r"^\W*(?:yes|yeah|yep|yup|sure|ok|okay|please|of\s+course|absolutely|definitely|do\s+it|"
    r"ja|jawohl|gerne|oui|bien\s+sûr|d.accord|sí|si|claro|vale|sì|certo|sim|da|да|tak|evet|"
    r"نعم|أجل|是|是的|好|好的|はい|네)"
    r"(?:\W+(?:please|sure|do|thanks|thank\s+you|bitte|s.il\s+vous\s+plaît|por\s+favor))*\W*$",
    re.I,
)
_MORE = re.compile(
    r"^\W*(?:(?:yes|ok|okay|please)\W+)?(?:(?:tell|show)\s+me\s+more|more|go\s+on|continue|"
    r"(?:mehr|weiter|plus|continuez|más|continúa|ещё|المزيد|更多|继续|もっと))(?:\W+please)?\W*$",
    re.I,
)
_OFFER = re.compile(
    r"\b(?:would\s+you\s+like|do\s+you\s+want|shall\s+i|should\s+i|may\s+i|can\s+i|"
    r"are\s+you\s+interested|want)\b(?:\s+(?:me|to|in))*"
    r"(?:\s+(?:know|knowing|hear|hearing|see|learn|learning|read|tell|show|explain|describe|find|"
    r"look\s+(?:at|into|up)|talk))?(?:\s+(?:you|out))?(?:\s+more)?(?:\s+(?:about|of|on|for))?"
    r"\s+(?P<what>[^?]+)\?\W*$",
    re.I,
)
_QUESTION = re.compile(r"(?P<asked>[^.!?\n]+\?)\W*$")
_PERSON = re.compile(r"\b(?:he|him|his|she|her|hers)\b", re.I)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question as it was asked, the text of its answer, and the words marked in that.

    `cited` are the ids of the articles that the answer cites, in their order; `evidence`
    are the places that it quotes: an article's id, and the offset where the quote begins.
    """

    question: str
    answer: str = ""
    marked: str = ""
    cited: tuple[str, ...] = ()
    evidence: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Standalone:
    """What to search with for a question.

    `why`: it stands alone; it follows on what was said; it accepts what the answer offered; it
    asks the last question again. `added` are phrases in the words of the talk, likeliest first.
    """

    question: str
    added: tuple[str, ...] = ()
    why: Why = "alone"


@dataclass(frozen=True, slots=True)
class Fitted:
    """The weights that decide; `bench/conversation.py` measures others than those shipped."""

    dependence: Sequence[float] = dependence.WEIGHTS
    phrases: Sequence[float] = topics.WEIGHTS
    reading: reading.Weights | None = None  # None: those shipped


FITTED = Fitted()


def standalone(
    question: str,
    history: Sequence[Exchange],
    fitted: Fitted = FITTED,
    reader: Reader | None = None,
) -> Standalone:
    """Return the question as it can be asked without what was said before it.

    A question that stands alone comes back as it is, and so does one in another language than
    English, unless it is a bare reply ("ja", "mehr"). The same input has the same output.

    Args:
        question: What the reader wrote.
        history: What was said before, oldest first. Long talks cost no more than `LAST` exchanges.
        fitted: Other weights than those shipped, to measure them.
        reader: Reads a question that may lean together with what was said, which tells better
            what it leans on; without one the words alone tell.

    Example: "How did she die?" after "Who was Anne Bonny?" -> "How did she die? (Anne Bonny)"
    """
    if not history or len(question) > LONG or not question.strip():
        return Standalone(question)
    if len(history) > LAST + 1:
        history = [history[0], *history[-LAST:]]
    if _YES.match(question):
        return _accept(history, fitted, reader)
    if _MORE.match(question):
        return _again(history, fitted, reader)
    if language_of(question, history[-1].question) != ENGLISH:
        return Standalone(question)
    phrases = lean_on(question, history, fitted, reader)
    if not phrases:
        return Standalone(question)
    added = tuple(" ".join(phrase.text.split()) for phrase in phrases)
    added += _missing(question, added, history[-1].question[:LONG])
    if _PERSON.search(question) and (person := _person_of(history[-1].marked)):
        added = (person,)
    whole = f"{question.rstrip()} ({', '.join(added)})"
    return Standalone(whole, added, "follows") if len(whole) <= MAX_QUERY else Standalone(question)


def points_back(question: str, history: Sequence[Exchange]) -> bool:
    """Whether a question may lean on the talk before it, where `standalone` adds nothing to it.

    In another language it always may. A bare "yes" or "more" does not count: `standalone` knows
    what it stands for.
    """
    if not history or _YES.match(question) or _MORE.match(question):
        return False
    if language_of(question, history[-1].question) != ENGLISH:
        return True
    return dependence.has_pronoun(question) or dependence.is_fragment(question)


def _person_of(marked: str) -> str:
    """Return the words marked in an answer if they are a name: of a person, for all we know."""
    words = marked.split()
    is_name = all(word[0].isupper() for word in words) and len(marked) <= LONGEST
    return " ".join(words) if is_name else ""


def lean_on(
    question: str,
    history: Sequence[Exchange],
    fitted: Fitted = FITTED,
    reader: Reader | None = None,
) -> list[Phrase]:
    """Return the phrases of the talk that a question leans on; none where it stands alone."""
    lines: list[topics.Line] = []
    for exchange in history:
        lines.append(topics.line_of(exchange.question[:LONG], lines, fitted.dependence))
    said = frozenset().union(*(line.stems for line in lines))
    found = topics.candidates(question, lines, history[-1].answer[:ANSWER])
    if not found:
        return []
    odds = [topics.logit(candidate.signs, fitted.phrases) for candidate in found]
    signs = dependence.signs_of(question, said)
    needed = dependence.logit(signs, fitted.dependence) + BACKED * max(odds)
    if needed < (MAY_LEAN if reader else NEEDS):
        return []
    if not reader:
        return choose(_likeliest(odds, found), FIRST, SECOND)
    weights = fitted.reading or reading.weights()
    asked = [exchange.question[:LONG] for exchange in history]
    seen = reading.signs_of(question, asked, history[-1].answer[:ANSWER], found, reader)
    read = reading.logits(seen, weights.phrases)
    if reading.logits(reading.leaning(signs, odds, read), weights.leans) < NEEDS_READ:
        return []
    return choose(_likeliest(read.tolist(), found), FIRST_READ, SECOND_READ)


def _likeliest(
    odds: Sequence[float], found: Sequence[topics.Candidate]
) -> list[tuple[float, topics.Candidate]]:
    return sorted(zip(odds, found, strict=True), key=lambda pair: -pair[0])


def choose(
    likely: Sequence[tuple[float, topics.Candidate]], first: float, second: float
) -> list[Phrase]:
    """Return the likeliest phrases, each of which brings words that those before it lack.

    `first` and `second` are the least log of the odds of the first and of those after it.
    """
    chosen: list[Phrase] = []
    held: frozenset[str] = frozenset()
    for value, candidate in likely:
        if len(chosen) == PHRASES or value < (second if chosen else first):
            break
        if not candidate.new <= held:
            chosen.append(candidate.phrase)
            held |= candidate.new
    return chosen


def _missing(question: str, added: Sequence[str], last: str) -> tuple[str, ...]:
    """What a fragment leaves out of the last question: its verb, or all if the fragment is bare.

    Example: "And in 2023?" after "How many people visited the Louvre?" -> ("people visited",)
    """
    if not dependence.is_fragment(question):
        return ()
    bare = not words_of(question)
    held = {word.stem for text in (question, *added) for word in words_of(text)}
    runs: list[list[Word]] = []
    for word in words_of(last):
        if word.stem in held or not (bare or is_common(word) or word.stem in _COMMON_STEMS):
            continue
        if runs and last[runs[-1][-1].end : word.start].isspace():
            runs[-1].append(word)
        else:
            runs.append([word])
    return tuple(" ".join(last[run[0].start : run[-1].end].split()) for run in runs)


def _accept(history: Sequence[Exchange], fitted: Fitted, reader: Reader | None) -> Standalone:
    """What the end of the last answer offers or asks; else the last question."""
    end = history[-1].answer[-LONG:].rstrip()
    asked = _OFFER.search(end)
    what = asked.group("what") if asked else None
    if what is None and (question := _QUESTION.search(end)):
        what = question.group("asked")
    if what is None or not what.strip():
        return _again(history, fitted, reader)
    whole = standalone(what.strip(), [Exchange(e.question, "") for e in history], fitted, reader)
    return Standalone(whole.question, (what.strip(), *whole.added), "accepts")


def _again(history: Sequence[Exchange], fitted: Fitted, reader: Reader | None) -> Standalone:
    """The last question that was one, standing alone."""
    for end in range(len(history) - 1, -1, -1):
        last = history[end].question
        if last.strip() and not _YES.match(last) and not _MORE.match(last):
            whole = standalone(last, history[:end], fitted, reader)
            return Standalone(whole.question, (last.strip(), *whole.added), "again")
    return Standalone(history[-1].question, (), "again")
