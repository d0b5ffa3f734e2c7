"""Whether sentences say a thing or its contrary: negations with their scope, antonyms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from vectorstore.analysis import analyze
from vectorstore.stopwords import STOP_WORDS

_TOKEN = re.compile(r"[^\W_]+(?:[’'-][^\W_]+)*|[.;:!?,–—()]")
_DETERMINERS = frozenset("no none nobody nothing nowhere neither nor without".split())
_NEGATORS = _DETERMINERS | frozenset("not never cannot can't".split())
# Words that deny what follows them without being negations.
_DENIALS = re.compile(
    r"fail(?:s|ed|ing|ure)?|refus(?:e|es|ed|ing|al)|den(?:y|ies|ied|ying|ial)|lack(?:s|ed|ing)?"
    r"|unable|inability|declin(?:e|es|ed|ing)|absent|absence|prevent(?:s|ed|ing)?"
    r"|avoid(?:s|ed|ing)?|reject(?:s|ed|ing)?|hardly|barely|rarely|seldom|scarcely|instead|except"
    r"|doubt(?:s|ed|ful)?|unlikely|impossible|forb(?:id|ade|idden)|banned|non-?[a-z]{3,}"
)
_STOP = frozenset(". ; : ! ? – — ( )".split())
_TURN = frozenset("but although though however whereas because while".split())
SCOPE = 5  # content words a negation reaches
FOCUS = 2  # content words it is about
NEIGHBOURS = 3  # content words on either side that tell which of its meanings a word has

_PAIRS = """
increase decrease, increased decreased, increases decreases, increasing decreasing, increase reduce,
rise fall, rises falls, rose fell, rising falling, grow shrink, grew shrank, expand shrink,
higher lower, high low, highest lowest, more less, more fewer, most least, large small,
larger smaller, largest smallest, big small, bigger smaller, biggest smallest, long short,
longer shorter, longest shortest, early late, earlier later, earliest latest, first last,
before after, above below, accept reject, accepted rejected, win lose, won lost, wins loses,
winning losing, victory defeat, victory loss, open close, opened closed, begin end, began ended,
start finish, started stopped, start end, started ended, support oppose, supported opposed,
supports opposes, allow forbid, allowed forbidden, allowed forbade, allowed banned,
allowed prohibited, legal illegal, include exclude, included excluded, includes excludes,
gain loss, gained lost, success failure, succeeded failed, successful unsuccessful,
positive negative, north south, east west, northern southern, eastern western, left right,
buy sell, bought sold, strong weak, stronger weaker, strongest weakest, fast slow, faster slower,
hot cold, hotter colder, warm cool, warmer cooler, old young, older younger, oldest youngest,
major minor, majority minority, maximum minimum, public private, male female, father mother,
brother sister, son daughter, husband wife, man woman, men women, boy girl, alive dead, born died,
approve reject, approved rejected, admit deny, admitted denied, agree disagree,
agreed disagreed, arrive depart, arrived departed, appear disappear, appeared disappeared,
ancient modern, common rare, easy difficult, strengthen weaken, strengthened weakened,
expanded contracted, improve worsen, improved worsened, raise lower, raised lowered, upper lower,
inside outside, internal external, always never, all none, up down, true false, guilty innocent,
possible impossible, likely unlikely, frequently rarely, often rarely, often seldom, rich poor,
same different, similar different, join leave, joined left, import export, imports exports,
imported exported, enter leave, entered left, better worse, best worst, hired fired,
appointed dismissed, convicted acquitted, confirmed denied, praised criticized,
praised criticised, with without
"""
_ANTONYMS: dict[str, set[str]] = {}
for _pair in " ".join(_PAIRS.split()).split(", "):
    _left, _right = _pair.split()
    _ANTONYMS.setdefault(_left, set()).add(_right)
    _ANTONYMS.setdefault(_right, set()).add(_left)


def antonyms(word: str) -> set[str]:
    """Return the words that say the contrary of a word, all in lower case."""
    return _ANTONYMS.get(word, set())


def is_negator(word: str) -> bool:
    """Whether a word in lower case negates; "n't" does, with what it hangs on."""
    return word in _NEGATORS or word.endswith(("n't", "n’t"))


def is_denial(word: str) -> bool:
    """Whether a word in lower case denies what follows it: "failed to"."""
    return _DENIALS.fullmatch(word) is not None


@dataclass(frozen=True, slots=True)
class Negation:
    """A negating or denying word and the terms it reaches, nearest first."""

    word: str
    scope: tuple[str, ...]


class Polarity:
    """What a sentence negates, and in which surroundings its words stand."""

    def __init__(self, sentence: str) -> None:
        self._tokens = _TOKEN.findall(sentence.replace("’", "'"))
        self.words = tuple(token.lower() for token in self._tokens)

    @cached_property
    def negations(self) -> tuple[Negation, ...]:
        """The negations, each with the content terms up to the end of its clause."""
        return tuple(
            Negation(self._tokens[at], _scope(self.words, at))
            for at, word in enumerate(self.words)
            if is_negator(word) and self.words[at + 1 : at + 2] != ("only",)
        )

    @cached_property
    def denials(self) -> tuple[Negation, ...]:
        """The words that deny without being negations."""
        return tuple(
            Negation(self._tokens[at], _scope(self.words, at))
            for at, word in enumerate(self.words)
            if is_denial(word)
        )

    @cached_property
    def terms(self) -> frozenset[str]:
        """All its terms."""
        return frozenset(term for word in self.words for term in analyze(word))

    def around(self, word: str) -> Iterator[frozenset[str]]:
        """Yield the content terms near each place where a word stands."""
        for at, other in enumerate(self.words):
            if other == word:
                before = _content(reversed(self.words[:at]), NEIGHBOURS)
                yield frozenset(before) | frozenset(_content(self.words[at + 1 :], NEIGHBOURS))


def _content(words: Iterable[str], most: int) -> list[str]:
    terms: list[str] = []
    for word in words:
        if len(terms) >= most:
            break
        if word[0].isalnum() and word not in STOP_WORDS:
            terms += analyze(word)
    return terms


def _scope(words: Sequence[str], index: int) -> tuple[str, ...]:
    clause: list[str] = []
    for word in words[index + 1 :]:
        if word in _STOP or word in _TURN:
            break
        clause.append(word)
    return tuple(_content(clause, SCOPE))


def unsupported_negation(claimed: Polarity, told: Sequence[Polarity]) -> str | None:
    """Return a negation of the sentence that the sentences told do not make.

    Those of them that have the negated words decide, else all: one must negate these words,
    deny them ("failed to", "lack of"), or say the contrary ("rare" for "not common"). "No
    candidate" is told in other words by who never speaks of a candidate; "did not go" is not.
    """
    for negation in claimed.negations:
        focus = set(negation.scope[:FOCUS])
        of_noun = negation.word.lower() in _DETERMINERS
        needed = set(negation.scope[:1]) if of_noun else focus
        holding = [each for each in told if not needed or needed & each.terms]
        if not holding and of_noun:
            continue
        if not any(_bears(focus, each) for each in holding or told):
            return " ".join([negation.word, *_word_of(claimed, negation)])
    return None


def _word_of(claimed: Polarity, negation: Negation) -> list[str]:
    """The word that is negated, as it is written."""
    first = negation.scope[:1]
    return [word for word in claimed.words if first and tuple(analyze(word)) == first][:1]


def _bears(focus: set[str], told: Polarity) -> bool:
    if any(focus & set(o.scope) or not focus for o in (*told.negations, *told.denials)):
        return True
    contraries = {opposite for word in told.words for opposite in antonyms(word)}
    return any(term in focus for opposite in contraries for term in analyze(opposite))


def left_out_negation(claimed: Polarity, told: Polarity) -> str | None:
    """Return what a sentence told negates and the claimed one affirms.

    Only a sentence without any negation or denial of its own affirms.
    """
    if claimed.negations or claimed.denials:
        return None
    terms = {term for word in claimed.words for term in analyze(word)}
    for negation in told.negations:
        focus = negation.scope[:FOCUS]
        if len(focus) == FOCUS and terms.issuperset(focus):
            return negation.word
    return None


def contrary_word(claimed: Polarity, told: Sequence[Polarity]) -> tuple[str, str] | None:
    """Return a word of the sentence and its contrary, told of the same things instead.

    The word itself is in no sentence told, and its contrary has a neighbour in common with it;
    a negation on either side makes it no contrary.
    """
    if claimed.negations:
        return None
    said = {word for each in told for word in each.words}
    stems = {term for word in said for term in analyze(word)}
    for word in dict.fromkeys(claimed.words):
        if not antonyms(word) or not stems.isdisjoint(analyze(word)):
            continue
        for opposite in sorted(antonyms(word) & said):
            if _same_things(claimed, word, told, opposite):
                return word, opposite
    return None


def _same_things(claimed: Polarity, word: str, told: Sequence[Polarity], opposite: str) -> bool:
    near = frozenset().union(*claimed.around(word))
    return any(
        near & place and not each.negations for each in told for place in each.around(opposite)
    )
