"""What sort of thing a name or a description is of, as far as its nouns tell for sure."""

from __future__ import annotations

import re
from typing import Final, Literal

Kind = Literal["person", "place", "thing", ""]

PERSONS: Final = frozenset(
    """
    actor actress architect artist astronaut astronomer author banker biologist boy brother
    businessman businesswoman cardiologist chairman chef chemist child clergyman composer
    conductor cook critic daughter dentist designer diplomat director doctor draughtsman economist
    editor emperor engineer entrepreneur epidemiologist explorer farmer father filmmaker footballer
    friar general geologist girl governor guitarist historian husband inventor journalist judge king
    laureate lawyer lecturer lieutenant man mathematician mayor merchant midwife minister missionary
    monk mother musician native naturalist novelist nun nurse officer painter philosopher
    photographer physician physicist pianist pilot playwright poet politician pope president priest
    prince princess professor programmer prophet psychologist queen researcher sailor saint scholar
    scientist sculptor secretary senator singer sister sociologist soldier solicitor son statesman
    surgeon teacher theologian veteran virologist widow wife woman writer zoologist
    """.split()
)
_PLACES = frozenset(
    """
    borough capital city coast community continent country county department district hamlet island
    kingdom lake municipality nation neighbourhood neighborhood parish peninsula place port province
    region republic river settlement state street suburb territory town village
    """.split()
)
_THINGS = frozenset(
    """
    agency agreement airline airport alliance band bank book bridge building campaign charity church
    club college committee company competition court cathedral disease drug festival film firm game
    group hospital institute journal language law magazine method mission movement museum network
    newspaper novel office organisation organization parasite party plan plant programme program
    project railway research satellite school series service society software station system team
    telescope theory treaty tribe university vaccine war
    """.split()
)
_DOERS = re.compile(r"(?:er|or|ist|ian|ant|ent|man|men|woman|women)$")  # perhaps a person


_VAGUE = frozenset(
    "one part member result number lot way thing few pair set total group kind type form case day "
    "year time month week century move step bit little leader chief head friend figure subject "
    "apart "
    "reason cause source example person people family couple measure decision fact problem".split()
)


def is_thing(kind: str) -> bool:
    """Whether a description names a kind of thing that is none of people."""
    return bool(_THINGS & set(kind.lower().split()[:6]))


def kind_of(words: str) -> Kind:
    """Return whether a description is of a "person", a "thing", a "place", or "" if unsure.

    Example: "an Austrian physician who wrote" -> "person"
    """
    head = re.split(
        r"\s(?:of|in|at|for|from|with|by|to|on|near|that|which|who|whose|and)\s", f"{words} "
    )[0]
    last = [word.lower() for word in re.findall(r"[^\W\d_]+", head)]
    if not last:
        return ""
    if last[-1] in PERSONS or words[len(head) :].lstrip().startswith("who "):
        return "person"
    if last[-1] in _PLACES:
        return "place"
    vague = (
        bool(set(last[-2:]) & _VAGUE)
        or words.split()[0][0].isupper()
        or _DOERS.search(last[-1])
        or set(last) & PERSONS
    )
    return "" if vague else "thing"


def is_person(name: str) -> bool:
    """Whether a name may be of a person: two to four words, all capitals but for joints."""
    words = name.split()
    plain = all(
        word[0].isupper() or word in ("de", "van", "von", "der", "la", "del") for word in words
    )
    return len(words) in range(2, 5) and plain and not {"The", "Of"} & set(words)
