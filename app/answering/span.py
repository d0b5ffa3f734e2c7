"""The words of a sentence that answer a question: candidates by plain rules, and their score.

A candidate is a run of up to eight words without a stop in it that begins and ends with a word
of content, or what a pattern for the asked kind of answer finds. Trees tell from the features
below how probable it is that it is the answer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.answering.features import Asked, Read
from app.answering.kinds import KINDS, Span, asked_noun, of_kind
from app.answering.trees import Floats
from app.answering.words import terms

LONGEST = 8  # words
_HARD, _SOFT = frozenset(';:()[]{}"“”«»?!…|/—–•'), frozenset(",")
_JOINING = frozenset("of the and a an to in for on at or with s by from".split())
_DETERMINERS = frozenset("the a an his her its their this that these those".split())
_COPULAS = frozenset("is was are were be been being became called named known as".split())
_PREPOSITIONS = ("in", "at", "on", "by", "of", "to", "for", "from", "with", "as", "and", "or")
_ASKING = ("who", "when", "where", "why", "how", "which", "what")
_BOTH = ("ed", "ing", "ly", "s")

SPAN = (
    "words",
    "content words",
    "capitals",
    "digits",
    "first is capital",
    "is of the kind",
    "within the kind",
    "holds the kind",
    "is a date",
    "is a number",
    "quoted",
    "in brackets",
    "starts a run",
    "ends a run",
    "starts the sentence",
    "ends the sentence",
    "after a comma",
    "before a comma",
    "after a determiner",
    "after a copula",
    "before a copula",
    "asked before",  # the weight of the question's word right before it
    "asked after",
    "asked within",
    "pull from the left",  # the weight of the question's words there, by distance
    "pull from the right",
    "all asked before",
    "all asked after",
    "noun within",  # the noun that the question asks for
    "noun last",
    "noun near",
    "commas within",
    "in the title",
    "place",
    *(f"after {word}" for word in _PREPOSITIONS),
    *(f"last ends in {ending}" for ending in _BOTH),
    *(f"first ends in {ending}" for ending in _BOTH[:3]),
    *(f"asks for {kind}" for kind in KINDS),
    *(f"asks {word}" for word in _ASKING),
)


class Spans:
    """Finds candidates in sentences for one question."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._noun = terms(asked_noun(asked.text), asked.language)
        lowers = [token.word.lower for token in asked.tokens]
        first = next((word for word in lowers if word in _ASKING or word == "whom"), "")
        asking = "who" if first in ("whom", "whose") else first
        self._of_question = [float(asked.kind == kind) for kind in KINDS]
        self._of_question += [float(asking == word) for word in _ASKING]

    def candidates(self, read: Read) -> tuple[list[Span], Floats]:
        """Return the candidates of a sentence as offsets, and their features.

        Features have the shape (candidates, len(SPAN)).
        """
        words = _Words(read, self._asked, self._noun)
        first, last = words.candidates()
        if not len(first):
            return [], np.zeros((0, len(SPAN)))
        own = words.features(first, last)
        question = np.tile(np.array(self._of_question), (len(first), 1))
        spans = [
            (words.starts[i - 1], words.ends[j - 1])
            for i, j in zip(first.tolist(), last.tolist(), strict=True)
        ]
        return spans, np.hstack([own, question])


Ints = NDArray[np.intp]


class _Words:
    """The words of one sentence as arrays, one entry a word and one of padding at each end."""

    def __init__(self, read: Read, asked: Asked, noun: frozenset[str]) -> None:
        found, text = read.tokens, read.text
        n = len(found)
        self.n = n
        self.starts = [token.start for token in found]
        self.ends = [token.end for token in found]
        words = [token.word for token in found]
        lowers = [word.lower for word in words]
        gaps = [text[a:b] for a, b in zip(self.ends, self.starts[1:], strict=False)]
        for number, token in enumerate(found):  # "$12" and "12%" are one
            if token.word.digit and token.start and text[token.start - 1] in "$£€¥":
                self.starts[number] -= 1
            if token.word.digit and text[token.end : token.end + 1] == "%":
                self.ends[number] += 1

        def flags(values: list[bool]) -> Floats:
            return np.array([0.0, *map(float, values), 0.0])

        self.stop = flags([word.stop for word in words])
        self.capital = flags([word.capital for word in words])
        self.digit = flags([word.digit for word in words])
        self.weight = (
            np.array(
                [
                    0.0,
                    *(
                        max((asked.weights.get(t, 0.0) for t in w.terms), default=0.0)
                        for w in words
                    ),
                    0,
                ]
            )
            / asked.total
        )
        self.is_noun = flags([bool(noun.intersection(word.terms)) for word in words])
        head = read.passage.article
        title = asked.terms_of(head.title, head.language)
        self.title = flags([bool(title.intersection(word.terms)) for word in words])
        self.new = flags(
            [not word.stop and not asked.terms.intersection(word.terms) for word in words]
        )
        self.joining = flags([word in _JOINING for word in lowers])
        self.determiner = flags([word in _DETERMINERS for word in lowers])
        self.copula = flags([word in _COPULAS for word in lowers])
        self.preposition = [flags([word == each for word in lowers]) for each in _PREPOSITIONS]
        self.ending = [flags([word.endswith(each) for word in lowers]) for each in _BOTH]
        # gap k lies before word k, counted from 1; gap 1 and gap n + 1 are the sentence's ends
        self.hard = np.zeros(n + 2)
        self.soft = np.zeros(n + 2)
        self.glued = np.zeros(n + 2)
        for number, gap in enumerate(gaps, start=2):
            numeric = gap in (",", ".") and words[number - 2].digit and words[number - 1].digit
            glued = numeric or gap in ("-", "'", "’", ".")
            self.glued[number] = glued
            self.hard[number] = not glued and (
                bool(_HARD.intersection(gap)) or (". " in gap and len(lowers[number - 2]) > 2)
            )
            self.soft[number] = not glued and bool(_SOFT.intersection(gap))
        before = [text[start - 1 : start] for start in self.starts]
        self.quoted = flags([mark in "\"“'‘«" and bool(mark) for mark in before])
        self.bracketed = flags([mark in "([" and bool(mark) for mark in before])
        self.matches = self._matches(asked.kind, text)
        self.dates = self._matches("date", text)
        self.numbers = self._matches("number", text)

    def _matches(self, kind: str, text: str) -> tuple[Ints, Ints]:
        """Return, for each word, the first and last word of the match it lies in, 0 for none."""
        start, end = np.zeros(self.n + 2, dtype=np.intp), np.zeros(self.n + 2, dtype=np.intp)
        for left, right in of_kind(kind, text):
            inside = [
                number
                for number, (a, b) in enumerate(zip(self.starts, self.ends, strict=True), start=1)
                if a < right and b > left
            ]
            if inside:
                start[inside], end[inside] = inside[0], inside[-1]
        return start, end

    def candidates(self) -> tuple[Ints, Ints]:
        """Return the first and last word of each candidate, counted from 1."""
        n = self.n
        if not n:
            return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
        first = np.repeat(np.arange(1, n + 1), LONGEST)
        last = first + np.tile(np.arange(LONGEST), n)
        first, last = first[last <= n], last[last <= n]
        bad = np.cumsum(self.stop * (1 - self.joining))
        hard, soft, new = np.cumsum(self.hard), np.cumsum(self.soft), np.cumsum(self.new)
        starts, ends = self._run_starts(), self._run_ends()
        fine = (
            (self.stop[first] == 0)
            & (self.stop[last] == 0)
            & (self.glued[first] == 0)
            & (self.glued[last + 1] == 0)
            & (bad[last] == bad[first - 1])
            & (hard[last] == hard[first])
            & ((soft[last] == soft[first]) | ((starts[first] > 0) & (ends[last] > 0)))
            & (new[last] > new[first - 1])
        )
        pairs = set(zip(first[fine].tolist(), last[fine].tolist(), strict=True))
        begun, ended = self.matches
        pairs |= {
            (int(a), int(b))
            for a, b in zip(begun, ended, strict=True)
            if a and new[b] > new[a - 1]
        }  # fmt: skip
        ordered = np.array(sorted(pairs), dtype=np.intp).reshape(-1, 2)
        return ordered[:, 0], ordered[:, 1]

    def _run_starts(self) -> Floats:
        """Where a word follows a stop, a stop word, or nothing."""
        before = np.concatenate([[0.0], self.stop[:-1]])
        found: Floats = np.minimum(1.0, before + self.hard + self.soft)
        found[1] = 1.0
        return found

    def _run_ends(self) -> Floats:
        after = np.concatenate([self.stop[1:], [0.0]])
        gaps = np.concatenate([(self.hard + self.soft)[1:], [0.0]])
        found: Floats = np.minimum(1.0, after + gaps)
        found[self.n] = 1.0
        return found

    def features(self, first: Ints, last: Ints) -> Floats:
        """Return the features of candidates that depend on the sentence."""

        def within(values: Floats) -> Floats:
            summed: Floats = np.cumsum(values)
            found: Floats = summed[last] - summed[first - 1]
            return found

        def matched(matches: tuple[Ints, Ints]) -> tuple[Floats, Floats, Floats]:
            begun, ended = matches
            exact = (begun[first] == first) & (ended[first] == last)
            inside = (begun[first] > 0) & (begun[first] == begun[last])
            return (
                exact.astype(float),
                inside.astype(float),
                (within((begun > 0).astype(float)) > 0).astype(float),
            )

        size = (last - first + 1).astype(float)
        content = within(1 - self.stop)
        exact, inside, holds = matched(self.matches)
        gap = np.abs(np.subtract.outer(np.arange(self.n + 2), np.arange(self.n + 2))) + 1e-9
        left = np.tril(self.weight / gap, -1).sum(axis=1)
        right = np.triu(self.weight / gap, 1).sum(axis=1)
        asked = np.cumsum(self.weight)
        columns = [
            size,
            content,
            within(self.capital) / content,
            within(self.digit),
            self.capital[first],
            exact,
            inside,
            holds,
            matched(self.dates)[0],
            matched(self.numbers)[0],
            self.quoted[first],
            self.bracketed[first],
            self._run_starts()[first],
            self._run_ends()[last],
            (first == 1).astype(float),
            (last == self.n).astype(float),
            self.soft[first],
            self.soft[last + 1],
            self.determiner[first - 1],
            self.copula[first - 1],
            self.copula[last + 1],
            self.weight[first - 1],
            self.weight[last + 1],
            within(self.weight),
            left[first],
            right[last],
            asked[first - 1],
            asked[-1] - asked[last],
            within(self.is_noun),
            self.is_noun[last],
            self.is_noun[first - 1] + self.is_noun[last + 1],
            np.cumsum(self.soft)[last] - np.cumsum(self.soft)[first],
            within(self.title) / size,
            first / self.n,
            *(flags[first - 1] for flags in self.preposition),
            *(flags[last] for flags in self.ending),
            *(flags[first] for flags in self.ending[:3]),
        ]
        return np.stack(columns, axis=1)
