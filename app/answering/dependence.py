"""Whether a question leans on what was said before it: the signs, and a probability.

A logistic regression on signs that a reader can check: a pronoun whose noun is not in the question,
a definite noun ("the symptoms") that nothing says of what, a comparison without its other half.
`bench/conversation.py --fit` fits the weights on TREC CAsT, and on questions of SQuAD that change
the subject.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import astuple, dataclass

from app.answering.mentions import (
    TOKEN,
    Word,
    is_common,
    is_function,
    sentence_places,
    words_of,
)

PRONOUNS = frozenset("he him his she her hers they them their theirs it its itself".split())
POINTING = frozenset("this that these those one ones".split())
_OTHER = frozenset(
    "other another else also too similar both either same one ones others instead besides next "
    "previous latter third".split()
)
_PREPOSITION = (
    r"(?:of|in|for|between|at|about|on|from|to|with|by|during|among|than|like|against|around|"
    r"within|after|before|into|over|since|through)"
)
_FRAGMENT = re.compile(
    r"^\W*(?:and\b(?!\s+(?:is|are|do|does|did|can|could|should|will)\b)"
    r"|(?:and\s+|but\s+|so\s+)?(?:what|how)\s+about\b|what\s+if\b|how\s+so\b|why\s+not\b"
    r"|(?:which(?:\s+ones?)?|why|how|when|where|who|what)\W*$"
    r"|how\s+(?:much|many|long|often|far|come)\W*$)",
    re.I,
)
_ANOTHER = re.compile(r"\b(?:what|anything|who) else\b|\banother\b|\bones?\b\W*$", re.I)
# Nouns that stand for a relation to something: without "of …" they ask "of what?".
_RELATIONAL_NOUN = (
    r"(?:symptoms?|causes?|types?|kinds?|examples?|similarities|pros|cons|advantages?|"
    r"disadvantages?|benefits?|drawbacks?|features?|members?|leaders?|origins?|history|rules?|"
    r"consequences?|results?|treatments?|options?|alternatives?|ingredients?|uses|applications?|"
    r"author|director|winner|capital|owner|founder|meaning|objectives?|findings?|reasons?|"
    r"requirements?|variants?|versions?|approach(?:es)?|side\s+effects)"
)
_RELATIONAL = re.compile(rf"\b{_RELATIONAL_NOUN}\b(?!\s+(?:{_PREPOSITION}|that|who|which)\b)", re.I)
# Words of a relation between two things, of which a question may name but one.
_RELATION = re.compile(
    r"\b(?:roles?|impacts?|effects?|purpose|importance|influence|significance|relation(?:ship)?|"
    r"differences?|reaction|response|policy|attitude|relate[sd]?|compare[sd]?|differ|"
    r"different\s*\?)\b",
    re.I,
)
_SECOND = re.compile(r"\b(?:between|with|in|on|to|for|from|than)\s+\w|\band\b", re.I)
_LEAD_OUT = r"(?:\s+and\s+(?:how|why|what|where|its)\s.*)?"
_DEFINITION = re.compile(
    r"^(?:(?:so|then|and|um|okay|ok)[,.]?\s+)?(?:what|who)(?:’s|'s|\s+(?:is|are|was|were))\s+"
    rf"(?P<article>(?:an?|the)\s+)?(?P<asked>[^?,]+?){_LEAD_OUT}\??\s*$"
    r"|(?:tell\s+(?:me\s+)?(?:more\s+)?about|describe|define|explain)\s+"
    rf"(?P<article_told>(?:an?|the)\s+)?(?P<told>[^?.]+?){_LEAD_OUT}[?.]?\s*$",
    re.I,
)
_NO_DEFINITION = re.compile(rf"\b(?:{_PREPOSITION}|the|{_RELATIONAL_NOUN})\b", re.I)
_SUPERLATIVE = re.compile(
    r"\b(?:\w{3,}est|most|best|worst|first|last|main|key|common|better|cheaper|worse|\w{4,}ier|"
    r"important|popular|typical|famous|possible)\b",
    re.I,
)
_DEFINITE = re.compile(
    r"\bthe\s+(?P<noun>(?:[\w’'-]+\s+){0,2}?[\w’'-]+)(?=\s*(?:[?.!,]|$|\s(?:be|is|are|was|were|do|"
    r"did|does|have|has|get|go|come|came|say|said|for|and)\b))",
    re.I,
)
# There is but one of each: "the environment" needs no "of what".
_UNIQUE = frozenset(
    "world earth environment sun moon sea sky universe internet weather climate future past "
    "present economy public media law news president".split()
)
_WITH_RELATION = re.compile(rf"\b(?:{_PREPOSITION}|that|who|which)\b", re.I)
_SCOPE = re.compile(
    r"\b(?:of|in|for|at|on|from|with|by|between|during)\s+(?:(?:the|an?)\s+)?"
    r"(?!(?:it|them|this|that|these|those|him|her|his|its|their|the|you|me|my|your|someone|"
    r"somebody|anyone|people|general|terms)\b)\w+",
    re.I,
)
_EXPLETIVE = re.compile(
    r"\b(?:is|was|be|would|will)\s+it\s+(?:\w+\s+)?(?:possible|safe|hard|easy|true|important|better|"
    r"good|bad|best|worth|necessary|legal|illegal|likely|normal|okay|ok|time|rude)\b"
    r"|\bit\s+(?:takes?|took|rains?|snows?|seems?|turns\s+out)\b|\bwhat\s+time\s+is\s+it\b"
    r"|\b(?:does|did|will|would)\s+it\s+(?:take|cost|mean)\s+(?:\w+\s+){0,2}?to\b",
    re.I,
)
_THERE = re.compile(
    r"(?<!is )(?<!are )(?<!was )(?<!were )(?<!if )\bthere\b"
    r"(?!\s+(?:is|are|was|were|an?|any)\b|[’'])",
    re.I,
)
# In one clause a pronoun does not stand for that clause's own noun: "How could Ann help her?"
_JOINT = re.compile(
    r",|\b(?:and|or|but|if|when|while|because|that|who|which|how|why|after|before)\b", re.I
)
_DEFINED = 4  # words at most


@dataclass(frozen=True, slots=True)
class Signs:
    """What a question's form tells of whether it can stand alone; each in [0, 1].

    From `other` on they are 0 where a question leans openly: then nothing else counts.
    """

    leans: float  # a pronoun, a fragment, "another": openly points back
    pronoun: float  # … by a pronoun that stands for a thing or person
    filled: float  # … but has words of a subject: 0, 1/3, 2/3, 1
    other: float  # other, also, both, similar: there was something before
    definite: float  # "the symptoms", without of what
    relational: float  # "treatments", without of what
    one_sided: float  # "the role of slavery", without in what
    definition: float  # What is X? Tell me about X.
    said: float  # words of a subject that were said before: 0, 1/2, 1
    named: float  # holds a name that was not said before
    full: float  # words of a subject beyond two: 0, 1/4, … 1
    scoped: float  # "… in Tokyo", "of depression": says where or of what


def signs_of(question: str, said: AbstractSet[str]) -> Signs:
    """Return the signs; `said` are the stems of the words of earlier questions."""
    begin = _last_begins(question)
    last = question[begin:].strip()
    words = words_of(last)
    known = {match.group().casefold() for match in TOKEN.finditer(last)}
    told, subject = _subject(words_of(question[:begin])), _subject(words)
    pronoun = bool(known & PRONOUNS) and not _EXPLETIVE.search(last)
    points = pronoun or _points(last) or bool(_THERE.search(last))
    explained = len(told) > 1 or _is_explained(last, subject)
    another = bool(_ANOTHER.search(last)) and not any(word.is_name for word in subject)
    leans = bool(_FRAGMENT.search(last)) or (
        (points or another or not told + subject) and not explained
    )
    rest = {
        "other": bool(known & _OTHER),
        "definite": _is_bare(last),
        "relational": bool(_RELATIONAL.search(last)),
        "one_sided": bool(_RELATION.search(last)) and not _SECOND.search(last),
        "definition": _is_definition(last),
        "said": min(sum(word.stem in said for word in told + subject), 2) / 2,
        "named": any(word.is_name and word.stem not in said for word in words),
        "full": min(max(len(told + subject) - 2, 0), 4) / 4,
        "scoped": bool(_SCOPE.search(last)),
    }
    return Signs(
        leans=float(leans),
        pronoun=float(leans and pronoun and not explained),
        filled=min(len(subject), 3) / 3 * leans,
        **{name: 0.0 if leans else float(value) for name, value in rest.items()},
    )


def is_fragment(question: str) -> bool:
    """Whether a question is but a part of one, as "And Ann?", "What about him?", "Why?" are."""
    return bool(_FRAGMENT.search(question[_last_begins(question) :].strip()))


def has_pronoun(question: str) -> bool:
    """Whether a pronoun stands for somebody or something."""
    return any(match.group().casefold() in PRONOUNS for match in TOKEN.finditer(question))


def asks_there(question: str) -> bool:
    """Whether "there" stands for a place."""
    return bool(_THERE.search(question))


def _last_begins(question: str) -> int:
    places = list(sentence_places(question))
    return places[-1][0] if places else 0


def _subject(words: list[Word]) -> list[Word]:
    return [word for word in words if not is_common(word)]


def _is_explained(text: str, subject: list[Word]) -> bool:
    """Whether a noun of an earlier clause may be what the first pronoun stands for."""
    at = _first_pronoun(text)
    joints = [match.end() for match in _JOINT.finditer(text, 0, at)]
    return bool(joints) and any(word.end <= joints[-1] for word in subject)


def _first_pronoun(text: str) -> int:
    for match in TOKEN.finditer(text):
        if match.group().casefold() in PRONOUNS | POINTING:
            return match.start()
    return 0


def _points(text: str) -> bool:
    """Whether this or that stands for something."""
    for match in re.finditer(r"\b(?:this|that|these|those)\b", text, re.I):
        before = text[: match.start()].split()
        if match.group().casefold() != "that" or not before or is_function(before[-1]):
            return True  # not "the bridge that fell", "I heard that he left"
    return False


def _is_bare(text: str) -> bool:
    """Whether "the …" has neither a name nor anything that says which."""
    for match in _DEFINITE.finditer(text):
        noun = match.group("noun")
        known = any(word[0].isupper() or word in _UNIQUE for word in noun.split())
        if not known and not _WITH_RELATION.search(noun):
            return True
    return False


def _is_definition(text: str) -> bool:
    match = _DEFINITION.search(text)
    if not match:
        return False
    what = match.group("asked") or match.group("told")
    article = (match.group("article") or match.group("article_told") or "").strip().casefold()
    words = words_of(what)
    if article == "the" and not any(word.is_name for word in words):
        return False
    if _NO_DEFINITION.search(what) or _SUPERLATIVE.search(what) or _RELATION.search(what):
        return False
    return 0 < len(words) <= _DEFINED and len(_subject(words)) == len(words)


# In the order of the signs; then the intercept.
WEIGHTS = (1.5, 0.63, -0.81, 0.62, 0.96, 0.46, 1.13, -1.29, -0.68, -1.14, -1.25, -0.75, 0.31)


def logit(signs: Signs, weights: Sequence[float] = WEIGHTS) -> float:
    """Return the log of the odds that a question needs what was said before it."""
    *slopes, intercept = weights
    values: tuple[float, ...] = astuple(signs)
    return intercept + sum(w * v for w, v in zip(slopes, values, strict=True))
