"""The signs of a question that leans on what was said before it.

A pronoun whose noun is not in the question, a definite noun ("the symptoms") that nothing says of
what, a comparison without its other half: conversation.py weighs them.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import astuple, dataclass

from app.answering.mentions import COMMON, TOKEN, is_function, sentence_places, words_of

_PERSONAL = frozenset("he him his she her hers they them their theirs".split())
_THING = frozenset("it its itself".split())
_POINTING = frozenset("this that these those".split())
_OTHER = frozenset(
    "other another else also too similar different both either each same one ones others more "
    "instead besides next previous former latter respectively".split()
)
_OPENING = re.compile(
    r"^\W*(?:and|but|so|or|then|what\s+about|how\s+about|what\s+if|what\s+else|how\s+so|why\s+not)\b",
    re.I,
)
_EXPLETIVE = re.compile(
    r"\b(?:is|was|be|would|will)\s+it\s+(?:\w+\s+)?(?:possible|safe|hard|easy|true|important|better|"
    r"good|bad|best|worth|necessary|legal|illegal|likely|normal|okay|ok|time|rude)\b"
    r"|\bit\s+(?:takes?|took|rains?|snows?|seems?|turns\s+out)\b|\bwhat\s+time\s+is\s+it\b"
    r"|\b(?:does|did|will|would)\s+it\s+(?:take|cost|mean)\s+(?:\w+\s+){0,2}?to\b",
    re.I,
)
_DEFINITION = re.compile(
    r"(?:what|who)(?:’s|'s|\s+(?:is|are|was|were))\s+(?:(?:a|an)\s+)?(?P<what>[^?]+)\??\s*$"
    r"|(?:tell\s+(?:me\s+)?(?:more\s+)?about|describe|define|explain)\s+(?P<told>[^?.]+)[?.]?\s*$",
    re.I,
)
_SUPERLATIVE = re.compile(
    r"\b(?:the\s+)?(?:\w{2,}est|most\s+\w+|best|worst|first|last|main|key|common|typical)\b", re.I
)
_BARE_END = re.compile(r"\bthe\s+(?:\w+\s+){0,2}?\w+\W*$", re.I)
_OF = re.compile(r"\b(?:of|in|for|between|at|about|on|from|to|with|by)\s+\w", re.I)
# Nouns that stand for a relation to something: without "of …" they ask "of what?".
_RELATIONAL = re.compile(
    r"\b(?:symptoms?|causes?|effects?|types?|kinds?|examples?|differences?|similarities|pros|cons|"
    r"advantages?|disadvantages?|benefits?|risks?|drawbacks?|features?|members?|leaders?|roles?|"
    r"purposes?|origins?|history|rules?|impacts?|consequences?|results?|treatments?|options?|"
    r"alternatives?|ingredients?|uses|applications?|methods?|population|size|costs?|price|author|"
    r"director|winner|capital|owner|founder|name|meaning|age|height|length|goal|objectives?|"
    r"findings?|reasons?|side|steps|requirements?|variants?|versions?|approach(?:es)?)\b",
    re.I,
)


_REPLY = re.compile(
    r"^\W*(?:no|yes|yeah|ok|okay|wow|really|oh|cool|nice|interesting|great|awesome|amazing|sure|"
    r"that(?:’s|'s| is| sounds)|sounds|it sounds|i see|thanks|so|um|wait|fair)\b",
    re.I,
)
_NO_DEFINITION = re.compile(
    r"(?:the|its|his|her|their|some|it|this|that|these|those|other|another|important|popular|"
    r"common|about|examples?|what|when|there|an?\s+example)\b",
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
SHORT = 5  # words


@dataclass(frozen=True, slots=True)
class Signs:
    """What a question's form tells of whether it can stand alone; each 0 or 1, or a share."""

    personal: float  # he, they, … that nothing in the question explains
    thing: float  # it, its
    pointing: float  # this, that, these, those on their own
    pointed: float  # "this plan", "these plants"
    place: float  # there, as a place
    inner: float  # one of these, but with a noun before it that it may stand for
    other: float  # another, else, also, both, one: there was something before
    opening: float  # And …? What about …? How about …?
    superlative: float  # the largest, the most famous …
    relational: float  # "the symptoms", without of what
    definite: float  # ends in "the …"
    definition: float  # What is X? Tell me about X.
    named: float  # holds a name
    new: float  # words of a subject that were not said before: 0, 1/4, … 1
    said: float  # the share of its words that were said before
    subject: float  # words of a subject that are no common ones: 0, 1/4, … 1
    bare: float  # none of them
    reply: float  # begins as a reply does: No, … Okay, … Really?
    short: float  # at most five words

    @property
    def are_any(self) -> bool:
        """Whether the question points at something; one that does not is never changed."""
        pointing = (self.personal, self.thing, self.pointing, self.pointed, self.place, self.other)
        form = (
            self.opening,
            self.relational,
            self.definite,
            self.bare,
            self.inner,
            self.superlative,
        )
        return any(pointing) or any(form)

    def values(self) -> tuple[float, ...]:
        """Return the signs in the order of their weights."""
        return astuple(self)


def signs_of(question: str, said: AbstractSet[str]) -> Signs:
    """Return the signs; `said` are the stems of the words of earlier turns."""
    places = list(sentence_places(question)) or [(0, len(question))]
    begin = places[-1][0]
    last = question[begin:].strip()
    words = words_of(last)
    folded = [match.group().casefold() for match in TOKEN.finditer(last)]
    known = set(folded)
    stems = {word.stem for word in words}
    subject = [word for word in words if word.text.casefold() not in COMMON]
    before = len([w for w in words_of(question[:begin]) if w.text.casefold() not in COMMON])
    leans: list[bool] = [
        bool(known & _PERSONAL),
        bool(known & _THING) and not _EXPLETIVE.search(last),
        _points(last, alone=True),
        _points(last, alone=False),
        bool(_THERE.search(last)),
    ]
    at = _first_pronoun(last)
    joints = [match.end() for match in _JOINT.finditer(last, 0, at)]
    explained = before > 1 or any(word.end <= joints[-1] for word in subject if joints)
    definition = _DEFINITION.search(last)
    defined = (definition.group("what") or definition.group("told")) if definition else ""
    told = [float(lean and not explained) for lean in leans]
    return Signs(
        personal=told[0],
        thing=told[1],
        pointing=told[2],
        pointed=told[3],
        place=told[4],
        inner=float(any(leans) and explained),
        other=float(bool(known & _OTHER)),
        opening=float(bool(_OPENING.search(last))),
        superlative=float(bool(_SUPERLATIVE.search(last))),
        relational=float(bool(_RELATIONAL.search(last)) and not _OF.search(last)),
        definite=float(bool(_BARE_END.search(last)) and not any(word.is_name for word in words)),
        definition=float(bool(defined) and not _NO_DEFINITION.match(defined)),
        named=float(any(word.is_name for word in words)),
        new=min(len(stems - said), 4) / 4,
        said=len(stems & said) / len(stems) if stems else 0.0,
        subject=min(len(subject), 4) / 4,
        bare=float(not subject),
        reply=float(bool(_REPLY.match(question))),
        short=float(len(folded) <= SHORT),
    )


def _first_pronoun(text: str) -> int:
    for match in TOKEN.finditer(text):
        if match.group().casefold() in _PERSONAL | _THING | _POINTING:
            return match.start()
    return 0


def _points(text: str, alone: bool) -> bool:
    """Whether this or that stands for something: on its own, or before a noun."""
    for match in re.finditer(r"\b(?:this|that|these|those)\b(?P<after>\s+[\w’'-]+)?", text, re.I):
        before = text[: match.start()].split()
        if match.group()[:4].casefold() == "that" and before and not is_function(before[-1]):
            continue  # "the bridge that fell", "I heard that he left"
        after = (match.group("after") or "").strip()
        if (not after or is_function(after) or after.casefold() in COMMON) == alone:
            return True
    return False
