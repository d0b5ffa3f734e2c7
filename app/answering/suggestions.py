"""Questions that a sentence of an article answers, asked as a person would ask them.

A few patterns whose grammar is sure: who somebody is, what something is, when, why, where or by
whom something was done, how many there are. A sentence that fits none gives no question; better
none than an odd one. Whether the articles answer it is for suggester.py to check.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from app.answering.dates import MONTHS
from app.answering.nouns import PERSONS, is_person, is_thing, kind_of
from app.answering.phrases import NO_NAMES, SUBJECT, Found, Setting, tense_of
from app.answering.verbs import ALONE, BASE_OF_PARTICIPLE, BASE_OF_PAST, MAKING, PAST_OF_BASE

WORDS = range(5, 46)  # of a sentence that is read
TELLING = 9  # words of a sentence that says what something is by the way
LONGEST = 90  # characters of a question

_MONTH = rf"(?:{'|'.join(name.capitalize() for name in MONTHS if len(name) > 2)})"
_DAY = rf"(?:\d{{1,2}}\s+{_MONTH}\s+|{_MONTH}\s+(?:\d{{1,2}},\s+)?)?"
_DATE = rf"(?:in|on)\s+(?:(?:early|late|mid)[\s-])?{_DAY}(?:1\d{{3}}|20\d\d)\b(?![-–s’'])"
_LED = re.compile(rf"^{_DATE}\s*,?\s+(?=\S)", re.IGNORECASE)
_WORD = r"[^\W_][\w’'&./-]*"
_S = rf"(?P<s>{_WORD}(?:\s+{_WORD}){{0,{SUBJECT - 1}}}?)"
_ASIDE = r"(?P<aside>,\s+[^,;:]{3,80},)?"
_BE = r"(?P<be>is|are|was|were)"
_IS_WAS = r"(?P<be>is|was)"
_LY = r"(?:\w+ly\s+)?"
_REST = r"(?P<rest>(?:\s+[^\s,;:()“”\"]*[^\s,;:()“”\".])*?)"
_ENDS = (
    r"(?=\s*(?:[,;:.](?=\s|$)|$|\s(?:and|but)\s+(?:was|were|is|are|had|has|\w+ed)\b"
    r"|\s(?:while|when|after|before|because|according|which|who)\s))"
)
_ABOUT = (
    r"(?:(?:about|around|some|roughly|nearly|almost|approximately|over|under|an\s+estimated|exactly|"
    r"(?:more|less|fewer)\s+than|at\s+least|up\s+to|only|just)\s+)?"
)
_NUMBER_WORD = (
    "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|"
    "sixty|seventy|eighty|ninety|hundred|thousand|million|billion|dozen"
)
_COUNT = rf"(?i:{_ABOUT}(?:\d[\d,.]*|{_NUMBER_WORD})(?:[\s-](?:{_NUMBER_WORD}))*)"
_DID = rf"(?P<did>{'|'.join(BASE_OF_PAST)})\b"
_DONE = rf"(?P<done>{'|'.join(BASE_OF_PARTICIPLE)})\b"
_MANY = (
    r"(?P<many>(?:[a-z][a-z-]+\s+){0,2}(?:[a-z]{2,}[a-rt-z]s|people|children|women|men)"
    r"(?:\s+of\s+(?:[A-Z]\w*\s+)?[a-z]+)?)"
)
_NAME = r"[A-ZÀ-Þ][\w’'-]+(?:\s+(?:of|the|de|del|van|von|der|la|and|[A-ZÀ-Þ][\w’'.-]*))*"
_MOST = (
    r"(?:world[’']s\s+)?(?:first|last|largest|smallest|oldest|longest|highest|tallest|deepest|biggest"
    r"|fastest|heaviest|busiest|most\s+[a-z]+|second[\s-][a-z]+est)"
)


def questions_of(sentence: str, setting: Setting) -> list[str]:
    """Return the questions that a sentence answers, the likeliest first; often none.

    Example: "The Lyra Dome was founded by Ada Hall in 1921." -> "Who founded the Lyra Dome?",
    "When was the Lyra Dome founded?"
    """
    plain = " ".join(re.sub(r"\s*\([^()]*\)", "", sentence).split())
    if len(plain.split()) not in WORDS or re.search(r"[\"“”?*|•]", plain) or plain[-1] != ".":
        return []
    found: dict[str, None] = {}
    for clause in _CLAUSE.split(plain):
        clause = _OPENING.sub("", clause)
        led = _LED.match(clause)
        bare = clause[led.end() :] if led else clause
        words = frozenset(re.findall(r"\w+", bare))
        for pattern, needed, ask in _PATTERNS:
            match = None if needed.isdisjoint(words) else pattern.match(bare)
            if match and (question := ask(Found(match, setting), bool(led))):
                found[question] = None
    words = frozenset(re.findall(r"\w+", plain))
    for needed, aside in _ASIDES:
        if not needed.isdisjoint(words):
            found |= dict.fromkeys(aside(plain, setting))
    return [question for question in found if len(question) <= LONGEST]


_CLAUSE = re.compile(r"(?:,\s+(?:and|but|while)|;)\s+(?=[A-ZÀ-Þ])")
_OPENING = re.compile(
    r"^(?:according\s+to\s+[^,]+|however|meanwhile|nonetheless|nevertheless|today|eventually|later|"
    r"finally|instead|moreover|(?:and|but)(?=\s)),?\s+",
    re.IGNORECASE,
)


# -- patterns -----------------------------------------------------------------------------

_OPEN = frozenset(
    "named made given taken appointed found left used considered asked required added ordered seen "
    "held sent owned called elected transferred reduced expanded moved replaced led met".split()
)  # participles that say too little alone
_LASTING = frozenset(
    "hold employ own need use support dominate operate control influence consider see".split()
)  # what goes on for long has no day
_AT = (" in ", " on ", " at ")

Ask = Callable[[Found, bool], str]  # of a match, and whether a date leads its clause


def _fill(form: str, found: Found, least: int = 0, **parts: str | None) -> str:
    """Return a question with a match's groups and other parts filled in; "" where one is None.

    The subject, of `least` words, and the rest are phrases, and "" where they are none.
    """
    if "{s}" in form:
        parts["s"] = found.subject(least) or None
    if "{rest}" in form and "rest" not in parts:
        parts["rest"] = found.rest()
    if None in parts.values():
        return ""
    groups = {name: found[name] for name in found.match.re.groupindex}
    return form.format_map(groups | parts)


def _form(form: str, least: int = 0) -> Ask:
    return lambda found, _led: _fill(form, found, least)


def _when_passive(found: Found, led: bool) -> str:
    rest = found.rest(6)
    if rest is None or rest.startswith((*_AT, " by ", " from ", " with ", " to ")):
        rest = ""
    if not (led or found["date"]) or (not rest and found["done"] in _OPEN):
        return ""
    return _fill("When {be} {s} {done}{rest}?", found, rest=rest)


def _when_active(found: Found, led: bool) -> str:
    lasts = BASE_OF_PAST[found["did"]] in _LASTING
    return _did("When", found) if (led or found["date"]) and not lasts else ""


def _did(word: str, found: Found) -> str:
    base, rest = BASE_OF_PAST[found["did"]], found.rest()
    if not rest and base not in ALONE:
        return ""
    return _fill("{word} did {s} {base}{rest}?", found, word=word, base=base, rest=rest)


def _who_passive(found: Found, _led: bool) -> str:
    base = BASE_OF_PARTICIPLE[found["done"]]
    if base not in MAKING or not is_person(found["name"]):
        return ""
    return _fill("Who {past} {s}?", found, 2, past=PAST_OF_BASE[base])


def _who_active(found: Found, _led: bool) -> str:
    rest = found.rest()
    if not rest or BASE_OF_PAST[found["did"]] not in MAKING or not is_person(found["s"]):
        return ""
    named = any(word[0].isupper() and word not in NO_NAMES for word in rest.split())
    return f"Who {found['did']}{rest}?" if named else ""


def _how_many_are(found: Found, _led: bool) -> str:
    return _fill("How many {many} {be} {done}{rest}?", found, rest=found.rest(8) or None)


def _how_many_who(found: Found, _led: bool) -> str:
    rest = found.rest(8)
    named = rest and any(word[0].isupper() for word in rest.split())
    return f"How many {found['many']} {found['did']}{rest}?" if named else ""


def _how_many_there(found: Found, _led: bool) -> str:
    rest = found.rest(6)
    placed = rest and rest.startswith((*_AT, " across ", " around "))
    return f"How many {found['many']} {found['be']} there{rest}?" if placed else ""


def _how_many_has(found: Found, _led: bool) -> str:
    does = {"has": "does", "have": "do", "had": "did"}[found["has"]]
    return _fill("How many {many} {does} {s} have?", found, does=does, rest=found.rest(0))


def _how_many_did(found: Found, _led: bool) -> str:
    base, rest = BASE_OF_PAST[found["did"]], found.rest(4)
    if rest and (not rest.startswith(_AT) or any(letter.isdigit() for letter in rest)):
        return ""
    return _fill("How many {many} did {s} {base}{rest}?", found, base=base, rest=rest)


def _most(found: Found, _led: bool) -> str:
    """Ask for what is the first, the last, the largest of its kind."""
    rest = found.rest(12) or ""
    who = {"person": "Who", "thing": "What", "place": "What"}.get(kind_of(rest), "")
    if len(rest.split()) < 2 or (who == "Who") != is_person(found["s"]) or not found.subject():
        return ""
    return f"{who} {found['be']} the {found['most']}{rest}?" if who else ""


def _definition(found: Found, _led: bool) -> str:
    kind = kind_of(found["kind"])
    if kind == "person" and is_person(found["s"]):
        return _fill("Who {be} {s}?", found)
    if kind == "thing" and found["a"].lower() in ("a", "an"):
        return _fill("What {be} {s}?", found)
    return ""


_PAST, _PARTICIPLE = frozenset(BASE_OF_PAST), frozenset(BASE_OF_PARTICIPLE)
_IS, _HAS = frozenset("is are was were".split()), frozenset("has have had".split())
_BECAUSE, _COST = frozenset({"because"}), frozenset({"cost"})
_DATED = rf"(?:\s+(?P<date>{_DATE})|{_ENDS})"
_PASSIVE = rf"{_S}{_ASIDE}\s+{_BE}\s+{_LY}{_DONE}"
_ACTIVE = rf"{_S}{_ASIDE}\s+{_DID}"
_STATE = rf"{_S}{_ASIDE}\s+{_IS_WAS}"
_SO_MANY = rf"{_COUNT}\s+{_MANY}"
_COUNTED = r"(?P<done>[a-z]+(?:ed|en)|found|built|made|born|known)"
_BASED = r"(?P<done>born|based|located|buried|headquartered)\s+(?:in|at|near)\s+(?:the\s+)?"
_PRICE = rf"{_ABOUT}(?:[$€£]|US\$)?\d[\d,.]*"
_TALL = rf"{_COUNT}\s+\w+\s+(?P<long>long|tall|high|wide|deep)\b"

# A pattern, words of which the sentence has one (which is soon seen), what is asked.
_PATTERNS: tuple[tuple[re.Pattern[str], frozenset[str], Ask], ...] = tuple(
    (re.compile(pattern), needed, ask)
    for pattern, needed, ask in (
        (rf"{_PASSIVE}\s+by\s+(?:the\s+)?(?P<name>{_NAME})", _PARTICIPLE, _who_passive),
        (rf"{_S},\s+{_DONE}\s+by\s+(?P<name>{_NAME})[^,]*,\s+\w", _PARTICIPLE, _who_passive),
        (rf"{_ACTIVE}{_REST}{_ENDS}", _PAST, _who_active),
        (rf"{_PASSIVE}{_REST}\s*,?\s+because\s", _BECAUSE, _form("Why {be} {s} {done}{rest}?", 2)),
        (rf"{_S}\s+{_DID}{_REST}\s*,?\s+because\s", _BECAUSE, lambda found, _: _did("Why", found)),
        (rf"{_PASSIVE}{_REST}{_DATED}", _PARTICIPLE, _when_passive),
        (rf"{_ACTIVE}{_REST}{_DATED}", _PAST, _when_active),
        (rf"{_STATE}\s+the\s+(?P<most>{_MOST}){_REST}{_ENDS}", _IS, _most),
        (rf"The\s+(?P<most>{_MOST}){_REST}\s+{_IS_WAS}\s+(?P<s>{_NAME})[.,]", _IS, _most),
        (rf"{_STATE}\s+(?P<a>an?|the)\s+(?P<kind>[^,;]+)", _IS, _definition),
        (rf"{_ACTIVE}\s+{_SO_MANY}{_REST}{_ENDS}", _PAST, _how_many_did),
        (rf"{_SO_MANY}\s+(?P<be>are|were)\s+{_LY}{_COUNTED}{_REST}{_ENDS}", _IS, _how_many_are),
        (rf"{_SO_MANY}\s+{_DID}{_REST}{_ENDS}", _PAST, _how_many_who),
        (rf"There\s+(?P<be>are|were)\s+{_SO_MANY}{_REST}{_ENDS}", _IS, _how_many_there),
        (rf"{_S}\s+(?P<has>has|have|had)\s+{_SO_MANY}{_REST}[.,;]", _HAS, _how_many_has),
        (rf"{_S}\s+{_IS_WAS}\s+{_TALL}", _IS, _form("How {long} {be} {s}?")),
        (rf"{_S}{_ASIDE}\s+cost\s+{_PRICE}", _COST, _form("How much did {s} cost?", 2)),
        (rf"{_STATE}\s+{_BASED}(?!{_MONTH})[A-Z]", _IS, _form("Where {be} {s} {done}?")),
    )
)

# What a sentence explains in passing: "Ada Hall, a chemist, ...", "the chemist Ada Hall".
_PERSON = "|".join(sorted(PERSONS))
_BESIDE = re.compile(
    rf"(?:^|(?<=[\w,]\s))(?P<s>(?:[Tt]he\s+)?{_NAME}),\s+(?P<a>an?|the)\s+"
    r"(?P<kind>[^,.;]+)(?=[,.;])"
)
_WHO = re.compile(
    rf"(?:^|(?<=[\w,]\s))(?P<s>{_NAME}),\s+who\s|"
    rf"\b(?:the|an?|[Tt]he|An?|its|their)\s+(?:[\w-]+\s+){{0,3}}(?:{_PERSON}),?\s+(?P<s2>{_NAME})"
    r"(?=[,.;]|\s+(?:of|who|in|at|took|said|and|had|has|was)\b)"
)
_KNOWN = re.compile(
    rf"(?<!then )(?<!now )(?<!also )\b(?:known\s+as|called)\s+(?P<s>(?:the\s+)?{_NAME})(?=[,.;])"
)


def _beside(sentence: str, setting: Setting) -> Iterator[str]:
    for match in _BESIDE.finditer(sentence):
        found, before = Found(match, setting), sentence[: match.start()].split()
        name, kind = found.subject(), kind_of(found["kind"])
        if not name or (before and before[-1][0].isupper()):
            continue  # it is a part of a longer name
        if kind == "person" and is_person(name):
            yield f"Who {tense_of(name, sentence, setting)} {name}?"
        # it begins a sentence, or is what a verb does something to
        told = not before or before[-1] in BASE_OF_PAST or before[-1].endswith(",")
        thing = kind == "thing" and (not is_person(name) or is_thing(found["kind"]))
        if thing and told and found["a"] != "the":
            yield f"What is {name}?"


def _who_is(sentence: str, setting: Setting) -> Iterator[str]:
    for match in _WHO.finditer(sentence):
        name, before = match["s"] or match["s2"], sentence[: match.start()].split()
        is_part = before and (before[-1][0].isupper() or before[-1] == "the")
        if is_person(name) and not (match["s"] and is_part):
            yield f"Who {tense_of(name, sentence, setting)} {name}?"


def _known_as(sentence: str, setting: Setting) -> Iterator[str]:
    if len(sentence.split()) < TELLING:
        return  # it says how something is called, and little of what it is
    for match in _KNOWN.finditer(sentence):
        name = Found(match, setting).subject()
        is_plural = re.match(r"(?:the )?\w+[^s’']s\b", name) is not None
        if name and not is_person(name) and name.lower() not in PERSONS and not is_plural:
            yield f"What is {name}?"


_ASIDES: tuple[tuple[frozenset[str], Callable[[str, Setting], Iterator[str]]], ...] = (
    (frozenset({"a", "an", "the"}), _beside),
    (PERSONS | {"who"}, _who_is),
    (frozenset({"known", "called"}), _known_as),
)
