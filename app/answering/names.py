"""Names in a sentence, and whether a text knows them: literally, in part, or by an alias."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import pairwise

from app.answering.dates import MONTHS, WEEKDAYS
from vectorstore.analysis import analyze
from vectorstore.stopwords import STOP_WORDS

_TOKEN = re.compile(r"[^\W_]+(?:[.’'&-][^\W_]+)*")
_JOINT = re.compile(r"(?:(?<=\b[A-Z])\.)?\s+(?:[a-z]{1,5}\s+)*")
_JOINTS = frozenset("of the de del della di da van von der den la le el al bin y".split())
_STARTS = re.compile(r"(?:^|[.!?:;]\s+|[\"“”‘(\[]|\n)\s*$")

# Words of a name that need no support of their own: forms of address, ranks, kinds of things.
_OFFICES = frozenset(
    "mr mrs ms miss dr prof professor sir dame lord lady st saint president minister prime king "
    "queen prince princess pope senator governor mayor judge justice general colonel captain "
    "chairman director ceo chief secretary inc ltd plc corp llc co company jr sr".split()
)
# Capitals that sentences and headings give to words that name nobody.
_NO_NAMES = (
    STOP_WORDS
    | frozenset(MONTHS)
    | frozenset(WEEKDAYS)
    | frozenset(
        "i he she it they we according additionally although among another additional along "
        "despite due during early every even finally first following former furthermore given "
        "hence her his however indeed instead its last late later like many meanwhile moreover "
        "most much nearly nevertheless new next none nonetheless nobody nothing often once one "
        "originally our out over per recently several shortly similarly since some still "
        "subsequently such their then there therefore these this those though throughout thus "
        "together two three four five six seven eight nine ten today unlike until upon usually "
        "whether while within without yet your also around across afterwards initially currently "
        "eventually soon both either neither each half million billion january us am pm a.m p.m "
        "never nor yes no".split()
    )
)
_ALIASES = tuple(
    frozenset(line.split())
    for line in (
        "us usa america american united_states",
        "uk britain british united_kingdom england english scotland scottish wales welsh",
        "un united_nations",
        "eu european_union",
        "france french",
        "spain spanish spaniard",
        "netherlands dutch holland",
        "germany german",
        "greece greek",
        "turkey turkish turk türkiye",
        "denmark danish dane",
        "sweden swedish swede",
        "poland polish pole",
        "finland finnish finn",
        "ireland irish",
        "switzerland swiss",
        "wales welsh",
        "norway norwegian",
        "portugal portuguese",
        "philippines filipino philippine",
        "thailand thai",
        "iceland icelandic",
        "scotland scottish scot",
        "czech czechia czechoslovakia",
        "argentina argentine argentinian argentinean",
        "peru peruvian",
        "wikipedia wiki",
        "christianity christian",
        "islam muslim islamic",
        "judaism jew jewish",
        "hinduism hindu",
        "buddhism buddhist",
        "catholicism catholic",
        "europe european",
        "asia asian",
        "africa african",
    )
)
LONG = 6  # letters from which on two spellings may differ in a vowel or a doubled letter
RUN_ON = 5  # letters of a name that an address may hold without blanks
LIKE = 4  # letters that a country and its people share at least: Canad-a, Canad-ian
_ENDINGS = frozenset(
    "a e i o y n s an ans ia ian ians ean eans ese i is ish ic ican icans ni nian en in ine".split()
)


@dataclass(frozen=True, slots=True)
class Name:
    """A run of capitalised words; `words` are those that need support."""

    text: str
    words: tuple[str, ...]
    start: int
    end: int


def find_names(sentence: str) -> list[Name]:
    """Return the names of a sentence, in order.

    Example: "Then Anna van Dyk left Bonn." -> "Anna van Dyk", "Bonn"
    """
    names: list[Name] = []
    run: list[re.Match[str]] = []
    for token in _TOKEN.finditer(sentence):
        if run and token.group() in _JOINTS:
            continue
        if not _is_capital(token, sentence):
            names += _named(sentence, run)
            run = []
            continue
        if run and not _JOINT.fullmatch(sentence, run[-1].end(), token.start()):
            names += _named(sentence, run)
            run = []
        run.append(token)
    return [*names, *_named(sentence, run)]


def _is_capital(token: re.Match[str], sentence: str) -> bool:
    word = token.group()
    if not any(letter.isupper() for letter in word):
        return False
    if not word[0].isupper() and not word[0].isdigit():
        return word[1].isupper() if len(word) > 1 else False  # iPhone
    if _bare(word) in _NO_NAMES and not (word.isupper() and 1 < len(word) < 4):
        return False
    return not word[0].isdigit() or word[1:].isupper()


def _named(sentence: str, run: list[re.Match[str]]) -> list[Name]:
    if not run:
        return []
    first = run[0]
    at_start = _STARTS.search(sentence[: first.start()]) is not None
    words = [_bare(token.group()) for token in run]
    if at_start and len(run) == 1 and not _stands_as_name(sentence, first):
        return []
    kept = tuple(word for word in words if word not in _OFFICES)
    if not kept:
        return []
    start, end = first.start(), run[-1].end()
    return [Name(sentence[start:end], kept, start, end)]


_VERB = re.compile(
    r"(?:[’']s\b|\s+(?:is|was|has|had|will|would|could|can|said|says|told|won|led|became|wrote|made"
    r"|did|does|[a-z]+ed)\b)"
)
_ENDS_COMMON = re.compile(r"(?:[^s]s|ing|ly|ed|ion|ment|ness|ity|ance|ence|ism|ship|ure|ers?)$")


def _stands_as_name(sentence: str, token: re.Match[str]) -> bool:
    """Whether a capitalised first word is a name: it does something and looks like no noun."""
    word = token.group()
    if any(letter.isupper() for letter in word[1:]):
        return True
    return bool(_VERB.match(sentence, token.end())) and not _ENDS_COMMON.search(word)


def _bare(word: str) -> str:
    return re.sub(r"[’']s?$", "", word).replace("’", "'").casefold()


class Vocabulary:
    """The words a text has, and what they may stand for.

    Args:
        texts: What is cited, and what its reader knows besides: the title.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._terms: set[str] = set()
        self._words: set[str] = set()
        self._initials: set[str] = set()
        self._aliases: set[str] = set()
        self._short: set[str] = set()
        self._run_on = ""  # all letters without blanks, as addresses write names
        for text in texts:
            self._add(text)

    def _add(self, text: str) -> None:
        self._run_on += _letters(text) + "|"
        self._terms.update(analyze(text))
        self._words.update(analyze_words(text))
        words = _TOKEN.findall(text)
        capitals = "".join(w[0] if w[0].isupper() else " " for w in words if w.lower() not in _SKIP)
        for run in capitals.split():
            self._initials.update(
                run[a:b].lower()
                for a in range(len(run))
                for b in range(a + 2, min(len(run), a + 6) + 1)
            )
        self._short |= {
            letters
            for word in words
            if word.isupper() and 2 < len(letters := word.replace(".", "").lower()) < 7
        }
        folded = {_bare(word) for word in words}
        folded |= {f"{a}_{b}" for a, b in pairwise(words) for a, b in [(_bare(a), _bare(b))]}
        for group in _ALIASES:
            if group & folded:
                self._aliases |= group

    def knows(self, word: str) -> bool:
        """Whether a word of a name is there, or something it is another form of."""
        if all(term in self._terms for term in analyze(word)):
            return True
        bare = _bare(word)
        letters = bare.replace(".", "")
        return (
            bare in self._aliases
            or (letters in self._initials and 1 < len(letters) < 7)
            or any(_akin(bare, other) for other in self._words)
        )

    def missing(self, name: Name) -> list[str]:
        """Return the words of a name that nothing bears out."""
        lost = [word for word in name.words if not self.knows(word)]
        if not lost or len(name.words) < 2:
            return lost
        initials = "".join(word[0] for word in name.words)
        known = "_".join(name.words) in self._aliases or any(
            _abbreviates(short, initials) for short in self._short
        )
        written = _letters(name.text)
        known = known or (len(written) >= RUN_ON and written in self._run_on)
        return [] if known or self._terms.issuperset(analyze("".join(name.words))) else lost


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _abbreviates(short: str, initials: str) -> bool:
    """Whether letters stand for words with these initials: "cbe" for "kcobe"."""
    rest = iter(initials)
    return short[-1] == initials[-1] and all(letter in rest for letter in short)


_SKIP = frozenset("of the and for de".split())


def analyze_words(text: str) -> Collection[str]:
    """Return the words of a text that may be names, lower case."""
    return {_bare(word) for word in _TOKEN.findall(text) if word[0].isupper() and len(word) > LIKE}


def _akin(word: str, other: str) -> bool:
    """Whether two words are one name: Canada and Canadian, Araniko and Arniko."""
    if word[0] != other[0]:
        return False
    if min(len(word), len(other)) >= LONG and _consonants(word) == _consonants(other):
        return abs(len(word) - len(other)) <= 1
    if word[:LIKE] != other[:LIKE]:
        return False
    shared = next(
        (n for n, (a, b) in enumerate(zip(word, other, strict=False)) if a != b),
        min(len(word), len(other)),
    )
    tails = (word[shared:], other[shared:])
    return all(tail == "" or tail in _ENDINGS for tail in tails)


def _consonants(word: str) -> str:
    return re.sub(r"(.)\1+", r"\1", re.sub(r"[aeiouy'-]", "", word))
