"""What a follow-up question may be about: the phrases said before it, and how likely each is.

The subject of the talk is followed from question to question, as in centering (Grosz, Joshi and
Weinstein 1995): a question that stands alone opens a subject, one that leans keeps it, "What
about X?" puts X in its place. A second logistic regression then weighs each phrase said before:
whether it is that subject, was asked with it, came last, is a name. Fitted by
`bench/conversation.py --fit`, on the same turns of TREC CAsT as the first.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from app.answering import dependence
from app.answering.dependence import asks_there, has_pronoun, is_fragment, signs_of
from app.answering.mentions import Phrase, phrases_of, sentence_places, stems_of, words_of

# Nouns of a relation or a discourse: never the subject where another noun is at hand.
_GENERIC = stems_of(
    ["type types kind role effect cause symptom example difference advantage disadvantage benefit "
     "risk feature member origin history rule impact result treatment option method cost author "
     "reason factor response policy purpose evidence significance importance definition finding "
     "objective application version variant approach animal population side relation place best "
     "way name activity event question situation issue problem idea thought recipe fact "
     "experience ability level amount number part area section list week day month decision"]
)  # fmt: skip
_PERSON = re.compile(r"\b(?:he|him|his|she|her|hers)\b", re.I)
_ONE = re.compile(r"\b(?:it|its)\b", re.I)
_MANY = re.compile(r"\b(?:they|them|their|theirs|these|those)\b", re.I)
OPENS = -0.2  # log of the odds that it leans; below, a question opens a subject of its own

Stems = frozenset[str]


@dataclass(frozen=True, slots=True)
class Line:
    """A question of the talk as it was asked: its words, and whether it opened a subject."""

    phrases: tuple[Phrase, ...]
    stems: Stems
    opens: bool
    defines: bool
    replaces: bool  # What about X?


@dataclass(frozen=True, slots=True)
class PhraseSigns:
    """What is known of a phrase and of the question that may be about it; 0 or 1 or a share."""

    focus: float  # the subject of the talk now
    focus_open: float  # … and the question leans openly
    focus_defined: float  # … and was opened by "What is X?"
    theme: float  # the subject of the first question, where that is another
    theme_open: float
    beside: float  # said in the last question, beside the subject
    beside_open: float
    earlier: float  # said before that
    lasting: float  # share of the questions since the subject was opened that hold it
    again: float  # in several questions
    named: float  # written like a name
    generic: float  # "types", "history"
    single: float  # one word
    person: float  # he or she, and a name: 1; he or she, and none: -1
    place: float  # "there", and said as a place: 1; else -1
    number: float  # "it" and a plural, or "they" and a singular: -1; they agree: 1
    shared: float  # has a word of the question: "the experiment", "the Stanford experiment"
    answered: float  # the last answer holds it too
    answer: float  # only answers hold it
    answer_count: float  # ln(1 + times), there
    answer_named: float
    answer_first: float  # in the answer's first sentence
    answer_single: float
    answer_shared: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A phrase that a question may be about."""

    phrase: Phrase
    new: Stems  # its words that the question lacks
    signs: PhraseSigns


def line_of(
    question: str, before: Sequence[Line], weights: Sequence[float] = dependence.WEIGHTS
) -> Line:
    """Return a question of the talk; `before` are those asked before it."""
    said = frozenset().union(*(line.stems for line in before))
    signs = signs_of(question, said)
    words = words_of(question)
    return Line(
        tuple(phrases_of(question, words)),
        frozenset(word.stem for word in words),
        not before or dependence.logit(signs, weights) < OPENS,
        bool(signs.definition),
        is_fragment(question) and not has_pronoun(question),
    )


def candidates(question: str, lines: Sequence[Line], answer: str) -> list[Candidate]:
    """Return the phrases that may be meant, in the order they were said.

    Args:
        question: What leans on them, or may.
        lines: The questions before, oldest first; at least one.
        answer: What was answered to the last of them; may be empty.
    """
    return _Finder(question, lines, answer).candidates()


class _Finder:
    def __init__(self, question: str, lines: Sequence[Line], answer: str) -> None:
        self.lines = lines
        self.own = frozenset(word.stem for word in words_of(question))
        said = frozenset().union(*(line.stems for line in lines))
        self.open = signs_of(question, said).leans
        self.person = bool(_PERSON.search(question))
        self.there = asks_there(question)
        self.one, self.many = bool(_ONE.search(question)), bool(_MANY.search(question))
        self.focus, self.theme, self.begin = _follow(lines)
        if self.open or lines[self.begin].defines:
            old = frozenset().union(*(line.stems for line in lines[: self.begin]))
            if not lines[self.begin].stems & old:
                self.theme = self.focus  # the talk has changed its subject: drop the old one
        self.asked: dict[Stems, list[tuple[int, Phrase]]] = {}
        for number, line in enumerate(lines):
            for phrase in line.phrases:
                self.asked.setdefault(phrase.stems, []).append((number, phrase))
        self.answered: dict[Stems, list[Phrase]] = {}
        words = words_of(answer)
        for phrase in phrases_of(answer, words):
            self.answered.setdefault(phrase.stems, []).append(phrase)
        self.answer_words = Counter(word.stem for word in words)
        _, end = next(sentence_places(answer), (0, 0))
        self.first = {word.stem for word in words if word.end <= end}

    def candidates(self) -> list[Candidate]:
        """Return those with a word that the question lacks."""
        found = []
        for stems in dict.fromkeys([*self.asked, *self.answered]):
            if not stems <= self.own:
                found.append(self._candidate(stems))
        return found

    def _candidate(self, stems: Stems) -> Candidate:
        places = self.asked.get(stems, [])
        phrase = places[-1][1] if places else self.answered[stems][0]
        new = stems - self.own
        signs = self._of_questions(phrase, new, places) if places else self._of_answer(phrase, new)
        return Candidate(phrase, new, signs)

    def _of_questions(
        self, phrase: Phrase, new: Stems, places: list[tuple[int, Phrase]]
    ) -> PhraseSigns:
        last = places[-1][0]
        focus = phrase.stems == self.focus
        theme = phrase.stems == self.theme and not focus
        beside = last == len(self.lines) - 1 and not focus
        recent = self.lines[self.begin :]
        return PhraseSigns(
            focus=float(focus),
            focus_open=focus * self.open,
            theme=float(theme),
            theme_open=theme * self.open,
            focus_defined=float(focus and self.lines[self.begin].defines),
            beside=float(beside),
            beside_open=beside * self.open,
            earlier=float(not focus and not theme and not beside),
            lasting=sum(new <= line.stems for line in recent) / len(recent),
            again=float(len(places) > 1),
            named=float(phrase.is_name),
            generic=float(new <= _GENERIC),
            single=float(len(new) == 1 and not focus),
            person=self._person(phrase),
            place=(1.0 if phrase.is_place else -1.0) * self.there,
            number=self._number(phrase),
            shared=float(bool(phrase.stems & self.own)),
            answered=float(all(self.answer_words[stem] for stem in new)),
            **dict.fromkeys(_ONLY_ANSWER, 0.0),
        )

    def _of_answer(self, phrase: Phrase, new: Stems) -> PhraseSigns:
        return PhraseSigns(
            **dict.fromkeys(_ONLY_QUESTION, 0.0),
            person=self._person(phrase),
            place=(1.0 if phrase.is_place else -1.0) * self.there,
            number=self._number(phrase),
            answer=1.0,
            answer_count=math.log1p(len(self.answered[phrase.stems])),
            answer_named=float(phrase.is_name),
            answer_first=float(new <= self.first),
            answer_single=float(len(new) == 1),
            answer_shared=float(bool(phrase.stems & self.own)),
        )

    def _person(self, phrase: Phrase) -> float:
        return (1.0 if phrase.is_name else -1.0) * self.person

    def _number(self, phrase: Phrase) -> float:
        plural = phrase.text.endswith("s") and not phrase.text.endswith("ss")
        if self.many == self.one:
            return 0.0
        return 1.0 if plural == self.many else -1.0


_ONLY_QUESTION = (
    "focus focus_open focus_defined theme theme_open beside beside_open earlier lasting again "
    "named generic single shared answered"
).split()
_ONLY_ANSWER = ("answer answer_count answer_named answer_first answer_single answer_shared").split()


def _follow(lines: Sequence[Line]) -> tuple[Stems, Stems, int]:
    """Return the subject now, the subject of the first question, and where the former began."""
    focus = theme = _subject(lines[0]) or frozenset()
    begin = 0
    for number, line in enumerate(lines[1:], start=1):
        subject = _subject(line)
        if subject and (line.opens or line.replaces):
            focus, begin = subject, number
    return focus, theme, begin


def _subject(line: Line) -> Stems | None:
    """Return what a question is about: its first name, else its last noun that is not generic."""
    telling = [phrase for phrase in line.phrases if not phrase.stems <= _GENERIC]
    named = [phrase for phrase in telling if phrase.is_name]
    if named:
        return named[0].stems
    chosen = telling or list(line.phrases)
    return chosen[-1].stems if chosen else None


# In the order of the signs; then the intercept.
WEIGHTS = (
    0.61, 0.54, 1.06, 1.26, -0.22, -0.19, 0.52, -0.41, 0.43, 0.86, 0.42, -0.59, -0.52, 0.21, 1.01,
    0.2, 0.25, 1.09, -2.06, 1.79, 0.61, 0.78, -1.09, 1.28, -1.83,
)  # fmt: skip


def logit(signs: PhraseSigns, weights: Sequence[float] = WEIGHTS) -> float:
    """Return the log of the odds that a person would add the phrase."""
    *slopes, intercept = weights
    values: tuple[float, ...] = astuple(signs)
    return intercept + sum(w * v for w, v in zip(slopes, values, strict=True))
