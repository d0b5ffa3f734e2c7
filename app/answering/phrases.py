"""Phrases of a sentence as they stand in a question, and which are none.

There is no tagger of parts of speech: what may be a verb, a pronoun or half a clause is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.answering.dates import MONTHS, WEEKDAYS
from app.answering.features import PRONOUNS
from app.answering.nouns import is_person
from app.answering.verbs import BASE_OF_PARTICIPLE, BASE_OF_PAST
from vectorstore.stopwords import STOP_WORDS

SUBJECT = 7  # words of a subject at most
OBJECT = 9  # words behind a verb at most
LIFETIME = 80  # years after which nobody is any more
_YEAR = re.compile(r"\b(1\d{3}|20\d\d)\b")

# What ends no question and begins no phrase: words that lean on what stands elsewhere.
_LEANING = (
    PRONOUNS
    | frozenset(
        "him them i we you us me my our your himself itself themselves here there who whom which "
        "that what when where while but or nor if so then also thus however such other another "
        "following above below same former latter both each may might can could will would should "
        "must did do does has have had been".split()
    )
) - {"his", "her", "its"}
_OUTSIDE = (STOP_WORDS - {"the"}) | frozenset(
    "many most some few several no all one since until during after before under although despite "
    "even only just more less nevertheless however unfortunately today now two three "
    "four five six seven eight nine ten".split()
)
_JOINTS = frozenset("the a an of for and in de la del van von at on to".split())


@dataclass(frozen=True, slots=True)
class Setting:
    """What the article of a sentence tells of its words.

    `names` are the words that it writes with a capital inside a sentence, `small` those that it
    writes without; `text` is its text, for what it says of people elsewhere; `years` are those
    it tells of, in order.
    """

    names: frozenset[str]
    small: frozenset[str]
    text: str
    years: tuple[int, ...]
    year: int

    @classmethod
    def of(cls, text: str, year: int) -> Setting:
        """Return what a text tells; `year` is that in which it is read."""
        inside = re.findall(r"(?<=[a-zà-þ,] )[A-ZÀ-Þ][\w’'-]*", text)
        small = re.findall(r"\b[a-zà-þ]+\b", text)
        years = sorted(int(each) for each in _YEAR.findall(text))
        return cls(frozenset(inside), frozenset(small), text, tuple(years), year)

    @property
    def is_history(self) -> bool:
        """Whether most of the years that it tells of are a lifetime ago."""
        return bool(self.years) and self.years[len(self.years) // 2] < self.year - LIFETIME


@dataclass(frozen=True, slots=True)
class Found:
    """A match in a sentence, whose groups are read as phrases of a question."""

    match: re.Match[str]
    setting: Setting

    def __getitem__(self, group: str) -> str:
        return " ".join((self.match.group(group) or "").split())

    def subject(self, least: int = 0) -> str:
        """Return the subject as it stands in a question; "" where it says too little.

        It names something, or is of `least` words, if that is not 0.
        """
        return _noun_phrase(self["s"], self.setting, least)

    def rest(self, most: int = OBJECT) -> str | None:
        """Return what goes on behind the verb, with a blank before it; None where it leans."""
        words = self["rest"].split()
        if len(words) > most or any(w.lower() in _LEANING for w in words):
            return None
        if any(w.lower().endswith(_SPLITS) or w.lower() in _BREAKS for w in words):
            return None
        if words and (words[-1].lower() in _NO_END or _NO_END_FORM.fullmatch(words[-1])):
            return None
        if _is_vague(words) or not self._is_own(words):
            return None
        return " ".join(["", *words])

    def _is_own(self, words: list[str]) -> bool:
        """Whether "its", "his" or "her" can only be of the subject."""
        owners = {"its", "his", "her", "their"} & set(words)
        if not owners or "s" not in self.match.re.groupindex:
            return not owners
        person = is_person(self["s"])
        return owners <= ({"his", "her"} if person else {"its"})


def _is_vague(words: list[str]) -> bool:
    """Whether an object is what was named before, or any: "the treaty", "a study"."""
    short = len(words) == len("the treaty".split()) and words[0] in ("the", "a", "an")
    return short and words[1].islower()


_NO_END = (
    STOP_WORDS
    | BASE_OF_PARTICIPLE.keys()
    | frozenset("first second third so too again later earlier together alone".split())
)
_NO_END_FORM = re.compile(r"\w+ly|\w*(?:\d|four|fif|six|seven|eigh|nin|ten)th|[A-Z](?:\.[A-Z])*")
_SPLITS = ("n’t", "n't")
_BREAKS = frozenset("and as than because after before until since being having not".split())


def _noun_phrase(text: str, setting: Setting, least: int = 0) -> str:
    words = text.split()
    if not words or len(words) > SUBJECT:
        return ""
    if words[0] == "The" or _is_small(words, setting):
        words[0] = words[0][0].lower() + words[0][1:]
    if not _is_phrase(words):
        return ""
    named = any(word[0].isupper() and word not in NO_NAMES for word in words)
    content = [word for word in words if word.lower() not in STOP_WORDS]
    if not named and not (least and len(content) >= least):
        return ""
    return " ".join(words)


def _is_phrase(words: list[str]) -> bool:
    """Whether words can be a noun phrase, as far as can be told: no verb and no pronoun inside."""
    lower = [word.lower() for word in words]
    if lower[-1] in STOP_WORDS or lower[0] in _OUTSIDE:
        return False
    for word, low in zip(words, lower, strict=True):
        if low in _LEANING or low in ("his", "her", "its") or low.isdigit():
            return False
        if low in STOP_WORDS and low not in _JOINTS:
            return False
        if low in ("for", "time"):
            return any(word[0].isupper() for word in words[words.index(word) + 1 :][:1])
        is_verb = low.endswith(("ly", "ing")) or (low.endswith("ed") and "-" not in low)
        if word[0].islower() and (low in BASE_OF_PAST or is_verb):
            return False
    return not ("and" in lower and not _is_name_with_and(words))


def _is_name_with_and(words: list[str]) -> bool:
    """Whether the "and" inside a phrase is of a name: "the Isles of Ada and Hall"."""
    place = [word.lower() for word in words].index("and")
    around = words[place - 1], words[place + 1]  # it stands at neither end
    return words[0].lower() == "the" and all(word[0].isupper() for word in around)


def _is_small(words: list[str], setting: Setting) -> bool:
    """Whether the first word of a sentence's subject owes its capital to its place."""
    first, *others = words
    behind = next((word for word in others if word not in _JOINTS), "x")
    if first[1:] != first[1:].lower() or behind[0].isupper():
        return False
    return first.lower() in setting.small or (first not in setting.names and bool(others))


NO_NAMES = frozenset(name.capitalize() for name in (*MONTHS, *WEEKDAYS)) | frozenset(
    "I Today Now Although Despite During".split()
)


def tense_of(name: str, sentence: str, setting: Setting) -> str:
    """Return "was" of a person who is long gone or said to have died, else "is"."""
    years = [int(year) for year in _YEAR.findall(sentence)]
    family = re.escape(name.split()[-1])
    died = re.search(rf"\b{family}\b[^.]{{0,60}}\bdied\b", setting.text)
    is_old = setting.is_history or (years and min(years) < setting.year - LIFETIME)
    return "was" if died or is_old else "is"
